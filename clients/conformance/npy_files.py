"""Writes .npy test files with NumPy, for the readers in other languages."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

_MATRIX = np.arange(6, dtype=np.float64).reshape(2, 3) / 4 - 0.5

_READABLE = {
    "version-1": (_MATRIX.astype("<f4"), (1, 0)),
    "version-2": (_MATRIX.astype("<f4"), (2, 0)),
    "version-3": (_MATRIX.astype("<f4"), (3, 0)),
    "fortran-order": (np.asfortranarray(_MATRIX.astype("<f4")), (1, 0)),
    "fortran-order-rank-3": (np.asfortranarray(np.arange(24, dtype="<f8").reshape(2, 3, 4)), (1, 0)),
    "big-endian": (_MATRIX.astype(">f4"), (1, 0)),
    "big-endian-float64": (np.asfortranarray(_MATRIX.astype(">f8")), (1, 0)),
    "float64": (_MATRIX.astype("<f8"), (1, 0)),
    "float16": (_MATRIX.astype("<f2"), (1, 0)),
    "rank-0": (np.array(0.25, "<f4"), (1, 0)),
    "empty": (np.zeros((0, 3), "<f4"), (1, 0)),
    "rank-1": (np.array([1.5, -2.0], "<f4"), (1, 0)),
}


# headers of other writers, which NumPy reads too
_HEADERS = {
    "python-2": "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }",
    "double-quotes": '{"descr": "<f4", "fortran_order": False, "shape": (2, 3)}',
    "tabs": "{\t'shape'\t:\t( 2\t,\t3 ),\n 'fortran_order'\t:\tFalse ,\t'descr' : '<f4'\t}",
    "other-order": "{'shape': (2, 3), 'fortran_order': False, 'descr': '<f4'}",
    "native-order": "{'descr': '=f4', 'fortran_order': False, 'shape': (2, 3)}",
    "no-order": "{'descr': 'f4', 'fortran_order': False, 'shape': (2, 3)}",
}


def write_npy_files(folder: Path) -> list[dict[str, Any]]:
    """Write all test files. Return a row for each: its dtype, shape and values in C order, or that a reader must refuse it."""
    rows = [_write_readable(folder / f"{name}.npy", _npy_bytes(array, version)) for name, (array, version) in _READABLE.items()]
    values = _MATRIX.astype("f4").tobytes()
    rows += [_write_readable(folder / f"{name}.npy", _npy_file(header) + values) for name, header in _HEADERS.items()]
    return rows + [_write_invalid(folder / f"{name}.npy", content) for name, content in _invalid_files().items()]


def _write_readable(path: Path, content: bytes) -> dict[str, Any]:
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Reading `.npy` or `.npz` file required additional header parsing")
        array = np.load(path)
    values = array.astype(np.float64).ravel(order="C").tolist()
    return {"file": str(path), "refused": False, "dtype": array.dtype.name, "shape": list(array.shape), "values": values}


def _write_invalid(path: Path, content: bytes) -> dict[str, Any]:
    path.write_bytes(content)
    return {"file": str(path), "refused": True}


def _invalid_files() -> dict[str, bytes]:
    whole = _npy_bytes(_MATRIX, (1, 0))
    objects = io.BytesIO()
    np.save(objects, np.array([{}, None], dtype=object), allow_pickle=True)
    return {
        "objects": objects.getvalue(),
        "truncated-values": whole[:-1],
        "truncated-header": whole[:40],
        "truncated-magic": whole[:5],
        "no-npy": b"<!doctype html><title>502 Bad Gateway</title>",
        "version-9": whole[:6] + b"\x09\x00" + whole[8:],
        "nothing": b"",
    }


def _npy_file(header: str) -> bytes:
    """Return the beginning of a file of version 1, up to the values."""
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode("latin-1")


def _npy_bytes(array: np.ndarray, version: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    npy.write_array(file, array, version=version)
    return file.getvalue()
