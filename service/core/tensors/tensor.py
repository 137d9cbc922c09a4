"""Virtual tensors: element i is a pure function of (seed, name, rule, i), computed when it is read."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from service.core.errors import InvalidValue, Unsupported
from service.core.stream import engines
from service.core.stream.distributions import Distribution, Draw
from service.core.stream.numpy_engine import Floats, Positions
from service.core.stream.philox import MAX_SEED, Stream
from service.core.stream.view import Shape, View
from service.core.tensors.dtypes import DType
from service.core.tensors.lines import part_of
from service.core.tensors.rules import Parts, Pattern, Repeated, Rule, Whole, WithZeros, whole_in
from service.core.tensors.wholes import WHOLES

MAX_RANK = 16
MAX_SIZE = 2**62
MAX_NAME_LENGTH = 256
_CHUNK = 1 << 16  # elements computed at once, so that temporary arrays stay in the processor's cache


def check_shape(shape: Sequence[int]) -> Shape:
    """Check a shape and return it: at most 16 dimensions, each at least 0, and at most 2^62 elements. Raise InvalidValue.

    A dimension of 0 is that of a tensor without elements, as in NumPy. The limit also holds for the product of the other dimensions.
    """
    if len(shape) > MAX_RANK:
        raise InvalidValue("shape", expected=f"at most {MAX_RANK} dimensions", received=list(shape), action="Ask for fewer dimensions.")
    size = 1
    for length in shape:
        if length < 0:
            raise InvalidValue(
                "shape", expected="dimensions of at least 0", received=list(shape), action="Give the length of each dimension."
            )
        size *= max(1, length)
        if size > MAX_SIZE:
            raise InvalidValue("shape", expected="at most 2^62 elements", received=list(shape), action="Ask for a smaller tensor.")
    return tuple(shape)


def check_seed(seed: int) -> int:
    """Check that a seed is in [0, 2^64) and return it. Raise InvalidValue."""
    if not 0 <= seed <= MAX_SEED:
        raise InvalidValue("seed", expected="an integer from 0 to 2^64 - 1", received=seed, action="Reduce it modulo 2^64.")
    return seed


def fresh_seed() -> int:
    """Return a random seed, below 2^53 so that every JSON reader keeps it exact."""
    return secrets.randbelow(2**53)


def check_name(name: str | None) -> str | None:
    """Check that a tensor's name has 1 to 256 printable characters and return it. Raise InvalidValue."""
    if name is not None and not (1 <= len(name) <= MAX_NAME_LENGTH and name.isprintable()):
        raise InvalidValue(
            "name",
            expected=f"1 to {MAX_NAME_LENGTH} printable characters",
            received=name,
            action="Name the tensor as your model does, or leave the name out.",
        )
    return name


@dataclass(frozen=True)
class TensorSpec:
    """Everything that determines the bytes of a tensor. `view` is the requested layout and slice."""

    rule: Rule
    dtype: DType
    view: View
    seed: int
    name: str | None = None

    def __post_init__(self) -> None:
        largest = self.rule.largest
        if not largest <= self.dtype.largest:
            raise Unsupported(
                "dtype",
                expected=f"values within ±{self.dtype.largest:g}, the range of {self.dtype.name}",
                received=f"values up to {largest:g}",
                action="Ask for float32 or float64, or for a smaller scale.",
            )
        if 0 < largest < self.dtype.smallest or 0 < (self.rule.stddev or 0) < self.dtype.smallest:
            raise Unsupported(
                "dtype",
                expected=f"values of at least {self.dtype.smallest:g}, the smallest normal number of {self.dtype.name}",
                received=f"values up to {largest:g} with standard deviation {self.rule.stddev or 0:g}",
                action="Ask for float32 or float64, or for a larger scale.",
            )

    def named(self, name: str) -> TensorSpec:
        """Return the specification of another tensor that is drawn alike. Unlike `replace`, it checks nothing again, and takes 1 µs."""
        spec = object.__new__(TensorSpec)
        spec.__dict__.update(self.__dict__, name=name)
        return spec


