"""The file formats, one row each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from service.core.errors import InvalidValue, unknown_name
from service.core.tensors.tensor import VirtualTensor
from service.files.json import json_stream
from service.files.npy import npy_file
from service.files.npz import npz_nbytes, npz_stream
from service.files.raw import raw_file
from service.files.safetensors import safetensors_file
from service.files.virtual import Buffer, VirtualFile

Metadata = dict[str, Any]


@dataclass(frozen=True)
class Format:
    """A file format: its names, and how a tensor is written in it.

    `open(tensor, provenance, metadata)` returns a file that can be read at any offset, or a stream that can only be read from the
    start. `provenance` is what determines the tensor and never changes; `metadata` adds advice. `stream_nbytes` returns the length of a
    stream, if it is known before. `ns_per_element` is the CPU time that the format adds to that of the tensor, measured on one core of a
    recent server.
    """

    name: str
    media_type: str
    extension: str
    open: Callable[[VirtualTensor, Metadata, Metadata], VirtualFile | Iterator[Buffer]]
    also_accepts: tuple[str, ...] = ()
    carries_advice: bool = False
    stream_nbytes: Callable[[VirtualTensor, Metadata], int] | None = None
    ns_per_element: float = 0.0


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("npy", "application/x-npy", "npy", lambda tensor, _, __: npy_file(tensor), ("application/npy",)),
        Format(
            "json",
            "application/json",
            "json",
            lambda tensor, _, metadata: json_stream(tensor, metadata),
            carries_advice=True,
            ns_per_element=40,
        ),
        Format(
            "safetensors",
            "application/x-safetensors",
            "safetensors",
            lambda tensor, provenance, _: safetensors_file(tensor, provenance),
            ("application/safetensors", "application/vnd.safetensors"),
        ),
        Format(
            "npz",
            "application/x-npz",
            "npz",
            lambda tensor, provenance, _: npz_stream(tensor, provenance),
            ("application/npz", "application/zip"),
            stream_nbytes=npz_nbytes,
            ns_per_element=1.5,
        ),
        Format("raw", "application/octet-stream", "bin", lambda tensor, _, __: raw_file(tensor)),
    )
}
DEFAULT_FORMAT = FORMATS["npy"]


_BY_NAME = {name: row for row in FORMATS.values() for name in (row.extension, row.name)}


def find_format(name: str) -> Format:
    """Return the format with this name or extension, regardless of case. Raises UnknownName."""
    try:
        return _BY_NAME[name.casefold()]
    except KeyError:
        raise unknown_name("format", name, FORMATS, kind="format") from None


def format_of_file(name: str) -> Format:
    """Return the format of a file by its extension, or the default one without an extension. Raises InvalidValue.

    >>> format_of_file("w.RAW").name
    'raw'
    """
    extension = PurePath(name).suffix
    row = _BY_NAME.get(extension.removeprefix(".").casefold()) if extension else DEFAULT_FORMAT
    if row is None:
        raise InvalidValue(
            "output",
            expected=f"a file name that ends in .{', .'.join(_BY_NAME)}, or without an extension",
            received=name,
            action="Rename the file, or give the format too.",
        )
    return row
