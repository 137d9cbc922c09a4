/// @file
/// A request until it is answered: waiting, asking again, and going on where a connection broke.
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

#include "weight_init/detail/answer.hpp"
#include "weight_init/detail/connection.hpp"
#include "weight_init/detail/failure.hpp"
#include "weight_init/detail/http.hpp"
#include "weight_init/error.hpp"

namespace weight_init::detail {

constexpr std::chrono::seconds longest_pause{60};

/// A decimal number without a sign, and nothing else.
inline std::optional<std::uint64_t> number_in(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

inline bool has_body(long status) { return status == 200 || status == 206; }

/// What to wait before a busy service is asked again; nothing if it is not busy, or for too long.
inline std::optional<std::chrono::milliseconds> pause_until_free(const Answer& answer) {
    if (answer.status() != 429 && answer.status() != 503) {
        return std::nullopt;
    }
    const std::uint64_t seconds = number_in(answer.header("Retry-After")).value_or(1);
    return seconds <= 60 ? std::optional(std::chrono::seconds(seconds)) : std::nullopt;
}

/// What to wait before a connection is made again: a tenth of a second, and twice as long after each failure.
inline std::chrono::milliseconds pause_after(int failures) {
    return std::min<std::chrono::milliseconds>(std::chrono::milliseconds(100) * (1 << std::min(failures, 16)), longest_pause);
}

/// One request, on as many connections as it takes.
class Transfer final : private Receiver {
  public:
    /// `target` receives the answer as if nothing ever broke: it is told to begin again where there is no other way.
    Transfer(Connection& connection, const Request& request, Receiver& target)
        : connection_(connection), request_(request), target_(target) {}

    /// Ask until the answer is whole. Throws Error, and what the target throws.
    void run() {
        for (int failures = 0;; ++failures) {
            const Outcome outcome = attempt();
            const bool is_answered = outcome.code == CURLE_OK;
            if (is_answered && has_body(outcome.answer.status())) {
                return;
            }
            failures = std::exchange(has_advanced_, false) ? 0 : failures;
            const auto pause = pause_before_next(outcome, failures);
            if (!pause || failures >= connection_.options().retries) {
                throw is_answered ? problem_in(outcome.answer, problem_) : failure_of(outcome, connection_.options());
            }
            std::this_thread::sleep_for(*pause);
        }
    }

  private:
    /// Ask once, for what is missing.
    Outcome attempt() {
        Outcome outcome = connection_.exchange(request_, rest(), *this);
        if (outcome.code == CURLE_OK && has_body(status_) && received_ < length_) {
            outcome.code = CURLE_PARTIAL_FILE;
            outcome.message = "it ended after " + std::to_string(received_) + " of " + std::to_string(length_) + " bytes";
        }
        return outcome;
    }

    static std::optional<std::chrono::milliseconds> pause_before_next(const Outcome& outcome, int failures) {
        if (outcome.code == CURLE_OK) {
            return pause_until_free(outcome.answer);
        }
        return is_broken(outcome.code) || is_unreachable(outcome.code) ? std::optional(pause_after(failures)) : std::nullopt;
    }

    /// The headers that ask for what is missing; none where it cannot be had alone.
    [[nodiscard]] std::vector<std::string> rest() const {
        if (received_ == 0 || etag_.empty()) {
            return {};
        }
        return {"Range: bytes=" + std::to_string(received_) + "-", "If-Range: " + etag_};
    }

    void begin(const Answer& answer, std::string_view first) override {
        problem_.clear();
        status_ = answer.status();
        if (status_ == 206) {
            check_rest(answer);
        } else if (status_ == 200) {
            received_ = 0;
            remember(answer);
            target_.begin(answer, first);
        }
    }

    void add(std::string_view part) override {
        if (!has_body(status_)) {
            problem_ += part;
            return;
        }
        target_.add(part);
        received_ += part.size();
        if (received_ > furthest_) {  // not where the same bytes come again and again: that would never end
            furthest_ = received_;
            has_advanced_ = true;
        }
    }

    /// Keep what it takes to ask for the rest of this answer, if the service can give it.
    void remember(const Answer& answer) {
        const std::string etag = answer.header("ETag");
        const auto length = number_in(answer.header("Content-Length"));
        const bool is_resumable = etag.rfind('"', 0) == 0 && answer.header("Accept-Ranges") == "bytes" && length;  // W/"..." is weak
        etag_ = is_resumable ? etag : "";
        length_ = length.value_or(0);
    }

    /// Throws Error if this is not the rest of what was begun.
    void check_rest(const Answer& answer) const {
        const std::string range = answer.header("Content-Range");
        const std::string begin = "bytes " + std::to_string(received_) + "-";
        if (rest().empty() || range.rfind(begin, 0) != 0 || answer.header("ETag") != etag_) {
            throw Error(206, "Unexpected Answer",
                        "Expected " + begin + " of " + etag_ + "; received " + range + " of " + answer.header("ETag") +
                            ". Ask again, and check the proxy if there is one.");
        }
    }

    Connection& connection_;
    const Request& request_;
    Receiver& target_;

    long status_ = 0;             // of the answer that is arriving
    std::string problem_;         // its body, where it is not the one that was asked for
    std::string etag_;            // of the answer that was begun; empty if its rest cannot be asked for
    std::uint64_t length_ = 0;    // of its body, 0 if it was not told
    std::uint64_t received_ = 0;  // of these bytes
    std::uint64_t furthest_ = 0;  // the most that ever were
    bool has_advanced_ = false;   // since the last failure
};

}  // namespace weight_init::detail
