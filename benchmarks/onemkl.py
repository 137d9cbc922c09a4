"""Intel's oneMKL, called by ctypes: the fastest other filler of arrays on this kind of machine."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]

# basic generators and methods of mkl_vsl_defines.h
GENERATORS = {"ARS5": 15 << 20, "SFMT19937": 13 << 20, "Philox4x32-10": 16 << 20}
_UNIFORM_STANDARD, _GAUSSIAN_ICDF = 0, 2


class Generator:
    """One stream of a basic generator, on one thread. Raises OSError if oneMKL is not installed."""

    def __init__(self, generator: str, seed: int) -> None:
        os.environ["MKL_THREADING_LAYER"] = "SEQUENTIAL"
        self._library = ctypes.CDLL(str(next(Path(sys.prefix, "lib").glob("libmkl_rt.so*"))))
        self._stream = ctypes.c_void_p()
        _check(self._library.vslNewStream(ctypes.byref(self._stream), GENERATORS[generator], ctypes.c_uint(seed)))

    def normal(self, out: Float32s, stddev: float) -> None:
        """Fill an array with N(0, stddev²), by the inverse of the distribution function as we do."""
        self._fill(self._library.vsRngGaussian, _GAUSSIAN_ICDF, out, 0.0, stddev)

    def uniform(self, out: Float32s, limit: float) -> None:
        """Fill an array with U[-limit, limit)."""
        self._fill(self._library.vsRngUniform, _UNIFORM_STANDARD, out, -limit, limit)

    def _fill(self, function: ctypes._NamedFuncPointer, method: int, out: Float32s, first: float, second: float) -> None:
        values = ctypes.c_void_p(out.ctypes.data)
        _check(function(method, self._stream, len(out), values, ctypes.c_float(first), ctypes.c_float(second)))


def _check(status: int) -> None:
    if status:
        raise OSError(f"oneMKL returned the status {status}")
