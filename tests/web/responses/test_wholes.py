"""Tensors that are computed as a whole, over a socket."""

from __future__ import annotations

import io
import json

import httpx
import numpy as np
import pytest

from service.contract.answer import Limits
from service.settings import Settings
from tests.serving import serving

URL = "/init?shape=64,48&scheme=orthogonal&seed=7"


def test_returns_an_orthogonal_matrix_and_its_slices(http: httpx.Client) -> None:
    whole = np.load(io.BytesIO(http.get(URL).content))
    part = np.load(io.BytesIO(http.get(f"{URL}&slice=10:20,:5").content))
    assert np.allclose(whole.T @ whole, np.eye(48), atol=1e-6)
    assert np.array_equal(part, whole[10:20, :5])


@pytest.mark.parametrize("scheme", ["orthogonal", "sparse&sparsity=0.5", "delta_orthogonal"])
def test_a_matrix_has_a_strong_etag_and_ranges(http: httpx.Client, scheme: str) -> None:
    url = f"/init?shape=64,48{',3' * scheme.startswith('delta')}&scheme={scheme}&seed=7"
    whole = http.get(url)
    assert json.loads(whole.headers["Weight-Init"])["reproducible"] == "bitwise"
    assert whole.headers["ETag"].startswith('"')
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert http.get(url, headers={"Range": "bytes=1000-1999"}).content == whole.content[1000:2000]
    assert http.get(url, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304


def test_a_slice_of_lines_may_be_of_a_matrix_that_is_too_large() -> None:
    with serving(Settings(max_structured_elements=1000)) as url:
        for shape, part in (("100,200", "7:12"), ("200,100", ":,7:12"), ("9,30,30", "5"), ("9,30,30&axes=boi", "5")):
            request = f"{url}/init?shape={shape}&scheme=orthogonal&seed=7"
            response = httpx.get(f"{request}&slice={part}")
            assert response.status_code == 200, response.text
            refused = httpx.get(request)
            assert refused.status_code == 413
        assert (
            "Its rows are computed alone, so ask for a slice of fewer rows" in httpx.get(f"{url}/init?shape=99,99&scheme=orthogonal").text
        )


def test_refuses_a_slice_of_a_tensor_too_large_to_compute_whole() -> None:
    with serving(Settings(max_structured_elements=1000)) as url:
        response = httpx.get(f"{url}/init?shape=100,100&scheme=orthogonal&slice=:,0:2")
        assert httpx.get(f"{url}/init?shape=30,30&scheme=orthogonal").status_code == 200
        assert httpx.get(f"{url}/init?shape=1000,1000&scheme=identity&slice=0:2,0:2").status_code == 200
    assert response.status_code == 413
    assert "at most 1000 elements for orthogonal (WEIGHT_INIT_MAX_STRUCTURED_ELEMENTS)" in response.json()["detail"]


def test_refuses_a_tensor_whose_computation_needs_more_memory_than_the_service_has(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    monkeypatch.setitem(settings.__dict__, "limits", Limits(max_whole_bytes=20_000_000))  # which it computes once
    with serving(settings) as url:
        response = httpx.get(f"{url}/init?shape=1500,1500&scheme=orthogonal&slice=:,0:2")
        assert httpx.get(f"{url}/init?shape=300,300&scheme=orthogonal").status_code == 200
    assert response.status_code == 413
    assert "at most 20000000 bytes of memory for orthogonal" in response.json()["detail"]
