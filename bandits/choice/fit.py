"""The likelihood of choices in the parameters of the conditional logit, and where it is highest.

    P(slot s | order, stratum) = exp(u[order[s]] + effect[s] + offset[s]) / (exp(outside[stratum]) + sum over slots)

(McFadden, 1974; Train, 2009, chapters 2 and 3). Three parameters make up the utility of each alternative: candidate,
slot and the candidate's deviation in the stratum; or the common outside option and the stratum's deviation. So sums
over alternatives are counted, not multiplied out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bandits.choice.observations import EFFECT_STARTS, EFFECTS, NO_CANDIDATE, ChoiceTable, Floats, Layout, Numbers

_MOST_STEPS, _MOST_HALVINGS, _CLOSE = 50, 30, 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Normal:
    """A Gaussian over parameters: `mean` (p,), `precision` (p, p)."""

    mean: Floats
    precision: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Choices made ready: `parts` (3, N, L + 1), the parameters of each alternative, of which number `size` is always
    0; `offsets` (N, L + 1), -inf for nobody; and, as in `Choices`, `picked` and `shares` (N, L + 1)."""

    size: int
    parts: Numbers
    offsets: Floats
    picked: Floats
    shares: Floats

    @property
    def totals(self) -> Floats:
        totals: Floats = self.picked.sum(axis=1)
        return totals

    def where(self, chosen: NDArray[np.bool_]) -> "Table":
        rows = (self.offsets[chosen], self.picked[chosen], self.shares[chosen])
        return Table(self.size, self.parts[:, chosen], *rows)

    def utilities(self, parameters: Floats) -> Floats:
        """Return the utility of each alternative, (N, L + 1)."""
        extended = np.append(parameters, 0.0)
        first, second, third = extended[self.parts]
        utilities: Floats = first + second + third + self.offsets
        return utilities

    def expected(self, weights: Floats) -> Floats:
        """Return for each row the sum of what its alternatives are made of, by weights (N, L + 1): (N, size)."""
        width = self.size + 1
        cells = self.parts + np.arange(len(weights))[:, None] * width
        summed: Floats = np.bincount(cells.ravel(), np.tile(weights.ravel(), len(cells)), len(weights) * width).astype(
            np.float64
        )
        return summed.reshape(len(weights), width)[:, : self.size]

    def squares(self, weights: Floats) -> Floats:
        """Return the sum over alternatives of the outer product of what each is made of, by weights: (size, size)."""
        width, flat = self.size + 1, weights.ravel()
        parts = self.parts.reshape(len(self.parts), -1)
        result: Floats = np.diag(np.bincount(parts.ravel(), np.tile(flat, len(parts)), width)).astype(np.float64)
        for left, right in ((0, 1), (0, 2), (1, 2)):
            crossed = np.bincount(parts[left] * width + parts[right], flat, width * width).reshape(width, width)
            result += crossed + crossed.T
        return result[: self.size, : self.size]


def tabulate(choices: ChoiceTable, layout: Layout) -> Table:
    """Return choices in the numbers of a layout that has all of their candidates.

    Strata that it does not have share the common outside option.
    """
    order, none = choices.order, layout.size
    effects = np.searchsorted(EFFECT_STARTS, np.arange(order.shape[1]), side="right") - 1
    candidate_numbers = _numbers(choices.layout.candidates, layout.candidates, layout.utilities.start, none)
    stratum_numbers = _numbers(choices.layout.strata, layout.strata, layout.deviations.start, none)
    starts = [layout.own_start(name) for name in choices.layout.strata]
    own = np.array([*(none if start is None else start - layout.utilities.start for start in starts), none], np.intp)
    empty = order == NO_CANDIDATE
    parts = np.full((3, len(order), order.shape[1] + 1), none)
    parts[0, :, :-1], parts[0, :, -1] = candidate_numbers[order], EFFECTS
    parts[1, :, :-1], parts[1, :, -1] = np.where(effects < 0, none, effects), stratum_numbers[choices.stratum]
    parts[2, :, :-1] = np.minimum(candidate_numbers[order] + own[choices.stratum][:, None], none)
    offsets, shares = np.zeros(parts.shape[1:]), np.ones(parts.shape[1:])
    offsets[:, :-1], shares[:, :-1] = np.where(empty, -np.inf, choices.offsets), choices.shares
    return Table(none, parts, offsets, choices.picked, shares)


