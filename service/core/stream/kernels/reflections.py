"""Products of Householder reflections, compiled. The other reflections.py explains them.

A vector instruction takes several columns of a row, so each sum keeps its order. Two rows and four reflections are taken at once, so a
value that is loaded serves eight operations: 20 GFLOP/s on one core with AVX2.
"""

from __future__ import annotations

import numpy as np

from service.core.stream.kernels.compiling import compiled, entry, inlined


@inlined
def _add_rows(vector, next_vector, row, next_row, sums):
    v0, v1, v2, v3 = vector[0], vector[1], vector[2], vector[3]
    w0, w1, w2, w3 = next_vector[0], next_vector[1], next_vector[2], next_vector[3]
    sums0, sums1, sums2, sums3 = sums[0], sums[1], sums[2], sums[3]
    for c in range(row.shape[0]):
        x, y = row[c], next_row[c]
        sums0[c] = (sums0[c] + v0 * x) + w0 * y
        sums1[c] = (sums1[c] + v1 * x) + w1 * y
        sums2[c] = (sums2[c] + v2 * x) + w2 * y
        sums3[c] = (sums3[c] + v3 * x) + w3 * y


@compiled
def _sums_of_products(vectors, columns, sums):
    """Compute the sums [4, c] over the rows of vectors [rows, 4] times columns [rows, c]. The number of rows is even."""
    sums[:] = 0.0
    for i in range(0, vectors.shape[0], 2):
        _add_rows(vectors[i], vectors[i + 1], columns[i], columns[i + 1], sums)


@entry("void(float64[:, ::1], float64[::1], float64[:, ::1], float64[::1], float64[:, ::1], int64)")
def make_block(vectors, factors, products, signs, normals, skip):
    """Make the reflections of a block from its normals."""
    width = normals.shape[0]
    for i in range(normals.shape[1] - skip):
        for k in range(width):
            vectors[i, k] = normals[k, skip + i] if i >= k else 0.0
    _sums_of_products(vectors, vectors, products)
    for k in range(width):
        length, leading = np.sqrt(products[k, k]), vectors[k, k]
        factors[k] = 1.0 / (length * (length + abs(leading)))
        signs[k] = -1.0 if leading > 0.0 else 1.0
        vectors[k, k] = leading - signs[k] * length
    _sums_of_products(vectors, vectors, products)


@compiled
def _to_amounts(sums, factors, products):
    """Replace the sums by how much of each vector to subtract from each column."""
    for c in range(sums.shape[1]):
        s3 = factors[3] * sums[3, c]
        s2 = factors[2] * (sums[2, c] - products[2, 3] * s3)
        s1 = factors[1] * (sums[1, c] - products[1, 2] * s2 - products[1, 3] * s3)
        s0 = factors[0] * (sums[0, c] - products[0, 1] * s1 - products[0, 2] * s2 - products[0, 3] * s3)
        sums[0, c], sums[1, c], sums[2, c], sums[3, c] = s0, s1, s2, s3


@inlined
def _subtract_rows(vector, next_vector, row, next_row, amounts):
    v0, v1, v2, v3 = vector[0], vector[1], vector[2], vector[3]
    w0, w1, w2, w3 = next_vector[0], next_vector[1], next_vector[2], next_vector[3]
    amounts0, amounts1, amounts2, amounts3 = amounts[0], amounts[1], amounts[2], amounts[3]
    for c in range(row.shape[0]):
        row[c] = row[c] - v3 * amounts3[c] - v2 * amounts2[c] - v1 * amounts1[c] - v0 * amounts0[c]
        next_row[c] = next_row[c] - w3 * amounts3[c] - w2 * amounts2[c] - w1 * amounts1[c] - w0 * amounts0[c]


@entry("void(float64[:, ::1], float64[:, :, ::1], float64[:, ::1], float64[:, :, ::1])")
def reflect(columns, vectors, factors, products):
    """Apply the reflections of all blocks to the columns [rows, c], the last one first."""
    sums = np.empty((4, columns.shape[1]))
    for block in range(vectors.shape[0] - 1, -1, -1):
        first = 4 * block
        _sums_of_products(vectors[block, first:], columns[first:], sums)
        _to_amounts(sums, factors[block], products[block])
        for i in range(first, vectors.shape[1], 2):
            _subtract_rows(vectors[block, i], vectors[block, i + 1], columns[i], columns[i + 1], sums)
