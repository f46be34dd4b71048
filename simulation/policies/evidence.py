"""What a learner was told, and how much of it counts at the moment."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

import bandits
from bandits import Evidence
from simulation.policies.plain import seen
from simulation.worlds.world import Floats, Order, Told

SECOND = 1_000
"""In simulated time a visit takes a second."""

GRAIN = 50
"""Visits that began to wait together."""


class Tally:
    """Trials and successes (arms, slots) by day, and trials under way by age.

    With `by_slot` (position-based credit) the slots are kept apart and all of them were tried; otherwise whoever the
    customer saw on the way down to the lowest success was, and there is one column.
    """

    def __init__(self, arms: int, slots: int, *, by_slot: bool) -> None:
        self._shape = (arms, slots if by_slot else 1)
        self._by_slot = by_slot
        self._days: defaultdict[int, Floats] = defaultdict(lambda: np.zeros((2, *self._shape)))
        self._open: defaultdict[int, Floats] = defaultdict(lambda: np.zeros(self._shape))

    def begin(self, number: int, order: Order) -> None:
        """An answer was shown, and nobody knows yet what comes of it."""
        self._wait(number, order, 1.0)

    def end(self, told: Told, day: int) -> int:
        """What came of it, counted for `day`; returns the trials."""
        counted, tried = self._days[day], told.order if self._by_slot else seen(told)
        for slot, one in enumerate(tried):
            place = (one, slot if self._by_slot else 0)
            counted[0][place] += 1.0
            if one in told.successes:
                counted[1][place] += 1.0
        if self._open:
            self._wait(told.visit.number, told.order, -1.0)
        return len(tried)

    def forget(self, one: int) -> None:
        """The candidate left; another of the same number starts from nothing."""
        for counted in (*self._days.values(), *self._open.values()):
            counted[..., one, :] = 0.0

    def days(self) -> Sequence[int]:
        return sorted(self._days)

    def counted(self) -> Floats:
        """Trials and successes, (2, days, arms, slots)."""
        counted = np.array([self._days[day] for day in self.days()])
        return counted.reshape(-1, 2, *self._shape).swapaxes(0, 1)

    def evidence(
        self, weights: Floats, examination: Floats, curve: bandits.DelayCurve | None, now: int
    ) -> list[Evidence]:
        """What counts now: days and arms by `weights` (days, arms), slots by `examination`, those open by their age."""
        trials, successes = np.einsum("da,kdas->kas", weights, self.counted())
        looked_at = examination[: self._shape[1]].tolist()
        certain = list(looked_at)
        for since, tried in self._open.items() if curve else ():
            share = curve.share_since((now - since * GRAIN) * SECOND, GRAIN * SECOND) if curve else 0.0
            trials = np.hstack((trials, tried))
            looked_at += [share * weight for weight in certain]
        won = successes.sum(axis=1)
        known = trials.sum(axis=1)
        if min(looked_at) < 1:
            successes = np.pad(successes, ((0, 0), (0, trials.shape[1] - successes.shape[1])))
            known = bandits.effective_trials(trials, successes, looked_at)
        return [Evidence(max(n, s), s) for n, s in zip(known.tolist(), won.tolist(), strict=True)]

    def _wait(self, number: int, order: Order, one_more: float) -> None:
        waiting = self._open[number // GRAIN]
        for slot, one in enumerate(order):
            waiting[one, slot if self._by_slot else 0] += one_more
        if one_more < 0 and not waiting.any():
            del self._open[number // GRAIN]