def most_likely(before: Normal, choices: Table, pending: Table) -> Floats:
    """Return the parameters (p,) with the highest posterior, by Newton's method with steps halved until they
    improve."""
    parameters = before.mean
    loss = _loss(before, choices, pending, parameters)
    for _ in range(_MOST_STEPS):
        slope, bend = before.precision @ (parameters - before.mean), before.precision
        for pull, curvature in (_pull(choices, parameters), _pull_of_open(pending, parameters)):
            slope, bend = slope - pull, bend + curvature
        step = np.linalg.solve(bend, slope)
        for _ in range(_MOST_HALVINGS):
            following = _loss(before, choices, pending, parameters - step)
            if following <= loss:
                break
            step = step / 2
        else:
            return parameters
        parameters, loss = parameters - step, following
        if slope @ step < _CLOSE:
            break
    return parameters


def touching(parameters: Floats, choices: Table, pending: Table) -> tuple[Normal, Normal]:
    """Return what either says about the parameters, as (information, precision): the Gaussian with the likelihood's
    slope and curvature at these. The `mean` of each holds the information, precision @ parameters + slope."""
    observed, pending_evidence = _pull(choices, parameters), _pull_of_open(pending, parameters)
    return (
        Normal(observed[1] @ parameters + observed[0], observed[1]),
        Normal(pending_evidence[1] @ parameters + pending_evidence[0], pending_evidence[1]),
    )


def shares_of(utilities: Floats) -> Floats:
    """Return the chance of each alternative to be chosen, of utilities (..., L + 1)."""
    shares: Floats = np.exp(utilities - utilities.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return shares


def _pull(choices: Table, parameters: Floats) -> tuple[Floats, Floats]:
    """The slope of the log-likelihood, (p,), and its curvature, (p, p)."""
    shares, totals = shares_of(choices.utilities(parameters)), choices.totals
    expected = choices.expected(shares)
    slope = choices.expected(choices.picked - totals[:, None] * shares).sum(axis=0)
    return slope, choices.squares(totals[:, None] * shares) - (expected.T * totals) @ expected


def _pull_of_open(pending: Table, parameters: Floats) -> tuple[Floats, Floats]:
    """The same of observations of which no choice is known yet: each is, in part, any choice that would not be known.

    With equal shares c the likelihood is 1 - c (1 - none), whose slope is that of a known `none` by the part
    c none / (1 - c (1 - none)); the curvature counts by that part.
    """
    shares, totals = shares_of(pending.utilities(parameters)), pending.totals
    likely = _likely(pending, shares)
    likely /= likely.sum(axis=1, keepdims=True)
    expected = pending.expected(shares)
    slope = pending.expected(totals[:, None] * (likely - shares)).sum(axis=0)
    rest = np.maximum(1 - shares[:, -1], 1e-12)
    parts = totals * np.clip((likely[:, -1] - shares[:, -1]) / rest, 0.0, 1.0)
    return slope, pending.squares(parts[:, None] * shares) - (expected.T * parts) @ expected


def _likely(pending: Table, shares: Floats) -> Floats:
    """Return how likely each alternative was chosen with no report of it yet, (N, L + 1)."""
    return np.concatenate((shares[:, :-1] * (1 - pending.shares[:, :-1]), shares[:, -1:]), axis=1)


def _loss(before: Normal, choices: Table, pending: Table, parameters: Floats) -> float:
    deviation = parameters - before.mean
    utilities = choices.utilities(parameters)
    greatest = utilities.max(axis=1, initial=0.0)
    log_totals = greatest + np.log(np.exp(utilities - greatest[:, None]).sum(axis=1))
    # Nobody was never chosen: 0 times minus infinity is nothing.
    chosen = np.multiply(choices.picked, utilities, out=np.zeros_like(utilities), where=choices.picked != 0).sum()
    pending_evidence = np.log(_likely(pending, shares_of(pending.utilities(parameters))).sum(axis=1))
    likelihood = chosen - choices.totals @ log_totals + pending.totals @ pending_evidence
    return float(deviation @ before.precision @ deviation / 2 - likelihood)


def _numbers(names: tuple[str, ...], among: tuple[str, ...], start: int, none: int) -> Numbers:
    """The number of each name, and last, where NOBODY finds it, that of the parameter which is always 0."""
    by_name = {name: number for number, name in enumerate(among, start)}
    return np.array([*(by_name.get(name, none) for name in names), none], np.intp)
