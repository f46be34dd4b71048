"""Turn stored sums into the evidence of a beliefs version: faded by day, weighted by slot and age, with priors.

Pure: counts and time are passed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
from bandits.evidence.delay import PendingCount
from engine.kernel.beliefs import ArmBelief
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.slots import SlotEvidence

Floats = NDArray[np.float64]
FORGOTTEN_AFTER_HALF_LIVES = 10
"""Days older than so many half-lives are not read: their evidence weighs less than a thousandth."""
PENDING_STEPS = 60


class Fit(msgspec.Struct, frozen=True):
    """Parameters fitted to a placement's statistics.

    Strengths are the trials that the level above weighs as much as. `examination` is the probability that each slot
    is examined, `delays` are (bin, successes, failures) of closed decisions, and `pending` counts of open ones, if
    few have closed. `arrivals` are (candidate, bin, successes) of closed decisions, and `candidates_pending` counts of
    open ones by candidate. By candidate, `settled` are (trials, successes) with an outcome, and `unresolved` are
    (bin of age, trials) without. `slots` is what a sample says of slots.
    """

    bucket_strength: float = 10.0
    customer_strength: float = bandits.CUSTOMER_STRENGTH
    examination: tuple[float, ...] = ()
    delays: tuple[tuple[int, int, int], ...] = ()
    pending: tuple[PendingCount, ...] = msgspec.field(name="young", default=())
    arrivals: tuple[tuple[str, int, int], ...] = ()
    candidates_pending: dict[str, tuple[PendingCount, ...]] = {}
    settled: dict[str, tuple[int, int]] = {}
    unresolved: dict[str, tuple[tuple[int, int], ...]] = {}
    slots: SlotEvidence = SlotEvidence()


class DayRow(NamedTuple):
    """A candidate's statistics of one day; `slot` is 0 unless credit depends on it."""

    candidate: str
    slot: int
    day: int
    trials: int
    successes: int
    priced: int
    amount: int


class PendingRow(NamedTuple):
    """Pending trials of decisions made in one step, which starts at `minute`."""

    candidate: str
    slot: int
    minute: int
    trials: int


class Curves(NamedTuple):
    """Delay curves by candidate; those without one of their own have the placement's."""

    common: bandits.DelayCurve
    by_candidate: Mapping[str, bandits.DelayCurve] = MappingProxyType({})

    def share_since(self, candidate: str, oldest_ms: float, span_ms: float) -> float:
        """Return `DelayCurve.share_since` of a candidate."""
        return self.by_candidate.get(candidate, self.common).share_since(oldest_ms, span_ms)


Memory = dict[tuple[str, int], float]
"""Weights below 1 by (candidate, day), of days before a jump in a rate."""


