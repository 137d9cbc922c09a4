/// @file
/// Reads the bytes of a .npy file, and describes invalid files.
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

/// A file that is read sequentially, with checks against its end. Throws std::filesystem::filesystem_error if reading fails.
class NpyFile {
  public:
    explicit NpyFile(std::filesystem::path path)
        : path_(std::move(path)), remaining_(std::filesystem::file_size(path_)), file_(path_, std::ios::binary) {
        check();
    }

    /// The error for invalid contents.
    [[nodiscard]] Error error(const std::string& expected, const std::string& received) const {
        return {0, "Not a .npy File",
                path_.string() + ": expected " + expected + "; received " + received + ". Is it a complete .npy file?"};
    }

    /// Throws Error if fewer than `size` bytes remain.
    void require(std::size_t size, const std::string& expected) const {
        if (remaining_ < size) {
            throw error(std::to_string(size) + " bytes for " + expected, std::to_string(remaining_) + " before the end of the file");
        }
    }

    /// Reads `size` bytes. Call `require` first.
    void read(char* bytes, std::size_t size) {
        file_.read(bytes, static_cast<std::streamsize>(size));
        check();
        remaining_ -= size;
    }

    /// Reads the next `size` bytes as text. Throws Error if fewer remain.
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
    std::uintmax_t remaining_;
    std::ifstream file_;
};

}  // namespace weight_init::detail
