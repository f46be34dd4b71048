"""Gaussians over weights. The precision is a square matrix, or its diagonal if there are many weights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """A Gaussian over one candidate's weights: `mean` (d,), `precision` and `covariance` (d, d) or (d,)."""

    mean: Floats
    precision: Floats
    covariance: Floats


def times(matrix: Floats, vector: Floats) -> Floats:
    return matrix * vector if matrix.ndim == 1 else matrix @ vector


def inverse(matrix: Floats) -> Floats:
    inverted: Floats = np.reciprocal(matrix) if matrix.ndim == 1 else np.linalg.inv(matrix).astype(np.float64)
    return inverted


def scaled_identity(like: Floats, scale: float) -> Floats:
    return np.full(len(like), scale) if like.ndim == 1 else np.diag(np.full(len(like), scale))


def outer(x: Floats, weights: Floats, like: Floats) -> Floats:
    """Return the sum of `weights * outer(x, x)` over the rows of x, or its diagonal; shaped `like` a precision."""
    if like.ndim == 1:
        return weights @ x**2
    product: Floats = (x.T * weights) @ x
    return product
