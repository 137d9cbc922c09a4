"""Schemes for deep and wide networks, and special-purpose schemes: standard deviations, required parameters, extras."""

from __future__ import annotations

import math
from typing import Any

import pytest
from scipy import stats

from service.contract.answer import Limits, answer
from service.contract.request import InitRequest
from service.core.advice.warnings import warnings_for
from service.core.errors import InvalidValue
from service.core.initializer import LayerSpecification, initialize
from service.core.schemes import SCHEMES
from service.core.stream.distributions import Draw
from service.files.formats import find_format
from tests.core.activate import activate

Parameters = dict[str, Any]

SHAPE = (256, 784)
FAN_IN, FAN_OUT = 288, 576  # of the shape that tests/core/schemes/test_schemes.py draws these rows with
XAVIER = math.sqrt(2 / (FAN_IN + FAN_OUT))

ENCODER_OF_6_AND_6 = {"architecture": "encoder_with_decoder", "encoder_layers": 6, "decoder_layers": 6}
DECODER_OF_6 = {"architecture": "decoder_with_encoder", "decoder_layers": 6}
MUP = {"width": 1024, "base_width": 256, "stddev": 0.02}
T5_SMALL = {"d_model": 512, "d_kv": 64, "num_heads": 8, "d_ff": 2048}


def _uniform(limit: float) -> Any:
    return stats.uniform(-limit, 2 * limit)


# scheme, parameters, the distribution in scipy
DRAWN: list[tuple[str, Parameters, Any]] = [
    ("gpt2_residual", {"num_layers": 12}, stats.norm(0, 0.02 / math.sqrt(24))),
    ("depth_init", {"layer_id": 3, "distribution": "truncated_normal"}, stats.truncnorm(-3, 3, scale=0.02 / math.sqrt(8))),
    ("wang", {"num_layers": 12, "d_model": 768}, stats.norm(0, 2 / (12 * math.sqrt(768)))),
    ("small_init", {"d_model": 768}, stats.norm(0, math.sqrt(2 / (5 * 768)))),
    ("t5", {"role": "q", "factor": 2.0, **T5_SMALL}, stats.norm(0, 2 / math.sqrt(512 * 64))),
    ("deepnorm", {**ENCODER_OF_6_AND_6, "role": "value"}, stats.norm(0, 0.87 * (6**4 * 6) ** (-1 / 16) * XAVIER)),
    ("deepnorm", {**ENCODER_OF_6_AND_6, "role": "key", "distribution": "uniform"}, _uniform(math.sqrt(6 / (FAN_IN + FAN_OUT)))),
    ("sub_ln", {"architecture": "encoder_only", "encoder_layers": 12, "role": "ffn"}, stats.norm(0, math.sqrt(math.log(24)) * XAVIER)),
    ("fixup", {"position": "inner", "num_branches": 9, "layers_per_branch": 3}, stats.norm(0, 9**-0.25 * math.sqrt(2 / FAN_IN))),
    ("t_fixup", {"stack": "encoder", "num_layers": 6, "role": "output"}, _uniform(0.67 * 6**-0.25 * math.sqrt(3) * XAVIER)),
    ("mup", {"role": "hidden", **MUP}, stats.norm(0, 0.01)),
    ("spectral", {}, stats.norm(0, 1 / math.sqrt(FAN_IN))),
    ("ntk", {}, stats.norm(0, 1)),
    ("random_walk", {"units": "linear"}, stats.norm(0, math.exp(1 / (2 * FAN_IN)) / math.sqrt(FAN_IN))),
    ("random_walk", {"units": "relu"}, stats.norm(0, math.exp(1.2 / (FAN_IN - 2.4)) * math.sqrt(2 / FAN_IN))),
    ("uniform_unit_scaling", {"factor": 1.43}, _uniform(1.43 * math.sqrt(3 / FAN_IN))),
    ("caffe_xavier", {"mode": "fan_out"}, _uniform(math.sqrt(3 / FAN_OUT))),
    ("siren_first", {}, _uniform(1 / FAN_IN)),
    ("siren", {}, _uniform(math.sqrt(6 / FAN_IN) / 30)),
]
CONSTANT: list[tuple[str, Parameters, float]] = [
    ("rezero", {}, 0.0),
    ("skip_init", {}, 0.0),
    ("fixup", {"position": "last"}, 0.0),
    ("fixup", {"position": "classifier"}, 0.0),
]
# scheme -> parameters that include the required ones
REQUIRED: dict[str, Parameters] = {scheme: parameters for scheme, parameters, _ in reversed(DRAWN)}


