/// @file
/// Reads files in NumPy's .npy format, whether from `Client::download` or from NumPy.
#pragma once

#include <cstddef>
#include <filesystem>
#include <utility>
#include <variant>
#include <vector>

#include "weight_init/array.hpp"
#include "weight_init/detail/npy_file.hpp"
#include "weight_init/detail/npy_header.hpp"
#include "weight_init/detail/wire.hpp"
#include "weight_init/shape.hpp"

namespace weight_init {

namespace detail {

/// Reorders values from Fortran order, in which the first index changes fastest, to C order.
template <typename T>
std::vector<T> in_c_order(const std::vector<T>& fortran, const Shape& shape) {
    const std::size_t rank = shape.size();
    std::vector<std::size_t> strides(rank, 1);  // in Fortran order
    for (std::size_t axis = 1; axis < rank; ++axis) {
        strides[axis] = strides[axis - 1] * static_cast<std::size_t>(shape[axis - 1]);
    }
    Shape index(rank, 0);
    std::vector<T> values;
    values.reserve(fortran.size());
    for (std::size_t offset = 0; values.size() < fortran.size();) {
        values.push_back(fortran[offset]);
        for (std::size_t axis = rank; axis-- > 0;) {  // increment the index, carrying like an odometer
            offset += strides[axis];
            if (++index[axis] < shape[axis]) {
                break;
            }
            offset -= strides[axis] * static_cast<std::size_t>(index[axis]);
            index[axis] = 0;
        }
    }
    return values;
}

}  // namespace detail

/// Reads a .npy file of version 1, 2 or 3: float16, float32 or float64, in either byte order, in C or Fortran order.
///
/// Throws Error if the file has another format, version or dtype, or is truncated. Throws std::filesystem::filesystem_error if it cannot
/// be read.
[[nodiscard]] inline Array read_npy(const std::filesystem::path& path) {
    detail::NpyFile file(path);
    detail::NpyHeader header = detail::read_header(file);
    detail::WireValues wire = *detail::empty_wire_values(header.dtype);
    const auto count = detail::element_count(header.shape);
    if (!count) {
        throw file.error("a shape that fits in memory", "one that is negative or too large");
    }
    file.require(*count * detail::item_size(wire), "the values");
    std::visit(
        [&](auto& values) {
            values.resize(*count);
            file.read(reinterpret_cast<char*>(values.data()), *count * sizeof values.front());
        },
        wire);
    detail::to_host_order(wire, header.is_big_endian);
    if (header.is_fortran) {
        std::visit([&](auto& values) { values = detail::in_c_order(values, header.shape); }, wire);
    }
    return {std::move(header.shape), std::move(header.dtype), std::move(wire)};
}

}  // namespace weight_init
