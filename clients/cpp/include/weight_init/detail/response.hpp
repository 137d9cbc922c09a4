/// @file
/// Parses responses, and describes those that do not come from weight-init.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weight_init/detail/http.hpp"
#include "weight_init/error.hpp"

namespace weight_init::detail {

/// Quotes the beginning of a text. Accepts any bytes.
inline std::string quoted(std::string_view text) {
    constexpr std::size_t max_size = 80;
    const std::string shown = text.size() <= max_size ? std::string(text) : std::string(text.substr(0, max_size)) + "…";
    return nlohmann::json(shown).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// The error for a response that weight-init would not send.
inline Error unexpected_response(long status, const std::string& expected, std::string_view received) {
    return {status, "Unexpected Response",
            "Expected " + expected + "; received " + quoted(received) + ". Check that the URL points to a weight-init service."};
}

/// Parses a JSON object. Throws Error.
inline nlohmann::json parse_object(std::string_view text) {
    nlohmann::json content = nlohmann::json::parse(text, nullptr, false);
    if (!content.is_object()) {
        throw unexpected_response(200, "a JSON object", text);
    }
    return content;
}

/// Parses a JSON object, and returns the array under `name`. Throws Error.
inline nlohmann::json parse_rows(std::string_view text, const char* name) {
    nlohmann::json content = parse_object(text);
    nlohmann::json& rows = content[name];
    if (!rows.is_array()) {
        throw unexpected_response(200, std::string("a list of ") + name, text);
    }
    return std::move(rows);
}

/// Parses the metadata of a tensor from the response headers. Throws Error.
inline nlohmann::json parse_metadata(const Response& response, std::string_view body) {
    const std::string text = response.header("Weight-Init");
    if (text.empty()) {
        throw unexpected_response(response.status(), "a Weight-Init header", body);
    }
    return parse_object(text);
}

/// Returns the string under `name` in a JSON object, or `fallback` if there is none.
inline std::string string_field(const nlohmann::json& object, const char* name, const std::string& fallback = "") {
    const auto field = object.find(name);
    return field != object.end() && field->is_string() ? field->get<std::string>() : fallback;
}

/// The error in a response whose status is not 200: the service's own problem document, or whatever a proxy sent.
inline Error response_error(const Response& response, std::string_view body) {
    const nlohmann::json content = nlohmann::json::parse(body, nullptr, false);
    const std::string title = "HTTP " + std::to_string(response.status());
    if (response.header("Content-Type").rfind("application/problem+json", 0) != 0 || !content.is_object()) {
        return {response.status(), title,
                "Expected a weight-init response; received " + title + " with the body " + quoted(body) +
                    ". Check the URL, and the proxy if there is one."};
    }
    std::vector<FieldError> errors;
    for (const nlohmann::json& row : content.value("errors", nlohmann::json::array())) {
        errors.push_back(
            {string_field(row, "field"), string_field(row, "expected"), string_field(row, "received"), string_field(row, "action")});
    }
    return {response.status(), string_field(content, "title", title), string_field(content, "detail", title), std::move(errors)};
}

}  // namespace weight_init::detail
