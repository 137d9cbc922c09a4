/// @file
/// The services that the tests ask, what they should answer, and what the tests share.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <weight_init/client.hpp>

namespace stage {

/// What is on the stage. Throws where there is none.
const nlohmann::json& content();

/// The address of one of its services: "url", "keyed_url" ...
std::string url(const char* name);

/// Options for one of its services.
weight_init::Options options(const char* name);

/// Say that a feature was shown: the last line of a test, which is reached only if all before it held.
void shown(const char* feature);

/// The fields of a golden request, without its shape and format.
nlohmann::json fields_of(const nlohmann::json& request);

/// The bytes of an array as they travelled.
std::string_view bytes_of(const weight_init::Array& array);

/// SHA-256 in hexadecimal digits.
std::string sha256(std::string_view bytes);

std::string read(const std::filesystem::path& path);

/// The error that a call ends with. Fails the test if it ends well.
template <typename Call>
weight_init::Error error_of(Call&& call) {
    try {
        call();
    } catch (const weight_init::Error& error) {
        return error;
    }
    throw std::logic_error("expected a weight_init::Error; the call ended well");
}

/// An empty folder, as long as this lives.
class Folder {
  public:
    Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder();

    [[nodiscard]] std::filesystem::path operator/(const char* name) const { return path_ / name; }
    [[nodiscard]] std::size_t files() const;

  private:
    std::filesystem::path path_;
};

}  // namespace stage
