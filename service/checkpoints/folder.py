"""Writes a checkpoint into a folder, as `save_pretrained` would. A run that was stopped goes on where it was."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from service.checkpoints.shards import CONFIG_NAME, INDEX_NAME, Shard, Shards, is_shard_name
from service.core.errors import InvalidValue
from service.files.writing import Advance, write_file


def write_folder(shards: Shards, folder: Path, config: Mapping[str, Any] | None, *, force: bool, advance: Advance) -> int:
    """Write the shards, then their index, then config.json. Return how many shards were there already.

    No reader takes an unfinished folder for a checkpoint, because each shard appears when it is complete, and what names them comes last.
    Raises InvalidValue if the folder has files of another checkpoint, which `force` replaces. Raises OSError.
    """
    present = {shard.file_name for shard in shards if _is_complete(folder / shard.file_name, shard)}
    files = sorted(folder.iterdir()) if folder.exists() else []
    others = [path for path in files if is_shard_name(path.name) and path.name not in present]
    if others and not force:
        raise InvalidValue(
            "output",
            expected="a folder without the files of another checkpoint",
            received=str(others[0]),
            action="Choose another folder, or replace them with --force.",
        )
    missing = [shard for shard in shards if shard.file_name not in present]
    _check_space(folder, sum(shard.file.nbytes for shard in missing))
    folder.mkdir(parents=True, exist_ok=True)
    if others or not present:
        for path in (folder / INDEX_NAME, folder / CONFIG_NAME, *others):
            path.unlink(missing_ok=True)
    for shard in shards:
        if shard.file_name in present:
            advance(shard.file.nbytes)
        else:
            write_file(shard.file, folder / shard.file_name, advance=advance)
    if len(shards.file_names) > 1:
        _write_json(shards.index, folder / INDEX_NAME)
    if config is not None:
        _write_json(config, folder / CONFIG_NAME)
    return len(present)


def _is_complete(path: Path, shard: Shard) -> bool:
    """Return whether a file is this shard. Its header has a digest of all tensors, and a file under its name is complete."""
    try:
        with open(path, "rb") as file:
            return os.fstat(file.fileno()).st_size == shard.file.nbytes and file.read(len(shard.header)) == shard.header
    except FileNotFoundError:
        return False


def _check_space(folder: Path, nbytes: int) -> None:
    """Check that the disk has room, before anything is computed. Raises OSError."""
    free = shutil.disk_usage(next(place for place in (folder, *folder.absolute().parents) if place.exists())).free
    if nbytes > free:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} ({nbytes} bytes needed, {free} free)", str(folder))


def _write_json(content: Mapping[str, Any], path: Path) -> None:
    write_file(iter([orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)]), path)
