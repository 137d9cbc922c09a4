"""The methods that the blocking and the asynchronous client share."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Generic, SupportsIndex, TypeVar

import httpx
import numpy.typing as npt

from weight_init.errors import ConnectionFailed, TimedOut
from weight_init.exchange import Flow, download, exchange
from weight_init.receivers import JsonReceiver, WeightsReceiver
from weight_init.request import ACTIVATIONS, SCHEMES, format_by, init_request, recommend_request
from weight_init.response import parse_object, parse_rows

DEFAULT_URL = "http://127.0.0.1:8000"

Named = str | Mapping[str, Any]

# What the methods return: the result itself, or an awaitable of it.
TensorT = TypeVar("TensorT")
ObjectT = TypeVar("ObjectT")
RowsT = TypeVar("RowsT")


class BaseClient(ABC, Generic[TensorT, ObjectT, RowsT]):
    """The base of both clients. A subclass runs the flows, and so decides whether methods return results or awaitables."""

    def __init__(
        self,
        url: str | None = None,
        *,
        uds: str | PathLike[str] | None = None,
        api_key: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 4,
    ) -> None:
        """Configure the client. It connects at the first request.

        `url` defaults to the environment variable WEIGHT_INIT_URL, or http://127.0.0.1:8000. `uds` is the path of the Unix socket of
        `weight-init serve --uds`, through which the client then connects. `api_key` defaults to WEIGHT_INIT_API_KEY.
        `timeout_s` is how many seconds to wait for the connection and for each part of a response; a large tensor may take longer in all.
        `retries` is how many times in a row to retry when the service is busy or the connection breaks, keeping the data that arrived.
        Raises ValueError for a URL that is not http or https, and for a key that does not fit into a header.
        """
        self.url = _checked_url(url if url is not None else os.environ.get("WEIGHT_INIT_URL") or DEFAULT_URL)
        self.timeout_s = timeout_s
        self.retries = retries
        key = _checked_key(api_key if api_key is not None else os.environ.get("WEIGHT_INIT_API_KEY", ""))
        self._connect(
            None if uds is None else fspath(uds),
            base_url=self.url,
            # Weights do not compress, and a compressed body's length would not match the tensor's.
            headers={"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {}),
            # No pool timeout: concurrent requests may wait for a free connection, which is not the service's fault.
            timeout=httpx.Timeout(timeout_s, pool=None),
        )

    def init(
        self,
        shape: Sequence[SupportsIndex],
        *,
        scheme: Named | None = None,
        activation: Named | None = None,
        layer: str | None = None,
        groups: SupportsIndex | None = None,
        packed: SupportsIndex | Sequence[SupportsIndex] | None = None,
        fan_convention: str | None = None,
        layout: str | None = None,
        axes: str | None = None,
        dtype: npt.DTypeLike | None = None,
        seed: SupportsIndex | str | None = None,
        name: str | None = None,
        slice: str | None = None,
        padding_idx: SupportsIndex | None = None,
        fan_in: SupportsIndex | None = None,
        fan_out: SupportsIndex | None = None,
        **parameters: Any,
    ) -> TensorT:
        """Return an initialized tensor as a writable array. The service chooses what you leave out; see `Weights.metadata`.

        `shape` is [out, in, *kernel], or [*kernel, in, out] with `layout="keras"` (or jax, flax). `axes` says what other axes mean, a
        letter for each: "boi" for stacked matrices. `scheme` defaults to the one recommended for `activation`. Pass the parameters
        of either as keywords: `stddev=0.02`. `layer` (conv, embedding ...), `groups` and `packed` (a number, or the outputs of each)
        say which matrices are independent; `fan_convention` says how to count the fans. `dtype` is float32, float64, float16 or
        bfloat16; without ml_dtypes, bfloat16 is widened to float32. `seed` is 0 to 2**64 - 1; if you pass none, the service chooses
        one, and `Weights.seed` reports it. Tensors with different `name` are independent. `slice` is a NumPy basic slice as text:
        "128:256, :". `padding_idx` is the entry of an embedding that is zero. `fan_in` and `fan_out` replace those of the shape, for
        example for a bias.
        """
        request = init_request(format="raw", **_fields(locals()))
        return self._run(exchange(request, WeightsReceiver(), self.retries))

    def download(self, path: str | PathLike[str], shape: Sequence[SupportsIndex], *, format: str | None = None, **fields: Any) -> ObjectT:
        """Write an initialized tensor of any size to a file and return its metadata. `fields` are those of `init`.

        The extension chooses the format (.npy, .safetensors, .npz, .json; .bin is raw) unless you pass `format`. Without either, it
        is npy. The file appears under its name once it is complete. Also raises OSError.
        """
        target = Path(path)
        request = init_request(shape=shape, format=format or format_by(target.suffix), **fields)
        return self._run(download(target, request, self.retries))

    def recommend(
        self,
        activation: Named | None = None,
        *,
        layer: str | None = None,
        num_layers: SupportsIndex | None = None,
        class_prior: float | None = None,
        distribution: str | None = None,
        fan_in: SupportsIndex | None = None,
        fan_out: SupportsIndex | None = None,
        **parameters: Any,
    ) -> ObjectT:
        """Return the scheme that fits an activation, a layer (residual_output, embedding ...) or both, with reason and alternatives.

        Pass the fans to get its stddev and bound too. `num_layers` is for layers that feed a residual stream. `class_prior`, above 0
        and below 1, is for the head of a rare class. `parameters` are those of the activation: `negative_slope=0.2`.
        """
        request = recommend_request(**_fields(locals()))
        return self._run(exchange(request, JsonReceiver(parse_object), self.retries))

    def schemes(self) -> RowsT:
        """Return every scheme with its names, parameters, formula and reference."""
        return self._run(exchange(SCHEMES, JsonReceiver(lambda body: parse_rows(body, "schemes")), self.retries))

    def activations(self) -> RowsT:
        """Return every activation with its names, parameters, gains and recommended scheme."""
        return self._run(exchange(ACTIVATIONS, JsonReceiver(lambda body: parse_rows(body, "activations")), self.retries))

    @abstractmethod
    def _connect(self, uds: str | None, **options: Any) -> None:
        """Create the httpx client with these options."""

    @abstractmethod
    def _run(self, flow: Flow[Any]) -> Any:
        """Run the flow, return its result, and close it in any case."""

    def _failure(self, error: httpx.RequestError) -> ConnectionFailed:
        if isinstance(error, httpx.TimeoutException):
            return TimedOut(
                f"No data arrived from {self.url} for {self.timeout_s:g} s. Try again, or set a larger timeout_s.", title="Timeout"
            )
        cause = str(error) or type(error).__name__
        if isinstance(error, httpx.ConnectError):
            return ConnectionFailed(
                f"No service responds at {self.url} ({cause})."
                f" Start one with `weight-init serve`, or pass its URL to {type(self).__name__}."
            )
        return ConnectionFailed(f"The connection to {self.url} broke before the response was complete ({cause}). Try again.")


def _fields(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a method, its `locals()`, as the fields of a request."""
    named = {name: value for name, value in arguments.items() if name not in ("self", "parameters")}
    return named | arguments["parameters"]


def _checked_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
        valid = parsed.scheme in ("http", "https") and parsed.host != ""
    except httpx.InvalidURL:
        valid = False
    if not valid:
        raise ValueError(f"url: expected a URL such as {DEFAULT_URL}; received {url!r}. Start it with http:// or https://.")
    return url


def _checked_key(key: str) -> str:
    if not (key.isascii() and key.isprintable()):
        raise ValueError("api_key: expected printable ASCII characters; received others. Check for a line break at the end.")
    return key
