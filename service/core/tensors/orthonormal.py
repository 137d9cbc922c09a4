"""Orthonormal columns by the QR decomposition, in steps, so that a large one can stop when nobody waits for it any more."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from service.concurrency.interruption import stop_if_unwatched

Float64s = npt.NDArray[np.float64]

PANEL = 256  # columns: as fast as one call of LAPACK for the whole matrix


def orthonormal_columns(matrix: Float64s) -> Float64s:
    """Return Q of the QR decomposition of `matrix` with a positive diagonal of R, both [rows, columns], rows >= columns.

    Raises Interrupted. The matrix is overwritten if it is in Fortran order. Panels of columns are reduced with LAPACK. Their reflections
    are applied to the other columns together, in the compact form Q = I - V·T·Vᵀ (Schreiber & Van Loan 1989, "A storage-efficient WY
    representation for products of Householder transformations", SIAM J. Sci. Stat. Comput. 10).
    """
    rows, columns = matrix.shape
    if columns <= PANEL:
        q, r = np.linalg.qr(matrix)
        q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return q
    rest = np.asfortranarray(matrix)
    panels: list[tuple[int, Float64s, Float64s]] = []
    signs = np.empty(columns)
    for start in range(0, columns, PANEL):
        stop_if_unwatched()
        stop = min(columns, start + PANEL)
        v, t, diagonal = _reflections(rest[start:, start:stop])
        signs[start:stop] = np.where(diagonal < 0, -1.0, 1.0)
        rest[start:, stop:] -= v @ (t.T @ (v.T @ rest[start:, stop:]))
        panels.append((start, v, t))
    del rest
    q = np.eye(rows, columns)
    for start, v, t in reversed(panels):
        stop_if_unwatched()
        q[start:, start:] -= v @ (t @ (v.T @ q[start:, start:]))
    q *= signs
    return q


def _reflections(panel: Float64s) -> tuple[Float64s, Float64s, Float64s]:
    """Return V [rows, columns] and T [columns, columns] of the reflections that reduce a panel, and the diagonal of R."""
    columns = panel.shape[1]
    transposed, tau = np.linalg.qr(panel, mode="raw")
    v = np.tril(transposed.T, -1)
    np.fill_diagonal(v, 1.0)
    products = v.T @ v
    t = np.diag(tau)
    for column in range(1, columns):
        t[:column, column] = -tau[column] * (t[:column, :column] @ products[:column, column])
    return v, t, np.diagonal(transposed)[:columns].copy()
