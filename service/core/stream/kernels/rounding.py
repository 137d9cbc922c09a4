"""Rounds float32 to bfloat16 and float16, to nearest even, compiled. `out` holds the bits as uint16."""

from __future__ import annotations

import numpy as np
from numba import float32, uint32

from service.core.stream.kernels.compiling import entry


@entry("void(float32[::1], uint16[::1])")
def to_bfloat16(values, out):
    """Round to the upper half of the bits. The values have to be finite."""
    bits = values.view(np.uint32)
    for j in range(bits.shape[0]):
        odd = uint32(uint32(bits[j] >> uint32(16)) & uint32(1))
        out[j] = np.uint16(uint32(uint32(bits[j] + uint32(0x7FFF)) + odd) >> uint32(16))


@entry("void(float32[::1], uint16[::1])")
def to_float16(values, out):
    """Round to nearest even. For small numbers, adding 0.5 leaves exactly the digits of a subnormal."""
    bits = values.view(np.uint32)
    for j in range(bits.shape[0]):
        sign = uint32(uint32(bits[j] >> uint32(16)) & uint32(0x8000))
        size = uint32(bits[j] & uint32(0x7FFFFFFF))
        odd = uint32(uint32(size >> uint32(13)) & uint32(1))
        normal = uint32(uint32(uint32(size - uint32(112 << 23)) + uint32(uint32(0xFFF) + odd)) >> uint32(13))
        small = uint32(np.float32(abs(values[j]) + float32(0.5)).view(np.uint32) - uint32(0x3F000000))
        out[j] = np.uint16(uint32(sign | (small if size < uint32(113 << 23) else normal)))