@dataclass(frozen=True)
class VirtualTensor:
    """The tensor of a spec. `read` and `fill` compute only the elements they are asked for."""

    spec: TensorSpec
    _held: Floats | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def shape(self) -> Shape:
        """The shape in the requested layout and slice."""
        return self.spec.view.shape

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.spec.view.size

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self.spec.dtype

    @property
    def needs(self) -> Whole | None:
        """The whole that reading any part of it computes, or the lines of one that its view needs; None if elements are computed alone."""
        return None if isinstance(self.spec.rule, Distribution) else whole_in(self._source[0])

    @cached_property
    def _source(self) -> tuple[Rule, View]:
        """The rule and the view to read by: of a whole, the lines that the view needs."""
        rule, view = self.spec.rule, self.spec.view
        return part_of(rule, view) if isinstance(rule, Whole) else (rule, view)

    @property
    def nbytes(self) -> int:
        """The number of bytes of all elements."""
        return self.size * self.dtype.itemsize

    def read(self, start: int = 0, stop: int | None = None) -> npt.NDArray[Any]:
        """Return elements `start` to `stop` in C order of the shape, as a one-dimensional array of the dtype.

        Time and memory depend on the number of elements read, not on the size of the tensor, except for a Whole: see `needs`.
        """
        stop = self.size if stop is None else stop
        if not 0 <= start <= stop <= self.size:
            raise IndexError(f"expected 0 <= start <= stop <= {self.size}; received {start}, {stop}")
        values = np.empty(stop - start, self.dtype.numpy)
        self.fill(values, start)
        return values

    def fill(self, out: npt.NDArray[Any], start: int = 0) -> None:
        """Fill `out` with the elements from `start` on. `out` is a contiguous array of shape [n] and the tensor's dtype."""
        if not len(out):
            return
        if isinstance(self.spec.rule, Distribution):
            self._draw(out, self.spec.rule, start)
            return
        rule, view = self._source
        if isinstance(rule, WithZeros) and isinstance(rule.base, Distribution) and view.is_contiguous:
            self._draw(out, rule.base, start)
            first = rule.start - view.offset - start
            out[max(0, first) : max(0, first + rule.length)] = 0
        elif isinstance(rule, Parts) and view.is_contiguous:
            first = view.offset + start
            for begin, end, distribution in rule.runs(first, first + len(out)):
                self._draw(out[begin - first : end - first], distribution, begin - view.offset)
        else:
            for first in range(0, len(out), _CHUNK):
                part = out[first : first + _CHUNK]
                self._fill_rounded(part, rule, view.positions(start + first, start + first + len(part)))

    def _draw(self, out: npt.NDArray[Any], rule: Distribution, start: int) -> None:
        """Fill `out` with values of a distribution in the order of the view."""
        if rule.draw is Draw.CONSTANT:
            bits = np.dtype(f"u{out.itemsize}")  # NumPy copies integers fast, and bfloat16 slowly
            out.view(bits)[...] = np.array(self._constant(rule), out.dtype).view(bits)
        else:
            engines.current().fill(out, rule, self._stream, self.spec.view, start)

    def _constant(self, rule: Distribution) -> Any:
        precision = self.dtype.draws_in.type
        return precision(rule.loc) + precision(rule.scale)

    def _fill_rounded(self, out: npt.NDArray[Any], rule: Rule, positions: Positions) -> None:
        """Fill `out` with the elements at canonical positions, in the tensor's dtype."""
        if self.dtype.numpy == self.dtype.draws_in:
            self._fill_at(out, rule, positions)
            return
        values = np.empty(len(out), self.dtype.draws_in)
        self._fill_at(values, rule, positions)
        engines.current().round_into(out, values)

    def _fill_at(self, out: Floats, rule: Rule, positions: Positions) -> None:
        """Fill `out` with the elements at canonical positions, in the precision of the draw."""
        match rule:
            case Distribution(draw=Draw.CONSTANT):
                out[...] = self._constant(rule)
            case Distribution():
                engines.current().fill_at(out, rule, self._stream, positions)
            case Parts():
                part_at = rule.part_at(positions)
                for part, distribution in enumerate(rule.distributions):
                    here = part_at == part
                    values = np.empty(np.count_nonzero(here), out.dtype)
                    self._fill_at(values, distribution, positions[here])
                    out[here] = values
            case WithZeros():
                self._fill_at(out, rule.base, positions)
                out[(positions >= np.uint64(rule.start)) & (positions < np.uint64(rule.start + rule.length))] = 0
            case Repeated():
                self._fill_at(out, rule.base, rule.source(positions))
            case Pattern():
                out[...] = rule.at(positions, self._stream)
            case Whole():
                out[...] = self.whole()[positions]

    def whole(self) -> Floats:
        """Return what it needs, flat and in the precision of the draw. The tensor holds it from now on.

        Raise TypeError if the elements are computed one by one, and Busy if readers of other wholes hold too much memory. Raises
        Interrupted.
        """
        if self._held is not None:
            return self._held
        if self.needs is None:
            raise TypeError("the elements of this tensor are computed one by one")
        whole = WHOLES.get(self.needs, self._stream, self.dtype.draws_in)
        self.hold(whole)
        return whole

    def hold(self, whole: Floats) -> None:
        """Hold a whole that an equal tensor has computed, so that readers of others cannot push it out of memory."""
        object.__setattr__(self, "_held", whole)

    @cached_property
    def _stream(self) -> Stream:
        return Stream.of(self.spec.seed, self.spec.name)
