/// @file
/// Builds requests from shapes and fields.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <string>

#include "weight_init/detail/http.hpp"
#include "weight_init/error.hpp"
#include "weight_init/shape.hpp"

namespace weight_init::detail {

constexpr std::uint64_t exact_json_integer = 1ULL << 53U;  // above it, parsers that store numbers as double lose digits

inline Error invalid_fields(const std::string& received) {
    return {0, "Invalid Fields", "fields: expected an object such as {{\"seed\", 7}}, with strings in UTF-8; received " + received + "."};
}

/// Returns the fields as an object, which is empty for null. Throws Error.
inline nlohmann::json to_object(const nlohmann::json& fields) {
    if (!fields.is_object() && !fields.is_null()) {
        throw invalid_fields(fields.type_name());
    }
    return fields.is_null() ? nlohmann::json::object() : fields;
}

/// Serializes a value as JSON. Throws Error.
inline std::string to_json(const nlohmann::json& value) {
    try {
        return value.dump();
    } catch (const nlohmann::json::exception& error) {
        throw invalid_fields(error.what());
    }
}

/// Returns the request for a tensor. The service checks the values. Throws Error.
inline Request init_request(const Shape& shape, nlohmann::json fields) {
    fields["shape"] = shape;
    if (const auto seed = fields.find("seed"); seed != fields.end() && seed->is_number_integer() && *seed > exact_json_integer) {
        *seed = to_json(*seed);
    }
    return {"/init", to_json(fields)};
}

/// Escapes text for a URL.
inline std::string url_escape(const std::string& text) {
    const std::unique_ptr<char, decltype(&curl_free)> escaped(curl_easy_escape(nullptr, text.c_str(), static_cast<int>(text.size())),
                                                              curl_free);
    if (escaped == nullptr) {
        throw std::bad_alloc();
    }
    return escaped.get();
}

/// Returns the request for advice on an activation, or on a layer alone if it is null. Throws Error.
inline Request recommend_request(const nlohmann::json& activation, nlohmann::json fields) {
    if (!activation.is_null()) {
        fields["activation"] = activation;
    }
    std::string path = "/recommend";
    char separator = '?';
    for (const auto& [name, value] : fields.items()) {
        path += separator + url_escape(name) + '=' + url_escape(value.is_string() ? value.get<std::string>() : to_json(value));
        separator = '&';
    }
    return {path};
}

}  // namespace weight_init::detail
