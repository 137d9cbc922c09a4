/// @file
/// Describes requests that failed without a complete response.
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

inline std::string format_seconds(std::chrono::milliseconds time) {
    char text[32];
    std::snprintf(text, sizeof text, "%g s", std::chrono::duration<double>(time).count());
    return text;
}

/// The error for a request without a complete response.
inline Error connection_error(const Outcome& outcome, const Options& options) {
    const std::string& url = options.url;
    if (outcome.code == CURLE_OPERATION_TIMEDOUT) {
        return {0, "Timeout",
                "Received nothing from " + url + " for " + format_seconds(options.timeout) + ". Try again, or set a longer timeout."};
    }
    if (is_unreachable(outcome.code)) {
        return {
            0, "No Service",
            "No service answers at " + url + " (" + outcome.message + "). Start it with `weight-init serve`, or pass its URL to Client."};
    }
    if (is_broken(outcome.code)) {
        return {0, "Broken Connection",
                "The connection to " + url + " broke before the response was complete (" + outcome.message + "). Try again."};
    }
    return {0, "No Response", "Expected an HTTP response from " + url + "; received none (" + outcome.message + "). Check the URL."};
}

}  // namespace weight_init::detail
