/// @file
/// What to ask: requests from shapes and fields.
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

constexpr std::uint64_t exact_json_integer = 1ULL << 53U;  // above it, readers that hold numbers as double lose digits

inline Error invalid_fields(const std::string& received) {
    return {0, "Invalid Fields", "Expected an object of fields such as {{\"seed\", 7}}, with text in UTF-8; received " + received + "."};
}

/// The fields, an object also where there are none. Throws Error.
inline nlohmann::json object_of(const nlohmann::json& fields) {
    if (!fields.is_object() && !fields.is_null()) {
        throw invalid_fields(fields.type_name());
    }
    return fields.is_null() ? nlohmann::json::object() : fields;
}

/// A value as JSON. Throws Error.
inline std::string json_of(const nlohmann::json& value) {
    try {
        return value.dump();
    } catch (const nlohmann::json::exception& error) {
        throw invalid_fields(error.what());
    }
}

/// The request for one tensor. The service checks the values. Throws Error.
inline Request init_request(const Shape& shape, nlohmann::json fields) {
    fields["shape"] = shape;
    if (const auto seed = fields.find("seed"); seed != fields.end() && seed->is_number_integer() && *seed > exact_json_integer) {
        *seed = json_of(*seed);
    }
    return {"/init", json_of(fields)};
}

/// Text as a part of a URL.
inline std::string escaped(const std::string& text) {
    const std::unique_ptr<char, decltype(&curl_free)> safe(curl_easy_escape(nullptr, text.c_str(), static_cast<int>(text.size())),
                                                           curl_free);
    if (safe == nullptr) {
        throw std::bad_alloc();
    }
    return safe.get();
}

/// The request for advice on an activation, or on a layer where it is null. Throws Error.
inline Request recommend_request(const nlohmann::json& activation, nlohmann::json fields) {
    if (!activation.is_null()) {
        fields["activation"] = activation;
    }
    std::string path = "/recommend";
    char separator = '?';
    for (const auto& [name, value] : fields.items()) {
        path += separator + escaped(name) + '=' + escaped(value.is_string() ? value.get<std::string>() : json_of(value));
        separator = '&';
    }
    return {path};
}

}  // namespace weight_init::detail
