/// @file
/// HTTP requests and responses.
#pragma once

#include <curl/curl.h>

#include <optional>
#include <string>
#include <string_view>

namespace weight_init::detail {

/// A request: the path below the URL, with its query, and an optional JSON body to POST.
struct Request {
    std::string path;
    std::optional<std::string> body = std::nullopt;
};

/// The status and headers of a response. Valid until the next request on its connection.
class Response {
  public:
    explicit Response(CURL* easy) noexcept : easy_(easy) {}

    [[nodiscard]] long status() const {
        long status = 0;
        curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &status);
        return status;
    }

    /// Returns the value of a header, or an empty string if it is missing.
    [[nodiscard]] std::string header(const char* name) const {
        curl_header* header = nullptr;
        return curl_easy_header(easy_, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : "";
    }

  private:
    CURL* easy_;
};

/// Consumes a response as it arrives. An exception from it ends the request and propagates to the caller.
class Receiver {
  public:
    virtual ~Receiver() = default;

    /// Starts a response from its first byte. `first` is the beginning of the body, for error messages only.
    virtual void begin(const Response& response, std::string_view first) = 0;

    /// Receives the next bytes of the body, including the first ones.
    virtual void add(std::string_view part) = 0;
};

}  // namespace weight_init::detail
