"""A tensor that is computed where it is read: element i is a pure function of (seed, name, distribution, i)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from service.core.distributions import Distribution, Draw
from service.core.dtypes import DType
from service.core.errors import InvalidValue, Unsupported
from service.core.layers import Shape
from service.core.philox import MAX_SEED, Stream, Words
from service.core.quantiles import (
    Words64,
    join,
    normal32,
    normal64,
    quantile_range,
    truncated32,
    truncated64,
    uniform32,
    uniform64,
)
from service.core.rules import Pattern, Repeated, Rule, Structure, structure_in
from service.core.structured import WHOLES
from service.core.views import View

Where = slice | npt.NDArray[np.uint64]  # canonical positions

MAX_RANK = 16
MAX_SIZE = 2**62
MAX_NAME_LENGTH = 256
_CHUNK = 1 << 16  # elements computed at once: the arrays of the reference engine then stay in the cache


def check_shape(shape: Sequence[int]) -> Shape:
    """The shape, if it is one: at most 16 dimensions, each at least 1, and at most 2^62 elements. Raises InvalidValue."""
    if len(shape) > MAX_RANK:
        raise InvalidValue("shape", expected=f"at most {MAX_RANK} dimensions", received=list(shape), action="Ask for fewer dimensions.")
    size = 1
    for length in shape:
        if length < 1:
            raise InvalidValue(
                "shape",
                expected="dimensions of at least 1",
                received=list(shape),
                action="Give every dimension its length; leave out the ones that do not exist.",
            )
        size *= length
        if size > MAX_SIZE:
            raise InvalidValue("shape", expected="at most 2^62 elements", received=list(shape), action="Ask for a smaller tensor.")
    return tuple(shape)


def check_seed(seed: int) -> int:
    """The seed, if it is in [0, 2^64). Raises InvalidValue."""
    if not 0 <= seed <= MAX_SEED:
        raise InvalidValue("seed", expected="an integer from 0 to 2^64 - 1", received=seed, action="Reduce it modulo 2^64.")
    return seed


def fresh_seed() -> int:
    """A seed nobody chose, below 2^53 so that it survives every JSON reader."""
    return secrets.randbelow(2**53)


def check_name(name: str | None) -> str | None:
    """The tensor's name, if it can be one: 1 to 256 printable characters. Raises InvalidValue."""
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
    """All that the bytes of a tensor depend on. `view` is its shape in the layout and slice asked for."""

    rule: Rule
    dtype: DType
    view: View
    seed: int
    name: str | None = None

    def __post_init__(self) -> None:
        if not self.rule.largest <= self.dtype.largest:
            raise Unsupported(
                "dtype",
                expected=f"values within ±{self.dtype.largest:g}, the range of {self.dtype.name}",
                received=f"values up to {self.rule.largest:g}",
                action="Ask for float32 or float64, or for a smaller scale.",
            )
        if 0 < self.rule.largest < self.dtype.smallest or 0 < (self.rule.stddev or 0) < self.dtype.smallest:
            raise Unsupported(
                "dtype",
                expected=f"values of at least {self.dtype.smallest:g}, the smallest normal number of {self.dtype.name}",
                received=f"values up to {self.rule.largest:g}, of standard deviation {self.rule.stddev or 0:g}",
                action="Ask for float32 or float64, or for a larger scale.",
            )


@dataclass(frozen=True)
class VirtualTensor:
    """The tensor of a spec. Nothing is computed before `read`, and then only what is read."""

    spec: TensorSpec
    shape: Shape = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", self.spec.view.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.spec.view.size

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self.spec.dtype

    @property
    def computes_whole(self) -> bool:
        """Whether reading any part of it computes all of it."""
        return structure_in(self.spec.rule) is not None

    @property
    def nbytes(self) -> int:
        """The number of bytes of all elements."""
        return self.size * self.dtype.itemsize

    def read(self, start: int = 0, stop: int | None = None) -> npt.NDArray[Any]:
        """Elements `start` to `stop` in C order of the shape, as a one-dimensional array of the dtype.

        The cost and the memory are those of the elements read, not of the tensor (but for a Structure).
        """
        stop = self.size if stop is None else stop
        if not 0 <= start <= stop <= self.size:
            raise IndexError(f"expected 0 <= start <= stop <= {self.size}; received {start}, {stop}")
        values = np.empty(stop - start, self.dtype.numpy)
        for first in range(start, stop, _CHUNK):
            last = min(first + _CHUNK, stop)
            values[first - start : last - start] = self._compute(first, last)  # rounds to nearest even
        return values

    def _compute(self, start: int, stop: int) -> npt.NDArray[Any]:
        return self._values(self.spec.rule, self._where(start, stop))

    def _values(self, rule: Rule, where: Where) -> npt.NDArray[Any]:
        match rule:
            case Distribution():
                return self._drawn(rule, where)
            case Repeated():
                return self._values(rule.base, rule.source(_positions(where)))
            case Pattern():
                return rule.at(_positions(where), self._stream).astype(self.dtype.draws_in)
            case Structure():
                return WHOLES.get(rule, self._stream, self.dtype.draws_in)[where]

    def _where(self, start: int, stop: int) -> Where:
        """The canonical positions of elements `start` to `stop`: a slice where they follow each other."""
        view = self.spec.view
        if view.is_contiguous:
            return slice(view.offset + start, view.offset + stop)
        return view.positions(start, stop)

    def _drawn(self, values: Distribution, where: Where) -> npt.NDArray[Any]:
        kind = self.dtype.draws_in.type
        loc, scale = kind(values.loc), kind(values.scale)
        if values.draw is Draw.CONSTANT:
            return np.full(_count(where), loc + scale, kind)
        words = _words(self._stream, where)
        if self.dtype.draws_in.itemsize == 4:
            return loc + scale * _draw32(words, values)
        return loc + scale * _draw64(join(words, _words(self._stream.second, where)), values)

    @cached_property
    def _stream(self) -> Stream:
        return Stream.of(self.spec.seed, self.spec.name)


def _draw32(words: Words, values: Distribution) -> npt.NDArray[np.float32]:
    if values.cut is not None:
        return truncated32(words, quantile_range(*values.cut))
    return uniform32(words) if values.draw is Draw.UNIFORM else normal32(words)


def _draw64(words: Words64, values: Distribution) -> npt.NDArray[np.float64]:
    if values.cut is not None:
        return truncated64(words, quantile_range(*values.cut))
    return uniform64(words) if values.draw is Draw.UNIFORM else normal64(words)


def _words(stream: Stream, where: Where) -> Words:
    return stream.words(where.start, where.stop) if isinstance(where, slice) else stream.words_at(where)


def _positions(where: Where) -> npt.NDArray[np.uint64]:
    return np.arange(where.start, where.stop, dtype=np.uint64) if isinstance(where, slice) else where


def _count(where: Where) -> int:
    return where.stop - where.start if isinstance(where, slice) else len(where)
