"""Count the outcomes that a policy has received, and weigh them for the current beliefs."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

import bandits
from bandits import Evidence
from simulation.policies.baselines import examined
from simulation.worlds.world import Floats, Order, VisitOutcome

SECOND = 1_000
"""Milliseconds of simulated time per visit."""

GRAIN = 50
"""The number of consecutive visits whose pending outcomes share an age."""


class EvidenceTally:
    """Trials and successes (arms, slots) by day, and pending trials by age.

    With `by_slot` (position-based credit) slots are counted separately and all of them were tried. Otherwise the arms
    down to the lowest success were tried, and there is a single column.
    """

    def __init__(self, arms: int, slots: int, *, by_slot: bool) -> None:
        self._shape = (arms, slots if by_slot else 1)
        self._by_slot = by_slot
        self._days: defaultdict[int, Floats] = defaultdict(lambda: np.zeros((2, *self._shape)))
        self._open: defaultdict[int, Floats] = defaultdict(lambda: np.zeros(self._shape))

    def begin(self, number: int, order: Order) -> None:
        """Count an order that was shown and whose outcome is pending."""
        self._count_open(number, order, 1.0)

    def end(self, outcome: VisitOutcome, day: int) -> int:
        """Count the outcome of a visit for `day`; return the number of trials."""
        counts, tried = self._days[day], outcome.order if self._by_slot else examined(outcome)
        for slot, arm in enumerate(tried):
            cell = (arm, slot if self._by_slot else 0)
            counts[0][cell] += 1.0
            if arm in outcome.successes:
                counts[1][cell] += 1.0
        if self._open:
            self._count_open(outcome.visit.number, outcome.order, -1.0)
        return len(tried)

    def forget(self, arm: int) -> None:
        """Reset the counts of an arm whose candidate left; the next one starts from nothing."""
        for counted in (*self._days.values(), *self._open.values()):
            counted[..., arm, :] = 0.0

    def days(self) -> Sequence[int]:
        return sorted(self._days)

    def counted(self) -> Floats:
        """Return trials and successes, (2, days, arms, slots)."""
        counted = np.array([self._days[day] for day in self.days()])
        return counted.reshape(-1, 2, *self._shape).swapaxes(0, 1)

    def evidence(
        self, weights: Floats, examination: Floats, curve: bandits.DelayCurve | None, now: int
    ) -> list[Evidence]:
        """Return the evidence weighted by day, `weights` (days, arms), by slot and, if pending, by age."""
        trials, successes = np.einsum("da,kdas->kas", weights, self.counted())
        slot_weights = examination[: self._shape[1]].tolist()
        closed_weights = list(slot_weights)
        for since, tried in self._open.items() if curve else ():
            share = curve.share_since((now - since * GRAIN) * SECOND, GRAIN * SECOND) if curve else 0.0
            trials = np.hstack((trials, tried))
            slot_weights += [share * weight for weight in closed_weights]
        won = successes.sum(axis=1)
        effective = trials.sum(axis=1)
        if min(slot_weights) < 1:
            successes = np.pad(successes, ((0, 0), (0, trials.shape[1] - successes.shape[1])))
            effective = bandits.effective_trials(trials, successes, slot_weights)
        return [Evidence(max(n, s), s) for n, s in zip(effective.tolist(), won.tolist(), strict=True)]

    def _count_open(self, number: int, order: Order, change: float) -> None:
        pending = self._open[number // GRAIN]
        for slot, arm in enumerate(order):
            pending[arm, slot if self._by_slot else 0] += change
        if change < 0 and not pending.any():
            del self._open[number // GRAIN]
