/// @file
/// An array: values with a shape and a dtype.
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

/// An array of floats or doubles in C order: the last index changes fastest.
class Array {
  public:
    /// float for float32, float16 and bfloat16, double for float64.
    using Values = std::variant<std::vector<float>, std::vector<double>>;

    /// Takes over the values as received, in the byte order of this machine, and widens 16-bit floats.
    Array(Shape shape, std::string dtype, detail::WireValues&& wire) : shape_(std::move(shape)), dtype_(std::move(dtype)) {
        std::visit([this](auto& values) { assign(std::move(values)); }, wire);
    }

    /// The dimensions. Empty for a scalar.
    [[nodiscard]] const Shape& shape() const noexcept { return shape_; }

    /// The requested dtype: float32, float64, float16 or bfloat16. The values may be wider.
    [[nodiscard]] const std::string& dtype() const noexcept { return dtype_; }

    /// The values, as a variant of both types.
    [[nodiscard]] const Values& values() const& noexcept { return values_; }

    /// Moves the values out of a temporary array.
    [[nodiscard]] Values values() && noexcept { return std::move(values_); }

    /// The values as float or double. Throws Error if the array holds the other type.
    template <typename T>
    [[nodiscard]] const std::vector<T>& values() const& {
        return get<T>(values_);
    }

    /// The values as float or double, writable. Throws Error if the array holds the other type.
    template <typename T>
    [[nodiscard]] std::vector<T>& values() & {
        return get<T>(values_);
    }

    /// Moves the values out of a temporary array. Throws Error if the array holds the other type.
    template <typename T>
    [[nodiscard]] std::vector<T> values() && {
        return std::move(get<T>(values_));
    }

    /// The bits of float16 and bfloat16 values, before widening. Empty for other dtypes.
    [[nodiscard]] const std::vector<std::uint16_t>& bits() const& noexcept { return bits_; }

    /// Moves the bits out of a temporary array.
    [[nodiscard]] std::vector<std::uint16_t> bits() && noexcept { return std::move(bits_); }

  private:
    template <typename T, typename Variant>
    static auto& get(Variant& values) {
        if (auto* vector = std::get_if<std::vector<T>>(&values)) {
            return *vector;
        }
        const char* type = std::holds_alternative<std::vector<float>>(values) ? "float" : "double";
        throw Error(0, "Wrong Type", std::string("The array holds values of type ") + type + ". Call values<" + type + ">().");
    }

    template <typename T>
    void assign(std::vector<T>&& values) {
        values_ = std::move(values);
    }

    void assign(std::vector<std::uint16_t>&& bits) {
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
