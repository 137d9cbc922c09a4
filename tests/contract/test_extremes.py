"""Extreme numbers: every request gives finite values, or an error that explains itself."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.answer import Limits, answer
from service.contract.errors import InvalidRequest
from service.contract.reading import read_json
from service.contract.request import InitRequest
from service.core.errors import InitError
from service.core.parameters import Kind, Parameter
from service.core.schemes import SCHEMES
from service.files.formats import FORMATS

EXTREMES = [0.0, -0.0, 5e-324, 1e-300, 1e-40, 1e-8, 0.5, 1.0, 2.0, 3.0, 1e8, 1e38, 1e300, 1.7e308, -1.0, -1e300]
INTEGERS = [0, 1, 2, 3, 12, 1000, 2**31, 2**53, 2**63, 10**30]
SHAPES = [[], [1], [12], [1, 1], [8, 4], [4, 8], [6, 6], [8, 2, 3], [16, 4, 3, 3], [4, 4, 2, 2, 2]]


def _value(row: Parameter) -> st.SearchStrategy[Any]:
    match row.kind:
        case Kind.BOOLEAN:
            return st.booleans()
        case Kind.CHOICE:
            return st.sampled_from(row.choices)
        case Kind.INTEGER:
            return st.sampled_from(INTEGERS)
        case Kind.NUMBER:
            return st.sampled_from(EXTREMES)
    return st.sampled_from([*EXTREMES, *row.choices])


@pytest.mark.parametrize("scheme", SCHEMES)
@given(data=st.data())
def test_every_request_gives_finite_values_or_an_error(scheme: str, data: st.DataObject) -> None:
    rows = SCHEMES[scheme].parameters
    given_rows = [row for row in rows if row.required or data.draw(st.booleans())]
    dtype = data.draw(st.sampled_from(["float32", "float64", "float16"]))
    request = {"shape": data.draw(st.sampled_from(SHAPES)), "dtype": dtype, "seed": 7}
    request |= {row.name: data.draw(_value(row)) for row in given_rows}
    request |= {"activation": "relu"} if data.draw(st.booleans()) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = answer(read_json(InitRequest, json.dumps(request | {"scheme": scheme}).encode()), FORMATS["raw"], Limits())
        except (InitError, InvalidRequest):
            return
        values = result.tensor.read()
    assert np.all(np.isfinite(values.astype(np.float64)))
    json.dumps(result.metadata, allow_nan=False)
