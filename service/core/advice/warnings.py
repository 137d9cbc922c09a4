"""Warnings about an initializer that is poor for its layer. They are part of the answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from service.core.advice.variance import alternatives_to
from service.core.initializer import Initializer, Recommended
from service.core.layers.fans import Mode
from service.core.layers.roles import Role
from service.core.schemes import family_of
from service.core.stream.distributions import Distribution, Draw
from service.core.tensors.rules import WithZeros

# A variance within these factors of the recommended one draws no warning. He under tanh (2) and Xavier under ReLU (½) lie
# outside. The second pair applies to roles, and to layers without an activation: only what is poor under any activation.
_TOO_LARGE, _TOO_SMALL = 1.9, 0.55
_TOO_LARGE_FOR_ANY, _TOO_SMALL_FOR_ANY = 4.0, 0.1
_OFF_CENTRE = 0.1  # largest mean without a warning, in standard deviations
_DEPTH = 10  # layers in the example that a warning gives
_LONG_KERNEL, _SHORT_KERNEL = 32, 8  # the kernels of 1-D convolutions on several channels are usually shorter than the first
_CONSTANTS = frozenset(("zeros", "ones", "constant"))


def warnings_for(initializer: Initializer) -> list[str]:
    """Return what is poor compared with the recommended scheme, and why. A bias draws no warnings."""
    if isinstance(initializer.rule, WithZeros):
        return warnings_for(replace(initializer, rule=initializer.rule.base))
    if initializer.parts:
        each = [(number, warning) for number, part in enumerate(initializer.parts, 1) for warning in _warnings_for(part)]
        return [f"packed matrix {number}: {warning}" for number, warning in each]
    unlikely = _unlikely_convolution(initializer)
    return [*([unlikely] if unlikely else []), *_warnings_for(initializer)]


def _unlikely_convolution(initializer: Initializer) -> str | None:
    """Return a warning if three axes are read as a convolution, and its kernel is longer than kernels usually are."""
    specification, weight = initializer.specification, initializer.weight
    if specification.axes is not None or weight.kind is not None or len(specification.shape) != 3 or weight.is_vector:
        return None
    (length,) = weight.kernel
    if weight.inside == 1 or length < min(_LONG_KERNEL, max(weight.inside, _SHORT_KERNEL)):
        return None
    return (
        f"shape {list(specification.shape)} is read as a convolution with a kernel of length {length}, which is unlikely; if it stacks"
        f" matrices, such as those of experts, say what each axis is: axes=boi or bio. If it is a convolution, give layer=conv."
    )


def _warnings_for(initializer: Initializer) -> list[str]:
    best = initializer.recommended
    if initializer.weight.is_vector or not isinstance(initializer.rule, Distribution) or _is_deliberate_constant(initializer):
        return []
    if initializer.distribution.stddev == 0:
        return [] if _is_constant_by_role(best) else [_symmetry(initializer, best)]
    wrong_size = _wrong_size_for_role(initializer, best) if best.for_role else _wrong_size(initializer, best)
    warnings = (_off_centre(initializer, best), wrong_size, _other_fans(initializer))
    return [warning for warning in warnings if warning]


def _is_constant_by_role(best: Recommended) -> bool:
    """Return whether the layer's role calls for a constant, such as zeros for the last weight of a residual branch."""
    return best.for_role and not _CONSTANTS.isdisjoint((best.scheme.name, *(row.scheme for row in best.recommendation.alternatives)))


def _wrong_size_for_role(initializer: Initializer, best: Recommended) -> str | None:
    """Compare the standard deviation with those of the schemes recommended for the layer's role."""
    role, stddev = initializer.specification.role, initializer.distribution.stddev
    if role is None or best.rule is None or not best.rule.stddev or not initializer.scheme.judged:
        return None
    others = alternatives_to(best, initializer.weight)
    sizes = [(best.rule.stddev, best.scheme.name), *((row.stddev, row.alternative.scheme) for row in others if row.stddev is not None)]
    (smallest, small), (largest, large) = min(sizes), max(sizes)
    if stddev * stddev >= _TOO_LARGE_FOR_ANY * largest * largest:
        return f"{_comparison('too large', initializer, role, large, largest)}; use {_recommended_scheme(best)}."
    if stddev * stddev <= _TOO_SMALL_FOR_ANY * smallest * smallest:
        return f"{_comparison('too small', initializer, role, small, smallest)}; use {_recommended_scheme(best)}."
    return None


def _comparison(size: str, initializer: Initializer, role: Role, other: str, other_stddev: float) -> str:
    stddev = initializer.distribution.stddev
    return (
        f"{initializer.scheme.name} is {size} for {role.name}: its standard deviation is {stddev:.3g}, that of {other} {other_stddev:.3g}"
    )


def _is_deliberate_constant(initializer: Initializer) -> bool:
    """Return whether the rule itself is a constant (the last layer of a Fixup branch), and not a rule scaled to zero."""
    return not initializer.scheme.judged and initializer.distribution.draw is Draw.CONSTANT


def _symmetry(initializer: Initializer, best: Recommended) -> str:
    what = "zeros" if initializer.distribution.mean == 0 else "a constant"
    silent = " and, at zero, passes no gradient back" if what == "zeros" else ""
    return (
        f"{what}: every unit of this layer computes the same and gets the same update{silent}, so nothing breaks the symmetry and"
        f" the layer never learns more than one feature; use {_recommended_scheme(best)}. Fine for biases, and for a last"
        " layer or a residual branch's output."
    )


def _off_centre(initializer: Initializer, best: Recommended) -> str | None:
    values = initializer.distribution
    if abs(values.mean) <= _OFF_CENTRE * values.stddev:
        return None
    return (
        f"not centred: the mean is {values.mean:.3g} beside a standard deviation of {values.stddev:.3g}, so every unit is pushed the"
        f" same way, the more the larger fan_in; centre it, or use {_recommended_scheme(best)}."
    )


