/// @file
/// Values as they travel: as bytes into the memory in which they stay.
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

/// Values in their own type; uint16 are the bits of float16 or bfloat16.
using Wire = std::variant<std::vector<float>, std::vector<double>, std::vector<std::uint16_t>>;

template <typename Values>
constexpr std::size_t size_of_one = sizeof(typename std::decay_t<Values>::value_type);

/// No values yet, of the type in which a dtype travels; nothing for an unknown one.
inline std::optional<Wire> wire_of(std::string_view dtype) {
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

/// The bytes of one value.
inline std::size_t item_size(const Wire& wire) {
    return std::visit([](const auto& values) { return size_of_one<decltype(values)>; }, wire);
}

/// Memory for all values at once. It is not touched before they come.
inline void reserve(Wire& wire, std::size_t count) {
    std::visit(
        [count](auto& values) {
            values.reserve(count);
            prefer_huge_pages(values.data(), count * size_of_one<decltype(values)>);
        },
        wire);
}

/// Put the next bytes in their place, `offset` bytes from the beginning. There must be memory for them.
inline void put(Wire& wire, std::size_t offset, std::string_view part) {
    if (part.empty()) {
        return;
    }
    const std::size_t stop = offset + part.size();
    std::visit(
        [&](auto& values) {
            constexpr std::size_t size = size_of_one<decltype(values)>;
            values.resize((stop + size - 1) / size);  // clears only what is overwritten at once, while it is in the cache
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

/// Turn the bytes of every value around where they are not in this machine's order.
inline void to_host_order(Wire& wire, bool is_big_endian) {
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
