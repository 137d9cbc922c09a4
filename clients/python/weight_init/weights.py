"""The array that `Client.init` returns."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt


class Weights(np.ndarray[Any, np.dtype[Any]]):
    """A NumPy array with metadata about how it was made. It is writable, in C order, and owns its memory.

    Only the array that `Client.init` returned has metadata. A derived array (a view, a copy, the result of arithmetic, an unpickled
    array) may hold other values, so it has none: `metadata`, `seed`, `recommended` and `warnings` raise AttributeError. Results of
    arithmetic are plain arrays. Keep the original for its metadata. It describes the values as received; writing into the array does
    not change it.
    """

    _metadata: dict[str, Any] | None

    def __new__(cls, values: npt.NDArray[Any], metadata: dict[str, Any]) -> Self:
        """View `values` as Weights, without a copy, and attach the metadata."""
        weights = values.view(cls)
        weights._metadata = metadata
        return weights

    def __array_finalize__(self, _: object) -> None:
        """Clear the metadata. NumPy calls this for every new array, derived ones included."""
        self._metadata = None

    def __array_wrap__(self, array: npt.NDArray[Any], context: Any = None, return_scalar: bool = False) -> Any:
        """Return the result of arithmetic as a plain array. NumPy calls this."""
        return array[()] if return_scalar else np.asarray(array)

    @property
    def metadata(self) -> dict[str, Any]:
        """How the service made the values: scheme, parameters, formula, stddev, fans, seed and more."""
        if self._metadata is None:
            raise AttributeError("expected the array returned by Client.init; received one derived from it. Use the original array.")
        return self._metadata

    @property
    def seed(self) -> int:
        """The seed, 0 to 2**64 - 1, even if the service chose it. The same request with this seed always gives the same values."""
        return int(self.metadata["seed"])

    @property
    def recommended(self) -> dict[str, Any]:
        """The scheme that the service recommends for this activation and these fans, with its reason and reference."""
        recommended: dict[str, Any] = self.metadata["recommended"]
        return recommended

    @property
    def warnings(self) -> list[str]:
        """Warnings about the choice of scheme for this layer, one sentence each."""
        warnings: list[str] = self.metadata["warnings"]
        return warnings
