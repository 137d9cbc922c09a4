#include "stage.hpp"

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <stdexcept>
#include <variant>

namespace stage {

namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr) {
        throw std::runtime_error(std::string(name) + " is not set. Run `make test-clients`, which starts the services for the tests.");
    }
    return value;
}

}  // namespace

const nlohmann::json& content() {
    static const nlohmann::json content = nlohmann::json::parse(read(variable("WEIGHT_INIT_STAGE")));
    return content;
}

std::string url(const char* name) { return content().at(name).get<std::string>(); }

weight_init::Options options(const char* name) {
    weight_init::Options options;
    options.url = url(name);
    return options;
}

void report(const char* feature) {
    std::ofstream file(variable("WEIGHT_INIT_REPORT"), std::ios::app);
    file << feature << '\n';
    if (!file.flush()) {
        throw std::runtime_error("cannot write to the file that WEIGHT_INIT_REPORT names");
    }
}

nlohmann::json fields_of(const nlohmann::json& request) {
    nlohmann::json fields = request;
    fields.erase("shape");
    fields.erase("format");
    return fields;
}

std::string_view bytes_of(const weight_init::Array& array) {
    const auto view = [](const auto& values) {
        return std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof values.front());
    };
    return array.bits().empty() ? std::visit(view, array.values()) : view(array.bits());
}

std::string sha256(std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
        throw std::runtime_error("OpenSSL has no SHA-256");
    }
    std::ostringstream text;
    text << std::hex;
    for (unsigned int index = 0; index < size; ++index) {
        text << digest.at(index) / 16 << digest.at(index) % 16;
    }
    return text.str();
}

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw std::runtime_error("cannot read " + path.string());
    }
    return {std::istreambuf_iterator<char>(file), {}};
}

TemporaryFolder::TemporaryFolder()
    : path_(std::filesystem::temp_directory_path() / ("weight-init-" + std::to_string(std::random_device()()))) {
    if (!std::filesystem::create_directory(path_)) {
        throw std::runtime_error(path_.string() + " already exists");
    }
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::size_t TemporaryFolder::file_count() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator()));
}

}  // namespace stage
