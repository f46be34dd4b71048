"""Estimate position effects from exact chances: the same candidate, for the same request, in one slot or in the next.

A bandit puts into the first slot what sells, and a customer's favourite, so plain rates by slot mistake the candidate
for the slot. But every order was drawn with exact chances. Of two neighbouring slots, an impression in one counts by
the chance of the other, over both (overlap weights: Li, Morgan and Zaslavsky, 2018). Both slots then hold the same
mixture of candidates, customers and buckets. Ratios of rates are pooled over candidates (Mantel and Haenszel, 1959) and
chained from slot to slot (compare Agarwal et al., 2019, for search engines).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.drawing.slots import Candidates, Floats, Orders, Requests, Slots, fill, follow
from bandits.evaluation.intervals import Z95

Numbers = NDArray[np.intp]

SPREAD = 1.0
"""The prior standard deviation of the logarithm of the ratio between neighbouring slots."""

ENOUGH = 1_000
"""The decisions from which on position effects are estimated from chances."""

LEAST_BRANCH = 1e-4
"""Orders whose first slots are filled so with a smaller chance are left out."""

_LEAST = 1e-12
SUMS = 8
"""The sums of a cell: weights, successes, squared weights and squares of successes, in the upper and lower slot."""


class Impressions(NamedTuple):
    """N candidates in their slots: `candidate`, `slot` (from 0), `success` (N,), and `chances` (N, S).

    `chances` are those with which the request would have put the candidate into each slot (`slot_chances`).
    """

    candidate: Numbers
    slot: Numbers
    success: Floats
    chances: Floats


class PositionEffects(NamedTuple):
    """The probability (S,) that each slot is examined, relative to the first, with 95% intervals."""

    weights: Floats
    low: Floats
    high: Floats


def position_sums(impressions: Impressions, candidates: int) -> Floats:
    """Return the sums (K, S - 1, 8) that `position_effects` needs; sums of several logs add."""
    steps = max(0, impressions.chances.shape[1] - 1)
    sums = np.zeros((candidates, steps, SUMS))
    for step in range(steps):
        here, below = impressions.chances[:, step], impressions.chances[:, step + 1]
        is_upper, is_lower = impressions.slot == step, impressions.slot == step + 1
        overlaps = (here > 0) & (below > 0)
        for side, (chosen, other) in enumerate(((is_upper, below), (is_lower, here))):
            rows = chosen & overlaps
            weights = other[rows] / (here[rows] + below[rows])
            successes, numbers = impressions.success[rows], impressions.candidate[rows]
            columns = (weights, weights * successes, weights**2, weights**2 * successes)
            for column, values in enumerate(columns):
                sums[:, step, 2 * column + side] = np.bincount(numbers, values, candidates)
    return sums


def position_effects(sums: Floats) -> PositionEffects:
    """Return the effects of S slots from sums (K, S - 1, 8). A slot with few data stays near the one above it."""
    logs, variances = _chained(sums, _rate_step)
    margin = Z95 * np.sqrt(variances)
    return PositionEffects(np.exp(logs), np.exp(logs - margin), np.exp(logs + margin))


def choice_effects(sums: Floats) -> tuple[Floats, Floats]:
    """Return the effects of S slots on the utility in a choice, relative to the first, and their variances, both (S,).

    `sums` (C, S - 1, 8) are of C cells: a candidate in a stratum, for customers to whom it is equally dear. They count
    the impressions of those who chose it or nothing. Among these, the odds of it are the exponential of its utility
    less the outside option, whatever else was offered (McFadden, 1974); the ratio of odds leaves the slot.
    """
    return _chained(sums, _odds_step)


def _chained(sums: Floats, step_of: Callable[[Floats], tuple[float, float]]) -> tuple[Floats, Floats]:
    """Return logarithms (S,) of effects and their variances, each step shrunk towards none."""
    logs, variances = np.zeros(sums.shape[1] + 1), np.zeros(sums.shape[1] + 1)
    for step in range(sums.shape[1]):
        log, variance = step_of(sums[:, step])
        share = SPREAD**2 / (SPREAD**2 + variance)
        logs[step + 1] = logs[step] + share * log
        variances[step + 1] = variances[step] + SPREAD**2 * (1 - share)
    return logs, variances


def slot_chances(candidates: Candidates, slots: Slots, request: Requests) -> Floats:
    """Return the chance (K, L) of each candidate to get each slot of one request, whatever stands above it.

    All fillings of the drawn slots are enumerated, except those less likely than `LEAST_BRANCH`.
    """
    count = candidates.size
    length, pinned = min(slots.length, count), set(slots.pins.values())
    drawn = min(slots.drawn, length)
    chances = np.zeros((count, length))
    orders, likelihoods = _fillings(candidates, slots._replace(length=drawn), request, chances)
    rest, _ = fill(candidates, slots._replace(length=count, drawn=0), request)
    unpinned = [index for index in rest[0].tolist() if index not in pinned]
    taken = np.zeros((len(orders), count), np.bool_)
    np.put_along_axis(taken, orders, True, axis=1)
    ranks = np.cumsum(~taken[:, unpinned], axis=1) - 1
    open_slots = [slot for slot in range(drawn, length) if slot not in slots.pins]
    for column, index in enumerate(unpinned):
        for rank, slot in enumerate(open_slots):
            chances[index, slot] += likelihoods @ (~taken[:, index] & (ranks[:, column] == rank))
    return chances


def _fillings(candidates: Candidates, slots: Slots, request: Requests, chances: Floats) -> tuple[Orders, Floats]:
    """Return the fillings (N, drawn) of the drawn slots and their likelihoods (N,); add those of each slot."""
    orders, likelihoods = np.zeros((1, 0), np.int64), np.ones(1)
    for slot in range(slots.length):
        asked = np.pad(orders, ((0, 0), (0, 1)))
        shares = follow(candidates, slots, _repeated(request, len(orders)), asked)[:, slot]
        joint = likelihoods[:, None] * shares
        chances[:, slot] += joint.sum(axis=0)
        rows, indices = np.nonzero(joint > LEAST_BRANCH)
        orders, likelihoods = np.column_stack((orders[rows], indices)), joint[rows, indices]
    return orders, likelihoods


def _repeated(request: Requests, count: int) -> Requests:
    pasts = np.repeat(request.pasts[:1], count, axis=0) if request.pasts.size else request.pasts
    return request._replace(seeds=np.repeat(request.seeds[:1], count), pasts=pasts, weights=request.weights[:1])


def _rate_step(sums: Floats) -> tuple[float, float]:
    """Return the logarithm of the ratio of the lower slot's rate to the upper one's, and its variance."""
    weights, wins, squares, win_squares = (sums[:, 2 * column : 2 * column + 2] for column in range(SUMS // 2))
    shared = 1 / np.maximum(weights.sum(axis=1), _LEAST)
    # The Mantel-Haenszel weight of a slot's successes is the weight of the other slot in the candidate's cell.
    factors = weights[:, ::-1] * shared[:, None]
    totals = (wins * factors).sum(axis=0)
    if (totals <= 0).any():
        return 0.0, np.inf
    means = wins / np.maximum(weights, _LEAST)
    away = np.maximum(win_squares * (1 - 2 * means) + means**2 * squares, 0.0)
    variances = (factors**2 * away).sum(axis=0) / totals**2
    return float(np.log(totals[1] / totals[0])), float(variances.sum())


def _odds_step(sums: Floats) -> tuple[float, float]:
    """Return the logarithm of the ratio of the odds in the lower slot to those in the upper one, and its variance."""
    weights, wins, squares, win_squares = (sums[:, 2 * column : 2 * column + 2] for column in range(SUMS // 2))
    losses, loss_squares = weights - wins, squares - win_squares
    shared = 1 / np.maximum(weights.sum(axis=1), _LEAST)[:, None]
    # Successes in one slot times failures in the other, for the upper and the lower slot (Mantel and Haenszel, 1959).
    totals = (wins * losses[:, ::-1] * shared).sum(axis=0)
    if (totals <= 0).any():
        return 0.0, np.inf
    from_wins = ((losses[:, ::-1] * shared) ** 2 * win_squares).sum(axis=0)
    from_losses = ((wins * shared) ** 2 * loss_squares[:, ::-1]).sum(axis=0)
    variance = ((from_wins + from_losses) / totals**2).sum()
    return float(np.log(totals[1] / totals[0])), float(variance)
