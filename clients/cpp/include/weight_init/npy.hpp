/// @file
/// Files in NumPy's format, .npy: those that `Client::download` wrote, and others.
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

/// The values of Fortran order, in which the first index changes fastest, in C order.
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
    for (std::size_t at = 0; values.size() < fortran.size();) {
        values.push_back(fortran[at]);
        for (std::size_t axis = rank; axis-- > 0;) {  // to the next index, as a counter counts
            at += strides[axis];
            if (++index[axis] < shape[axis]) {
                break;
            }
            at -= strides[axis] * static_cast<std::size_t>(index[axis]);
            index[axis] = 0;
        }
    }
    return values;
}

}  // namespace detail

/// The array in a .npy file of version 1, 2 or 3: float16, float32 or float64, of either byte order, in C or in Fortran order.
///
/// Throws Error for another file (of objects, of another version, truncated, foreign), std::filesystem::filesystem_error for one that
/// cannot be read.
[[nodiscard]] inline Array read_npy(const std::filesystem::path& path) {
    detail::NpyFile file(path);
    detail::NpyHeader header = detail::read_header(file);
    detail::Wire wire = *detail::wire_of(header.dtype);
    const auto count = detail::element_count(header.shape);
    if (!count) {
        throw file.error("a shape that memory can hold", "a negative or a larger one");
    }
    file.require(*count * detail::item_size(wire), "values");
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
