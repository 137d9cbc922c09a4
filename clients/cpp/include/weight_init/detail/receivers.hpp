/// @file
/// Where answers go: into a text, an array, a file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "weight_init/array.hpp"
#include "weight_init/detail/answer.hpp"
#include "weight_init/detail/http.hpp"
#include "weight_init/detail/partial_file.hpp"
#include "weight_init/detail/wire.hpp"
#include "weight_init/error.hpp"
#include "weight_init/shape.hpp"
#include "weight_init/tensor.hpp"

namespace weight_init::detail {

/// A text.
class TextReceiver final : public Receiver {
  public:
    void begin(const Answer&, std::string_view) override { text_.clear(); }
    void add(std::string_view part) override { text_ += part; }

    [[nodiscard]] const std::string& text() const noexcept { return text_; }

  private:
    std::string text_;
};

/// A file, whatever its size.
class FileReceiver final : public Receiver {
  public:
    explicit FileReceiver(const std::filesystem::path& path) : file_(path) {}

    void begin(const Answer& answer, std::string_view first) override {
        metadata_ = metadata_in(answer, first);
        file_.restart();
    }
    void add(std::string_view part) override { file_.write(part); }

    /// Give the file its name. Answers the metadata.
    [[nodiscard]] nlohmann::json complete() && {
        file_.commit();
        return std::move(metadata_);
    }

  private:
    PartialFile file_;
    nlohmann::json metadata_;
};

/// A tensor: memory for all of it from the start, and each byte copied once, into its place.
class TensorReceiver final : public Receiver {
  public:
    void begin(const Answer& answer, std::string_view first) override {
        metadata_ = metadata_in(answer, first);
        shape_ = announced<Shape>("shape");
        dtype_ = announced<std::string>("dtype");
        const auto wire = wire_of(dtype_);
        const auto count = element_count(shape_);
        if (!wire || !count) {
            throw unexpected(200, "a dtype and a shape that this client knows", metadata_.dump());
        }
        size_ = *count * item_size(*wire);
        check_length(answer.header("Content-Length"));
        wire_ = *wire;
        reserve(wire_, *count);
        filled_ = 0;
    }

    void add(std::string_view part) override {
        if (part.size() > size_ - filled_) {
            throw wrong_length("more");
        }
        put(wire_, filled_, part);
        filled_ += part.size();
    }

    /// The tensor. Throws Error if it is not whole.
    [[nodiscard]] Tensor complete() && {
        if (filled_ < size_) {
            throw wrong_length(std::to_string(filled_));
        }
        to_host_order(wire_, false);
        return {Array(std::move(shape_), std::move(dtype_), std::move(wire_)), std::move(metadata_)};
    }

  private:
    template <typename T>
    [[nodiscard]] T announced(const char* name) const {
        try {
            return metadata_.at(name).get<T>();
        } catch (const nlohmann::json::exception&) {
            throw unexpected(200, std::string("metadata that tell the ") + name, metadata_.dump());
        }
    }

    /// A proxy may leave the header out.
    void check_length(const std::string& length) const {
        if (!length.empty() && length != std::to_string(size_)) {
            throw wrong_length(length);
        }
    }

    [[nodiscard]] Error wrong_length(const std::string& received) const {
        return {200, "Unexpected Answer",
                "Expected " + std::to_string(size_) + " bytes, as shape and dtype say; received " + received +
                    ". Check the proxy if there is one."};
    }

    nlohmann::json metadata_;
    Shape shape_;
    std::string dtype_;
    Wire wire_;
    std::size_t size_ = 0;    // in bytes
    std::size_t filled_ = 0;  // of them
};

}  // namespace weight_init::detail
