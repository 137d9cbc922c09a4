/// @file
/// What can go wrong.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weight_init {

/// What is wrong with one field of a request. `field` is its place, with dots between levels.
struct FieldError {
    std::string field;
    std::string expected;
    std::string received;
    std::string action;
};

/// Any failure to get what was asked for. `what()` says what was expected, what was received and what to do.
class Error : public std::runtime_error {
  public:
    Error(long status, std::string title, const std::string& detail, std::vector<FieldError> errors = {})
        : std::runtime_error(detail), status_(status), title_(std::move(title)), errors_(std::move(errors)) {}

    /// The status of HTTP; 0 where no answer came.
    [[nodiscard]] long status() const noexcept { return status_; }

    /// The kind of failure, in a few words.
    [[nodiscard]] const std::string& title() const noexcept { return title_; }

    /// An entry for each field at fault; empty where the fields are not to blame.
    [[nodiscard]] const std::vector<FieldError>& errors() const noexcept { return errors_; }

  private:
    long status_;
    std::string title_;
    std::vector<FieldError> errors_;
};

}  // namespace weight_init
