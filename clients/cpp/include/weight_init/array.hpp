/// @file
/// Values with a shape.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "weight_init/detail/wire.hpp"
#include "weight_init/error.hpp"
#include "weight_init/floats.hpp"
#include "weight_init/shape.hpp"

namespace weight_init {

/// Values in C order (the last index changes fastest), their shape and their dtype.
class Array {
  public:
    /// float for float32, float16 and bfloat16, double for float64.
    using Values = std::variant<std::vector<float>, std::vector<double>>;

    /// Takes the values as they travel, in this machine's byte order, and widens those of 16 bits.
    Array(Shape shape, std::string dtype, detail::Wire&& wire) : shape_(std::move(shape)), dtype_(std::move(dtype)) {
        std::visit([this](auto& values) { take(std::move(values)); }, wire);
    }

    /// The lengths of the dimensions; empty for a scalar.
    [[nodiscard]] const Shape& shape() const noexcept { return shape_; }

    /// float32, float64, float16 or bfloat16: what was asked for, also where `values` are wider.
    [[nodiscard]] const std::string& dtype() const noexcept { return dtype_; }

    /// The values, of whichever type.
    [[nodiscard]] const Values& values() const& noexcept { return values_; }

    /// The same, moved out of an array that is not needed any more.
    [[nodiscard]] Values values() && noexcept { return std::move(values_); }

    /// The values as float or double. Throws Error where the array holds the other one.
    template <typename T>
    [[nodiscard]] const std::vector<T>& values() const& {
        return held<T>(values_);
    }

    /// The same, to be changed in place.
    template <typename T>
    [[nodiscard]] std::vector<T>& values() & {
        return held<T>(values_);
    }

    /// The same, moved out of an array that is not needed any more.
    template <typename T>
    [[nodiscard]] std::vector<T> values() && {
        return std::move(held<T>(values_));
    }

    /// The bits of float16 and bfloat16 before they were widened; empty for the other dtypes.
    [[nodiscard]] const std::vector<std::uint16_t>& bits() const& noexcept { return bits_; }

    /// The same, moved out of an array that is not needed any more.
    [[nodiscard]] std::vector<std::uint16_t> bits() && noexcept { return std::move(bits_); }

  private:
    template <typename T, typename Held>
    static auto& held(Held& values) {
        if (auto* found = std::get_if<std::vector<T>>(&values)) {
            return *found;
        }
        const char* other = std::holds_alternative<std::vector<float>>(values) ? "float" : "double";
        throw Error(0, "Wrong Type",
                    std::string("Expected an array of the other type; it holds ") + other + ". Take values<" + other + ">().");
    }

    template <typename T>
    void take(std::vector<T>&& values) {
        values_ = std::move(values);
    }

    void take(std::vector<std::uint16_t>&& bits) {
        bits_ = std::move(bits);
        std::vector<float> widened;
        widened.reserve(bits_.size());
        std::transform(bits_.begin(), bits_.end(), std::back_inserter(widened),
                       dtype_ == "bfloat16" ? float_of_bfloat16 : float_of_float16);
        values_ = std::move(widened);
    }

    Shape shape_;
    std::string dtype_;
    Values values_;
    std::vector<std::uint16_t> bits_;
};

}  // namespace weight_init
