/// @file
/// The test services with their expected responses, and helpers that the tests share.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <weight_init/client.hpp>

namespace stage {

/// The addresses of the services and the expected responses. Throws if WEIGHT_INIT_STAGE is not set.
const nlohmann::json& content();

/// The URL of a service: "url", "keyed_url" ...
std::string url(const char* name);

/// Options for a service.
weight_init::Options options(const char* name);

/// Reports that a feature works. Call it on the last line of a test, which is reached only if the test passes.
void report(const char* feature);

/// The fields of a golden request, without its shape and format.
nlohmann::json fields_of(const nlohmann::json& request);

/// The bytes of an array as transmitted.
std::string_view bytes_of(const weight_init::Array& array);

/// SHA-256 in hexadecimal digits.
std::string sha256(std::string_view bytes);

std::string read(const std::filesystem::path& path);

/// Returns the error from a call. Fails the test if the call succeeds.
template <typename Call>
weight_init::Error error_of(Call&& call) {
    try {
        call();
    } catch (const weight_init::Error& error) {
        return error;
    }
    throw std::logic_error("expected a weight_init::Error; the call succeeded");
}

/// An empty folder, removed at the end of the scope.
class TemporaryFolder {
  public:
    TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder();

    [[nodiscard]] std::filesystem::path operator/(const char* name) const { return path_ / name; }
    [[nodiscard]] std::size_t file_count() const;

  private:
    std::filesystem::path path_;
};

}  // namespace stage
