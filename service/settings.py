"""The settings of the service. Each comes from an environment variable WEIGHT_INIT_<NAME>."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.concurrency.memory import spare_memory_bytes
from service.contract.answer import Limits

_KEY = re.compile(r"[A-Za-z0-9._~+/-]{16,512}=*")  # a token of RFC 6750, too long to be guessed


def _items(value: object) -> tuple[Any, ...]:
    """Split a list at its commas and line breaks."""
    return value if isinstance(value, tuple) else tuple(item.strip() for item in re.split(r"[,\n]", str(value)) if item.strip())


def _digests(value: object) -> tuple[Any, ...]:
    """Return the SHA-256 of each key, so that the keys appear neither in memory nor in a printout of the settings."""
    if value == ():
        return ()
    keys = _items(value)
    if not keys:
        raise ValueError("expected keys, separated by commas or line breaks; received none. Unset it to serve every client")
    for number, key in enumerate(keys, 1):
        if not _KEY.fullmatch(key):
            raise ValueError(
                f"expected keys of 16 to 512 letters, digits or ._~+/-; key {number} is different. Make one with `openssl rand -hex 32`"
            )
    return tuple(hashlib.sha256(key.encode("ascii")).digest() for key in keys)


def _digests_in_file(value: object) -> tuple[Any, ...]:
    try:
        return () if value == () else _digests(Path(str(value)).read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"expected a file with one key per line; cannot read {value}: {error.strerror}") from None


def _proxies(value: object) -> tuple[Any, ...]:
    proxies = _items(value)
    for proxy in proxies:
        if proxy != "*":
            ipaddress.ip_network(proxy)  # raises ValueError for anything else
    return proxies


def _rate(value: object) -> str | None:
    if value is None:
        return None
    from limits import parse_many  # imported here because most installations limit no rate

    try:
        if all(rate.amount > 0 for rate in parse_many(str(value))):
            return str(value)
    except ValueError:
        pass
    raise ValueError(f"expected a number of requests and a time, such as 100/second or 5000/hour; received {value!r}")


def _by_memory(most: int, *, bytes_each: int) -> int:
    """Return `most`, or as many as the memory of this process can hold, and at least 1."""
    return max(1, min(most, spare_memory_bytes() // bytes_each))


# NoDecode, because the environment holds plain text, not JSON.
Digests = Annotated[tuple[bytes, ...], NoDecode, BeforeValidator(_digests)]
DigestsInFile = Annotated[tuple[bytes, ...], NoDecode, BeforeValidator(_digests_in_file)]
Items = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_items)]
Seconds = Annotated[float, Field(le=1e6, allow_inf_nan=False)]  # timers cannot wait for ever
Proxies = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_proxies)]


class Settings(BaseSettings):
    """The settings, read from the environment. An invalid value is an error at the start."""

    model_config = SettingsConfigDict(env_prefix="WEIGHT_INIT_", extra="ignore", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _ignore_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Treat an empty variable as unset, as Compose often sets one. Empty keys stay an error, because they would open the service."""
        return {name: value for name, value in values.items() if value != "" or name in ("api_keys", "api_keys_file")}

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on. 0 means any free port.")
    uds: Path | None = Field(
        default=None,
        description="Path of a Unix socket to listen on in place of an address and a port, for clients on the same machine. It is faster"
        " than TCP. The permissions of its folder decide who may connect.",
    )
    workers: int = Field(
        default=1,
        ge=1,
        description="Number of server processes, each with a thread per core. More processes help with many small requests; one process"
        " already uses every core for a large tensor. A process that dies is replaced.",
    )
    engine: Literal["auto", "numpy", "numba"] = Field(
        default="auto",
        description="Engine that computes the tensors. `numba` uses compiled kernels. `numpy` is slower and works everywhere. `auto` uses"
        " the kernels if there are any, once they are loaded; the command line loads them only for large tensors. All give the same bytes.",
    )
    kernel_cache: Path | None = Field(
        default=None,
        description="Folder for compiled kernels. The default is weight-init in the user's cache. A read-only folder works too.",
    )
    max_tensor_bytes: int = Field(
        default=1 << 40, ge=1, description="Largest tensor or slice to serve. A larger one is usually a typing error."
    )
    max_json_elements: int = Field(
        default=1_000_000,
        ge=1,
        description="Largest tensor to serve as JSON, which is longer than the binary formats, and slower to write and to read.",
    )
    max_structured_elements: int = Field(
        default=1 << 26,
        ge=1,
        description="Largest orthogonal or sparse tensor, or slice of one along its shorter side. It is kept for a while.",
    )
    max_checkpoint_tensors: int = Field(
        default_factory=lambda: _by_memory(200_000, bytes_each=4 << 10),
        ge=1,
        description="Most tensors of a checkpoint, each of which takes 1 KiB of memory. Twice as many are cached. The default"
        " is 200,000, or fewer if the container has less than 1 GiB.",
    )
    max_checkpoint_bytes: int = Field(
        default=1 << 44, ge=1, description="Largest checkpoint to serve, in bytes. It is computed while it is sent, and stored nowhere."
    )
    max_manifest_bytes: int = Field(
        default_factory=lambda: _by_memory(32 << 20, bytes_each=16),
        ge=1,
        description="Longest body of a request for a checkpoint, which may list every tensor of a model. Reading it takes up to 16 times as"
        " much memory. The default is 32 MiB, or less if the container has less than 1 GiB.",
    )
    max_manifests: int = Field(
        default_factory=lambda: _by_memory(8, bytes_each=128 << 20),
        ge=1,
        description="Number of bodies above WEIGHT_INIT_MAX_BODY_BYTES that one process reads at once. Beyond it the status is 503. The"
        " default is 8, or fewer if the container has less than 1 GiB.",
    )
    hub: Literal["on", "off"] = Field(
        default="on",
        description="Whether to answer the clients of the Hugging Face Hub, for which `HF_ENDPOINT` is set to this service.",
    )
    # Most proxies wait a minute for a response to begin.
    max_compute_s: Seconds = Field(
        default=30,
        gt=0,
        description="CPU seconds, as estimated in advance, for what is computed before a response begins: an orthogonal or sparse tensor, a"
        " digest that the request asks for (Want-Repr-Digest), the gains of a formula. All such work of one process that is in progress has"
        " the same limit; beyond it the status is 503. Above it a tensor is refused, and a request for a digest is ignored. An orthogonal"
        " 4096×4096 takes about 5 s, a digest of 8 GiB about 15 s.",
    )
    max_body_bytes: int = Field(default=64 << 10, ge=1, description="Largest body of a request for one tensor, which is never long.")

    max_streams: int = Field(
        default_factory=lambda: _by_memory(256, bytes_each=6 << 20),
        ge=1,
        description="Number of responses over 32 KiB that one process sends at once, each of which takes 1 to 3 MiB of memory. Beyond it"
        " the status is 503. Smaller responses are always sent. The default is 256, or fewer if the container has less than 2 GiB.",
    )
    max_computations: int = Field(
        default=2,
        ge=1,
        description="Threads of one process for what is computed before a response begins, at most one fewer than there are cores. Each may"
        " need the memory of an orthogonal or sparse tensor. More work waits for a thread, up to WEIGHT_INIT_MAX_COMPUTE_S.",
    )
    max_connections: int = Field(
        default_factory=lambda: _by_memory(4096, bytes_each=256 << 10),
        ge=1,
        description="Number of open connections per process. Each takes a file descriptor. Beyond it the status is 503. The default is"
        " 4096, or fewer if the container has less than 2 GiB.",
    )
    max_head_bytes: int = Field(
        default=32 << 10,
        ge=1024,
        description="Longest head of a request: its URL and its headers. The default is what proxies usually allow.",
    )
    head_timeout_s: Seconds = Field(
        default=30,
        gt=0,
        description="Seconds a client has to send the request line and headers, and then again the body. A slower client is disconnected.",
    )
    reader_timeout_s: Seconds = Field(
        default=60,
        gt=0,
        description="Seconds after which a client that reads nothing of its response is disconnected. The client's system takes data in"
        " large steps, so a very slow reader may seem to read nothing.",
    )
    rate: Annotated[str | None, BeforeValidator(_rate)] = Field(
        default=None,
        description="Rate of requests that one client may send, such as `100/second`, or several that all hold, such as"
        " `100/second; 5000/hour`. Beyond it the status is 429. A client is known by its key, or else by its address. By default there is"
        " no limit, except that one address may send 100 requests a minute without a valid key if the service has keys.",
    )
    rate_store: str | None = Field(
        default=None,
        pattern="^rediss?://",
        description="Redis that counts the requests of all processes together, such as `redis://cache:6379`. By default, and while the"
        " Redis does not answer, each process counts its own.",
    )
    api_keys: Digests = Field(
        default=(), description="Keys, separated by commas. A client must send one of them. By default no key is needed."
    )
    api_keys_file: DigestsInFile = Field(
        default=(),
        description="File with further keys, one per line, such as a container's secret. Environments are easily exposed; files less so.",
    )
    caches: Literal["public", "private"] | None = Field(
        default=None,
        description="Which caches may keep responses: `public` any, `private` only that of the client. The default is `public`, or"
        " `private` if there are keys, because a shared cache would answer clients without one.",
    )
    cors_origins: Items = Field(
        default=(), description="Origins, such as `https://example.org`, whose web pages may read responses. By default there are none."
    )
    trusted_proxies: Proxies = Field(
        default=(),
        description="Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted. By default none are, not"
        " even this machine's, because any client can send these headers. With `*` any client can name its own address.",
    )
    tls_certificate: Path | None = Field(default=None, description="Certificate chain in PEM, for HTTPS without a proxy.")
    tls_key: Path | None = Field(default=None, description="Private key of the certificate in PEM, if it is not in the same file.")
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port for the /metrics of `weight-init serve`, for a network that clients do not reach. The default is the same port.",
    )
    log_format: Literal["pretty", "json"] = Field(
        default="pretty", description="Format of the log on stderr: for people, or one JSON object per line."
    )
    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        default="info", description="Lowest level that is logged. `info` includes a line for each request."
    )
    drain_delay: Seconds = Field(
        default=0,
        ge=0,
        description="Seconds after SIGTERM during which requests are still accepted while /readyz returns 503, so that a load balancer"
        " notices. Then the service finishes the responses that it is sending.",
    )
    shutdown_timeout_s: Seconds = Field(
        default=300,
        gt=0,
        description="Seconds after the drain delay in which the service finishes the responses that it is sending. Then it disconnects the"
        " clients that have not read all of theirs. They can resume with a range request.",
    )

    @cached_property
    def limits(self) -> Limits:
        """The limits on a tensor, and on a checkpoint."""
        return Limits(
            max_tensor_bytes=self.max_tensor_bytes,
            max_json_elements=self.max_json_elements,
            max_structured_elements=self.max_structured_elements,
            max_compute_s=self.max_compute_s,
            max_checkpoint_tensors=self.max_checkpoint_tensors,
            max_checkpoint_bytes=self.max_checkpoint_bytes,
        )

    @property
    def forbids_shared_caches(self) -> bool:
        """Whether only the cache of the client may keep responses."""
        return self.caches == "private" or (self.caches is None and bool(self.key_digests))

    @property
    def key_digests(self) -> tuple[bytes, ...]:
        """The SHA-256 of every key from the environment and from the file."""
        return (*self.api_keys, *self.api_keys_file)


def explain(error: ValidationError) -> str:
    """Return the names of invalid settings and what is wrong with them. It contains no key."""
    return "; ".join(f"WEIGHT_INIT_{'_'.join(map(str, row['loc'])).upper()}: {row['msg']}" for row in error.errors())
