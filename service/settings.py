"""The settings of the service, each from an environment variable WEIGHT_INIT_<NAME>."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.contract.answer import Limits


class Settings(BaseSettings):
    """Read from the environment; a value that cannot be one stops the start."""

    model_config = SettingsConfigDict(env_prefix="WEIGHT_INIT_", extra="ignore")

    host: str = Field(default="127.0.0.1", description="the address to listen on")
    port: int = Field(default=8000, ge=0, le=65535, description="the port to listen on; 0 for any free one")
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
    max_body_bytes: int = Field(default=64 << 10, ge=1, description="the largest request body: a specification is never long")
    # two cores hash so much in half a minute; most proxies wait a minute for an answer to begin
    max_digest_bytes: int = Field(
        default=8 << 30,
        ge=0,
        description="the largest tensor of which a digest is computed, before the answer, for those who want one (Want-Repr-Digest); of a"
        " larger one the wish is ignored",
    )

    @property
    def limits(self) -> Limits:
        """The limits of one answer."""
        return Limits(self.max_tensor_bytes, self.max_json_elements, self.max_structured_elements)
