"""What a repository holds at a revision: its files, with their sizes and identities."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from service.checkpoints.opening import Opened
from service.checkpoints.shards import CONFIG_NAME, INDEX_NAME, MANIFEST_NAME, WHOLE_NAME, Shard
from service.web.checkpoints import written
from service.web.hub.card import card_of

OWNER = "weight-init"
CARD_NAME = "README.md"


@dataclass(frozen=True)
class Repository:
    """A preset at a revision."""

    preset: str
    commit: str
    opened: Opened

    @property
    def id(self) -> str:
        """The name of the repository, with its owner."""
        return f"{OWNER}/{self.preset}"

    @cached_property
    def file_names(self) -> list[str]:
        """The names of the files, in order."""
        shards = self.opened.shards.file_names
        index = [] if shards == [WHOLE_NAME] else [INDEX_NAME]
        return sorted([CARD_NAME, CONFIG_NAME, MANIFEST_NAME, *index, *shards])

    @property
    def card(self) -> bytes:
        """The content of README.md."""
        return card_of(self.opened, self.commit).encode("utf-8")

    def entries(self) -> list[dict[str, object]]:
        """Return the files for a listing. The headers of all shards are written for it."""
        return [self._entry(name) for name in self.file_names]

    def _entry(self, name: str) -> dict[str, object]:
        content = self.card if name == CARD_NAME else written(self.opened, name)
        if isinstance(content, Shard):
            nbytes, oid = content.file.nbytes, hashlib.blake2b(content.header, digest_size=20).hexdigest()
        else:
            nbytes, oid = len(content), git_oid(content)
        return {"type": "file", "path": name, "size": nbytes, "oid": oid}

    @property
    def information(self) -> dict[str, Any]:
        """What the Hub says about a repository. Old clients take the list of files from here."""
        return {
            "id": self.id,
            "modelId": self.id,
            "author": OWNER,
            "sha": self.commit,
            "private": False,
            "gated": False,
            "disabled": False,
            "tags": ["safetensors", "untrained", OWNER],
            "siblings": [{"rfilename": name} for name in self.file_names],
        }


def git_oid(content: bytes) -> str:
    """Return the name that git gives a file with this content.

    >>> git_oid(b"")
    'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
