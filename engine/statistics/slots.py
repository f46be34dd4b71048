"""Evidence about slots, gathered from a sample of closed decisions with the exact chances of their slots. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
from bandits.evidence.positions import (
    ENOUGH,
    SUMS,
    Impressions,
    PositionCurve,
    choice_effects,
    position_effects,
    position_sums,
)

Floats = NDArray[np.float64]

HALF_LIFE_DAYS = 30.0
MOST_SLOTS = 12
"""Slots from there on count as the last of these."""
MOST_BUCKETS = 50
"""Buckets of which trials by slot are kept; all others have the placement's."""
COMMON = ""
SEPARATOR = "\n"
MOST_STRATA = 8
"""Strata that have cells of their own; all others share theirs."""


class SlotEvidence(msgspec.Struct, frozen=True):
    """The evidence of a sample of closed decisions about slots.

    `decisions` is their number, `read_to` the id before which all were considered, `day` the epoch day to which older
    ones have faded. `steps` are the sums of `position_sums` by cell, a list for each slot but the last. A cell is a
    candidate; for choices, also its stratum and whether it is the customer's favourite. `tried`
    are trials by bucket, candidate and slot, of all buckets under "". Where every slot counts as tried, there are no
    steps but a `curve`: rows of the precision of a `PositionCurve`, each with its pull at the end.
    """

    decisions: float = 0.0
    read_to: str = ""
    day: int = 0
    steps: dict[str, list[list[float]]] = {}
    tried: dict[str, dict[str, list[float]]] = {}
    curve: list[list[float]] = []

    @property
    def is_enough(self) -> bool:
        return self.decisions >= ENOUGH


class SlotEffects(NamedTuple):
    """Logarithms (S,) of what slots are worth in a choice, relative to the first, and their variances (S,)."""

    logs: Floats
    variances: Floats


class SlotObservation(NamedTuple):
    """A decision of the sample: who was tried in which slot (from 0) with which success, and the chances.

    `chances` (n, S) are those with which each of the n candidates would have got each slot. With a
    `stratum` the decision is a choice, `favourite` what the customer has chosen most, and `names` who was chosen or, if
    none was, all. With `has_all_tried`, the decision counts as a trial of every slot.
    """

    bucket: str
    names: Sequence[str]
    slots: Sequence[int]
    successes: Sequence[float]
    chances: Floats
    stratum: str | None = None
    favourite: str = ""
    has_all_tried: bool = False


def faded(evidence: SlotEvidence, day: int) -> SlotEvidence:
    """Return the evidence as it weighs on an epoch day."""
    share = bandits.recency_weight(max(0, day - evidence.day), HALF_LIFE_DAYS) if evidence.day else 1.0
    if share == 1.0:
        return msgspec.structs.replace(evidence, day=max(day, evidence.day))
    return SlotEvidence(
        evidence.decisions * share,
        evidence.read_to,
        day,
        {name: [[share * value for value in step] for step in steps] for name, steps in evidence.steps.items()},
        {
            bucket: {name: [share * value for value in tried] for name, tried in by_name.items()}
            for bucket, by_name in evidence.tried.items()
        },
        [[share * value for value in row] for row in evidence.curve],
    )


def with_observations(
    evidence: SlotEvidence, observations: Sequence[SlotObservation], read_to: str, day: int
) -> SlotEvidence:
    """Return the evidence on an epoch day with more decisions of the sample."""
    before = faded(evidence, day)
    if not observations:
        return msgspec.structs.replace(before, read_to=read_to)
    # The decisions of a sample are credited alike.
    is_curve = observations[0].has_all_tried
    continues = before.curve if is_curve else before.steps
    return SlotEvidence(
        # Evidence that was gathered for another credit does not count.
        round((before.decisions if continues else 0.0) + len(observations), 4),
        read_to,
        before.day,
        {} if is_curve else _added_steps(before.steps, observations),
        _added_trials(before.tried, observations),
        _added_curve(before.curve, observations) if is_curve else [],
    )


def _added_curve(rows: list[list[float]], observations: Sequence[SlotObservation]) -> list[list[float]]:
    """Return the curve with the successes of decisions; their slots from `MOST_SLOTS` on count as one."""
    width = min(MOST_SLOTS, max(len(rows) + 1, *(observation.chances.shape[1] for observation in observations)))
    slots: list[int] = []
    chances = [np.zeros((0, width))]
    for observation in observations:
        won = [number for number, success in enumerate(observation.successes) if success]
        slots += [min(observation.slots[number], width - 1) for number in won]
        chances.append(_narrowed(observation.chances[won], width))
    curve = _curve(rows, width).after(np.array(slots, np.intp), np.concatenate(chances))
    return [[round(value, 6) for value in (*row, end)] for row, end in zip(*map(np.ndarray.tolist, curve), strict=True)]


def _narrowed(chances: Floats, width: int) -> Floats:
    """Return chances (n, width): of more slots, the last is one of all from there on."""
    first, rest = chances[:, : width - 1], chances[:, width - 1 :].sum(axis=1)
    return np.column_stack((first, np.zeros((len(chances), width - 1 - first.shape[1])), rest))


