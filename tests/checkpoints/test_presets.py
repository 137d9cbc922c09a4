"""Presets: how many parameters a model has, what a config.json may say, and that every rule of every variant resolves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from service.checkpoints.checkpoint import Checkpoint, Drawn, checkpoint_of
from service.checkpoints.presets import ARCHITECTURES, PRESETS, Architecture, Model, find_architecture, find_preset
from service.checkpoints.presets.fields import Field, Kind
from service.contract.answer import Limits
from service.core.advice.warnings import warnings_for
from service.core.errors import InitError, InvalidValue, TooLarge, UnknownName, Unsupported

LIMITS = Limits()
MAX_TENSORS = LIMITS.max_checkpoint_tensors

# As the libraries count them: sum(p.numel() for p in model.parameters()), without building the model where it is large
PARAMETERS = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "llama-7b": 6_738_415_616,
    "llama-13b": 13_015_864_320,
    "llama-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3-405b": 405_853_388_800,
    "mistral-7b": 7_241_732_096,
    "mixtral-8x7b": 46_702_792_704,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-7b": 7_615_616_512,
    "qwen3-0.6b": 596_049_920,
    "qwen3-8b": 8_190_735_360,
    "bert-base-uncased": 109_514_298,
    "bert-large-uncased": 335_174_458,
    "roberta-base": 124_697_433,
    "t5-small": 60_506_624,
    "t5-base": 222_903_552,
    "t5-large": 737_668_096,
    "vit-base-patch16-224": 86_567_656,
    "resnet-50": 25_557_032,
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg16_bn": 138_365_992,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnext50_32x4d": 25_028_904,
    "wide_resnet50_2": 68_883_240,
    "vit_b_16": 86_567_656,
    "vit_b_32": 88_224_232,
    "vit_l_16": 304_326_632,
    "vit_h_14": 632_045_800,
    "lenet5": 61_706,
    "mlp": 784 * 256 + 256 + 256 * 10 + 10,
    "siren": (2 + 1) * 256 + 3 * (256 + 1) * 256 + 256 + 1,
}


def opened(model: Model) -> Checkpoint:
    return checkpoint_of(model.manifest(MAX_TENSORS), LIMITS)


def scheme_of(checkpoint: Checkpoint, name: str) -> str:
    source = checkpoint.source(name)
    assert isinstance(source, Drawn)
    return source.initializer.scheme.name


def stddev_of(checkpoint: Checkpoint, name: str) -> float | None:
    source = checkpoint.source(name)
    assert isinstance(source, Drawn)
    return source.initializer.rule.stddev


def of_config(**config: Any) -> Model:
    return Model.of_config(config, {})


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_preset_has_the_parameters_of_the_model(name: str) -> None:
    assert Model.of(name, {}).num_parameters() == PARAMETERS[name]


def test_buffers_are_not_parameters() -> None:
    checkpoint = opened(Model.of("resnet18", {}))
    assert sum(1 for name in checkpoint.tensors if name.endswith("num_batches_tracked")) == 20
    assert sum(source.row.nbytes for source in checkpoint.tensors.values()) > 4 * PARAMETERS["resnet18"]


def test_the_largest_model_is_counted_at_once() -> None:
    start = time.perf_counter()
    Model.of("llama-3-405b", {}).num_parameters()
    assert time.perf_counter() - start < 0.1


VARIANTS = [(name, variant.name) for name, preset in PRESETS.items() for variant in preset.architecture.variants]


@pytest.mark.parametrize(("preset", "variant"), VARIANTS)
def test_every_variant_of_every_preset_says_how_to_draw_every_tensor(preset: str, variant: str) -> None:
    model = Model.of(preset, {}, variant)
    checkpoint = opened(model)
    assert checkpoint.warnings == ()
    assert set(checkpoint.tied.values()) <= set(checkpoint.tensors)
    assert not set(checkpoint.tied) & set(checkpoint.tensors)
    assert checkpoint.manifest.metadata == {"architecture": model.architecture.name, "variant": variant}


@pytest.mark.parametrize("architecture", list(ARCHITECTURES.values()), ids=lambda row: row.name)
def test_an_architecture_has_a_preset_and_its_config_is_complete(architecture: Architecture) -> None:
    assert any(preset.architecture is architecture for preset in PRESETS.values())
    model = Model.of_config({"model_type": architecture.name}, {})
    assert Model.of_config(model.config, {}).config == model.config
    assert set(model.fields) == {field.name for field in architecture.fields}
    assert "recommended" in {variant.name for variant in architecture.variants}


def test_names_of_presets_and_their_fields_are_those_of_an_architecture_or_are_kept() -> None:
    model = Model.of("llama-3-405b", {})
    assert model.name == "llama-3-405b"
    assert model.config["rope_theta"] == 500000.0
    assert model.config["rope_scaling"]["rope_type"] == "llama3"
    assert model.config["architectures"] == ["LlamaForCausalLM"]
    assert model.config["model_type"] == "llama"


@pytest.mark.parametrize("text", ["2", " 2 ", 2, 2.0])
def test_an_override_may_be_text(text: object) -> None:
    assert Model.of("gpt2", {"n_layer": text}).fields["n_layer"] == 2


@pytest.mark.parametrize(
    ("preset", "field", "text", "value"),
    [
        ("gpt2", "tie_word_embeddings", "false", False),
        ("gpt2", "tie_word_embeddings", "True", True),
        ("gpt2", "initializer_range", "1e-2", 0.01),
        ("gpt2", "n_inner", "null", 3072),
        ("gpt2", "activation_function", "relu", "relu"),
        ("mlp", "layer_sizes", "784,100,10", (784, 100, 10)),
        ("mlp", "layer_sizes", "[784, 10]", (784, 10)),
        ("mlp", "layer_sizes", "784, 10,", (784, 10)),
        ("resnet50", "layers", "(1, 1, 1, 1)", (1, 1, 1, 1)),
        ("resnet50", "block", "bottleneck", "bottleneck"),
        ("vit-base-patch16-224", "image_size", "64", 64),
        ("vit-base-patch16-224", "image_size", "64,32", (64, 32)),
        ("bert-base-uncased", "pad_token_id", "none", None),
        ("bert-base-uncased", "pad_token_id", "-1", -1),
    ],
)
def test_the_kind_of_a_field_says_how_to_read_text(preset: str, field: str, text: str, value: object) -> None:
    assert Model.of(preset, {field: text}).fields[field] == value


@pytest.mark.parametrize(
    ("preset", "field", "value"),
    [
        ("gpt2", "n_layer", "twelve"),
        ("gpt2", "n_layer", "1.5"),
        ("gpt2", "n_layer", 0),
        ("gpt2", "n_layer", -1),
        ("gpt2", "n_layer", True),
        ("gpt2", "n_layer", None),
        ("gpt2", "n_embd", 2**31 + 1),
        ("gpt2", "n_embd", "9" * 5000),
        ("gpt2", "n_embd", [768]),
        ("gpt2", "initializer_range", -1.0),
        ("gpt2", "initializer_range", 1e7),
        ("gpt2", "initializer_range", float("nan")),
        ("gpt2", "initializer_range", 10**400),
        ("gpt2", "tie_word_embeddings", "yes"),
        ("gpt2", "activation_function", "x" * 300),
        ("mlp", "layer_sizes", "[]"),
        ("mlp", "layer_sizes", [784]),
        ("mlp", "layer_sizes", [10] * 300),
        ("mlp", "layer_sizes", [784, 0]),
        ("mlp", "layer_sizes", "[" * 5000),
        ("resnet50", "block", "preact"),
        ("resnet50", "layers", [3, 4, 6]),
        ("vit-base-patch16-224", "image_size", [224, 224, 3]),
        ("vgg16", "convolutions", [2, 2, 3]),
        ("resnet-50", "depths", [3, 4]),
        ("resnet-50", "hidden_sizes", [3, 4, 5, 6]),
        ("t5-small", "feed_forward_proj", "gated-gelu-new"),
        ("bert-base-uncased", "pad_token_id", 30522),
        ("roberta-base", "pad_token_id", 514),
        ("resnet18", "groups", 2),
        ("siren", "omega_0", -1),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(preset: str, field: str, value: object) -> None:
    with pytest.raises(InvalidValue) as caught:
        Model.of(preset, {field: value})
    assert caught.value.field == field
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("preset", "overrides", "message"),
    [
        ("gpt2", {"n_head": 7}, "n_head: expected a divisor of n_embd 768; received 7. Change n_head or n_embd."),
        (
            "llama-70b",
            {"num_attention_heads": 4},
            "num_key_value_heads: expected a divisor of num_attention_heads 4; received 8. Change num_key_value_heads or num_",
        ),
        ("gpt2", {"n_layers": 2}, "n_layers: expected the name of a field of gpt2; received 'n_layers'. Did you mean 'n_layer'?"),
        ("gpt-2", {}, "preset: expected the name of a preset; received 'gpt-2'. Did you mean 'gpt2'?"),
        ("gpt2", {"dtype": "float16"}, "dtype: expected the name of a field of gpt2; received 'dtype'. Known: "),
    ],
)
def test_an_error_says_what_to_do(preset: str, overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(InitError) as caught:
        Model.of(preset, overrides)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["," * 100_000 + "x", "[" * 100_000, "1," * 100_000, "9" * 100_000, "-" * 100_000])
def test_a_long_text_is_refused_at_once(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(InvalidValue):
        Model.of("mlp", {"layer_sizes": text})
    assert time.perf_counter() - start < 0.5


def test_an_unknown_variant_gets_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'recommended'"):
        Model.of("gpt2", {}, "recommend")


def test_an_unknown_architecture_gets_the_nearest_and_the_way_out() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'llama'\? Trace its code instead: weight-init manifest --from-transformers"):
        find_architecture("llama4")
    with pytest.raises(InvalidValue, match="model_type"):
        find_architecture(None)
    assert find_preset("gpt2").architecture is ARCHITECTURES["gpt2"]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"model_type": "gpt2", "add_cross_attention": True}, "add_cross_attention"),
        ({"model_type": "gpt2", "architectures": ["GPT2ForSequenceClassification"]}, "architectures"),
        ({"model_type": "llama", "quantization_config": {"quant_method": "fp8"}}, "quantization_config"),
        ({"model_type": "llama", "architectures": "LlamaForCausalLM"}, "architectures"),
    ],
)
def test_what_changes_the_tensors_in_other_ways_is_refused(config: dict[str, Any], field: str) -> None:
    with pytest.raises(Unsupported, match="Trace its code instead") as caught:
        of_config(**config)
    assert caught.value.field == field


def test_unknown_fields_of_a_config_pass_through() -> None:
    given = {"model_type": "gpt2", "n_layer": 2, "dtype": "bfloat16", "task_specific_params": {"a": 1}, "add_cross_attention": False}
    config = Model.of_config(given, {"n_head": "4"}).config
    assert config.items() >= given.items()
    assert config["n_head"] == 4


@pytest.mark.parametrize(
    ("config", "field"),
    [({"note": "\ud800"}, "note"), ({"\ud800": 1}, "config"), ({"note": 10**24}, "note"), ({"n_layer": 10**24}, "n_layer")],
)
def test_what_no_writer_of_json_accepts_does_not_pass_through(config: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        of_config(model_type="gpt2", **config)
    assert caught.value.field == field
    assert str(caught.value).isprintable()


def test_names_of_classes_follow_their_number() -> None:
    names = {"id2label": {"0": "cat", "1": "dog", "2": "bird"}, "label2id": {"cat": 0, "dog": 1, "bird": 2}}
    model = Model.of_config({"model_type": "resnet", **names}, {})
    assert model.fields["num_labels"] == 3
    assert model.config["id2label"] == names["id2label"]
    other = Model.of_config({"model_type": "resnet", **names}, {"num_labels": 5})
    assert other.config["num_labels"] == 5
    assert not {"id2label", "label2id"} & set(other.config)


@pytest.mark.parametrize(
    ("preset", "field"),
    [("gpt2", "n_layer"), ("llama-7b", "num_hidden_layers"), ("mixtral-8x7b", "num_local_experts"), ("siren", "hidden_layers")],
)
def test_more_tensors_than_the_limit_are_refused_before_they_are_listed(preset: str, field: str) -> None:
    model = Model.of(preset, {field: 2**31})
    start = time.perf_counter()
    with pytest.raises(TooLarge, match="at most 1000 tensors"):
        model.manifest(1000)
    assert time.perf_counter() - start < 1


def test_a_rule_for_each_layer_allows_no_more_layers_than_a_manifest_allows_rules() -> None:
    assert len(Model.of("llama-7b", {"num_hidden_layers": 200}, "torchtitan").manifest(MAX_TENSORS)["rules"]) == 204
    with pytest.raises(TooLarge, match="variant: expected at most 1000 rules"):
        Model.of("llama-7b", {"num_hidden_layers": 1000}, "torchtitan").manifest(MAX_TENSORS)


def test_the_limit_itself_is_allowed() -> None:
    assert len(Model.of("gpt2", {}).manifest(148)["tensors"]) == 148
    with pytest.raises(TooLarge):
        Model.of("gpt2", {}).manifest(147)


@pytest.mark.slow
def test_counting_stops_at_a_million_tensors() -> None:
    with pytest.raises(TooLarge):
        Model.of("llama-7b", {"num_hidden_layers": 2**31}).num_parameters()


def test_the_tensors_follow_the_fields() -> None:
    untied = opened(Model.of("gpt2", {"n_layer": 1, "tie_word_embeddings": False}))
    assert "lm_head.weight" in untied.tensors
    assert untied.tied == {}
    assert opened(Model.of("gpt2", {"n_layer": 1})).tied == {"lm_head.weight": "transformer.wte.weight"}
    biased = opened(Model.of("llama-7b", {"num_hidden_layers": 1, "attention_bias": True, "mlp_bias": True}))
    assert sum(name.endswith(".bias") for name in biased.tensors) == 7
    gated = opened(Model.of("t5-small", {"num_layers": 1, "num_decoder_layers": 2, "feed_forward_proj": "gated-gelu"}))
    assert sum("wi_1" in name for name in gated.tensors) == 3
    assert "classifier.weight" not in opened(Model.of("vit-base-patch16-224", {"num_labels": 0})).tensors


def test_gpt2_scales_what_feeds_the_residual_stream() -> None:
    checkpoint = opened(Model.of("gpt2", {}))
    assert stddev_of(checkpoint, "transformer.h.0.mlp.c_proj.weight") == pytest.approx(0.02 / 24**0.5, rel=1e-12)
    assert stddev_of(checkpoint, "transformer.h.0.mlp.c_fc.weight") == 0.02
    openai = opened(Model.of("gpt2", {}, "openai"))
    assert stddev_of(openai, "transformer.h.0.mlp.c_proj.weight") == 0.02
    assert stddev_of(openai, "transformer.wpe.weight") == 0.01


def test_torchtitan_scales_by_the_depth_of_the_layer() -> None:
    checkpoint = opened(Model.of("llama-3-8b", {}, "torchtitan"))
    for part in ("self_attn.o_proj", "mlp.down_proj", "mlp.up_proj"):
        assert stddev_of(checkpoint, f"model.layers.10.{part}.weight") == pytest.approx(0.02 / 22**0.5, rel=1e-6)
    for part in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.gate_proj"):
        assert stddev_of(checkpoint, f"model.layers.10.{part}.weight") == pytest.approx(0.02, rel=1e-6)
    assert stddev_of(checkpoint, "model.embed_tokens.weight") == 1
    head = checkpoint.source("lm_head.weight")
    assert isinstance(head, Drawn)
    assert head.initializer.rule.facts == {"draw": "truncated_normal", "loc": 0.0, "scale": 1 / 64, "cut": [-3.0, 3.0]}


def test_olmo_cuts_every_matrix_at_3_standard_deviations() -> None:
    name = "model.layers.10.mlp.up_proj.weight"
    for variant, stddev in (("olmo", 0.02), ("olmo_llama", 0.02 / 64**0.5), ("olmo_llama_depth", 0.02 / 22**0.5)):
        source = opened(Model.of("llama-3-8b", {}, variant)).source(name)
        assert isinstance(source, Drawn)
        facts = source.initializer.rule.facts
        assert (facts["draw"], facts["cut"], facts["scale"]) == ("truncated_normal", [-3.0, 3.0], pytest.approx(stddev, rel=1e-12))


def test_the_recommended_schemes_are_those_of_the_roles() -> None:
    checkpoint = opened(Model.of("gpt2", {}, "recommended"))
    assert scheme_of(checkpoint, "transformer.h.0.attn.c_attn.weight") == "xavier_uniform"
    assert scheme_of(checkpoint, "transformer.h.0.attn.c_proj.weight") == "gpt2_residual"
    assert scheme_of(checkpoint, "transformer.h.0.mlp.c_fc.weight") == "he_normal"
    # [in, out] = [768, 3072]: the fan_in is 768, not 3072; queries, keys and values each have 768 outputs, not 2304
    assert stddev_of(checkpoint, "transformer.h.0.mlp.c_fc.weight") == pytest.approx((2 / 768) ** 0.5)
    assert stddev_of(checkpoint, "transformer.h.0.attn.c_attn.weight") == pytest.approx((2 / (768 + 768)) ** 0.5)


@pytest.mark.parametrize("name", PRESETS)
def test_the_service_has_no_objection_to_what_it_recommends(name: str) -> None:
    sources = opened(Model.of(name, {}, "recommended")).tensors.values()
    assert {warning for source in sources if isinstance(source, Drawn) for warning in warnings_for(source.initializer)} == set()


def test_the_recommended_queries_of_t5_know_that_the_scores_are_not_divided() -> None:
    checkpoint = opened(Model.of("t5-small", {}, "recommended"))
    assert stddev_of(checkpoint, "encoder.block.0.layer.0.SelfAttention.q.weight") == pytest.approx((512 * 64) ** -0.5)


def test_an_activation_that_the_service_does_not_know_is_no_obstacle_to_the_rules_of_the_library() -> None:
    assert opened(Model.of("gpt2", {"n_layer": 1, "activation_function": "laplace"})).nbytes
    with pytest.raises(UnknownName, match="laplace"):
        opened(Model.of("gpt2", {"n_layer": 1, "activation_function": "laplace"}, "recommended"))


def test_the_last_batch_norm_of_a_block_may_start_at_zero() -> None:
    for preset, last in (("resnet18", "bn2"), ("resnet50", "bn3")):
        plain, zero = (opened(Model.of(preset, {"zero_init_residual": flag})) for flag in (False, True))
        name = f"layer1.0.{last}.weight"
        assert (scheme_of(plain, name), scheme_of(zero, name)) == ("ones", "zeros")
        assert scheme_of(zero, "layer1.0.bn1.weight") == "ones"


def test_every_field_describes_its_domain_and_accepts_its_default() -> None:
    for architecture in ARCHITECTURES.values():
        for field in architecture.fields:
            assert field.domain
            assert field.read(field.default) == field.default


JUNK: list[Any] = [None, True, -1, 0, 1, 1.5, 2**31, 10**400, float("inf"), "", "x", "\ud800", [], {}, [None], [[1]], [1] * 257, {"a": 1}]


@pytest.mark.parametrize("architecture", list(ARCHITECTURES.values()), ids=lambda row: row.name)
def test_any_value_of_any_field_makes_a_checkpoint_or_an_error_that_names_a_field(architecture: Architecture) -> None:
    names = [*architecture.field_names, "architectures", "id2label", "quantization_config"]
    errors = [_error(make, architecture, name, value) for name in names for value in JUNK for make in (_in_config, _as_override)]
    wrong = {str(error) for error in errors if error and error.field.split(".")[-1] not in {*names, "shape", "tensors", "activation"}}
    assert wrong == set()


def _error(make: Callable[[Architecture, str, object], Model], architecture: Architecture, name: str, value: object) -> InitError | None:
    try:
        checkpoint_of(make(architecture, name, value).manifest(1000), LIMITS)
    except InitError as error:
        return error
    return None


def _in_config(architecture: Architecture, name: str, value: object) -> Model:
    return Model.of_config({"model_type": architecture.name, name: value}, {})


def _as_override(architecture: Architecture, name: str, value: object) -> Model:
    return Model.of_config({"model_type": architecture.name}, {name: value}, "recommended")


def test_a_number_in_a_list_may_be_a_float_without_a_fraction() -> None:
    field = Field("sizes", (1,), "sizes", Kind.INTEGERS)
    assert field.read([4.0, 2]) == (4, 2)
    with pytest.raises(InvalidValue):
        field.read([4.5])
