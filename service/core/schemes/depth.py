"""Schemes for deep or wide networks. Their scale depends on the depth, the position of the layer, or the width.

These sizes are required, never guessed. The scales are deliberate, so no warning compares them with He's or Xavier's.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from service.core import references
from service.core.layers.fans import Fans, Mode
from service.core.parameters import Kind, Parameter, Values, missing_parameter
from service.core.schemes.scaled import scaled_variance
from service.core.schemes.scheme import GAIN, Resolve, Scheme, names
from service.core.stream.distributions import Distribution, Draw, constant
from service.core.stream.portable import portable


def _size(name: str, summary: str, *, minimum: int = 1, required: bool = False) -> Parameter:
    return Parameter(name, summary, kind=Kind.INTEGER, required=required, minimum=minimum)


def _choice(name: str, summary: str, *choices: str, default: str | None = None) -> Parameter:
    return Parameter(name, summary, kind=Kind.CHOICE, default=default, required=default is None, choices=choices)


_NUM_LAYERS = _size("num_layers", "the number of layers (Transformer blocks) in the network", required=True)
_STDDEV = Parameter("stddev", "the standard deviation before the division by depth", default=0.02, minimum=0.0)
_CUT_AT_3 = _choice(
    "distribution",
    "normal, or truncated_normal: cut at 3 standard deviations and not widened to compensate",
    "normal",
    "truncated_normal",
    default="normal",
)
_D_MODEL = _size("d_model", "the width of the residual stream")
_D_MODEL_REQUIRED = _size("d_model", _D_MODEL.summary, required=True)


def _divided_by_depth(stddev: float, depth: int, values: Values) -> Distribution:
    """Return N(0, σ²), σ = stddev/√(2·depth). Each layer has two branches that share the residual stream's variance."""
    scale = values["gain"] * (stddev / math.sqrt(2 * depth))
    if values["distribution"] == "normal":
        return Distribution(Draw.NORMAL, 0.0, scale)
    return Distribution(Draw.TRUNCATED_NORMAL, 0.0, scale, (-3.0, 3.0))


def _normal(stddev: Callable[[Values], float]) -> Resolve:
    return lambda values, _: Distribution(Draw.NORMAL, 0.0, values["gain"] * stddev(values))


# T5's matrices, with the sizes whose product is 1/σ²
_T5_SIZES = (
    _D_MODEL,
    _size("d_kv", "the width of an attention head"),
    _size("num_heads", "the number of attention heads"),
    _size("d_ff", "the width of the feed-forward layer, between wi and wo"),
)
_T5_SIZES_OF = {
    "q": ("d_model", "d_kv"),
    "k": ("d_model",),
    "v": ("d_model",),
    "o": ("num_heads", "d_kv"),
    "wi": ("d_model",),
    "wo": ("d_ff",),
    "embedding": (),
}


def _required(values: Values, required: tuple[str, ...], rows: tuple[Parameter, ...], *, owner: str) -> list[int]:
    """Return the values that a choice requires. Raises InvalidValue if one is missing."""
    for row in rows:
        if row.name in required and values[row.name] is None:
            raise missing_parameter(row, owner=owner)
    return [values[name] for name in required]


def _t5(values: Values) -> float:
    """Return factor/√(product of the sizes). T5 does not divide the scores by √d_kv; the scale of q does so instead."""
    sizes = _required(values, _T5_SIZES_OF[values["role"]], _T5_SIZES, owner=f"t5 with role {values['role']}")
    return values["factor"] / math.sqrt(math.prod(sizes))


_PROJECTIONS = ("query", "key", "value", "output", "ffn")
_SCALED_PROJECTIONS = ("value", "output", "ffn")  # what is added to the residual stream is linear in these
_ROLE = _choice("role", "the role of the weight: query and key are plain Xavier; value, output and ffn are scaled", *_PROJECTIONS)
_STACKS = (
    _size("encoder_layers", "the number N of layers in the encoder"),
    _size("decoder_layers", "the number M of layers in the decoder"),
)
_STACKS_OF = {
    "encoder_only": ("encoder_layers",),
    "decoder_only": ("decoder_layers",),
    "encoder_with_decoder": ("encoder_layers", "decoder_layers"),
    "decoder_with_encoder": ("decoder_layers",),
}
_ARCHITECTURE = _choice(
    "architecture", "where the weight is: in a model with one stack, or in the encoder or the decoder of a model with both", *_STACKS_OF
)