def _stddev(scheme: str, parameters: Parameters, shape: tuple[int, ...] = SHAPE) -> float:
    return initialize(LayerSpecification(shape, scheme=scheme, parameters=parameters)).distribution.stddev


@pytest.mark.parametrize(
    ("scheme", "parameters", "stddev"),
    [
        ("gpt2", {"num_layers": 12}, 0.00408248),
        ("gpt2", {"num_layers": 48}, 0.00204124),
        ("olmo_core.llama", {"num_layers": 12}, 0.00408248 * 0.9865783926),
        ("torchtitan.depth_init", {"layer_id": 0}, 0.01414214),
        ("torchtitan.depth_init", {"layer_id": 31}, 0.0025),
        ("depth_init", {"layer_id": 1, "stddev": 0.04}, 0.02),
        ("gpt_neox.wang", {"num_layers": 44, "d_model": 6144}, 0.00057989814),
        ("small_init_init", {"d_model": 6144}, 0.00806872),
        ("t5", {"role": "k", **T5_SMALL}, 0.0441942),
        ("t5", {"role": "v", **T5_SMALL}, 0.0441942),
        ("t5", {"role": "o", **T5_SMALL}, 0.0441942),
        ("t5", {"role": "wi", "d_model": 512}, 0.0441942),
        ("t5", {"role": "wo", "d_ff": 2048}, 0.0220971),
        ("t5", {"role": "embedding"}, 1.0),
        ("mup", {"role": "input", **MUP}, 0.02),
        ("mup", {"role": "output", **MUP}, 0.02),
        ("MuP", {"role": "hidden", "width": 256, "base_width": 256, "stddev": 0.02}, 0.02),
        ("t_fixup", {"stack": "decoder", "num_layers": 6, "role": "embedding", "d_model": 512}, 54**-0.25 * 512**-0.5),
    ],
)
def test_standard_deviations_that_do_not_depend_on_the_fans(scheme: str, parameters: Parameters, stddev: float) -> None:
    assert _stddev(scheme, parameters) == pytest.approx(stddev, rel=2e-6)


@pytest.mark.parametrize(
    ("architecture", "alpha", "beta"),
    [
        ({"architecture": "encoder_only", "encoder_layers": 12}, 24**0.25, 96**-0.25),
        ({"architecture": "decoder_only", "decoder_layers": 12}, 24**0.25, 96**-0.25),
        (ENCODER_OF_6_AND_6, 1.4179381, 0.4969891),
        ({**ENCODER_OF_6_AND_6, "decoder_layers": 18}, 0.81 * (6**4 * 18) ** (1 / 16), 0.87 * (6**4 * 18) ** (-1 / 16)),
        (DECODER_OF_6, 2.0597671, 0.3432945),
    ],
)
def test_deepnorm_scales_value_output_and_ffn_by_beta_and_reports_alpha(architecture: Parameters, alpha: float, beta: float) -> None:
    xavier = math.sqrt(2 / (256 + 784))
    for role, factor in {"query": 1, "key": 1, "value": beta, "output": beta, "ffn": beta}.items():
        assert _stddev("deepnorm", {**architecture, "role": role}) == pytest.approx(factor * xavier, rel=1e-6)
        assert _extras("deepnorm", {**architecture, "role": role}) == {"alpha": pytest.approx(alpha, rel=1e-6)}


