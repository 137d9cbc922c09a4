/// @file
/// A file that is there whole or not at all.
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

/// A file under a temporary name, until it is whole. Everything throws std::filesystem::filesystem_error.
class PartialFile {
  public:
    explicit PartialFile(std::filesystem::path target) : target_(std::move(target)), temporary_(beside(target_)) {
        if (std::filesystem::is_directory(target_)) {
            throw std::filesystem::filesystem_error("expected the name of a file; received that of a folder", target_,
                                                    std::make_error_code(std::errc::is_a_directory));
        }
        restart();
    }
    PartialFile(const PartialFile&) = delete;
    PartialFile& operator=(const PartialFile&) = delete;
    ~PartialFile() {
        file_.close();
        std::error_code ignored;  // after commit there is nothing to remove
        std::filesystem::remove(temporary_, ignored);
    }

    /// Forget what was written.
    void restart() {
        file_ = std::ofstream(temporary_, std::ios::binary | std::ios::trunc);
        check("cannot create");
    }

    void write(std::string_view part) {
        file_.write(part.data(), static_cast<std::streamsize>(part.size()));
        check("cannot write");
    }

    /// Give the file its name, whatever was there before.
    void commit() {
        file_.close();
        check("cannot write");
        std::filesystem::rename(temporary_, target_);
    }

  private:
    /// A name that nobody else has, in the same folder, so that renaming does not copy.
    static std::filesystem::path beside(const std::filesystem::path& target) {
        std::random_device random;
        const std::string name = "." + target.filename().string() + "." + std::to_string(random()) + std::to_string(random());
        return target.parent_path() / name;
    }

    void check(const char* trouble) const {
        if (!file_) {
            throw std::filesystem::filesystem_error(trouble, temporary_, std::error_code(errno, std::generic_category()));
        }
    }

    std::filesystem::path target_;
    std::filesystem::path temporary_;
    std::ofstream file_;
};

}  // namespace weight_init::detail
