/// @file
/// The reading of a .npy file's bytes, and what to say of one that is none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <string>
#include <system_error>
#include <utility>

#include "weight_init/error.hpp"

namespace weight_init::detail {

/// A file that is read from its beginning, and not beyond its end. Throws std::filesystem::filesystem_error if the disk fails.
class NpyFile {
  public:
    explicit NpyFile(std::filesystem::path path)
        : path_(std::move(path)), left_(std::filesystem::file_size(path_)), file_(path_, std::ios::binary) {
        check();
    }

    /// The error of a file that is not as expected.
    [[nodiscard]] Error error(const std::string& expected, const std::string& received) const {
        return {0, "Not a .npy File",
                path_.string() + ": expected " + expected + "; received " + received + ". Is it a .npy file, and whole?"};
    }

    /// Throws Error if the file has fewer bytes left.
    void require(std::size_t size, const std::string& expected) const {
        if (left_ < size) {
            throw error(std::to_string(size) + " bytes of " + expected, std::to_string(left_) + " until the end of the file");
        }
    }

    /// Read so many bytes, which were required.
    void read(char* bytes, std::size_t size) {
        file_.read(bytes, static_cast<std::streamsize>(size));
        check();
        left_ -= size;
    }

    /// The next bytes as text. Throws Error if there are fewer.
    std::string text(std::size_t size, const std::string& expected) {
        require(size, expected);
        std::string text(size, '\0');
        read(text.data(), size);
        return text;
    }

  private:
    void check() const {
        if (!file_) {
            throw std::filesystem::filesystem_error("cannot read", path_, std::make_error_code(std::errc::io_error));
        }
    }

    std::filesystem::path path_;
    std::uintmax_t left_;
    std::ifstream file_;
};

}  // namespace weight_init::detail
