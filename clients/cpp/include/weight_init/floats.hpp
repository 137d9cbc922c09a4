/// @file
/// The 16-bit floats, widened: every one of them is a float32 too.
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

/// The value of a float16, subnormals, infinities and NaN included.
inline float float_of_float16(std::uint16_t bits) noexcept {
    const std::uint32_t sign = (bits & 0x8000U) << 16U;
    const std::uint32_t exponent = (bits >> 10U) & 0x1fU;
    const std::uint32_t fraction = bits & 0x3ffU;
    if (exponent == 0) {  // zero and the subnormals, which are normal in float32
        return std::copysign(static_cast<float>(fraction) * 0x1p-24F, detail::float_of_bits(sign));
    }
    const std::uint32_t widened = exponent == 0x1fU ? 0xffU : exponent + (127U - 15U);  // the biases of both
    return detail::float_of_bits(sign | widened << 23U | fraction << 13U);
}

/// The value of a bfloat16, which is the upper half of a float32.
inline float float_of_bfloat16(std::uint16_t bits) noexcept { return detail::float_of_bits(static_cast<std::uint32_t>(bits) << 16U); }

}  // namespace weight_init
