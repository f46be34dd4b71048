"""Decisions whose outcomes may still come, as a contextual policy learns from them: by what their age tells."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np

import bandits
from bandits.posterior.logistic_update import Waiting
from engine.kernel.features import Encoding, Floats
from engine.learning.outcome_effects import Learning, earned, read_answer
from engine.model.facts import History
from engine.model.ids import first_id_of
from engine.model.timestamps import MINUTE
from engine.statistics.evidence import waiting_step
from engine.store import decisions, folds, outcomes
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.observations import Place
from engine.store.outcomes import OutcomeRow

MOST_OF_A_STEP = 20
"""Decisions that are read of those that began to wait together; they stand for all of them."""

_history = msgspec.json.Decoder(History).decode


class Step(NamedTuple):
    """Some of the decisions that began to wait together at an instant, and how many trials wait with them."""

    since: int
    rows: Sequence[DecisionRow]
    outcomes: Mapping[str, list[OutcomeRow]]
    trials: int


async def still_waiting(
    database: Database, place: Place, encoding: Encoding, learning: Learning, curve: bandits.DelayCurve, now: int
) -> dict[str, Waiting]:
    """Trials of (merchant, placement, reward) by candidate that failed unless an outcome is still to come."""
    steps = await _steps(database, place, now)
    return await asyncio.to_thread(_by_candidate, steps, encoding, learning, curve, now)


async def _steps(database: Database, place: Place, now: int) -> list[Step]:
    merchant_id, placement, _ = place
    steps = []
    async with database.read() as connection:
        trials: defaultdict[int, int] = defaultdict(int)
        for row in await folds.waiting_trials(connection, place, bucket=""):
            trials[row.minute] += row.trials
        for minute, end in pairwise([*sorted(trials), now // MINUTE + 1]):
            first, last = first_id_of(minute * MINUTE), first_id_of(end * MINUTE)
            rows = await decisions.still_open(
                connection, merchant_id, placement, from_id=first, before_id=last, limit=MOST_OF_A_STEP
            )
            told = await outcomes.of_decisions(connection, [row.id for row in rows])
            steps.append(Step(minute * MINUTE, rows, told, trials[minute]))
    return steps


def _by_candidate(
    steps: Sequence[Step], encoding: Encoding, learning: Learning, curve: bandits.DelayCurve, now: int
) -> dict[str, Waiting]:
    told: defaultdict[str, list[tuple[Floats, float, float]]] = defaultdict(list)
    width = waiting_step(learning.window_minutes) * MINUTE
    for step in steps:
        seen, share = list(_seen(step, encoding, learning)), curve.share_since(max(0, now - step.since), width)
        each_for = step.trials / len(seen) if len(step.rows) == MOST_OF_A_STEP and seen else 1.0
        for candidate, features in seen:
            told[candidate].append((features, each_for, share))
    return {name: _waiting(mine) for name, mine in sorted(told.items())}


def _seen(step: Step, encoding: Encoding, learning: Learning) -> Iterator[tuple[str, Floats]]:
    """Each candidate that waits in a decision, with its features."""
    for row in step.rows:
        answer, mine = read_answer(row.answer), step.outcomes.get(row.id, [])
        if earned(learning, answer, mine, closed=False):
            continue
        names = list(earned(learning, answer, mine, closed=True))
        yield from zip(names, encoding.rows(msgspec.json.decode(row.facts), _history(row.history), names), strict=True)


def _waiting(told: Sequence[tuple[Floats, float, float]]) -> Waiting:
    features, trials, shares = zip(*told, strict=True)
    return Waiting(np.array(features), np.array(trials), np.array(shares))