def test_deepnorm_constants_bring_the_bound_on_updates_to_1() -> None:
    """Wang et al. 2022: M·v_d·w_d/α_d · 2N·(v_e² + w_e²)/α_e² is 1, and the updates of each stack add up to 1."""
    n, m, xavier = 18, 7, math.sqrt(2 / (256 + 784))
    encoder = {"architecture": "encoder_with_decoder", "encoder_layers": n, "decoder_layers": m, "role": "value"}
    decoder = {"architecture": "decoder_with_encoder", "decoder_layers": m, "role": "value"}
    (beta_e, alpha_e), (beta_d, alpha_d) = (
        (_stddev("deepnorm", given) / xavier, _extras("deepnorm", given)["alpha"]) for given in (encoder, decoder)
    )
    assert m * beta_d**2 / alpha_d * 2 * n * 2 * beta_e**2 / alpha_e**2 == pytest.approx(1, abs=0.02)
    assert 3 * m * 2 * beta_d**2 / alpha_d**2 == pytest.approx(1)


@pytest.mark.parametrize(
    ("architecture", "gamma"),
    [
        ({"architecture": "encoder_only", "encoder_layers": 12}, 1.7827097),
        ({"architecture": "decoder_only", "decoder_layers": 12}, 1.7827097),
        (ENCODER_OF_6_AND_6, math.sqrt(math.log(18) * math.log(12) / 3)),
        (DECODER_OF_6, 1.7001093),
    ],
)
def test_sub_ln_scales_value_output_and_ffn(architecture: Parameters, gamma: float) -> None:
    xavier = math.sqrt(2 / (256 + 784))
    for role, factor in {"query": 1, "key": 1, "value": gamma, "output": gamma, "ffn": gamma}.items():
        assert _stddev("magneto", {**architecture, "role": role}) == pytest.approx(factor * xavier, rel=1e-6)


@pytest.mark.parametrize(("branches", "layers", "factor"), [(16, 2, 0.25), (16, 3, 0.5), (1, 2, 1.0)])
def test_fixup_shrinks_the_inner_layers_of_a_branch(branches: int, layers: int, factor: float) -> None:
    given = {"position": "inner", "num_branches": branches, "layers_per_branch": layers}
    assert _stddev("fixup", given) == pytest.approx(factor * math.sqrt(2 / 784))
    assert _stddev("fixup", given | {"mode": "fan_out"}) == pytest.approx(factor * math.sqrt(2 / 256))


def test_t_fixup_scales_by_stack_and_role() -> None:
    xavier, given = math.sqrt(2 / (256 + 784)), {"num_layers": 16}
    for role, encoder, decoder in [("query", 1, 1), ("key", 1, 1), ("value", 0.335, 0.288675135), ("ffn", 0.335, 0.288675135)]:
        assert _stddev("t_fixup", {**given, "stack": "encoder", "role": role}) == pytest.approx(encoder * xavier)
        assert _stddev("t_fixup", {**given, "stack": "decoder", "role": role}) == pytest.approx(decoder * xavier)


@pytest.mark.parametrize(
    ("shape", "stddev"), [((400, 100), 0.1), ((100, 100), 0.1), ((25, 100), 0.05)], ids=["widening", "square", "narrowing"]
)
def test_spectral_is_smaller_in_a_narrowing_layer(shape: tuple[int, ...], stddev: float) -> None:
    assert _stddev("spectral", {}, shape) == pytest.approx(stddev)


def test_random_walk_is_corrected_for_narrow_layers() -> None:
    assert _stddev("random_walk_relu", {}, (4, 4)) == pytest.approx(math.sqrt(2) * math.exp(1 / 3) / 2)
    assert _stddev("random_walk_linear", {}, (1, 1)) == pytest.approx(math.exp(0.5))
    assert _stddev("random_walk_relu", {}, (100, 100)) * 10 == pytest.approx(1.4317, abs=1e-4)


