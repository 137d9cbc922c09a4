"""The client: the only place where bytes are sent and received. What they mean is in `request` and `answer`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Self, SupportsIndex

import httpx
import numpy.typing as npt

from weight_init.answer import IncomingWeights, json_object, metadata_in, problem_in, rows_in
from weight_init.errors import ConnectionFailed
from weight_init.files import whole_or_nothing
from weight_init.request import ACTIVATIONS, SCHEMES, Request, init_request, recommend_request
from weight_init.weights import Weights

DEFAULT_URL = "http://127.0.0.1:8000"

Named = str | Mapping[str, Any]


class Client:
    """A connection to a weight-init service. Threads may share it. Close it, or use it in a `with` statement.

    `timeout_s`: seconds to wait for the connection and for each part of an answer; a large tensor may take longer in all.
    Every method raises ProblemError when the service refuses the request, ConnectionFailed when no whole answer comes, and
    InvalidAnswer when something else than a weight-init service answers: all are kinds of WeightInitError.
    """

    def __init__(self, url: str = DEFAULT_URL, *, timeout_s: float = 30.0) -> None:
        """Connects at the first request. Raises ValueError for a URL that is not one of HTTP."""
        self.url = _checked(url)
        self.timeout_s = timeout_s
        # A compressed body would have another length than the tensor, and weights do not compress.
        self._http = httpx.Client(base_url=self.url, timeout=timeout_s, headers={"Accept-Encoding": "identity"})

    def init(
        self,
        shape: Sequence[SupportsIndex],
        *,
        scheme: Named | None = None,
        activation: Named | None = None,
        dtype: npt.DTypeLike | None = None,
        seed: SupportsIndex | None = None,
        name: str | None = None,
        layout: str | None = None,
        slice: str | None = None,
        fan_in: SupportsIndex | None = None,
        fan_out: SupportsIndex | None = None,
        **parameters: Any,
    ) -> Weights:
        """An initialized tensor as a writable array.

        `shape` is [out, in, *kernel], or [*kernel, in, out] with `layout="keras"` (or jax, flax). `scheme` is a name, by default
        the one recommended for `activation`; its parameters, those of the activation, and fields of the service that have no
        name here go beside it: `stddev=0.02`, `groups=4`. `dtype` is float32, float64, float16 or bfloat16, which is widened to
        float32 where ml_dtypes is missing. `seed` is 0 to 2**64 - 1; without one the service chooses, and `Weights.seed` tells.
        Tensors of different `name` are independent. `slice` is NumPy's basic slicing as text: "128:256, :". What is left out is
        decided by the service, and told in `Weights.metadata`.
        """
        request = init_request(
            shape,
            format="raw",
            scheme=scheme,
            activation=activation,
            dtype=dtype,
            seed=seed,
            name=name,
            layout=layout,
            slice=slice,
            fan_in=fan_in,
            fan_out=fan_out,
            **parameters,
        )
        with self._answer(request) as response:
            weights = IncomingWeights(response.headers)
            for part in response.iter_raw():
                weights.add(part)
        return weights.complete()

    def download(
        self, path: str | PathLike[str], shape: Sequence[SupportsIndex], *, format: str | None = None, **fields: Any
    ) -> dict[str, Any]:
        """Write an initialized tensor to a file, however large, and return its metadata. `fields` are those of `init`.

        The format is that of the extension (.npy, .safetensors, .npz, .json) unless `format` says it, npy without either. The
        file appears under its name when it is whole. Raises OSError too.
        """
        target = Path(path)
        request = init_request(shape, format=format or target.suffix[1:] or None, **fields)
        with whole_or_nothing(target) as file, self._answer(request) as response:
            metadata = metadata_in(response.headers)
            for part in response.iter_raw():
                file.write(part)
        return metadata

    def recommend(
        self,
        activation: str,
        *,
        fan_in: SupportsIndex | None = None,
        fan_out: SupportsIndex | None = None,
        distribution: str | None = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        """The scheme that fits an activation, with its reason, reference and alternatives; with the fans, its stddev and bound too.

        `parameters` are those of the activation: `negative_slope=0.2`.
        """
        request = recommend_request(activation, fan_in=fan_in, fan_out=fan_out, distribution=distribution, **parameters)
        return json_object(self._body(request))

    def schemes(self) -> list[dict[str, Any]]:
        """Every scheme: its names, parameters, formula and reference."""
        return rows_in(self._body(SCHEMES), "schemes")

    def activations(self) -> list[dict[str, Any]]:
        """Every activation: its names, parameters, gains and recommended scheme."""
        return rows_in(self._body(ACTIVATIONS), "activations")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _body(self, request: Request) -> bytes:
        with self._answer(request) as response:
            return response.read()

    @contextmanager
    def _answer(self, request: Request) -> Iterator[httpx.Response]:
        """The answer to a request, its body still to be read."""
        try:
            with self._http.stream(
                request.method, request.path, params=request.query, content=request.body, headers=request.headers
            ) as response:
                if response.status_code != httpx.codes.OK:
                    raise problem_in(response.status_code, response.headers, response.read())
                yield response
        except httpx.RequestError as error:  # also one while the body is read
            raise _connection_failed(error, self.url, self.timeout_s) from error


def _checked(url: str) -> str:
    try:
        parsed = httpx.URL(url)
        valid = parsed.scheme in ("http", "https") and parsed.host != ""
    except httpx.InvalidURL:
        valid = False
    if not valid:
        raise ValueError(f"url: expected one such as {DEFAULT_URL}; received {url!r}. Begin it with http:// or https://.")
    return url


def _connection_failed(error: httpx.RequestError, url: str, timeout_s: float) -> ConnectionFailed:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return ConnectionFailed(f"No service answers at {url} ({error}). Start it with `weight-init serve`, or give Client its URL.")
    if isinstance(error, httpx.TimeoutException):
        return ConnectionFailed(f"Nothing came from {url} for {timeout_s:g} s. Ask again, or give Client a larger timeout_s.")
    return ConnectionFailed(f"The connection to {url} broke before the whole answer came ({error}). Ask again.")
