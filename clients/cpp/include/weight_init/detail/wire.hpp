/// @file
/// Copies values from the bytes of a response to their final memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "weight_init/detail/memory.hpp"

namespace weight_init::detail {

/// Values as transmitted. uint16 holds the bits of float16 or bfloat16.
using WireValues = std::variant<std::vector<float>, std::vector<double>, std::vector<std::uint16_t>>;

template <typename Values>
constexpr std::size_t element_size = sizeof(typename std::decay_t<Values>::value_type);

/// Returns an empty vector of the type in which a dtype is transmitted, or nothing for an unknown dtype.
inline std::optional<WireValues> empty_wire_values(std::string_view dtype) {
    if (dtype == "float32") {
        return std::vector<float>();
    }
    if (dtype == "float64") {
        return std::vector<double>();
    }
    if (dtype == "float16" || dtype == "bfloat16") {
        return std::vector<std::uint16_t>();
    }
    return std::nullopt;
}

/// Returns the size of one value in bytes.
inline std::size_t item_size(const WireValues& wire) {
    return std::visit([](const auto& values) { return element_size<decltype(values)>; }, wire);
}

/// Reserves memory for all values, without touching it.
inline void reserve(WireValues& wire, std::size_t count) {
    std::visit(
        [count](auto& values) {
            values.reserve(count);
            prefer_huge_pages(values.data(), count * element_size<decltype(values)>);
        },
        wire);
}

/// Copies the next bytes to `offset`, in bytes. Requires reserved memory.
inline void copy_bytes(WireValues& wire, std::size_t offset, std::string_view part) {
    if (part.empty()) {
        return;
    }
    const std::size_t stop = offset + part.size();
    std::visit(
        [&](auto& values) {
            constexpr std::size_t size = element_size<decltype(values)>;
            values.resize((stop + size - 1) / size);  // zeroes only the bytes that the copy overwrites next, still in cache
            std::memcpy(reinterpret_cast<char*>(values.data()) + offset, part.data(), part.size());
        },
        wire);
}

inline bool host_is_big_endian() noexcept {
    const std::uint16_t one = 1;
    unsigned char first = 0;
    std::memcpy(&first, &one, 1);
    return first == 0;
}

/// Reverses the bytes of each value if their order differs from this machine's.
inline void to_host_order(WireValues& wire, bool is_big_endian) {
    if (is_big_endian == host_is_big_endian()) {
        return;
    }
    std::visit(
        [](auto& values) {
            for (auto& value : values) {
                auto* bytes = reinterpret_cast<unsigned char*>(&value);
                std::reverse(bytes, bytes + sizeof value);
            }
        },
        wire);
}

}  // namespace weight_init::detail
