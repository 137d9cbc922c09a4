"""Products of Householder reflections: the arithmetic of orthonormal matrices, as STREAM.md specifies it. The specification that runs.

A reflection H = I - factor·v·vᵀ is applied to many columns at once, and four reflections in a row together. Every sum runs down the rows,
one row after the other. So a column has the same bits whichever other columns are computed beside it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

WIDTH = 4  # reflections of a block


class Reflections(NamedTuple):
    """Reflections H_0·H_1 … in blocks of four. Vector k is zero above row k.

    `vectors` [blocks, rows, 4], with an even number of rows, the `factors` [blocks, 4], and the `products` [blocks, 4, 4] of each vector
    of a block with each.
    """

    vectors: Float64s
    factors: Float64s
    products: Float64s


def make_block(vectors: Float64s, factors: Float64s, products: Float64s, signs: Float64s, normals: Float64s, skip: int) -> None:
    """Make the reflections of a block from its normals [w, skip + rows], w ≤ 4: fill vectors [rows, 4], factors, products and signs [w].

    Each reflects its normals x, from the row on where x_0 is, to ±|x|·e_0: v = x + sign(x_0)·|x|·e_0, and |v|² = 2·|x|·(|x| + |x_0|). The
    sign is that of -x_0, which is on the diagonal of R.
    """
    width = np.arange(len(normals))
    vectors[: normals.shape[1] - skip, : len(normals)] = normals[:, skip:].T
    for k in width:
        vectors[:k, k] = 0.0
    leading = vectors[width, width]
    lengths = np.sqrt(np.diagonal(_sums_of_products(vectors, vectors))[: len(normals)])
    factors[: len(normals)] = 1.0 / (lengths * (lengths + np.abs(leading)))
    vectors[width, width] = leading + np.copysign(lengths, leading)
    signs[:] = -np.copysign(1.0, leading)
    products[:] = _sums_of_products(vectors, vectors)


def _sums_of_products(vectors: Float64s, columns: Float64s) -> Float64s:
    """Return Σ_i vectors[i, a]·columns[i, c], of shape [4, c], from [rows, 4] and [rows, c]. Each sum is in the order of the rows."""
    sums = np.empty((WIDTH, columns.shape[1]))
    for a in range(WIDTH):
        partial = columns.T * vectors[:, a]
        sums[a] = np.add.accumulate(partial, axis=1, out=partial)[:, -1]  # np.sum adds in pairs
    return sums


def reflect(columns: Float64s, reflections: Reflections) -> None:
    """Replace the columns [rows, c] by H_0·H_1 … times them: the last reflection is applied first."""
    for block in reversed(range(len(reflections.vectors))):
        first = block * WIDTH
        vectors, rows = reflections.vectors[block, first:], columns[first:]
        amounts = _amounts(_sums_of_products(vectors, rows), reflections.factors[block], reflections.products[block])
        for a in reversed(range(WIDTH)):
            rows -= vectors[:, a, np.newaxis] * amounts[a]


def _amounts(sums: Float64s, factors: Float64s, products: Float64s) -> Float64s:
    """Return how much of each vector to subtract from each column, [4, c], given the sums before any reflection of the block."""
    amounts = np.empty_like(sums)
    for a in reversed(range(WIDTH)):
        amount = sums[a]
        for later in range(a + 1, WIDTH):
            amount = amount - products[a, later] * amounts[later]
        amounts[a] = factors[a] * amount
    return amounts