def _xavier_distribution(default: str) -> Parameter:
    return _choice("distribution", "the distribution to draw from, at the same standard deviation", "normal", "truncated_normal", "uniform",
                   default=default)  # fmt: skip


def _xavier(factor: float, values: Values, fans: Fans, *, scheme: str) -> Distribution:
    scaled = {**values, "gain": values["gain"] * factor}
    return scaled_variance(1.0, scaled, fans, mode=Mode.FAN_AVG, distribution=values["distribution"], scheme=scheme)


def _depths(values: Values, *, scheme: str) -> list[int]:
    architecture = values["architecture"]
    return _required(values, _STACKS_OF[architecture], _STACKS, owner=f"{scheme} with architecture {architecture}")


def _fourth_root(value: float) -> float:
    return math.sqrt(math.sqrt(value))


def _joint_root(encoder_layers: int, decoder_layers: int) -> float:
    """Return (N⁴·M)^(1/16), from square roots alone, which are the same on every machine."""
    return _fourth_root(_fourth_root(encoder_layers**4 * decoder_layers))


# Wang et al. 2022: α scales the residual stream before each LayerNorm, β the weights. The constants 0.81 and 0.87 bring the
# bound on an update to 1. torchscale's code divides by (N⁴M)^(1/16)/1.15 instead, so it uses 1.15 in place of 0.87.
_ALPHA: dict[str, Callable[..., float]] = {
    "encoder_only": lambda n: _fourth_root(2 * n),
    "decoder_only": lambda m: _fourth_root(2 * m),
    "encoder_with_decoder": lambda n, m: 0.81 * _joint_root(n, m),
    "decoder_with_encoder": lambda m: _fourth_root(3 * m),
}
_BETA: dict[str, Callable[..., float]] = {
    "encoder_only": lambda n: 1 / _fourth_root(8 * n),
    "decoder_only": lambda m: 1 / _fourth_root(8 * m),
    "encoder_with_decoder": lambda n, m: 0.87 / _joint_root(n, m),
    "decoder_with_encoder": lambda m: 1 / _fourth_root(12 * m),
}
# Wang et al. 2023: γ
_GAMMA: dict[str, Callable[..., float]] = {
    "encoder_only": lambda n: math.sqrt(_log(2 * n)),
    "decoder_only": lambda m: math.sqrt(_log(2 * m)),
    "encoder_with_decoder": lambda n, m: math.sqrt(_log(3 * m) * _log(2 * n) / 3),
    "decoder_with_encoder": lambda m: math.sqrt(_log(3 * m)),
}


def _log(value: int) -> float:
    return portable(math.log(value))


def _by_architecture(factor_of: dict[str, Callable[..., float]], scheme: str) -> Resolve:
    """Return the rule: Xavier, times the architecture's factor for value, output and ffn."""

    def resolve(values: Values, fans: Fans) -> Distribution:
        factor = factor_of[values["architecture"]](*_depths(values, scheme=scheme))
        return _xavier(factor if values["role"] in _SCALED_PROJECTIONS else 1.0, values, fans, scheme=scheme)

    return resolve


def _deepnorm_alpha(values: Values, _: Fans) -> dict[str, float]:
    return {"alpha": _ALPHA[values["architecture"]](*_depths(values, scheme="deepnorm"))}


_BRANCHES = (
    _size("num_branches", "the number L of residual branches in the network"),
    _size("layers_per_branch", "the number m of weight layers in a branch, at least 2; the last one is zero", minimum=2),
)


def _fixup(values: Values, fans: Fans) -> Distribution:
    if values["position"] != "inner":
        return constant(0.0)
    branches, layers = _required(values, ("num_branches", "layers_per_branch"), _BRANCHES, owner="fixup with position inner")
    factor = portable(branches ** (-1 / (2 * layers - 2)))
    scaled = {**values, "gain": values["gain"] * factor}
    return scaled_variance(2.0, scaled, fans, mode=Mode(values["mode"]), distribution="normal", scheme="fixup")