def _other_fans(initializer: Initializer) -> str | None:
    counted, true = initializer.fans, initializer.true_fans
    if counted == true or not initializer.scheme.needs_fans:
        return None
    return (
        f"{initializer.fan_convention} reads fan_in {counted.fan_in} and fan_out {counted.fan_out} off the shape alone; what feeds a unit"
        f" and what an input feeds is fan_in {true.fan_in} and fan_out {true.fan_out}; use fan_convention true for these."
    )


@dataclass(frozen=True)
class _Size:
    """The effect of the weights on a signal of variance 1, or on a gradient if the scheme divides by fan_out."""

    against_best: float  # variance times the fan that the scheme divides by, relative to the recommended scheme
    pre_activation: float  # variance of the units' inputs: fan_in·E[w²]
    per_layer: float  # factor on the second moment of the signal or gradient that the scheme keeps steady
    of_what: str


def _wrong_size(initializer: Initializer, best: Recommended) -> str | None:
    if not initializer.scheme.judged or None in (initializer.true_fans.fan_in, initializer.true_fans.fan_out):
        return None
    size, scheme, activation = _size(initializer, best), initializer.scheme.name, initializer.activation
    name = activation.name if activation else "any activation"
    large, small = (_TOO_LARGE, _TOO_SMALL) if activation else (_TOO_LARGE_FOR_ANY, _TOO_SMALL_FOR_ANY)
    if initializer.parameters.get("gain") == "forward":  # keeps the signal exactly for inputs of variance 1
        return None
    if mistake := _common_mistake(initializer, size, best):
        return mistake
    if size.against_best >= large:
        return f"{scheme} is too large for {name}: {_what_happens_above(initializer, size)}; use {_recommended_scheme(best)}."
    if size.against_best <= small:
        return f"{scheme} is too small for {name}: {_what_happens_below(size)}; use {_recommended_scheme(best)}."
    return None


def _common_mistake(initializer: Initializer, size: _Size, best: Recommended) -> str | None:
    """Return a warning for the two common mistakes, even where the fans of this layer happen to soften their effect."""
    if initializer.activation is None or isinstance(initializer.parameters.get("gain"), str):
        return None
    scheme, name, better = initializer.scheme.name, initializer.activation.name, _recommended_scheme(best)
    match family_of(scheme), family_of(better):
        case (("xavier" | "lecun"), "he") if size.per_layer < 1:
            why = f"does not make up for the half of the signal that {name} drops"
            return f"{scheme} under {name} {why}: {_what_happens_below(size)}; use {better}."
        case "he", "xavier" if size.pre_activation > 1:
            why = f"makes up for a loss that {name} does not have"
            return f"{scheme} under {name} {why}: {_what_happens_above(initializer, size)}; use {better}."
    return None


def _what_happens_above(initializer: Initializer, size: _Size) -> str:
    activation = initializer.activation
    if activation and activation.row.saturates:
        return (
            f"the units' inputs start with standard deviation {size.pre_activation**0.5:.3g} where about 1 is wanted, so"
            f" {activation.name} saturates and its gradient vanishes"
        )
    return f"{_over_layers(size)}, so it explodes with depth"


def _what_happens_below(size: _Size) -> str:
    return f"{_over_layers(size)}, so it vanishes with depth"


def _over_layers(size: _Size) -> str:
    after = _power(size.per_layer)
    return f"each layer multiplies the {size.of_what} second moment by {size.per_layer:.3g}, {_DEPTH} layers by {after:.2g}"


def _power(factor: float) -> float:
    try:
        return factor**_DEPTH
    except OverflowError:
        return float("inf")


def _size(initializer: Initializer, best: Recommended) -> _Size:
    values, fans = initializer.distribution, initializer.true_fans
    second_moment = values.stddev * values.stddev + values.mean * values.mean  # overflows to inf, where ** would raise
    mode = Mode(initializer.parameters.get("mode", Mode.FAN_IN))
    # Glorot's variance is a compromise between the two directions, so it is compared without a fan.
    one_direction = family_of(best.scheme.name) != "xavier"
    fan = fans.by(mode, scheme=initializer.scheme.name) if one_direction else 1.0
    best_fan = fans.by(Mode.FAN_IN, scheme=best.scheme.name) if one_direction else 1.0
    return _Size(
        against_best=second_moment * fan / (_stddev(best) ** 2 * best_fan),
        pre_activation=second_moment * fans.by(Mode.FAN_IN, scheme=best.scheme.name),
        per_layer=second_moment * fans.by(mode, scheme=initializer.scheme.name) * _share_passed(initializer, mode),
        of_what={Mode.FAN_IN: "signal's", Mode.FAN_OUT: "gradient's"}.get(mode, "signal's and the gradient's"),
    )


def _stddev(best: Recommended) -> float:
    assert isinstance(best.rule, Distribution)  # true of the recommendations for activations, and both fans are known
    return best.rule.stddev


def _share_passed(initializer: Initializer, mode: Mode) -> float:
    """Return the share of the second moment that the activation passes on. A saturating one counts as linear."""
    activation = initializer.activation
    gains = activation.gains if activation else None
    if activation is None or gains is None or activation.row.saturates:
        return 1.0
    gain = gains.backward if mode is Mode.FAN_OUT else gains.forward
    return 1.0 if gain is None else 1 / (gain * gain)


def _recommended_scheme(best: Recommended) -> str:
    if not best.for_role and best.known.activation is None:
        return "auto, with the layer's activation"
    scale = best.parameters.get("scale")
    return best.scheme.name if scale is None else f"{best.scheme.name} with scale {scale:.4g}"
