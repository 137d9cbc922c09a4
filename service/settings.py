"""The settings of the service, each from an environment variable WEIGHT_INIT_<NAME>."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.contract.answer import Limits

_KEY = re.compile(r"[A-Za-z0-9._~+/-]{16,512}=*")  # what may stand behind `Bearer` (RFC 6750), and cannot be guessed


def _items(given: object) -> tuple[Any, ...]:
    """Those of a list with commas or line ends between them."""
    return given if isinstance(given, tuple) else tuple(item.strip() for item in re.split(r"[,\n]", str(given)) if item.strip())


def _digests(given: object) -> tuple[Any, ...]:
    """SHA-256 of each key, so that none of them stands in the memory of the service, or in what it says of its settings."""
    if given == ():
        return ()
    keys = _items(given)
    if not keys:
        raise ValueError("expected keys, with commas or line ends between them; received none. Leave it unset to let everybody in")
    for number, key in enumerate(keys, 1):
        if not _KEY.fullmatch(key):
            raise ValueError(f"expected keys of 16 to 512 letters, digits or ._~+/-, as of `openssl rand -hex 32`; key {number} is not one")
    return tuple(hashlib.sha256(key.encode("ascii")).digest() for key in keys)


def _digests_in_file(given: object) -> tuple[Any, ...]:
    try:
        return () if given == () else _digests(Path(str(given)).read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"expected a file of keys, one a line; {given}: {error.strerror}") from None


def _proxies(given: object) -> tuple[Any, ...]:
    proxies = _items(given)
    for proxy in proxies:
        if proxy != "*":
            ipaddress.ip_network(proxy)  # or it says what it is not
    return proxies


def _rate(given: object) -> str | None:
    if given is None:
        return None
    from limits import parse  # only here: most installations count nothing

    try:
        parse(str(given))
    except ValueError:
        raise ValueError(f"expected a number of requests and a time, such as 100/second or 5000/hour; received {given!r}") from None
    return str(given)


# NoDecode: they are text in the environment, not JSON
Digests = Annotated[tuple[bytes, ...], NoDecode, BeforeValidator(_digests)]
DigestsInFile = Annotated[tuple[bytes, ...], NoDecode, BeforeValidator(_digests_in_file)]
Items = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_items)]
Proxies = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_proxies)]


class Settings(BaseSettings):
    """Read from the environment; a value that cannot be one stops the start."""

    model_config = SettingsConfigDict(env_prefix="WEIGHT_INIT_", extra="ignore", hide_input_in_errors=True)

    host: str = Field(default="127.0.0.1", description="the address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="the port to listen on; 0 for any free one")
    workers: int = Field(
        default=1,
        ge=1,
        description="the processes that serve, each with as many threads as there are cores: for many small requests, since one process"
        " computes a large tensor with every core already. One that ends is replaced",
    )
    engine: Literal["auto", "numpy", "numba"] = Field(
        default="auto",
        description="what computes: `numba`, compiled kernels; `numpy`, slower, everywhere; `auto`, the kernels as soon as they are"
        " loaded, where there are any (the command line loads them for large tensors only). The bytes are the same",
    )
    kernel_cache: Path | None = Field(
        default=None,
        description="the folder for compiled kernels; by default weight-init in the user's cache. A read-only one is used too",
    )
    max_tensor_bytes: int = Field(
        default=1 << 40, ge=1, description="the largest tensor (or slice) answered: a larger one is most often a typing error"
    )
    max_json_elements: int = Field(
        default=1_000_000,
        ge=1,
        description="the largest tensor in JSON, which is made whole in memory and is longer than the binary formats",
    )
    max_structured_elements: int = Field(
        default=1 << 24, ge=1, description="the largest orthogonal or sparse tensor, which is computed whole and kept for a while"
    )
    max_structured_operations: int = Field(
        default=200 * 10**9,
        ge=1,
        description="the most operations, as they are estimated before it starts, for one of these: an orthogonal 4096×4096 takes nearly so"
        " many, which are seconds on every core. The time grows faster than the elements",
    )
    max_body_bytes: int = Field(default=64 << 10, ge=1, description="the largest request body: a specification is never long")
    # two cores hash so much in half a minute; most proxies wait a minute for an answer to begin
    max_digest_bytes: int = Field(
        default=8 << 30,
        ge=0,
        description="the largest tensor of which a digest is computed, before the answer, for those who want one (Want-Repr-Digest); of a"
        " larger one the wish is ignored",
    )

    max_streams: int = Field(
        default=256,
        ge=1,
        description="the answers of more than 32 KiB that one process sends at once, each with 1 to 3 MiB of memory; to more it says 503."
        " Smaller ones are always answered",
    )
    max_computations: int = Field(
        default=2,
        ge=1,
        description="the large orthogonal or sparse tensors, and the gains of formulas, that one process computes at once, each of them on"
        " every core and with its own memory; to more it says 503",
    )
    max_connections: int = Field(
        default=4096, ge=1, description="the open connections of one process, each of which costs a descriptor; to more it says 503"
    )
    max_head_bytes: int = Field(
        default=32 << 10, ge=1024, description="the longest head of a request, its URL and its headers: as long as proxies allow"
    )
    head_timeout_s: float = Field(
        default=30,
        gt=0,
        description="the seconds in which the head of a request must arrive, and then its body: who dawdles holds a connection",
    )
    reader_timeout_s: float = Field(
        default=60,
        gt=0,
        description="the seconds after which a client is disconnected that reads nothing of its answer; one that reads slowly may stay",
    )
    rate: Annotated[str | None, BeforeValidator(_rate)] = Field(
        default=None,
        description="how often one client, known by its key or else by its address, may ask, such as `100/second`; more is answered 429."
        " By default as often as it likes",
    )
    rate_store: str | None = Field(
        default=None,
        pattern="^rediss?://",
        description="the Redis in which rates are counted, such as `redis://cache:6379`, for all processes together; by default each counts"
        " its own",
    )
    api_keys: Digests = Field(
        default=(), description="the keys, with commas between them, of which a client must send one; by default everybody may ask"
    )
    api_keys_file: DigestsInFile = Field(
        default=(), description="a file of more of them, one a line, such as a container's secret: an environment is easily shown"
    )
    cors_origins: Items = Field(
        default=(), description="the origins, such as `https://example.org`, whose pages may read answers in a browser; by default none"
    )
    trusted_proxies: Proxies = Field(
        default=(),
        description="the addresses or networks of proxies whose X-Forwarded-For and -Proto are believed; by default none, not even this"
        " machine's, since anybody can send these headers",
    )
    tls_certificate: Path | None = Field(default=None, description="the certificate chain in PEM, to serve HTTPS without a proxy")
    tls_key: Path | None = Field(default=None, description="its private key in PEM, if it is not in the same file")
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="the port on which `weight-init serve` answers /metrics, for a network that clients do not reach; by default the same",
    )
    log_format: Literal["pretty", "json"] = Field(default="pretty", description="the log, on stderr: for people, or an object a line")
    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        default="info", description="the least severe messages that are logged; `info` has a line for each request"
    )
    drain_delay: float = Field(
        default=0,
        ge=0,
        description="the seconds after SIGTERM in which requests are still accepted while /readyz says 503, so that a load balancer learns"
        " of the end before it comes; then what is being sent is sent to its end",
    )

    @property
    def limits(self) -> Limits:
        """The limits of one answer."""
        return Limits(self.max_tensor_bytes, self.max_json_elements, self.max_structured_elements, self.max_structured_operations)

    @property
    def key_digests(self) -> tuple[bytes, ...]:
        """SHA-256 of every key, from the environment and from the file."""
        return (*self.api_keys, *self.api_keys_file)
