"""Estimate position effects from exact chances: the same candidate, for the same request, in one slot or in the next.

A bandit puts into the first slot what sells, and a customer's favourite, so plain rates by slot mistake the candidate
for the slot. But every order was drawn with exact chances. Of two neighbouring slots, an impression in one counts by
the chance of the other, over both (overlap weights: Li, Morgan and Zaslavsky, 2018). Both slots then hold the same
mixture of candidates, customers and buckets. Ratios of rates are pooled over candidates (Mantel and Haenszel, 1959) and
chained from slot to slot (compare Agarwal et al., 2019, for search engines).

If every slot counts as tried, successes alone tell more. Whatever a candidate's rate r is, a request that puts it into
slot s with chance p_s and is examined there with w_s brings a success in slot s with probability p_s r w_s. So, given a
success, its slot has the probabilities p_s w_s / sum_t p_t w_t: the conditional likelihood of a case-only study
(Piegorsch, Weinberg and Taylor, 1994). All slots are compared at once, and no mean of a cell is needed, which is biased
where a bandit stops trying whoever was unlucky (Nie, Tian, Taylor and Zou, 2018).
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
"""Fillings of the first slots with a smaller chance are sampled instead of enumerated."""

_LEAST = 1e-12
_MOST_STEPS, _CLOSE = 50, 1e-9
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


class PositionCurve(NamedTuple):
    """The evidence of successes about the logarithms (S - 1,) of the weights of all slots but the first.

    `precision` (S - 1, S - 1) and `pull` (S - 1,) are sums over successes, without a prior: the likelihood is about
    exp(pull' x - x' precision x / 2). Faded evidence is a smaller multiple of both.
    """

    precision: Floats
    pull: Floats

    @classmethod
    def nothing(cls, slots: int) -> PositionCurve:
        return cls(np.zeros((slots - 1, slots - 1)), np.zeros(slots - 1))

    def after(self, slots: Numbers, chances: Floats) -> PositionCurve:
        """Return the curve with N successes: their `slots` (N,) from 0, and the candidates' `chances` (N, S).

        Each batch is approximated around its own best fit (Laplace).
        """
        is_possible = chances[np.arange(len(slots)), slots] > 0
        slots, chances = slots[is_possible], chances[is_possible]
        counts = np.bincount(slots, minlength=chances.shape[1]).astype(np.float64)
        prior, logs = _step_precision(len(self.pull)), self._solved()
        information: Floats = np.zeros_like(prior)
        for _ in range(_MOST_STEPS):
            shares = chances * np.exp(np.append(0.0, logs))
            shares = (shares / shares.sum(axis=1, keepdims=True))[:, 1:]
            information[:] = np.diag(shares.sum(axis=0)) - shares.T @ shares
            slope = counts[1:] - shares.sum(axis=0)
            gradient = slope + self.pull - (self.precision + prior) @ logs
            step = np.linalg.solve(self.precision + prior + information, gradient)
            logs = logs + np.clip(step, -1.0, 1.0)
            if np.abs(step).max(initial=0.0) < _CLOSE:
                break
        precision = self.precision + information
        return PositionCurve(precision, (precision + prior) @ logs)

    def effects(self) -> PositionEffects:
        """Return the effects of S slots. A slot with few successes stays near the one above it."""
        logs = np.append(0.0, self._solved())
        variances = np.diag(np.linalg.inv(self.precision + _step_precision(len(self.pull))))
        margin = Z95 * np.sqrt(np.append(0.0, variances))
        return PositionEffects(np.exp(logs), np.exp(logs - margin), np.exp(logs + margin))

    def _solved(self) -> Floats:
        precision = self.precision + _step_precision(len(self.pull))
        return np.asarray(np.linalg.solve(precision, self.pull), np.float64)


def _step_precision(count: int) -> Floats:
    """Return the prior precision (count, count) of logarithms after the first: steps vary by SPREAD."""
    steps = np.eye(count) - np.eye(count, k=-1)
    result: Floats = steps.T @ steps / SPREAD**2
    return result


def position_sums(impressions: Impressions, candidates: int) -> Floats:
    """Return the sums (K, S - 1, 8) that `position_effects` needs; sums of several logs add."""
    steps = max(0, impressions.chances.shape[1] - 1)
    sums = np.zeros((candidates, steps, SUMS))
    for step in range(steps):
        upper, lower = impressions.chances[:, step], impressions.chances[:, step + 1]
        is_upper, is_lower = impressions.slot == step, impressions.slot == step + 1
        overlaps = (upper > 0) & (lower > 0)
        for side, (chosen, other) in enumerate(((is_upper, lower), (is_lower, upper))):
            rows = chosen & overlaps
            weights = other[rows] / (upper[rows] + lower[rows])
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

    Fillings of the drawn slots are enumerated. Those less likely than `LEAST_BRANCH` are sampled by the request's seed.
    """
    count = candidates.size
    length, pinned = min(slots.length, count), set(slots.pins.values())
    drawn = min(slots.drawn, length)
    chances = np.zeros((count, length))
    orders, likelihoods = _fillings(candidates, slots._replace(length=drawn), request, chances)
    mean_order, _ = fill(candidates, slots._replace(length=count, drawn=0), request)
    unpinned = [index for index in mean_order[0].tolist() if index not in pinned]
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
        padded_orders = np.pad(orders, ((0, 0), (0, 1)))
        shares = follow(candidates, slots, _repeated(request, len(orders)), padded_orders)[:, slot]
        joint = likelihoods[:, None] * shares
        chances[:, slot] += joint.sum(axis=0)
        joint = _with_sampled_tail(joint, float(request.seeds[0]) / 2.0**64)
        rows, indices = np.nonzero(joint)
        orders, likelihoods = np.column_stack((orders[rows], indices)), joint[rows, indices]
    return orders, likelihoods


def _with_sampled_tail(likelihoods: Floats, offset: float) -> Floats:
    """Replace each small likelihood by 0 or `LEAST_BRANCH`, the same on average over offsets from 0 to 1.

    Leaving them out would lose much: with 40 candidates up to a third of the chances of the worst. Systematic sampling
    keeps the total (Carpenter, Clifford and Fearnhead, 1999).
    """
    is_small = likelihoods < LEAST_BRANCH
    passed = np.floor(np.cumsum(np.where(is_small, likelihoods, 0.0)) / LEAST_BRANCH + offset)
    sampled = np.diff(passed, prepend=0.0).reshape(likelihoods.shape)
    result: Floats = np.where(is_small, LEAST_BRANCH * sampled, likelihoods)
    return result


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
    squared_residuals = np.maximum(win_squares * (1 - 2 * means) + means**2 * squares, 0.0)
    variances = (factors**2 * squared_residuals).sum(axis=0) / totals**2
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
