/// @file
/// Receivers that store a response as text, as a file or as a tensor.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "weight_init/array.hpp"
#include "weight_init/detail/http.hpp"
#include "weight_init/detail/partial_file.hpp"
#include "weight_init/detail/response.hpp"
#include "weight_init/detail/wire.hpp"
#include "weight_init/error.hpp"
#include "weight_init/shape.hpp"
#include "weight_init/tensor.hpp"

namespace weight_init::detail {

/// Stores a response as text.
class TextReceiver final : public Receiver {
  public:
    void begin(const Response&, std::string_view) override { text_.clear(); }
    void add(std::string_view part) override { text_ += part; }

    [[nodiscard]] const std::string& text() const noexcept { return text_; }

  private:
    std::string text_;
};

/// Writes a response of any size to a file.
class FileReceiver final : public Receiver {
  public:
    explicit FileReceiver(const std::filesystem::path& path) : file_(path) {}

    void begin(const Response& response, std::string_view first) override {
        metadata_ = parse_metadata(response, first);
        file_.restart();
    }
    void add(std::string_view part) override { file_.write(part); }

    /// Gives the file its name, and returns the metadata.
    [[nodiscard]] nlohmann::json complete() && {
        file_.commit();
        return std::move(metadata_);
    }

  private:
    PartialFile file_;
    nlohmann::json metadata_;
};

/// Stores a response as a tensor. Reserves all memory up front, and copies each byte once, to its final place.
class TensorReceiver final : public Receiver {
  public:
    void begin(const Response& response, std::string_view first) override {
        metadata_ = parse_metadata(response, first);
        shape_ = metadata_field<Shape>("shape");
        dtype_ = metadata_field<std::string>("dtype");
        const auto values = empty_wire_values(dtype_);
        const auto count = element_count(shape_);
        if (!values || !count) {
            throw unexpected_response(200, "a dtype and a shape that this client supports", metadata_.dump());
        }
        size_ = *count * item_size(*values);
        check_length(response.header("Content-Length"));
        values_ = *values;
        reserve(values_, *count);
        filled_ = 0;
    }

    void add(std::string_view part) override {
        if (part.size() > size_ - filled_) {
            throw wrong_length("more");
        }
        copy_bytes(values_, filled_, part);
        filled_ += part.size();
    }

    /// Returns the tensor. Throws Error if it is incomplete.
    [[nodiscard]] Tensor complete() && {
        if (filled_ < size_) {
            throw wrong_length(std::to_string(filled_));
        }
        to_host_order(values_, false);
        return {Array(std::move(shape_), std::move(dtype_), std::move(values_)), std::move(metadata_)};
    }

  private:
    template <typename T>
    [[nodiscard]] T metadata_field(const char* name) const {
        try {
            return metadata_.at(name).get<T>();
        } catch (const nlohmann::json::exception&) {
            throw unexpected_response(200, std::string("metadata with a valid ") + name, metadata_.dump());
        }
    }

    /// Checks Content-Length, which a proxy may have removed.
    void check_length(const std::string& length) const {
        if (!length.empty() && length != std::to_string(size_)) {
            throw wrong_length(length);
        }
    }

    [[nodiscard]] Error wrong_length(const std::string& received) const {
        return {200, "Unexpected Response",
                "Expected " + std::to_string(size_) + " bytes for this shape and dtype; received " + received +
                    ". Check the proxy, if there is one."};
    }

    nlohmann::json metadata_;
    Shape shape_;
    std::string dtype_;
    WireValues values_;
    std::size_t size_ = 0;    // expected bytes
    std::size_t filled_ = 0;  // received bytes
};

}  // namespace weight_init::detail