def _t_fixup(values: Values, fans: Fans) -> Distribution:
    """Return the rule of the authors' code without its √2 for values, which only undoes a 1/√2 in fairseq."""
    decoder = 1 / _fourth_root(9 * values["num_layers"])
    if values["role"] == "embedding":
        (width,) = _required(values, ("d_model",), (_D_MODEL,), owner="t_fixup with role embedding")
        return Distribution(Draw.NORMAL, 0.0, values["gain"] * decoder / math.sqrt(width))
    factor = decoder if values["stack"] == "decoder" else 0.67 / _fourth_root(values["num_layers"])
    return _xavier(factor if values["role"] in _SCALED_PROJECTIONS else 1.0, values, fans, scheme="t_fixup")


def _mup(values: Values) -> float:
    """Return σ. Hidden weights have two dimensions that grow with the width. The others have one and keep the base model's scale."""
    grown = values["width"] / values["base_width"] if values["role"] == "hidden" else 1.0
    return values["stddev"] / math.sqrt(grown)


def _mup_multiplier(values: Values, _: Fans) -> dict[str, float]:
    return {"output_multiplier": values["base_width"] / values["width"]} if values["role"] == "output" else {}


def _zero(_: Values, __: Fans) -> Distribution:
    return constant(0.0)


ROWS = (
    Scheme(
        "gpt2_residual",
        "For projections into the residual stream: keeps its initial variance the same for any number of layers.",
        "N(0, σ²), σ = gain·stddev/√(2·num_layers)",
        references.RADFORD_2019,
        lambda values, _: _divided_by_depth(values["stddev"], values["num_layers"], values),
        (_NUM_LAYERS, _STDDEV, _CUT_AT_3, GAIN),
        aliases=names("gpt2", "gpt2.c_proj", "scaled_init", "megatron.scaled_init_method_normal", "gpt_neox.scaled_normal")
        + names("olmo_core.llama", distribution="truncated_normal"),
        judged=False,
    ),
    Scheme(
        "depth_init",
        "Like gpt2_residual, by the layer's own depth: the deeper the layer, the less it adds to the residual stream.",
        "N(0, σ²), σ = gain·stddev/√(2·(layer_id + 1))",
        references.TORCHTITAN,
        lambda values, _: _divided_by_depth(values["stddev"], values["layer_id"] + 1, values),
        (
            _size("layer_id", "the index of the layer, counted from 0", minimum=0, required=True),
            _STDDEV,
            _CUT_AT_3,
            GAIN,
        ),
        aliases=names("torchtitan.depth_init") + names("olmo_core.llama_depth", "llama_depth", distribution="truncated_normal"),
        judged=False,
    ),
    Scheme(
        "wang",
        "For projections into the residual stream of GPT-NeoX, whose other weights use small_init.",
        "N(0, σ²), σ = gain·2/(num_layers·√d_model)",
        references.GPT_NEOX,
        _normal(lambda values: 2 / (values["num_layers"] * math.sqrt(values["d_model"]))),
        (_NUM_LAYERS, _D_MODEL_REQUIRED, GAIN),
        aliases=names("wang_init", "wang_init_method", "gpt_neox.wang", "gpt_neox.wang_init"),
        judged=False,
        equation="wang_init_method",
    ),
    Scheme(
        "small_init",
        "Trains Transformers without warm-up: every matrix gets Xavier's scale for a feed-forward layer.",
        "N(0, σ²), σ = gain·√(2/(5·d_model))",
        references.NGUYEN_2019,
        _normal(lambda values: math.sqrt(2 / (5 * values["d_model"]))),
        (_D_MODEL_REQUIRED, GAIN),
        aliases=names("small_init_init", "small_init_init_method", "gpt_neox.small_init"),
        judged=False,
    ),
    Scheme(
        "t5",
        "The weights of T5, by role; its attention does not divide the scores, so the queries start smaller.",
        "N(0, σ²), σ = gain·factor·(q: 1/√(d_model·d_kv); k, v, wi: 1/√d_model; o: 1/√(num_heads·d_kv); wo: 1/√d_ff; embedding: 1)",
        references.RAFFEL_2019,
        _normal(_t5),
        (
            _choice("role", "the matrix of T5 that the weight is", *_T5_SIZES_OF),
            *_T5_SIZES,
            Parameter("factor", "T5's initializer_factor", default=1.0, minimum=0.0),
            GAIN,
        ),
        judged=False,
    ),
    Scheme(
        "deepnorm",
        "Bounds the updates of a Post-LN Transformer of up to a thousand layers; scale the residual stream by alpha.",
        "Xavier, times β for value, output and ffn; one stack: α = (2N)^¼, β = (8N)^-¼; encoder with decoder:"
        " α = 0.81·(N⁴M)^(1/16), β = 0.87·(N⁴M)^(-1/16); decoder with encoder: α = (3M)^¼, β = (12M)^-¼",
        references.WANG_2022,
        _by_architecture(_BETA, "deepnorm"),
        (_ARCHITECTURE, *_STACKS, _ROLE, _xavier_distribution("normal"), GAIN),
        aliases=names("deepnet"),
        needs_fans=True,
        extras=_deepnorm_alpha,
        judged=False,
    ),
    Scheme(
        "sub_ln",
        "Bounds the updates of a Transformer with Sub-LayerNorm (Magneto) at any depth.",
        "Xavier, times γ for value, output and ffn; one stack: γ = √(log 2N); encoder with decoder: γ = √(log 3M · log 2N / 3);"
        " decoder with encoder: γ = √(log 3M)",
        references.WANG_2023,
        _by_architecture(_GAMMA, "sub_ln"),
        (_ARCHITECTURE, *_STACKS, _ROLE, _xavier_distribution("normal"), GAIN),
        aliases=names("magneto", "foundation_transformer"),
        needs_fans=True,
        judged=False,
    ),
    Scheme(
        "fixup",
        "Trains residual networks without normalization: branches start at zero, and updates change the output equally at any depth.",
        "inner: N(0, σ²), σ = gain·num_branches^(-1/(2·layers_per_branch - 2))·√(2/fan); last and classifier: 0",
        references.ZHANG_2019,
        _fixup,
        (
            _choice("position", "the position of the weight: inner (in a branch, not its last), last (in a branch) or classifier",
                    "inner", "last", "classifier"),
            *_BRANCHES,
            _choice("mode", "the fan to divide by", *Mode, default=Mode.FAN_IN.value),
            GAIN,
        ),
        needs_fans=True,
        judged=False,
    ),
    Scheme(
        "t_fixup",
        "Trains Transformers without LayerNorm and without warm-up.",
        "Xavier, times 0.67·num_layers^-¼ (encoder) or (9·num_layers)^-¼ (decoder) for value, output and ffn;"
        " embedding: N(0, σ²), σ = gain·(9·num_layers)^-¼/√d_model",
        references.HUANG_2020,
        _t_fixup,
        (
            _choice("stack", "the stack that the weight is in, or whose tokens it embeds", "encoder", "decoder"),
            _NUM_LAYERS,
            _choice("role", _ROLE.summary, *_PROJECTIONS, "embedding"),
            _D_MODEL,
            _xavier_distribution("uniform"),
            GAIN,
        ),
        needs_fans=True,
        judged=False,
    ),
    Scheme(
        "rezero",
        "For the scalar that multiplies a residual branch: at 0, the whole network starts as the identity.",
        "0",
        references.BACHLECHNER_2020,
        _zero,
        (),
        judged=False,
    ),
    Scheme(
        "skip_init",
        "For the scalar at the end of a residual branch, in place of normalization: at 0, the branch starts at zero.",
        "0",
        references.DE_2020,
        _zero,
        (),
        judged=False,
    ),
    Scheme(
        "mup",
        "Maximal update parametrization: what is tuned at base_width stays right at any width; also apply output_multiplier.",
        "N(0, σ²), hidden: σ = gain·stddev·√(base_width/width); input and output: σ = gain·stddev",
        references.YANG_2022,
        _normal(_mup),
        (
            _choice("role", "the role of the weight: hidden (width to width), input (into the width) or output (the readout)",
                    "hidden", "input", "output"),
            _size("width", "the width of this model", required=True),
            _size("base_width", "the width of the base model, at which stddev was chosen", required=True),
            Parameter("stddev", "the standard deviation of this weight in the base model", required=True, minimum=0.0),
            GAIN,
        ),
        aliases=names("μP", "maximal_update"),
        extras=_mup_multiplier,
        judged=False,
        equation="table 8",
    ),
)  # fmt: skip
