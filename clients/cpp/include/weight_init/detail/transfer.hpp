/// @file
/// Retries a request until its response is complete, and resumes after a broken connection.
#pragma once

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "weight_init/detail/connection.hpp"
#include "weight_init/detail/failure.hpp"
#include "weight_init/detail/http.hpp"
#include "weight_init/detail/response.hpp"
#include "weight_init/error.hpp"

namespace weight_init::detail {

constexpr std::chrono::seconds max_wait{60};

/// Parses an unsigned decimal number that is the whole text.
inline std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

inline bool is_success(long status) { return status == 200 || status == 206; }

/// Returns the time to wait for a busy service, or nothing if it is not busy or asks for more than a minute.
inline std::optional<std::chrono::milliseconds> retry_after(const Response& response) {
    if (response.status() != 429 && response.status() != 503) {
        return std::nullopt;
    }
    const std::uint64_t seconds = parse_number(response.header("Retry-After")).value_or(1);
    return seconds <= 60 ? std::optional(std::chrono::seconds(seconds)) : std::nullopt;
}

/// Returns the time to wait before reconnecting: a tenth of a second, doubled after each failure.
inline std::chrono::milliseconds backoff(int failures) {
    return std::min<std::chrono::milliseconds>(std::chrono::milliseconds(100) * (1 << std::min(failures, 16)), max_wait);
}

/// One request, over as many connections as it needs.
class Transfer final : private Receiver {
  public:
    /// `target` receives the response as if the connection never broke. It has to start over only if resuming is impossible.
    Transfer(Connection& connection, const Request& request, Receiver& target)
        : connection_(connection), request_(request), target_(target) {}

    /// Sends the request until the response is complete. Throws Error, and exceptions from the target.
    void run() {
        for (int failures = 0;; ++failures) {
            const Outcome outcome = attempt();
            const bool has_response = outcome.code == CURLE_OK;
            if (has_response && is_success(outcome.response.status())) {
                return;
            }
            failures = std::exchange(has_advanced_, false) ? 0 : failures;
            const auto wait = wait_before_retry(outcome, failures);
            if (!wait || failures >= connection_.options().retries) {
                throw has_response ? response_error(outcome.response, error_body_) : connection_error(outcome, connection_.options());
            }
            std::this_thread::sleep_for(*wait);
        }
    }

  private:
    /// Requests the missing bytes once.
    Outcome attempt() {
        Outcome outcome = connection_.send(request_, range_headers(), *this);
        if (outcome.code == CURLE_OK && is_success(status_) && received_ < length_) {
            outcome.code = CURLE_PARTIAL_FILE;
            outcome.message = "received " + std::to_string(received_) + " of " + std::to_string(length_) + " bytes";
        }
        return outcome;
    }

    static std::optional<std::chrono::milliseconds> wait_before_retry(const Outcome& outcome, int failures) {
        if (outcome.code == CURLE_OK) {
            return retry_after(outcome.response);
        }
        return is_broken(outcome.code) || is_unreachable(outcome.code) ? std::optional(backoff(failures)) : std::nullopt;
    }

    /// Returns the headers that request the missing bytes, or none if the response is not resumable.
    [[nodiscard]] std::vector<std::string> range_headers() const {
        if (received_ == 0 || etag_.empty()) {
            return {};
        }
        return {"Range: bytes=" + std::to_string(received_) + "-", "If-Range: " + etag_};
    }

    void begin(const Response& response, std::string_view first) override {
        error_body_.clear();
        status_ = response.status();
        if (status_ == 206) {
            check_content_range(response);
        } else if (status_ == 200) {
            received_ = 0;
            prepare_resume(response);
            target_.begin(response, first);
        }
    }

    void add(std::string_view part) override {
        if (!is_success(status_)) {
            error_body_ += part;
            return;
        }
        target_.add(part);
        received_ += part.size();
        if (received_ > furthest_) {  // receiving the same bytes again is no progress, and must not reset the retries
            furthest_ = received_;
            has_advanced_ = true;
        }
    }

    /// Stores what is needed to request the rest of this response, if it is resumable.
    void prepare_resume(const Response& response) {
        const std::string etag = response.header("ETag");
        const auto length = parse_number(response.header("Content-Length"));
        const bool is_resumable = etag.rfind('"', 0) == 0 && response.header("Accept-Ranges") == "bytes" && length;  // W/"..." is weak
        etag_ = is_resumable ? etag : "";
        length_ = length.value_or(0);
    }

    /// Throws Error unless this is the missing part of the response.
    void check_content_range(const Response& response) const {
        const std::string range = response.header("Content-Range");
        const std::string begin = "bytes " + std::to_string(received_) + "-";
        if (range_headers().empty() || range.rfind(begin, 0) != 0 || response.header("ETag") != etag_) {
            throw Error(206, "Unexpected Response",
                        "Expected " + begin + " of " + etag_ + "; received " + range + " of " + response.header("ETag") +
                            ". Try again, and check the proxy if there is one.");
        }
    }

    Connection& connection_;
    const Request& request_;
    Receiver& target_;

    long status_ = 0;             // of the current response
    std::string error_body_;      // the body of the current response, if it is an error
    std::string etag_;            // of the tensor; empty if it is not resumable
    std::uint64_t length_ = 0;    // of the tensor in bytes; 0 if unknown
    std::uint64_t received_ = 0;  // bytes of the tensor so far
    std::uint64_t furthest_ = 0;  // the largest `received_` so far
    bool has_advanced_ = false;   // whether `furthest_` grew since the last failure
};

}  // namespace weight_init::detail
