/// @file
/// How a client reaches its service.
#pragma once

#include <chrono>
#include <cstdlib>
#include <string>

namespace weight_init {

namespace detail {

inline std::string environment(const char* name, const char* otherwise) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? value : otherwise;
}

}  // namespace detail

/// What a Client is made from.
struct Options {
    /// The service. By default what the environment variable WEIGHT_INIT_URL says, else http://127.0.0.1:8000.
    std::string url = detail::environment("WEIGHT_INIT_URL", "http://127.0.0.1:8000");

    /// The key that the service wants, empty for none. By default what WEIGHT_INIT_API_KEY says.
    std::string api_key = detail::environment("WEIGHT_INIT_API_KEY", "");

    /// The longest wait for the connection, and for each part of an answer. A large tensor may take longer in all.
    std::chrono::milliseconds timeout{30'000};

    /// How often in a row a busy service, or one whose connection breaks, is asked again.
    int retries = 4;
};

}  // namespace weight_init
