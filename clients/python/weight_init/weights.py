"""The array that `Client.init` answers."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt


class Weights(np.ndarray[Any, np.dtype[Any]]):
    """A NumPy array that remembers how it was made: writable, in C order, its own memory.

    Only the array that `Client.init` returned has metadata. What is derived from it (a view, a copy, the result of arithmetic, an
    unpickled one) would tell of values that it does not hold, so it has none: `metadata`, `seed`, `recommended` and `warnings`
    raise AttributeError there, as on any array. Results of arithmetic are plain arrays. Keep the original for its metadata, which
    tells of the values as they came: writing into the array does not change it.
    """

    _metadata: dict[str, Any] | None

    def __new__(cls, values: npt.NDArray[Any], metadata: dict[str, Any]) -> Self:
        """The same values, not copied, with metadata."""
        weights = values.view(cls)
        weights._metadata = metadata
        return weights

    def __array_finalize__(self, _: object) -> None:
        """A derived array has no metadata; NumPy calls this for every new one."""
        self._metadata = None

    def __array_wrap__(self, array: npt.NDArray[Any], context: Any = None, return_scalar: bool = False) -> Any:
        """The result of arithmetic, plain; NumPy calls it."""
        return array[()] if return_scalar else np.asarray(array)

    @property
    def metadata(self) -> dict[str, Any]:
        """How the values were made, as the service says it: scheme, parameters, formula, stddev, fans, seed and more."""
        if self._metadata is None:
            raise AttributeError("expected the array that Client.init returned; received one derived from it. Keep the original.")
        return self._metadata

    @property
    def seed(self) -> int:
        """The seed, 0 to 2**64 - 1, also when the service chose it: the same request with it has the same values for ever."""
        return int(self.metadata["seed"])

    @property
    def recommended(self) -> dict[str, Any]:
        """The scheme that the service recommends for this activation and these fans, with its reason and reference."""
        recommended: dict[str, Any] = self.metadata["recommended"]
        return recommended

    @property
    def warnings(self) -> list[str]:
        """What is poor about the scheme for this layer, one sentence each; empty when nothing is."""
        warnings: list[str] = self.metadata["warnings"]
        return warnings
