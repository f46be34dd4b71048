"""Exact chances of Thompson sampling with independent Beta arms, by quadrature instead of draws.

With u = logit(x), every Beta density is smooth and log-concave in u, whatever its parameters. One grid of
Gauss-Legendre panels serves all arms. The chance of an arm to stand at position s is the integral of its density
times the chance that exactly s of the others lie above, a Poisson-binomial probability. Absolute errors stay below
1e-11 for parameters up to 1e6 and a hundred arms.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_NODES = 16
_WIDTH = 1.25
"""Of a panel, in local standard deviations of the tightest arm in it."""
_DEPTH = 34.0
"""A density below exp(-34) of its peak counts as nothing."""
_WIDEST = 1.0
"""Of a panel, in u: the densities' poles lie at distance pi from the real line."""
_FAR = 500.0
"""The exponential of much more overflows."""


def first_chances(alphas: ArrayLike, betas: ArrayLike) -> Floats:
    """The chance (K,) of each arm to have the highest draw; posteriors Beta(alpha, beta), both (K,) and positive."""
    first: Floats = position_chances(alphas, betas, 1)[:, 0]
    return first


def position_chances(alphas: ArrayLike, betas: ArrayLike, slots: int) -> Floats:
    """The chance (K, slots) that each arm's draw is the first, second, ... highest; 1 <= slots <= K."""
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


def prefix_chance(alphas: ArrayLike, betas: ArrayLike, prefix: Sequence[int]) -> float:
    """The chance that the arms of `prefix` (distinct indices) have the highest draws, in just this order."""
    arms = _arms(alphas, betas)
    if not prefix or len(set(prefix)) < len(prefix) or not all(0 <= one < len(arms.a) for one in prefix):
        raise ValueError(f"prefix must name different arms from 0 to {len(arms.a) - 1}: {list(prefix)}")
    grid = _grid(arms, len(prefix))
    density = _density(arms, grid.u)
    others = [number for number in range(len(arms.a)) if number not in prefix]
    chain = np.ones_like(grid.u)
    for arm in prefix[:-1]:
        chain = _tails(density[arm] * chain, grid)
    below = np.prod(1.0 - np.clip(_tails(density[others], grid), 0.0, 1.0), axis=0)
    return max(0.0, float((grid.weights * density[prefix[-1]] * chain * below).sum()))


class _Arms(NamedTuple):
    """Posteriors (K,): parameters, and in u the mode, the log density there, and the ends beyond which nothing lies."""

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


def _arms(alphas: ArrayLike, betas: ArrayLike) -> _Arms:
    a, b = np.asarray(alphas, np.float64), np.asarray(betas, np.float64)
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise ValueError(f"alphas and betas must have one entry for each arm: {a.shape} and {b.shape}")
    if not (np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)).all():
        raise ValueError("alphas and betas must be positive numbers")
    mode = np.log(a) - np.log(b)
    # Stirling's formula cancels by hand: the difference of large log gammas would cost seven digits.
    log_peak = 0.5 * np.log(a / (a + b) * b / (2 * np.pi)) + _stirling(a + b) - _stirling(a) - _stirling(b)
    return _Arms(a, b, mode, log_peak, _end(a, b, mode, -1.0), _end(a, b, mode, 1.0))


def _stirling(z: Floats) -> Floats:
    """ln Gamma(z) less Stirling's (z - 1/2) ln z - z + ln(2 pi) / 2: its series (DLMF 5.11)."""
    shift = 20
    far = z + shift
    series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / far**2) / far**2) / far**2) / far
    down_to_z = (far - 0.5) * np.log1p(shift / z) - shift - np.log1p(np.arange(shift) / z[:, None]).sum(axis=1)
    error: Floats = series + down_to_z
    return error


