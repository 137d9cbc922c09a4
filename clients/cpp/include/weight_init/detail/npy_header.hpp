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
#include "weight_init/detail/wire.hpp"
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
inline std::string_view after_key(std::string_view dictionary, const std::string& key) {
    std::size_t at = dictionary.find("'" + key + "'");
    at = at == std::string_view::npos ? dictionary.find('"' + key + '"') : at;
    const std::size_t begin = at == std::string_view::npos ? at : dictionary.find_first_not_of(" :\t\r\n", at + key.size() + 2);
    return begin == std::string_view::npos ? std::string_view() : dictionary.substr(begin);
}

/// Returns the text between one of the characters `open` and one of `close`, or nothing if `text` does not begin with `open`.
inline std::optional<std::string_view> between(std::string_view text, std::string_view open, std::string_view close) {
    const std::size_t end = text.find_first_of(close, 1);
    if (text.empty() || open.find(text.front()) == std::string_view::npos || end == std::string_view::npos) {
        return std::nullopt;
    }
    return text.substr(1, end - 1);
}

/// Parses the inside of a tuple: "2, 3" or "2," or an empty text.
inline std::optional<Shape> parse_shape(std::string_view tuple) {
    Shape shape;
    const char* const end = tuple.data() + tuple.size();
    for (const char* at = tuple.data(); at != end;) {
        if (std::string_view(" ,L\t\r\n").find(*at) != std::string_view::npos) {  // NumPy on Python 2 wrote 2L
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
    const auto descr = between(after_key(dictionary, "descr"), "'\"", "'\"");
    const auto tuple = between(after_key(dictionary, "shape"), "(", ")");
    const std::string_view order = after_key(dictionary, "fortran_order");
    const bool is_fortran = order.rfind("True", 0) == 0;
    if (!descr || descr->empty() || !tuple || (!is_fortran && order.rfind("False", 0) != 0)) {
        return std::nullopt;
    }
    const char first = descr->front();
    const bool has_order = std::string_view("<>=|").find(first) != std::string_view::npos;
    const std::string dtype = dtype_of(descr->substr(has_order ? 1 : 0));
    const auto shape = parse_shape(*tuple);
    if (dtype.empty() || !shape) {
        return std::nullopt;
    }
    const bool is_big_endian = first == '>' || (first != '<' && host_is_big_endian());
    return NpyHeader{dtype, is_big_endian, is_fortran, *shape};
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
