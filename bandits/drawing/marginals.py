"""Exact chances of Thompson sampling with independent Beta arms, by quadrature instead of draws.

With u = logit(x), every Beta density is smooth and log-concave in u for all parameters, so one grid of Gauss-Legendre
panels serves all arms. The chance of an arm to be at position s is the integral of its density times the chance that
exactly s of the others lie above, a Poisson-binomial probability. Absolute errors stay below 1e-11 for parameters up to
1e6 and a hundred arms.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_NODES = 16
_WIDTH = 1.25
"""The width of a panel in local standard deviations of its narrowest density."""
_DEPTH = 34.0
"""Densities below exp(-34) of their peak are ignored."""
_WIDEST = 1.0
"""The greatest width of a panel in u: the densities' poles lie at distance pi from the real line."""
_FAR = 500.0
"""A limit on exponents, against overflow."""


def position_chances(alphas: ArrayLike, betas: ArrayLike, slots: int) -> Floats:
    """Return the chance (K, slots) that each arm's draw is the first, second, ... highest; 1 <= slots <= K."""
    arms = _arms(alphas, betas)
    if not 1 <= slots <= len(arms.a):
        raise ValueError(f"slots must lie between 1 and the number of arms, {len(arms.a)}: {slots}")
    grid = _grid(arms, slots)
    density = _density(arms, grid.u)
    above = np.clip(_tails(density, grid), 0.0, 1.0)
    exactly = _exactly_above(above.reshape(len(above), -1), slots)
    weighted = (density * grid.weights).reshape(len(above), -1)
    chances: Floats = np.einsum("kn,skn->ks", weighted, exactly)
    return chances


class _Posteriors(NamedTuple):
    """Posteriors (K,): parameters, and in u the mode, its log density, and the ends of the support that counts."""

    a: Floats
    b: Floats
    mode: Floats
    log_peak: Floats
    low: Floats
    high: Floats


class _Grid(NamedTuple):
    """Nodes and weights (P, N) of P panels with N nodes each, and half of each panel's width (P, 1)."""

    u: Floats
    weights: Floats
    half: Floats


def _arms(alphas: ArrayLike, betas: ArrayLike) -> _Posteriors:
    a, b = np.asarray(alphas, np.float64), np.asarray(betas, np.float64)
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise ValueError(f"alphas and betas must have one entry for each arm: {a.shape} and {b.shape}")
    if not (np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)).all():
        raise ValueError("alphas and betas must be positive numbers")
    mode = np.log(a) - np.log(b)
    # Cancel Stirling's formula by hand: a difference of large log gammas would lose seven digits.
    log_peak = 0.5 * np.log(a / (a + b) * b / (2 * np.pi)) + _stirling(a + b) - _stirling(a) - _stirling(b)
    return _Posteriors(a, b, mode, log_peak, _end(a, b, mode, -1.0), _end(a, b, mode, 1.0))


def _stirling(z: Floats) -> Floats:
    """Return ln Gamma(z) less Stirling's (z - 1/2) ln z - z + ln(2 pi) / 2: its series (DLMF 5.11)."""
    shift = 20
    shifted = z + shift
    series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / shifted**2) / shifted**2) / shifted**2) / shifted
    down_to_z = (shifted - 0.5) * np.log1p(shift / z) - shift - np.log1p(np.arange(shift) / z[:, None]).sum(axis=1)
    error: Floats = series + down_to_z
    return error


def _fall(a: Floats, b: Floats, mode: Floats, u: Floats) -> Floats:
    """Return the log density of u less that of its mode, a * ln(x / x0) + b * ln((1 - x) / (1 - x0)).

    x and 1 - x are swapped where 1 - x is the rarer, so that no digits cancel.
    """
    rare = np.minimum(a, b)
    distance = (u - mode) * np.where(a > b, -1.0, 1.0)
    near = np.minimum(distance, _FAR)
    fall: Floats = rare * distance - (a + b) * (np.log1p(rare / (a + b) * np.expm1(near)) + (distance - near))
    return fall


