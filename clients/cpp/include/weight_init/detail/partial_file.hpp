/// @file
/// Writes a file that appears only when it is complete.
#pragma once

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <ios>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace weight_init::detail {

/// A file with a temporary name until it is complete. All failures throw std::filesystem::filesystem_error.
class PartialFile {
  public:
    explicit PartialFile(std::filesystem::path target) : target_(std::move(target)), temporary_(temporary_path(target_)) {
        if (std::filesystem::is_directory(target_)) {
            throw std::filesystem::filesystem_error("expected the name of a file; received a folder", target_,
                                                    std::make_error_code(std::errc::is_a_directory));
        }
        restart();
    }
    PartialFile(const PartialFile&) = delete;
    PartialFile& operator=(const PartialFile&) = delete;
    ~PartialFile() {
        file_.close();
        std::error_code ignored;  // after commit() there is nothing to remove
        std::filesystem::remove(temporary_, ignored);
    }

    /// Discards everything written so far.
    void restart() {
        file_ = std::ofstream(temporary_, std::ios::binary | std::ios::trunc);
        check("cannot create");
    }

    void write(std::string_view part) {
        file_.write(part.data(), static_cast<std::streamsize>(part.size()));
        check("cannot write");
    }

    /// Renames the file to its target, and replaces an existing file.
    void commit() {
        file_.close();
        check("cannot write");
        std::filesystem::rename(temporary_, target_);
    }

  private:
    /// Returns a unique name in the same folder, so that renaming does not copy.
    static std::filesystem::path temporary_path(const std::filesystem::path& target) {
        std::random_device random;
        const std::string name = "." + target.filename().string() + "." + std::to_string(random()) + std::to_string(random());
        return target.parent_path() / name;
    }

    void check(const char* message) const {
        if (!file_) {
            throw std::filesystem::filesystem_error(message, temporary_, std::error_code(errno, std::generic_category()));
        }
    }

    std::filesystem::path target_;
    std::filesystem::path temporary_;
    std::ofstream file_;
};

}  // namespace weight_init::detail
