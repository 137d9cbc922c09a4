/// @file
/// What to say of a request to which no whole answer came.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "weight_init/detail/connection.hpp"
#include "weight_init/error.hpp"
#include "weight_init/options.hpp"

namespace weight_init::detail {

inline bool is_unreachable(CURLcode code) {
    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_CONNECT;
}

inline bool is_broken(CURLcode code) {
    return code == CURLE_PARTIAL_FILE || code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
           code == CURLE_SSL_CONNECT_ERROR || code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM;
}

inline std::string in_seconds(std::chrono::milliseconds time) {
    char text[32];
    std::snprintf(text, sizeof text, "%g s", std::chrono::duration<double>(time).count());
    return text;
}

/// The error of a request to which no whole answer came.
inline Error failure_of(const Outcome& outcome, const Options& options) {
    const std::string& url = options.url;
    if (outcome.code == CURLE_OPERATION_TIMEDOUT) {
        return {0, "Timeout",
                "Nothing came from " + url + " for " + in_seconds(options.timeout) + ". Ask again, or give a larger timeout."};
    }
    if (is_unreachable(outcome.code)) {
        return {0, "No Service",
                "No service answers at " + url + " (" + outcome.message + "). Start it with `weight-init serve`, or give Client its URL."};
    }
    if (is_broken(outcome.code)) {
        return {0, "Broken Connection",
                "The connection to " + url + " broke before the whole answer came (" + outcome.message + "). Ask again."};
    }
    return {0, "No Answer", "Expected an answer of HTTP from " + url + "; received none (" + outcome.message + "). Check the URL."};
}

}  // namespace weight_init::detail
