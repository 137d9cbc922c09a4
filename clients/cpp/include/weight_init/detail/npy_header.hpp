/// @file
/// Parses the header of a .npy file: NumPy Enhancement Proposal 1, versions 1, 2 and 3.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "weight_init/detail/npy_file.hpp"
#include "weight_init/shape.hpp"

namespace weight_init::detail {

/// A parsed header.
struct NpyHeader {
    std::string dtype;
    bool is_big_endian = false;
    bool is_fortran = false;
    Shape shape;
};

/// Returns the text after a key in the header, which is a Python dictionary: {'descr': '<f4', 'shape': (2, 3), ...}
inline std::string_view after_key(std::string_view dictionary, std::string_view key) {
    const std::size_t at = dictionary.find(key);
    const std::size_t begin = at == std::string_view::npos ? at : dictionary.find_first_not_of(" :", at + key.size());
    return begin == std::string_view::npos ? std::string_view() : dictionary.substr(begin);
}

/// Returns the text between `open` and `close`, or nothing if `text` does not begin with `open`.
inline std::optional<std::string_view> between(std::string_view text, char open, char close) {
    const std::size_t end = text.find(close, 1);
    if (text.empty() || text.front() != open || end == std::string_view::npos) {
        return std::nullopt;
    }
    return text.substr(1, end - 1);
}

/// Parses the inside of a tuple: "2, 3" or "2," or an empty text.
inline std::optional<Shape> parse_shape(std::string_view tuple) {
    Shape shape;
    const char* const end = tuple.data() + tuple.size();
    for (const char* at = tuple.data(); at != end;) {
        if (*at == ' ' || *at == ',' || *at == 'L') {  // NumPy on Python 2 wrote 2L
            ++at;
            continue;
        }
        std::int64_t length = 0;
        const auto [next, error] = std::from_chars(at, end, length);
        if (error != std::errc()) {
            return std::nullopt;
        }
        shape.push_back(length);
        at = next;
    }
    return shape;
}

/// Returns the dtype for a descr without its byte order, or an empty string for an unsupported one.
inline std::string dtype_of(std::string_view kind) {
    if (kind == "f4") {
        return "float32";
    }
    if (kind == "f8") {
        return "float64";
    }
    return kind == "f2" ? "float16" : "";
}

/// Parses the dictionary of a header. Returns nothing if it is invalid or has an unsupported dtype.
inline std::optional<NpyHeader> parse_header(std::string_view dictionary) {
    const auto descr = between(after_key(dictionary, "'descr'"), '\'', '\'');
    const auto tuple = between(after_key(dictionary, "'shape'"), '(', ')');
    const std::string_view order = after_key(dictionary, "'fortran_order'");
    const bool is_fortran = order.rfind("True", 0) == 0;
    if (!descr || descr->size() != 3 || !tuple || (!is_fortran && order.rfind("False", 0) != 0)) {
        return std::nullopt;
    }
    const char byte_order = descr->front();
    const std::string dtype = dtype_of(descr->substr(1));
    const auto shape = parse_shape(*tuple);
    if ((byte_order != '<' && byte_order != '>') || dtype.empty() || !shape) {
        return std::nullopt;
    }
    return NpyHeader{dtype, byte_order == '>', is_fortran, *shape};
}

/// Decodes an unsigned integer from little-endian bytes.
inline std::size_t little_endian(std::string_view bytes) {
    std::size_t number = 0;
    for (std::size_t place = bytes.size(); place-- > 0;) {
        number = number << 8U | static_cast<unsigned char>(bytes[place]);
    }
    return number;
}

/// Reads the header at the beginning of a file. Throws Error.
inline NpyHeader read_header(NpyFile& file) {
    constexpr std::string_view magic = "\x93NUMPY";
    if (file.text(magic.size(), "the magic string") != magic) {
        throw file.error("\\x93NUMPY at the beginning", "other bytes");
    }
    const int version = static_cast<unsigned char>(file.text(2, "the version").front());
    if (version < 1 || version > 3) {
        throw file.error("version 1, 2 or 3 of the format", "version " + std::to_string(version));
    }
    const std::size_t size = little_endian(file.text(version == 1 ? 2 : 4, "the size of the header"));
    const std::string dictionary = file.text(size, "the header");
    const auto header = parse_header(dictionary);
    if (!header) {
        throw file.error("a header for float16, float32 or float64", dictionary.substr(0, dictionary.find_last_not_of(" \n") + 1));
    }
    return *header;
}

}  // namespace weight_init::detail