def test_library_names_use_that_librarys_rule() -> None:
    assert initialize(LayerSpecification(SHAPE, scheme="tf1.uniform_unit_scaling")).distribution.bounds == pytest.approx(
        (-0.06185896, 0.06185896)
    )
    assert initialize(LayerSpecification(SHAPE, scheme="caffe.xavier")).distribution.bounds == pytest.approx((-0.06185896, 0.06185896))
    average = initialize(LayerSpecification(SHAPE, scheme="caffe.xavier", parameters={"mode": "fan_avg"})).distribution
    assert average == initialize(LayerSpecification(SHAPE, scheme="xavier_uniform")).distribution
    assert initialize(LayerSpecification(SHAPE, scheme="olmo_core.llama_depth", parameters={"layer_id": 0})).distribution.cut == (-3.0, 3.0)


@pytest.mark.parametrize(
    ("scheme", "parameters", "missing"),
    [
        ("gpt2_residual", {}, "num_layers"),
        ("depth_init", {}, "layer_id"),
        ("wang", {"num_layers": 12}, "d_model"),
        ("wang", {"d_model": 768}, "num_layers"),
        ("small_init", {}, "d_model"),
        ("t5", T5_SMALL, "role"),
        ("t5", {"role": "q", "d_model": 512}, "d_kv"),
        ("t5", {"role": "o", "d_kv": 64}, "num_heads"),
        ("t5", {"role": "wo", "d_model": 512}, "d_ff"),
        ("deepnorm", {"role": "ffn", "encoder_layers": 6}, "architecture"),
        ("deepnorm", {"architecture": "encoder_only", "encoder_layers": 6}, "role"),
        ("deepnorm", {"architecture": "encoder_only", "role": "query"}, "encoder_layers"),
        ("deepnorm", {"architecture": "encoder_with_decoder", "encoder_layers": 6, "role": "ffn"}, "decoder_layers"),
        ("sub_ln", {"architecture": "decoder_only", "encoder_layers": 6, "role": "ffn"}, "decoder_layers"),
        ("fixup", {}, "position"),
        ("fixup", {"position": "inner", "num_branches": 16}, "layers_per_branch"),
        ("fixup", {"position": "inner", "layers_per_branch": 2}, "num_branches"),
        ("t_fixup", {"stack": "encoder", "role": "ffn"}, "num_layers"),
        ("t_fixup", {"stack": "encoder", "role": "embedding", "num_layers": 6}, "d_model"),
        ("mup", {"role": "hidden", "width": 1024, "stddev": 0.02}, "base_width"),
        ("mup", {"role": "hidden", "base_width": 256, "stddev": 0.02}, "width"),
        ("mup", {"role": "hidden", "width": 1024, "base_width": 256}, "stddev"),
        ("random_walk", {}, "units"),
    ],
)
def test_requires_the_sizes_that_the_rule_depends_on(scheme: str, parameters: Parameters, missing: str) -> None:
    with pytest.raises(InvalidValue, match=f"^{missing}: expected .*{scheme}.*cannot do without it; .*Give {missing}: "):
        initialize(LayerSpecification(SHAPE, scheme=scheme, parameters=parameters))


