"""From sums to what a beliefs version knows: faded by day, weighted by slot and age, shrunk to one level up.

Pure: what was counted, and the time, are passed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
from bandits.evidence.delay import PendingDelays
from engine.kernel.beliefs import ArmBelief
from engine.model.timestamps import DAY, MINUTE

Floats = NDArray[np.float64]
FORGOTTEN_AFTER = 10
"""Half-lives after which a day's evidence, down to a thousandth, is not read any more."""
WAITING_STEPS = 60


class Fit(msgspec.Struct, frozen=True):
    """What was fitted to a placement's statistics.

    The strengths say how many trials the level above weighs as much as, `examination` how likely each slot is looked
    at, `delays` (bin, successes, failures) when the fate of closed decisions was known, `young` what is known of open
    ones, where few have closed.
    """

    bucket_strength: float = 10.0
    customer_strength: float = bandits.CUSTOMER_STRENGTH
    examination: tuple[float, ...] = ()
    delays: tuple[tuple[int, int, int], ...] = ()
    young: tuple[PendingDelays, ...] = ()


class DayRow(NamedTuple):
    """A candidate's statistics of one day, in a slot where credit depends on it (otherwise 0)."""

    candidate: str
    slot: int
    day: int
    trials: int
    successes: int
    priced: int
    amount: int


class WaitingRow(NamedTuple):
    """Trials that began to wait in one step from a minute on, and failed unless an outcome is still to come."""

    candidate: str
    slot: int
    minute: int
    trials: int


Memory = dict[tuple[str, int], float]
"""How much a candidate's day still counts, by (candidate, day), where it is not wholly."""


class Reading(NamedTuple):
    """How statistics are to be read: a placement's settings, what was fitted, and the time in epoch milliseconds.

    `step` is the minutes within which those that wait together began to.
    """

    half_life_days: float
    examination: tuple[float, ...]
    curve: bandits.DelayCurve
    memory: Memory
    now: int
    step: int


def waiting_step(window_minutes: int) -> int:
    """Minutes in which decisions begin to wait together: at most sixty steps to a window, so that long windows have
    few cells too."""
    return max(1, window_minutes // WAITING_STEPS)


def looked_at(examination: tuple[float, ...], slot: int) -> float:
    """The weight of a trial in a slot; beyond the last one known, as in that."""
    if slot < 1 or not examination:
        return 1.0
    return examination[min(slot, len(examination)) - 1]


def arms(
    days: Sequence[DayRow], waiting: Sequence[WaitingRow], priors: Mapping[str, bandits.Prior], reading: Reading
) -> dict[str, ArmBelief]:
    """What is known of every candidate that has statistics, waiting trials or a prior."""
    names = sorted({row.candidate for row in days} | {row.candidate for row in waiting} | priors.keys())
    evidence, amounts = _evidence(names, days, waiting, reading), _amounts(days, reading)
    believed = _believed(names, evidence, priors)
    known = {}
    for name, seen in zip(names, evidence, strict=True):
        prior = believed.get(name, bandits.FLAT)
        known[name] = ArmBelief(seen.trials, seen.successes, prior.mean, prior.strength, *amounts.get(name, (0, 0)))
    return known


def _believed(
    names: Sequence[str], evidence: Sequence[bandits.Evidence], priors: Mapping[str, bandits.Prior]
) -> dict[str, bandits.Prior]:
    """The priors, as far as the evidence bears them out."""
    told = [(name, seen) for name, seen in zip(names, evidence, strict=True) if name in priors]
    tempered = bandits.temper([priors[name] for name, _ in told], [seen for _, seen in told])
    return dict(zip([name for name, _ in told], tempered, strict=True))


def children(parents: Mapping[str, ArmBelief], strength: float) -> dict[str, bandits.Prior]:
    """The priors of one level down."""
    return {name: bandits.prior_from(known.evidence, known.prior, strength) for name, known in parents.items()}


def memory(days: Sequence[DayRow], examination: tuple[float, ...], *, before_day: int) -> Memory:
    """What counts less, as a rate jumped after it; only days before `before_day` are looked at, whose outcomes are in.

    A trial weighs as much as its slot is looked at, so that a candidate that changes slots does not seem to jump.
    """
    over = [row for row in days if row.day < before_day]
    names, when = sorted({row.candidate for row in over}), sorted({row.day for row in over})
    trials, successes = np.zeros((2, len(when), len(names)))
    for row in over:
        where = when.index(row.day), names.index(row.candidate)
        trials[where] += max(row.successes, row.trials * looked_at(examination, row.slot))
        successes[where] += row.successes
    weights = bandits.memory(trials, successes).tolist() if over else []
    return {
        (name, day): weight
        for day, of_day in zip(when, weights, strict=True)
        for name, weight in zip(names, of_day, strict=True)
        if weight < 1
    }


def _amounts(days: Sequence[DayRow], reading: Reading) -> dict[str, tuple[float, float]]:
    """How many successes brought in how much, by candidate."""
    sums: dict[str, tuple[float, float]] = {}
    for row in days:
        if row.priced:
            faded, (priced, amount) = _faded(row, reading), sums.get(row.candidate, (0.0, 0.0))
            sums[row.candidate] = (priced + faded * row.priced, amount + faded * row.amount)
    return sums


def _evidence(
    names: Sequence[str], days: Sequence[DayRow], waiting: Sequence[WaitingRow], reading: Reading
) -> list[bandits.Evidence]:
    """The evidence for each name: columns are slots, and minutes of waiting, each with its weight."""
    index = {name: number for number, name in enumerate(names)}
    columns = {key: place for place, key in enumerate(sorted({*map(_column, days), *map(_column, waiting)}))}
    if not columns:
        return [bandits.Evidence()] * len(names)
    trials, successes = np.zeros((2, len(names), len(columns)))
    for row in days:
        where = index[row.candidate], columns[_column(row)]
        faded = _faded(row, reading)
        trials[where] += faded * row.trials
        successes[where] += faded * row.successes
    for late in waiting:
        trials[index[late.candidate], columns[_column(late)]] += late.trials
    weights = [_weight(column, reading) for column in columns]
    tried = bandits.effective_trials(trials, successes, weights)
    won = successes.sum(axis=1)
    return [bandits.Evidence(*pair) for pair in zip(np.maximum(tried, won).tolist(), won.tolist(), strict=True)]


Column = tuple[int, int]


def _column(row: DayRow | WaitingRow) -> Column:
    """Its slot, and the minute in which it began to wait; -1 for what is settled."""
    return row.slot, row.minute if isinstance(row, WaitingRow) else -1


def _weight(column: Column, reading: Reading) -> float:
    slot, minute = column
    seen = looked_at(reading.examination, slot)
    if minute < 0:
        return seen
    return seen * reading.curve.share_since(max(0, reading.now - minute * MINUTE), reading.step * MINUTE)


def _faded(row: DayRow, reading: Reading) -> float:
    faded = bandits.recency_weight(max(0, reading.now // DAY - row.day), reading.half_life_days)
    return faded * reading.memory.get((row.candidate, row.day), 1.0)
