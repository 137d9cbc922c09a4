"""A report: what somebody needed, the request, and the right answer. A new report is a row in a file of this folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from service.contract.answer import Answer, Limits, answer
from service.contract.reading import read_json
from service.contract.request import InitRequest
from service.files.formats import FORMATS

Values = npt.NDArray[Any]


@dataclass(frozen=True)
class Result:
    """The answer to a request, in float64 unless it says otherwise."""

    request: dict[str, Any]

    @cached_property
    def answer(self) -> Answer:
        """The service's answer."""
        body = json.dumps({"seed": 7, "dtype": "float64"} | self.request).encode()
        return answer(read_json(InitRequest, body), FORMATS["raw"], Limits())

    @cached_property
    def values(self) -> Values:
        """The tensor."""
        return self.answer.tensor.read().reshape(self.answer.tensor.shape).astype(np.float64)

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata."""
        return self.answer.metadata


@dataclass(frozen=True)
class Report:
    """A case: the need, the request, what to look at in its result, what is right, and how that is known."""

    need: str
    request: dict[str, Any]
    look_at: Callable[[Result], Any]
    right: Any
    source: str
    tolerance: float = field(default=1e-12)


def check(report: Report) -> None:
    """Check that the service gives the right answer."""
    seen = report.look_at(Result(report.request))
    if isinstance(report.right, str | list | None) and not _is_numeric(report.right):
        assert seen == report.right, report.need
    else:
        np.testing.assert_allclose(seen, report.right, rtol=report.tolerance, atol=report.tolerance, err_msg=report.need)


def _is_numeric(value: Any) -> bool:
    return value is not None and np.asarray(value).dtype.kind in "biuf"


def stddev(result: Result) -> float:
    """Return the standard deviation that the metadata states."""
    value: float = result.metadata["stddev"]
    return value


def fans(result: Result) -> list[int | None]:
    """Return fan_in and fan_out."""
    return [result.metadata["fan_in"], result.metadata["fan_out"]]


def singular_values(result: Result, *matrix: int) -> Values:
    """Return the singular values of each of the matrices of this shape that lie one after the other in the tensor."""
    return np.linalg.svd(result.values.reshape(-1, *matrix), compute_uv=False)


def same_as(other: dict[str, Any]) -> Callable[[Result], bool]:
    """Return whether the tensor has the same values in the same order as that of another request."""
    return lambda result: result.values.tobytes() == Result(other).values.tobytes()
