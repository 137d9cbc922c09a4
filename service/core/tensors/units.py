"""Units: independent weights [out, in, *kernel] that lie side by side in one tensor: stacked weights, packed matrices and groups."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from service.core.stream.view import Shape


class Units(NamedTuple):
    """Where the units of a tensor lie in the canonical order.

    With the outputs first, the order is [stacked, packed, groups, out, in, *kernel]. `parts` has the outputs of a unit; of each packed
    matrix, if they differ, and `packed` is then 1. With the inputs first, as in a transposed convolution, the order is
    [stacked, groups, in, packed, out, *kernel], and all units are equal.
    """

    stacked: int
    packed: int
    groups: int
    parts: tuple[int, ...]
    inside: int
    kernel: Shape
    inputs_first: bool = False

    @property
    def is_single(self) -> bool:
        """Whether the tensor is one unit in its own order."""
        return self.number == 1 and not self.inputs_first

    @property
    def number(self) -> int:
        """The number of units."""
        return len(self.parts) * self.number_of_each

    @property
    def number_of_each(self) -> int:
        """The number of units of each part."""
        return self.stacked * self.packed * self.groups

    @property
    def shapes(self) -> list[Shape]:
        """The shape [out, in, *kernel] of a unit of each part."""
        return [(out, self.inside, *self.kernel) for out in self.parts]

    @property
    def size(self) -> int:
        """The number of elements of all units."""
        return self.number_of_each * sum(math.prod(shape) for shape in self.shapes)

    def in_order(self) -> Iterator[Shape]:
        """Yield the shape of each unit, one after the other as they lie in the tensor; with the inputs first, all are equal."""
        for _ in range(self.stacked * self.packed):
            for shape in self.shapes:
                for _ in range(self.groups):
                    yield shape

    @property
    def facts(self) -> dict[str, Any]:
        """The places of the units, as the metadata reports them; nothing if the tensor is one unit in its own order."""
        if self.is_single:
            return {}
        sizes = {"sizes": [out * self.groups for out in self.parts]} if len(self.parts) > 1 else {}
        order = "in, out" if self.inputs_first else "out, in"
        return {"units": {"stacked": self.stacked, "packed": self.packed * len(self.parts), "groups": self.groups, "order": order} | sizes}