class EvidenceSettings(NamedTuple):
    """The inputs that turn sums into evidence: a placement's settings, its fit, and the time in epoch milliseconds.

    `step` is the length in minutes of the steps that pending trials are counted by. `reach` is by candidate the mean
    probability that a trial counted without its slot was examined, 1 for others.
    """

    half_life_days: float
    examination: tuple[float, ...]
    curves: Curves
    memory: Memory
    now: int
    step: int
    reach: Mapping[str, float] = MappingProxyType({})

    def fade(self, candidate: str, day: int) -> float:
        """Return the weight of a candidate's evidence of a day."""
        faded = bandits.recency_weight(max(0, self.now // DAY - day), self.half_life_days)
        return faded * self.memory.get((candidate, day), 1.0)


def pending_step(window_minutes: int) -> int:
    """Return the length of a step in minutes: at most sixty steps to a window, so that long windows have few cells."""
    return max(1, window_minutes // PENDING_STEPS)


def examination_weight(examination: tuple[float, ...], slot: int) -> float:
    """Return the weight of a trial in a slot, from 1; slots beyond the last weight have that one."""
    if slot < 1 or not examination:
        return 1.0
    return examination[min(slot, len(examination)) - 1]


def arm_beliefs(
    days: Sequence[DayRow],
    pending: Sequence[PendingRow],
    priors: Mapping[str, bandits.Prior],
    settings: EvidenceSettings,
    amounts: Mapping[str, bandits.Amounts] = MappingProxyType({}),
) -> dict[str, ArmBelief]:
    """Return the belief about every candidate that has statistics, pending trials or a prior, by id."""
    names = sorted({row.candidate for row in days} | {row.candidate for row in pending} | priors.keys())
    evidence = _evidence(names, days, pending, settings)
    tempered = _tempered(names, evidence, priors)
    beliefs = {}
    for name, counts in zip(names, evidence, strict=True):
        prior, priced = tempered.get(name, bandits.FLAT), amounts.get(name, bandits.Amounts())
        beliefs[name] = ArmBelief(
            counts.trials,
            counts.successes,
            prior.mean,
            prior.strength,
            priced.count,
            priced.total,
            priced.squares,
        )
    return beliefs


def _tempered(
    names: Sequence[str], evidence: Sequence[bandits.Evidence], priors: Mapping[str, bandits.Prior]
) -> dict[str, bandits.Prior]:
    """Return the priors, weakened as far as the evidence contradicts them."""
    with_prior = [(name, counts) for name, counts in zip(names, evidence, strict=True) if name in priors]
    tempered = bandits.temper([priors[name] for name, _ in with_prior], [counts for _, counts in with_prior])
    return dict(zip([name for name, _ in with_prior], tempered, strict=True))


def child_priors(parents: Mapping[str, ArmBelief], strength: float) -> dict[str, bandits.Prior]:
    """Return the priors of the level below, `strength` trials strong."""
    return {name: bandits.prior_from(parent.evidence, parent.prior, strength) for name, parent in parents.items()}


def memory(days: Sequence[DayRow], examination: tuple[float, ...], *, before_day: int) -> Memory:
    """Return the weights of days before a jump in a rate; only days before `before_day`, whose outcomes are complete.

    A trial weighs as much as its slot is examined, so that a candidate that changes slots does not seem to jump.
    """
    complete = [row for row in days if row.day < before_day]
    names, dates = sorted({row.candidate for row in complete}), sorted({row.day for row in complete})
    trials, successes = np.zeros((2, len(dates), len(names)))
    for row in complete:
        cell = dates.index(row.day), names.index(row.candidate)
        trials[cell] += max(row.successes, row.trials * examination_weight(examination, row.slot))
        successes[cell] += row.successes
    weights = bandits.memory(trials, successes).tolist() if complete else []
    return {
        (name, day): weight
        for day, day_weights in zip(dates, weights, strict=True)
        for name, weight in zip(names, day_weights, strict=True)
        if weight < 1
    }


def _evidence(
    names: Sequence[str], days: Sequence[DayRow], pending: Sequence[PendingRow], settings: EvidenceSettings
) -> list[bandits.Evidence]:
    """Return the evidence for each name. Each slot and pending step is a column of trials with a weight of its own."""
    index = {name: number for number, name in enumerate(names)}
    columns = {key: number for number, key in enumerate(sorted({*map(_column, days), *map(_column, pending)}))}
    if not columns:
        return [bandits.Evidence()] * len(names)
    trials, successes = np.zeros((2, len(names), len(columns)))
    for row in days:
        cell = index[row.candidate], columns[_column(row)]
        faded = settings.fade(row.candidate, row.day)
        trials[cell] += faded * row.trials
        successes[cell] += faded * row.successes
    for step in pending:
        trials[index[step.candidate], columns[_column(step)]] += step.trials
    weights = np.array([[_weight(name, column, settings) for column in columns] for name in names])
    effective, total = bandits.effective_trials(trials, successes, weights), successes.sum(axis=1)
    return [bandits.Evidence(*pair) for pair in zip(np.maximum(effective, total).tolist(), total.tolist(), strict=True)]


Column = tuple[int, int]


def _column(row: DayRow | PendingRow) -> Column:
    """Return the slot and the minute of a pending step; the minute is -1 for settled trials."""
    return row.slot, row.minute if isinstance(row, PendingRow) else -1


def _weight(candidate: str, column: Column, settings: EvidenceSettings) -> float:
    slot, minute = column
    examined = examination_weight(settings.examination, slot) if slot else settings.reach.get(candidate, 1.0)
    if minute < 0:
        return examined
    age, span = max(0, settings.now - minute * MINUTE), settings.step * MINUTE
    return examined * settings.curves.share_since(candidate, age, span)
