/// @file
/// The exception that the client throws.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weight_init {

/// The problem with one field of a request. `field` is its path, with dots between levels.
struct FieldError {
    std::string field;
    std::string expected;
    std::string received;
    std::string action;
};

/// Any failure, except of the file system. `what()` says what was expected, what was received and what to do.
class Error : public std::runtime_error {
  public:
    Error(long status, std::string title, const std::string& detail, std::vector<FieldError> errors = {})
        : std::runtime_error(detail), status_(status), title_(std::move(title)), errors_(std::move(errors)) {}

    /// The HTTP status, or 0 if there was no response.
    [[nodiscard]] long status() const noexcept { return status_; }

    /// The kind of failure, in a few words.
    [[nodiscard]] const std::string& title() const noexcept { return title_; }

    /// One entry for each invalid field. Empty if the fields are not the problem.
    [[nodiscard]] const std::vector<FieldError>& errors() const noexcept { return errors_; }

  private:
    long status_;
    std::string title_;
    std::vector<FieldError> errors_;
};

}  // namespace weight_init
