/// @file
/// Conversion of 16-bit floats to float32, which represents each of them exactly.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

namespace weight_init {

namespace detail {

inline float float_of_bits(std::uint32_t bits) noexcept {
    static_assert(sizeof(float) == sizeof bits);
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

}  // namespace detail

/// Converts the bits of a float16, including subnormals, infinities and NaN.
inline float float_of_float16(std::uint16_t bits) noexcept {
    const std::uint32_t sign = (bits & 0x8000U) << 16U;
    const std::uint32_t exponent = (bits >> 10U) & 0x1fU;
    const std::uint32_t fraction = bits & 0x3ffU;
    if (exponent == 0) {  // zero, and subnormals, which are normal numbers in float32
        return std::copysign(static_cast<float>(fraction) * 0x1p-24F, detail::float_of_bits(sign));
    }
    const std::uint32_t widened = exponent == 0x1fU ? 0xffU : exponent + (127U - 15U);  // the exponent biases of float32 and float16
    return detail::float_of_bits(sign | widened << 23U | fraction << 13U);
}

/// Converts the bits of a bfloat16, which are the upper half of a float32.
inline float float_of_bfloat16(std::uint16_t bits) noexcept { return detail::float_of_bits(static_cast<std::uint32_t>(bits) << 16U); }

}  // namespace weight_init