@pytest.mark.parametrize(
    ("scheme", "parameters", "message"),
    [
        ("gpt2_residual", {"num_layers": 0}, "num_layers: expected an integer, at least 1, at most 2\\^53 for gpt2_residual; received 0"),
        ("gpt2_residual", {"num_layers": 12.5}, "num_layers: expected an integer.*received 12.5"),
        ("gpt2_residual", {"num_layers": True}, "num_layers: expected an integer.*received True"),
        ("gpt2_residual", {"num_layers": "12"}, "num_layers: expected an integer.*received '12'"),
        ("gpt2_residual", {"num_layers": 2**53 + 1}, "num_layers: expected an integer"),
        ("gpt2_residual", {"num_layers": 10**400}, "num_layers: expected an integer"),
        ("depth_init", {"layer_id": -1}, "layer_id: expected an integer, at least 0"),
        ("fixup", {"position": "inner", "num_branches": 4, "layers_per_branch": 1}, "layers_per_branch: expected an integer, at least 2"),
        ("deepnorm", {"architecture": "both", "role": "ffn"}, "architecture: expected one of encoder_only"),
        ("mup", {"role": "hidden", "width": 1, "base_width": 1, "stddev": -0.1}, "stddev: expected a finite number, at least 0"),
        ("siren", {"omega_0": 0.0}, "omega_0: expected a number greater than 0"),
        ("siren", {"omega_0": -30.0}, "omega_0: expected a number greater than 0"),
        ("caffe_xavier", {"mode": "fan_geo_avg"}, "mode: expected one of fan_in, fan_out, fan_avg"),
        ("rezero", {"gain": 1.0}, "rezero takes no parameters"),
    ],
)
def test_rejects_parameters_outside_their_domain(scheme: str, parameters: Parameters, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        initialize(LayerSpecification(SHAPE, scheme=scheme, parameters=parameters))


def test_the_largest_depths_give_positive_standard_deviations() -> None:
    deep = {"encoder_layers": 2**53, "decoder_layers": 2**53}
    for architecture in ("encoder_only", "decoder_only", "encoder_with_decoder", "decoder_with_encoder"):
        for scheme in ("deepnorm", "sub_ln"):
            assert _stddev(scheme, {"architecture": architecture, "role": "value", **deep}) > 0


def _metadata(scheme: str, parameters: Parameters, shape: tuple[int, ...] = SHAPE) -> tuple[Parameters, Parameters]:
    result = answer(InitRequest(shape=list(shape), scheme=scheme, seed=7, **parameters), find_format("safetensors"), Limits())
    return result.metadata, result.provenance


def _extras(scheme: str, parameters: Parameters) -> Parameters:
    return _metadata(scheme, parameters)[0]["extras"]


@pytest.mark.parametrize(
    ("scheme", "parameters", "extras"),
    [
        ("ntk", {}, {"forward_multiplier": 1 / 28}),
        ("mup", {"role": "output", **MUP}, {"output_multiplier": 0.25}),
        ("deepnorm", {"architecture": "decoder_only", "decoder_layers": 8, "role": "query"}, {"alpha": 2.0}),
    ],
)
def test_extras_are_in_the_metadata_but_not_in_the_file(scheme: str, parameters: Parameters, extras: Parameters) -> None:
    metadata, provenance = _metadata(scheme, parameters)
    assert metadata["extras"] == pytest.approx(extras)
    assert "extras" not in provenance


@pytest.mark.parametrize(
    ("scheme", "parameters"), [("he_normal", {}), ("mup", {"role": "hidden", **MUP}), ("gpt2_residual", {"num_layers": 12})]
)
def test_metadata_has_no_extras_if_the_scheme_has_none(scheme: str, parameters: Parameters) -> None:
    assert "extras" not in _metadata(scheme, parameters)[0]


def test_ntk_has_no_forward_multiplier_for_a_bias() -> None:
    assert "extras" not in _metadata("ntk", {}, (7,))[0]


@pytest.mark.parametrize("activation", [None, "relu", "tanh"])
@pytest.mark.parametrize(("scheme", "parameters"), [row[:2] for row in [*DRAWN, *CONSTANT] if not SCHEMES[row[0]].judged])
def test_does_not_warn_about_a_deliberate_scale_or_zero(scheme: str, parameters: Parameters, activation: str | None) -> None:
    chosen = initialize(LayerSpecification(SHAPE, scheme=scheme, parameters=parameters, activation=activate(activation)))
    assert warnings_for(chosen) == []


def test_warns_about_a_rule_scaled_to_zero() -> None:
    scaled = initialize(LayerSpecification(SHAPE, scheme="gpt2_residual", parameters={"num_layers": 12, "gain": 0.0}))
    assert scaled.distribution.draw is Draw.NORMAL
    assert "every unit of this layer computes the same" in warnings_for(scaled)[0]


def test_warns_about_caffe_xavier_under_relu() -> None:
    chosen = initialize(LayerSpecification(SHAPE, scheme="caffe_xavier", activation=activate("relu")))
    assert "too small for relu" in warnings_for(chosen)[0]
