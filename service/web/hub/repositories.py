"""What a repository holds at a revision: files with their sizes and validators."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from service.checkpoints.opening import Opened
from service.checkpoints.shards import CONFIG_NAME, INDEX_NAME, MANIFEST_NAME, WHOLE_NAME
from service.web.hub.card import card_of

OWNER = "weight-init"
CARD_NAME = "README.md"
_LIBRARY_FILE = "safetensors"


@dataclass(frozen=True)
class Entry:
    """A file in a listing. `oid` is the identity of its content, in 40 hexadecimal digits."""

    path: str
    size: int
    oid: str


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

    @property
    def file_names(self) -> list[str]:
        """The names of the files, in order."""
        return sorted([*self._documents, *self.opened.shards.file_names])

    def document(self, file_name: str) -> bytes | None:
        """Return the content of a file that has no tensors, or None if there is no such file."""
        write = self._documents.get(file_name)
        return None if write is None else write()

    @cached_property
    def entries(self) -> list[Entry]:
        """The files. The headers of all shards are written for it."""
        return list(self._entries())

    def _entries(self) -> Iterator[Entry]:
        for name in self.file_names:
            content = self.document(name)
            if content is not None:
                yield Entry(name, len(content), git_oid(content))
            else:
                shard = self.opened.shards.shard(name)
                yield Entry(name, shard.file.nbytes, hashlib.blake2b(shard.etag.encode("ascii"), digest_size=20).hexdigest())

    @property
    def _documents(self) -> dict[str, Callable[[], bytes]]:
        opened = self.opened
        documents: dict[str, Callable[[], bytes]] = {
            CARD_NAME: lambda: card_of(opened, self.commit).encode("utf-8"),
            CONFIG_NAME: lambda: orjson.dumps(opened.config, option=orjson.OPT_INDENT_2),
            MANIFEST_NAME: lambda: orjson.dumps(opened.manifest),
        }
        if opened.shards.file_names != [WHOLE_NAME]:
            documents[INDEX_NAME] = lambda: orjson.dumps(opened.shards.index)
        return documents

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
            "tags": [_LIBRARY_FILE, "untrained", OWNER],
            "siblings": [{"rfilename": name} for name in self.file_names],
        }


def git_oid(content: bytes) -> str:
    """Return the name that git gives a file with this content.

    >>> git_oid(b"")
    'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
