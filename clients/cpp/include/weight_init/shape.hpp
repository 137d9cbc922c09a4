/// @file
/// The lengths of an array's dimensions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace weight_init {

/// The lengths of the dimensions, outermost first.
using Shape = std::vector<std::int64_t>;

namespace detail {

/// The elements of a shape; nothing if there is no such shape, or no memory that could ever hold it as float64.
inline std::optional<std::size_t> element_count(const Shape& shape) {
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max() / sizeof(double);
    std::size_t count = 1;
    for (const std::int64_t length : shape) {
        if (length < 0 || (length > 0 && count > most / static_cast<std::size_t>(length))) {
            return std::nullopt;
        }
        count *= static_cast<std::size_t>(length);
    }
    return count;
}

}  // namespace detail

}  // namespace weight_init