def _curve(rows: Sequence[Sequence[float]], slots: int) -> PositionCurve:
    curve, count = PositionCurve.nothing(slots), len(rows)
    if rows:
        both = np.array(rows)
        curve.precision[:count, :count], curve.pull[:count] = both[:, :-1], both[:, -1]
    return curve


def _added_steps(
    steps: Mapping[str, list[list[float]]], observations: Sequence[SlotObservation]
) -> dict[str, list[list[float]]]:
    cells = list(_cells(steps, observations))
    names = sorted({name for row in cells for name in row})
    width = max((observation.chances.shape[1] for observation in observations), default=0)
    if not names or width < 2:
        return dict(steps)
    numbers = {name: number for number, name in enumerate(names)}
    chances = [
        np.pad(observation.chances, ((0, 0), (0, width - observation.chances.shape[1]))) for observation in observations
    ]
    impressions = Impressions(
        np.array([numbers[name] for row in cells for name in row], np.intp),
        np.array([slot for observation in observations for slot in observation.slots], np.intp),
        np.array([won for observation in observations for won in observation.successes], np.float64),
        np.concatenate(chances),
    )
    sums = position_sums(impressions, len(names))[:, : MOST_SLOTS - 1]
    new = {name: sums[number].tolist() for name, number in numbers.items()}
    return {
        name: [_sum(*pair) for pair in zip_longest(steps.get(name, []), new.get(name, []), fillvalue=[0.0] * SUMS)]
        for name in sorted(steps.keys() | new.keys())
    }


def _cells(steps: Iterable[str], observations: Iterable[SlotObservation]) -> Iterator[list[str]]:
    """Yield the names of each observation's cells."""
    strata = {cell.split(SEPARATOR)[0] for cell in steps if SEPARATOR in cell}
    for observation in observations:
        if observation.stratum is None:
            yield list(observation.names)
            continue
        if len(strata) < MOST_STRATA:
            strata.add(observation.stratum)
        stratum = observation.stratum if observation.stratum in strata else COMMON
        yield [
            SEPARATOR.join((stratum, name, "favourite" * (name == observation.favourite))) for name in observation.names
        ]


def _added_trials(
    tried: Mapping[str, Mapping[str, list[float]]], observations: Iterable[SlotObservation]
) -> dict[str, dict[str, list[float]]]:
    added = {bucket: {name: list(trials) for name, trials in by_name.items()} for bucket, by_name in tried.items()}
    for observation in observations:
        if observation.stratum is not None:
            continue
        for bucket in {COMMON, observation.bucket}:
            if bucket not in added and len(added) > MOST_BUCKETS:
                continue
            by_name = added.setdefault(bucket, {})
            for name, slot in zip(observation.names, observation.slots, strict=True):
                trials = by_name.setdefault(name, [])
                index = min(slot, MOST_SLOTS - 1)
                trials.extend([0.0] * (index + 1 - len(trials)))
                trials[index] += 1.0
    return added


def _sum(first: Sequence[float], second: Sequence[float]) -> list[float]:
    return [round(sum(pair), 6) for pair in zip(first, second, strict=True)]


def examination_of(evidence: SlotEvidence) -> tuple[float, ...]:
    """Return the probability that each slot is examined, relative to the first; empty while decisions are few."""
    sums = _sums(evidence)
    if not evidence.is_enough or not (evidence.curve or sums.shape[1]):
        return ()
    curve = _curve(evidence.curve, len(evidence.curve) + 1)
    effects = curve.effects() if evidence.curve else position_effects(sums)
    return tuple(round(min(weight, 1.0), 4) for weight in effects.weights.tolist())


def effects_of(evidence: SlotEvidence) -> SlotEffects | None:
    """Return what slots add to the utility in a choice; None while decisions are few."""
    sums = _sums(evidence)
    return SlotEffects(*choice_effects(sums)) if evidence.is_enough and sums.shape[1] else None


def _sums(evidence: SlotEvidence) -> Floats:
    steps = max((len(steps) for steps in evidence.steps.values()), default=0)
    sums = np.zeros((len(evidence.steps), steps, SUMS))
    for number, rows in enumerate(evidence.steps.values()):
        if rows:
            sums[number, : len(rows)] = rows
    return sums


def reach_of(evidence: SlotEvidence, examination: Sequence[float], bucket: str | None) -> dict[str, float]:
    """Return by candidate the mean probability that its trials were examined, in a bucket or in all together."""
    if not examination:
        return {}
    by_name = evidence.tried.get(bucket or COMMON, evidence.tried.get(COMMON, {}))
    last = examination[-1]
    reach = {}
    for name, trials in by_name.items():
        weights = [*examination[: len(trials)], *[last] * (len(trials) - len(examination))]
        total = sum(trials)
        reach[name] = sum(map(float.__mul__, trials, weights)) / total if total else 1.0
    return reach
