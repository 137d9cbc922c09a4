/// @file
/// The dimensions of an array.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace weight_init {

/// The dimensions, outermost first.
using Shape = std::vector<std::int64_t>;

namespace detail {

/// Returns the number of elements, or nothing if a dimension is negative or the address space cannot hold the array as float64.
inline std::optional<std::size_t> element_count(const Shape& shape) {
    constexpr std::size_t max_count = std::numeric_limits<std::size_t>::max() / sizeof(double);
    std::size_t count = 1;
    for (const std::int64_t length : shape) {
        if (length < 0 || (length > 0 && count > max_count / static_cast<std::size_t>(length))) {
            return std::nullopt;
        }
        count *= static_cast<std::size_t>(length);
    }
    return count;
}

}  // namespace detail

}  // namespace weight_init
