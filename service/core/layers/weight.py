"""A weight as its layer reads it: which axes are outputs, inputs and kernel, which matrices are independent, and their fans."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from service.core.activations import ActivationWithParameters
from service.core.errors import InvalidValue
from service.core.layers.axes import LETTERS, check_axes
from service.core.layers.fans import FanConvention, Fans
from service.core.layers.layer import CONVOLUTIONS, INPUTS_FIRST, Layer, LayerKind
from service.core.stream.view import Shape
from service.core.tensors.units import Units

_ANY_LAYER = Layer()
_UNKNOWN = Fans()


class Matrix(NamedTuple):
    """One independent weight of a tensor, of shape [out, in, *kernel], whatever its layer is and however it is stored.

    Most schemes that place their elements see no more than this. So they are right for stacked, packed, grouped and transposed weights.
    """

    shape: Shape
    fans: Fans
    activation: ActivationWithParameters | None = None


@dataclass(frozen=True)
class Weight:
    """The weights of one tensor, as their layer reads them.

    `stacked`, `outputs`, `inputs` and `kernel` are the lengths of the axes of each kind, in their order. With groups, either the outputs
    or the inputs are those of one group, whichever are stored second. `packed` is the number of packed matrices, or the outputs of each if
    they differ. `convention` says how to count the fans, and `given` has fans that take precedence. `axes` is the order of the axes in the
    request. A tensor with neither inputs nor a kernel is a vector: a bias or a scale.
    """

    kind: LayerKind | None
    stacked: Shape
    outputs: Shape
    inputs: Shape
    kernel: Shape
    groups: int | None
    packed: int | tuple[int, ...]
    convention: FanConvention = FanConvention.TRUE
    given: Fans = _UNKNOWN
    activation: ActivationWithParameters | None = None
    axes: str = ""

    @property
    def is_vector(self) -> bool:
        """Whether the tensor is a bias or a scale, and no matrix."""
        return not self.kernel and not (self.outputs and self.inputs)

    @property
    def inputs_first(self) -> bool:
        """Whether the inputs are stored before the outputs."""
        return self.kind in INPUTS_FIRST

    @property
    def kernel_first(self) -> bool:
        """Whether the kernel is stored before the outputs, as in Keras."""
        return self.axes.lstrip("b").startswith("k")

    @property
    def out(self) -> int:
        """The number of outputs."""
        return math.prod(self.outputs)

    @property
    def inside(self) -> int:
        """The number of inputs."""
        return math.prod(self.inputs)

    @property
    def shape(self) -> Shape:
        """The canonical shape of each stacked weight: [out, in, *kernel]; [in, out, *kernel] with the inputs first; of a vector [out]."""
        if self.is_vector:
            return self.outputs and (self.out,)
        return (self.inside, self.out, *self.kernel) if self.inputs_first else (self.out, self.inside, *self.kernel)

    @property
    def parts(self) -> tuple[Weight, ...]:
        """The packed matrices, each as a weight of its own, if their outputs differ; else the weight itself."""
        return tuple(self.with_outputs(out) for out in self.packed) if isinstance(self.packed, tuple) else (self,)

    def with_outputs(self, out: int) -> Weight:
        """Return the same weight with this many outputs, in one matrix."""
        return replace(self, outputs=(out,), packed=1)

    def matrices(self, units: Units) -> list[Matrix]:
        """Return a unit of each part, with the fans of that part."""
        parts = self.parts if len(units.parts) > 1 else (self,)
        return [Matrix(shape, part.fans, self.activation) for shape, part in zip(units.shapes, parts, strict=True)]

    @cached_property
    def units(self) -> Units:
        """How the independent weights [out, in, *kernel] lie in the tensor. An embedding is one weight [entries, features]."""
        if self.kind is LayerKind.EMBEDDING:
            return self.units_by_shape()
        stacked, groups = math.prod(self.stacked), self.groups or 1
        if self.inputs_first:
            assert isinstance(self.packed, int)  # as weight_of has checked
            return Units(stacked, self.packed, groups, (self.out // self.packed,), self.inside // groups, self.kernel, inputs_first=True)
        if isinstance(self.packed, tuple):
            return Units(stacked, 1, groups, tuple(out // groups for out in self.packed), self.inside, self.kernel)
        return Units(stacked, self.packed, groups, (self.out // (self.packed * groups),), self.inside, self.kernel)

    def units_by_shape(self, *, takes_groups: bool = False) -> Units:
        """Return what a library takes for the independent weights.

        It sees the shape alone, in torch's layout: no packed matrices, no transposed convolutions, and groups only if its function
        `takes_groups`.
        """
        groups = (self.groups or 1) if takes_groups else 1
        first, second, *kernel = (*self.shape, 1, 1)[: max(2, len(self.shape))]
        return Units(math.prod(self.stacked), 1, groups, (first // groups,), second, tuple(kernel))

    @cached_property
    def fans(self) -> Fans:
        """The fans as the convention counts them, unless they are given."""
        return self.fans_by(self.convention)

    @cached_property
    def true_fans(self) -> Fans:
        """The true fans, unless they are given."""
        return self.fans_by(FanConvention.TRUE)

    def fans_by(self, convention: FanConvention) -> Fans:
        """Return the fans as `convention` counts them, unless they are given."""
        count = {
            FanConvention.TRUE: self._true_fans,
            FanConvention.TORCH: self._torch_fans,
            FanConvention.KERAS: self._keras_fans,
            FanConvention.JAX: self._jax_fans,
        }[convention]
        return self.given.or_else(count())

    def _true_fans(self) -> Fans:
        """Count the true connections.

        For a dense layer or a convolution, fan_in = in·K and fan_out = out·K, where K is the product of the kernel dimensions (Glorot and
        Bengio 2010; He et al. 2015, section 2.2). Groups and packed matrices divide the outputs among themselves. A vector has no fans of
        its own. At stride s, 1/s of the inputs of a transposed convolution feed each output.
        """
        if self.is_vector:
            return _UNKNOWN
        if self.kind is LayerKind.EMBEDDING:  # one entry at a time feeds the features
            return Fans(1, _at_least_1(self.out))
        size, units = math.prod(self.kernel), self.units
        channels_are_unknown = self.kind is LayerKind.DEPTHWISE and self.groups is None
        fan_out = None if channels_are_unknown or len(units.parts) > 1 else _at_least_1(units.parts[0] * size)
        return Fans(_at_least_1(units.inside * size), fan_out)

    def _torch_fans(self) -> Fans:
        """Count as torch.nn.init._calculate_fan_in_and_fan_out, from the shape in torch's layout. torch rejects rank 1."""
        if self.is_vector:
            return _UNKNOWN
        if self.kind is LayerKind.DEPTHWISE:  # in Keras's layout it has two axes of outputs, and in torch's one
            return _fans_by_shape(self.shape, out_axis=0, in_axis=1)
        first, second = (self.inputs, self.outputs) if self.inputs_first else (self.outputs, self.inputs)
        return _fans_by_shape((*self.stacked, *first, *second, *self.kernel), out_axis=0, in_axis=1)

    def _keras_fans(self) -> Fans:
        """Count as keras.initializers.compute_fans, from the shape in Keras's layout [*kernel, in, out]. A vector of n has fans n and n.

        If several axes are inputs or outputs, it is told which (input_axes, output_axes), as its EinsumDense does.
        """
        if len(self.stacked) + len(self.shape) < 2:
            return Fans(_at_least_1(self.out), _at_least_1(self.out))
        size = math.prod(self.kernel)
        if self.kind is LayerKind.DEPTHWISE:  # [*kernel, channels, multiplier]
            channels = self.groups or (self.outputs[0] if len(self.outputs) > 1 else None)
            return _UNKNOWN if channels is None else Fans(channels * size, self.out // channels * size)
        if self.is_vector:
            return _fans_by_shape((*self.stacked, self.out), out_axis=-1, in_axis=-2)
        before, last = (self.out, self.inside) if self.kind is LayerKind.CONV_TRANSPOSE else (self.inside, self.out)
        return Fans(_at_least_1(before * size), _at_least_1(last * size))

    def _jax_fans(self) -> Fans:
        """Count as jax.nn.initializers, which is told the axes of inputs, outputs and stacked weights. It rejects rank 1.

        It is not told those of a transposed convolution, which Flax stores as [*kernel, in, out], or with transpose_kernel as Keras does.
        """
        if self.is_vector:
            return _UNKNOWN
        is_stored_as_in_keras = self.kind is LayerKind.CONV_TRANSPOSE and not self.axes.endswith("io")
        if self.kind is LayerKind.DEPTHWISE or is_stored_as_in_keras:
            return self._keras_fans()
        size = math.prod(self.kernel)
        return Fans(_at_least_1(self.inside * size), _at_least_1(self.out * size))


def weight_of(
    shape: Shape,
    axes: str,
    layer: Layer = _ANY_LAYER,
    *,
    convention: FanConvention = FanConvention.TRUE,
    given: Fans = _UNKNOWN,
    activation: ActivationWithParameters | None = None,
) -> Weight:
    """Return a tensor of this shape as its layer reads it. Raises InvalidValue if the layer does not fit the shape.

    >>> weight_of((64, 3, 7, 7), "oikk").fans
    Fans(fan_in=147, fan_out=3136)
    >>> weight_of((2304, 768), "oi", Layer(packed=3)).fans
    Fans(fan_in=768, fan_out=768)
    >>> weight_of((8, 32, 64), "boi").fans
    Fans(fan_in=64, fan_out=32)
    >>> weight_of((64,), "o", given=Fans(fan_in=147)).fans
    Fans(fan_in=147, fan_out=None)
    """
    check_axes(axes, shape)
    stacked, outputs, inputs, kernel = (
        tuple(length for length, axis in zip(shape, axes, strict=True) if axis == letter) for letter in LETTERS
    )
    weight = Weight(
        layer.kind, stacked, outputs, inputs, kernel, layer.groups, 1,
        convention, given.check(), activation, axes,
    )  # fmt: skip
    _check_kind(weight)
    return replace(weight, packed=_packed(weight, layer.packed))


def _fans_by_shape(shape: Shape, *, out_axis: int, in_axis: int) -> Fans:
    """Count from a shape alone: one axis has the outputs, one the inputs, and all others are taken for the kernel."""
    fan_in, fan_out = (math.prod(shape[: axis % len(shape)] + shape[axis % len(shape) + 1 :]) for axis in (out_axis, in_axis))
    return Fans(_at_least_1(fan_in), _at_least_1(fan_out))


def _at_least_1(fan: int) -> int:
    """Return the fan; 1 for a tensor without elements, which every scale fits."""
    return max(1, fan)


def _check_kind(weight: Weight) -> None:
    kind = weight.kind
    if kind is None or weight.is_vector:
        return
    if kind in CONVOLUTIONS and not weight.kernel:
        raise _shape_error(f"a rank of at least 3 for {kind} weights", weight, "Correct the shape, or choose another layer.")
    if kind not in CONVOLUTIONS and weight.kernel:
        raise _shape_error(f"rank 2 for {kind} weights", weight, "Correct the shape, choose another layer, or give axes.")
    if kind is LayerKind.DEPTHWISE and weight.inside != 1:
        raise _shape_error(
            "[channels·multiplier, 1, *kernel] for depthwise weights", weight, "Set layout if the shape is in Keras's layout."
        )


def _packed(weight: Weight, packed: int | tuple[int, ...]) -> int | tuple[int, ...]:
    """Return the number of packed matrices, or the outputs of each if they differ. Raises InvalidValue if they do not fit the shape."""
    sizes, groups = packed if isinstance(packed, tuple) else (), weight.groups or 1
    _check_counts("groups", weight.groups)
    _check_counts("packed", *(sizes or (packed,)))
    if sizes and sum(sizes) != weight.out:
        raise InvalidValue(
            "packed", expected=f"parts that add up to the {weight.out} outputs", received=list(sizes), action="Correct packed or the shape."
        )
    if len(set(sizes)) > 1:
        if weight.inputs_first:
            raise InvalidValue(
                "packed", expected=f"equal parts for {weight.kind}", received=list(sizes), action="Ask for each part by itself."
            )
        for size in sizes if not weight.is_vector else ():
            _check_divides(size, f"groups ({groups})", groups, weight, "outputs of each part")
        return sizes
    count = len(sizes) if isinstance(packed, tuple) else packed
    if weight.is_vector:  # nothing depends on where equal parts of a bias begin
        return 1
    if weight.kind is LayerKind.CONV_TRANSPOSE:
        _check_divides(weight.inside, f"groups ({groups})", groups, weight, "inputs")
        _check_divides(weight.out, f"packed ({count})", count, weight, "outputs")
    else:
        _check_divides(weight.out, f"groups ({groups}) times packed ({count})", groups * count, weight, "outputs")
    return count


def _check_divides(length: int, divisors: str, divisor: int, weight: Weight, what: str) -> None:
    if length % divisor:
        raise _shape_error(f"a number of {what} ({length}) divisible by {divisors}", weight, "Correct groups, packed or the shape.")


def _check_counts(field: str, *counts: int | None) -> None:
    for count in counts:
        if count is not None and count < 1:
            raise InvalidValue(field, expected="an integer of at least 1", received=count, action=f"Leave {field} out if there are none.")


def _shape_error(expected: str, weight: Weight, action: str) -> InvalidValue:
    return InvalidValue("shape", expected=expected, received=[*weight.stacked, *weight.shape], action=action)
