"""Opens a checkpoint: its tensors, its files, and the documents beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from service.checkpoints import catalogue
from service.checkpoints.checkpoint import Checkpoint, checkpoint_of
from service.checkpoints.presets import Model
from service.checkpoints.request import CheckpointRequest
from service.checkpoints.shards import DEFAULT_SHARD_BYTES, Shards, shard_bytes_from
from service.contract.answer import Limits
from service.contract.documents import CheckpointSummary
from service.contract.metadata import json_integer

_LONG = ("files", "rules", "tied")  # parts of a summary that may be too long for a header


@dataclass(frozen=True)
class Opened:
    """A checkpoint with its files, and the model that it was made from, if it was not made from a manifest."""

    shards: Shards
    model: Model | None

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint."""
        return self.shards.checkpoint

    @cached_property
    def summary(self) -> CheckpointSummary:
        """What the checkpoint holds."""
        return catalogue.summary_of(self.checkpoint, self.shards.file_names, self.model)

    @cached_property
    def metadata_text(self) -> str:
        """The part of the summary that fits into a header, as one line of JSON in ASCII."""
        return json.dumps({name: value for name, value in self.summary.items() if name not in _LONG}, separators=(",", ":"))

    @property
    def config(self) -> dict[str, Any] | None:
        """The content of config.json. A manifest has none."""
        return None if self.model is None else {**self.model.config, "dtype": self.checkpoint.manifest.dtype}

    @property
    def manifest(self) -> dict[str, Any]:
        """The content of manifest.json."""
        manifest = self.checkpoint.manifest
        return manifest.model_dump(exclude_none=True) | {"seed": json_integer(int(manifest.seed))}


def open_checkpoint(request: CheckpointRequest, limits: Limits, shard_size: str | None = None) -> Opened:
    """Return the checkpoint of a request, with shards of a size such as 5GB. No element is computed. Raises InvalidRequest, InitError."""
    shard_bytes = DEFAULT_SHARD_BYTES if shard_size is None else shard_bytes_from(shard_size)
    model = request.model()
    return Opened(Shards(checkpoint_of(request.manifest_of(model, limits), limits), shard_bytes), model)
