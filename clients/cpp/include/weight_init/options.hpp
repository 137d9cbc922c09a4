/// @file
/// The settings of a client.
#pragma once

#include <chrono>
#include <cstdlib>
#include <string>

namespace weight_init {

namespace detail {

inline std::string environment(const char* name, const char* fallback) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? value : fallback;
}

}  // namespace detail

/// The settings of a Client.
struct Options {
    /// The URL of the service. Defaults to the environment variable WEIGHT_INIT_URL, or http://127.0.0.1:8000.
    std::string url = detail::environment("WEIGHT_INIT_URL", "http://127.0.0.1:8000");

    /// The API key, or empty for none. Defaults to the environment variable WEIGHT_INIT_API_KEY.
    std::string api_key = detail::environment("WEIGHT_INIT_API_KEY", "");

    /// The time to wait for the connection, and for each part of a response. A large tensor may take longer in total.
    std::chrono::milliseconds timeout{30'000};

    /// How many times in a row to retry when the service is busy or the connection breaks.
    int retries = 4;
};

}  // namespace weight_init
