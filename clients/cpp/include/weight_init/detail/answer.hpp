/// @file
/// What answers mean, and what to say of those that are not weight-init's.
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

/// The beginning of a text between quotation marks, whatever bytes it has.
inline std::string quoted(std::string_view text) {
    constexpr std::size_t longest = 80;
    const std::string shown = text.size() <= longest ? std::string(text) : std::string(text.substr(0, longest)) + "…";
    return nlohmann::json(shown).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// The error of an answer that is not one of weight-init.
inline Error unexpected(long status, const std::string& expected, std::string_view received) {
    return {status, "Unexpected Answer",
            "Expected " + expected + "; received " + quoted(received) + ". Is the URL that of a weight-init service?"};
}

/// An object of JSON. Throws Error.
inline nlohmann::json object_in(std::string_view text) {
    nlohmann::json content = nlohmann::json::parse(text, nullptr, false);
    if (!content.is_object()) {
        throw unexpected(200, "a JSON object", text);
    }
    return content;
}

/// The list of that name in an object of JSON. Throws Error.
inline nlohmann::json rows_in(std::string_view text, const char* name) {
    nlohmann::json content = object_in(text);
    nlohmann::json& rows = content[name];
    if (!rows.is_array()) {
        throw unexpected(200, std::string("a list of ") + name, text);
    }
    return std::move(rows);
}

/// What the service says of the tensor that follows. Throws Error.
inline nlohmann::json metadata_in(const Answer& answer, std::string_view body) {
    const std::string text = answer.header("Weight-Init");
    if (text.empty()) {
        throw unexpected(answer.status(), "the header Weight-Init", body);
    }
    return object_in(text);
}

/// The text of a name in an object of JSON, `otherwise` if there is none.
inline std::string text_in(const nlohmann::json& object, const char* name, const std::string& otherwise = "") {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

/// The error that an answer of another status than 200 tells of: the service's own, or that of a proxy.
inline Error problem_in(const Answer& answer, std::string_view body) {
    const nlohmann::json content = nlohmann::json::parse(body, nullptr, false);
    const std::string title = "HTTP " + std::to_string(answer.status());
    if (answer.header("Content-Type").rfind("application/problem+json", 0) != 0 || !content.is_object()) {
        return {answer.status(), title,
                "Expected an answer of weight-init; received " + title + " with " + quoted(body) +
                    ". Check the URL, and the proxy if there is one."};
    }
    std::vector<FieldError> errors;
    for (const nlohmann::json& row : content.value("errors", nlohmann::json::array())) {
        errors.push_back({text_in(row, "field"), text_in(row, "expected"), text_in(row, "received"), text_in(row, "action")});
    }
    return {answer.status(), text_in(content, "title", title), text_in(content, "detail", title), std::move(errors)};
}

}  // namespace weight_init::detail
