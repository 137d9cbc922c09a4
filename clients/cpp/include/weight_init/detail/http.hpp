/// @file
/// What is asked and what is answered, in HTTP.
#pragma once

#include <curl/curl.h>

#include <optional>
#include <string>
#include <string_view>

namespace weight_init::detail {

/// What to ask: the path below the URL with its query, and the JSON to post if there is any.
struct Request {
    std::string path;
    std::optional<std::string> body = std::nullopt;
};

/// Status and headers of an answer. Valid until the next request on its connection.
class Answer {
  public:
    explicit Answer(CURL* easy) noexcept : easy_(easy) {}

    [[nodiscard]] long status() const {
        long status = 0;
        curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
        return status;
    }

    /// The text of a header; empty if there is none.
    [[nodiscard]] std::string header(const char* name) const {
        curl_header* found = nullptr;
        return curl_easy_header(easy_, name, 0, CURLH_HEADER, -1, &found) == CURLHE_OK ? found->value : "";
    }

  private:
    CURL* easy_;
};

/// Who takes an answer while it arrives. What it throws ends the request, and is thrown there.
class Receiver {
  public:
    virtual ~Receiver() = default;

    /// An answer begins, from its first byte. `first` is how its body begins, to be shown where it is not the expected one.
    virtual void begin(const Answer& answer, std::string_view first) = 0;

    /// The next bytes of its body, the first ones too.
    virtual void add(std::string_view part) = 0;
};

}  // namespace weight_init::detail