def _fall(a: Floats, b: Floats, mode: Floats, u: Floats) -> Floats:
    """The log density of u less that of its mode, a * ln(x / x0) + b * ln((1 - x) / (1 - x0)), x or 1 - x mirrored
    to be the rarer one, so that no digits cancel."""
    rare = np.minimum(a, b)
    away = (u - mode) * np.where(a > b, -1.0, 1.0)
    near = np.minimum(away, _FAR)
    fall: Floats = rare * away - (a + b) * (np.log1p(rare / (a + b) * np.expm1(near)) + (away - near))
    return fall


def _end(a: Floats, b: Floats, mode: Floats, side: float) -> Floats:
    """Where the density has fallen by `_DEPTH`. Newton's method on a concave function never stops short of it."""
    u = mode + side * np.sqrt(1 / a + 1 / b)
    for _ in range(12):
        slope = (a - b * np.exp(u)) / (1 + np.exp(u)) if side < 0 else (a * np.exp(-u) - b) / (1 + np.exp(-u))
        u = u - (_fall(a, b, mode, u) + _DEPTH) / slope
    return u


def _grid(arms: _Arms, slots: int) -> _Grid:
    """Panels from where `slots` arms can lie below (who lies lower is none of the first `slots`) to the upper end."""
    nodes, weights = _gauss()[:2]
    edges = _edges(arms, float(np.sort(arms.low)[-slots]), float(arms.high.max()))
    half = np.diff(edges)[:, None] / 2
    return _Grid(edges[:-1, None] + half * (1 + nodes), half * weights, half)


def _edges(arms: _Arms, start: float, end: float) -> Floats:
    edges = [start]
    root = _WIDTH / np.sqrt(arms.a + arms.b)
    while (u := edges[-1]) < end:
        there = arms.high > u
        width = _WIDEST
        # The first round assumes the sharpest curve within the widest panel, the second that within a likely one.
        for _ in range(2):
            sharpest = min(max(u, 0.0), u + width)
            steps = root[there] * 2 * np.cosh(sharpest / 2)
            width = min(_WIDEST, float(np.maximum(steps, arms.low[there] - u).min()))
        edges.append(u + width)
    return np.array(edges)


@cache
def _gauss() -> tuple[Floats, Floats, Floats]:
    """Nodes and weights (N,) on -1 to 1, and the matrix (N, N) that integrates from each node to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    values = np.polynomial.legendre.legvander(nodes, _NODES)
    above = np.empty((_NODES, _NODES))
    above[:, 0] = (1 - nodes) / 2
    above[:, 1:] = (values[:, : _NODES - 1] - values[:, 2 : _NODES + 1]) / 2
    return nodes, weights, above @ (values[:, :_NODES].T * weights)


def _density(arms: _Arms, u: Floats) -> Floats:
    """The densities (K, P, N) at the nodes."""
    a, b, mode, log_peak = (one[:, None, None] for one in arms[:4])
    return np.exp(log_peak + _fall(a, b, mode, u))


def _tails(density: Floats, grid: _Grid) -> Floats:
    """The integrals from each node to the upper end, of densities (..., P, N)."""
    panels = (density * grid.weights).sum(axis=-1, keepdims=True)
    beyond = np.flip(np.cumsum(np.flip(panels, -2), axis=-2), -2) - panels
    tails: Floats = beyond + grid.half * (density @ _gauss()[2].T)
    return tails


def _exactly_above(above: Floats, slots: int) -> Floats:
    """The chances (slots, K, N) that exactly 0, 1, ... of the other arms lie above, from those (K, N) of each one.

    The products of those before and of those after an arm; dividing it out of the whole would lose all digits.
    """
    before, after = _products(above, slots), _products(above[::-1], slots)[:, ::-1]
    exactly = np.zeros_like(before)
    for s in range(slots):
        for part in range(s + 1):
            exactly[s] += before[part] * after[s - part]
    return exactly


def _products(above: Floats, slots: int) -> Floats:
    """The same (slots, K, N), of the arms before each one alone."""
    products = np.zeros((slots, *above.shape))
    products[0, 0] = 1.0
    for arm in range(1, len(above)):
        p = above[arm - 1]
        products[:, arm] = products[:, arm - 1] * (1.0 - p)
        products[1:, arm] += products[:-1, arm - 1] * p
    return products
