"""What can be asked of a service: the methods that every kind of client has."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Generic, SupportsIndex, TypeVar

import httpx
import numpy.typing as npt

from weight_init.answer import json_object, rows_in
from weight_init.errors import ConnectionFailed, TimedOut
from weight_init.exchange import Flow, download, exchange
from weight_init.incoming import IncomingDocument, IncomingWeights
from weight_init.request import ACTIVATIONS, SCHEMES, format_by, init_request, recommend_request

DEFAULT_URL = "http://127.0.0.1:8000"

Named = str | Mapping[str, Any]

# What the methods return: themselves, or something to await.
TensorT = TypeVar("TensorT")
ObjectT = TypeVar("ObjectT")
RowsT = TypeVar("RowsT")


class Calls(ABC, Generic[TensorT, ObjectT, RowsT]):
    """A service and what it can be asked. A kind of client says how a flow is run, and so what the methods return."""

    def __init__(self, url: str | None = None, *, api_key: str | None = None, timeout_s: float = 30.0, retries: int = 4) -> None:
        """`url` is by default what WEIGHT_INIT_URL says, else http://127.0.0.1:8000; `api_key` what WEIGHT_INIT_API_KEY says, if anything.

        `timeout_s`: seconds to wait for the connection and for each part of an answer; a large tensor may take longer in all.
        `retries`: how often in a row to ask again when the service is busy or the connection breaks; what has come is kept.
        Raises ValueError for a URL that is not one of HTTP and for a key that no header can hold. Connects at the first request.
        """
        self.url = _checked_url(url if url is not None else os.environ.get("WEIGHT_INIT_URL") or DEFAULT_URL)
        self.timeout_s = timeout_s
        self.retries = retries
        key = _checked_key(api_key if api_key is not None else os.environ.get("WEIGHT_INIT_API_KEY", ""))
        self._connect(
            base_url=self.url,
            # A compressed body would have another length than the tensor, and weights do not compress.
            headers={"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {}),
            # Of many requests at once some wait for a connection of others; that is no fault of the service.
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
        packed: SupportsIndex | None = None,
        fan_convention: str | None = None,
        layout: str | None = None,
        dtype: npt.DTypeLike | None = None,
        seed: SupportsIndex | str | None = None,
        name: str | None = None,
        slice: str | None = None,
        fan_in: SupportsIndex | None = None,
        fan_out: SupportsIndex | None = None,
        **parameters: Any,
    ) -> TensorT:
        """An initialized tensor as a writable array. What is left out is decided by the service, and told in `Weights.metadata`.

        `shape` is [out, in, *kernel], or [*kernel, in, out] with `layout="keras"` (or jax, flax). `scheme` is a name, by default
        the one recommended for `activation`; its parameters and those of the activation stand beside it: `stddev=0.02`.
        `layer` (conv, embedding ...), `groups` and `packed` say how to read the shape, `fan_convention` whose fans to count.
        `dtype` is float32, float64, float16 or bfloat16, which is widened to float32 where ml_dtypes is missing. `seed` is 0 to
        2**64 - 1; without one the service chooses, and `Weights.seed` tells. Tensors of different `name` are independent. `slice`
        is NumPy's basic slicing as text: "128:256, :". `fan_in` and `fan_out` replace the shape's own, as of a bias.
        """
        request = init_request(format="raw", **_fields(locals()))
        return self._run(exchange(request, IncomingWeights(), self.retries))

    def download(self, path: str | PathLike[str], shape: Sequence[SupportsIndex], *, format: str | None = None, **fields: Any) -> ObjectT:
        """Write an initialized tensor to a file, however large, and return its metadata. `fields` are those of `init`.

        The format is that of the extension (.npy, .safetensors, .npz, .json; .bin is raw) unless `format` says it, npy without
        either. The file appears under its name when it is whole. Raises OSError too.
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
        """The scheme that fits an activation, a layer (residual_output, embedding ...) or both, with its reason and alternatives.

        With the fans, its stddev and bound too; with `num_layers`, for what feeds a residual stream, and with `class_prior`, above
        0 and below 1, for the head of a rare class. `parameters` are those of the activation: `negative_slope=0.2`.
        """
        request = recommend_request(**_fields(locals()))
        return self._run(exchange(request, IncomingDocument(json_object), self.retries))

    def schemes(self) -> RowsT:
        """Every scheme: its names, parameters, formula and reference."""
        return self._run(exchange(SCHEMES, IncomingDocument(lambda body: rows_in(body, "schemes")), self.retries))

    def activations(self) -> RowsT:
        """Every activation: its names, parameters, gains and recommended scheme."""
        return self._run(exchange(ACTIVATIONS, IncomingDocument(lambda body: rows_in(body, "activations")), self.retries))

    @abstractmethod
    def _connect(self, **options: Any) -> None:
        """Make a client of httpx with these options."""

    @abstractmethod
    def _run(self, flow: Flow[Any]) -> Any:
        """Do what the flow says, and return what it returns; close it in any case."""

    def _failure(self, error: httpx.RequestError) -> ConnectionFailed:
        if isinstance(error, httpx.TimeoutException):
            return TimedOut(
                f"Nothing came from {self.url} for {self.timeout_s:g} s. Ask again, or give a larger timeout_s.", title="Timeout"
            )
        cause = str(error) or type(error).__name__
        if isinstance(error, httpx.ConnectError):
            return ConnectionFailed(
                f"No service answers at {self.url} ({cause}). Start it with `weight-init serve`, or give {type(self).__name__} its URL."
            )
        return ConnectionFailed(f"The connection to {self.url} broke before the whole answer came ({cause}). Ask again.")


def _fields(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a method, its `locals()`, as the fields of a request."""
    named = {name: value for name, value in arguments.items() if name not in ("self", "parameters")}
    return named | arguments["parameters"]


def _checked_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
        valid = parsed.scheme in ("http", "https") and parsed.host != ""
    except httpx.InvalidURL:
        valid = False
    if not valid:
        raise ValueError(f"url: expected one such as {DEFAULT_URL}; received {url!r}. Begin it with http:// or https://.")
    return url


def _checked_key(key: str) -> str:
    if not (key.isascii() and key.isprintable()):
        raise ValueError("api_key: expected printable ASCII; received other characters. Is there a line break at its end?")
    return key