def _end(a: Floats, b: Floats, mode: Floats, side: float) -> Floats:
    """Return the u at which the density has fallen by `_DEPTH`; Newton's method on a concave function overshoots it."""
    u = mode + side * np.sqrt(1 / a + 1 / b)
    for _ in range(12):
        slope = (a - b * np.exp(u)) / (1 + np.exp(u)) if side < 0 else (a * np.exp(-u) - b) / (1 + np.exp(-u))
        u = u - (_fall(a, b, mode, u) + _DEPTH) / slope
    return u


def _grid(arms: _Posteriors, slots: int) -> _Grid:
    """Return panels up to the upper end, from the lowest u at which an arm can be among the first `slots`."""
    nodes, weights = _gauss()[:2]
    edges = _edges(arms, float(np.sort(arms.low)[-slots]), float(arms.high.max()))
    half = np.diff(edges)[:, None] / 2
    return _Grid(edges[:-1, None] + half * (1 + nodes), half * weights, half)


def _edges(arms: _Posteriors, start: float, end: float) -> Floats:
    edges = [start]
    root = _WIDTH / np.sqrt(arms.a + arms.b)
    while (u := edges[-1]) < end:
        present = arms.high > u
        width = _WIDEST
        # The first round takes the greatest curvature within the widest panel, the second that within its result.
        for _ in range(2):
            sharpest = min(max(u, 0.0), u + width)
            steps = root[present] * 2 * np.cosh(sharpest / 2)
            width = min(_WIDEST, float(np.maximum(steps, arms.low[present] - u).min()))
        edges.append(u + width)
    return np.array(edges)


@cache
def _gauss() -> tuple[Floats, Floats, Floats]:
    """Return nodes and weights (N,) on -1 to 1, and the matrix (N, N) that integrates from each node to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    values = np.polynomial.legendre.legvander(nodes, _NODES)
    above = np.empty((_NODES, _NODES))
    above[:, 0] = (1 - nodes) / 2
    above[:, 1:] = (values[:, : _NODES - 1] - values[:, 2 : _NODES + 1]) / 2
    return nodes, weights, above @ (values[:, :_NODES].T * weights)


def _density(arms: _Posteriors, u: Floats) -> Floats:
    """Return the densities (K, P, N) at the nodes."""
    a, b, mode, log_peak = (column[:, None, None] for column in arms[:4])
    return np.exp(log_peak + _fall(a, b, mode, u))


def _tails(density: Floats, grid: _Grid) -> Floats:
    """Return the integrals from each node to the upper end, of densities (..., P, N)."""
    panels = (density * grid.weights).sum(axis=-1, keepdims=True)
    beyond = np.flip(np.cumsum(np.flip(panels, -2), axis=-2), -2) - panels
    tails: Floats = beyond + grid.half * (density @ _gauss()[2].T)
    return tails


def _exactly_above(above: Floats, slots: int) -> Floats:
    """Return the chances (slots, K, N) that exactly 0, 1, ... other arms lie above, given those of each arm (K, N).

    Multiplies the products of the arms before and after each arm; dividing it out of the whole would lose all digits.
    """
    before, after = _products(above, slots), _products(above[::-1], slots)[:, ::-1]
    exactly = np.zeros_like(before)
    for s in range(slots):
        for part in range(s + 1):
            exactly[s] += before[part] * after[s - part]
    return exactly


def _products(above: Floats, slots: int) -> Floats:
    """Return the chances (slots, K, N) that exactly 0, 1, ... of the arms before each arm lie above."""
    products = np.zeros((slots, *above.shape))
    products[0, 0] = 1.0
    for arm in range(1, len(above)):
        p = above[arm - 1]
        products[:, arm] = products[:, arm - 1] * (1.0 - p)
        products[1:, arm] += products[:-1, arm - 1] * p
    return products
