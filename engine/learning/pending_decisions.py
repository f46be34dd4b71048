"""Pending trials of a contextual policy: decisions whose outcomes may still come, weighted by their age."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np

from bandits.choice.observations import ChoiceObservation, ChoiceTable, aggregate
from bandits.posterior.logistic_update import PendingTrials
from engine.kernel.encoding.features import Encoding, Floats
from engine.learning.choice_learner import ChoiceLearner
from engine.learning.credit_settings import Learning
from engine.learning.outcome_effects import credit_of, read_answer
from engine.model.facts import History
from engine.model.scope import Scope
from engine.model.timestamps import MINUTE, first_id_of
from engine.statistics.evidence import Curves, pending_step
from engine.store import decisions, folds, outcomes
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.outcomes import OutcomeRow

MOST_OF_A_STEP = 20
"""The decisions that are read of each step; they stand for all pending decisions of the step."""

_history = msgspec.json.Decoder(History).decode


class Step(NamedTuple):
    """Pending decisions made in one step from `since` on, and the number of trials they stand for.

    `is_sample`: they are not all of them.
    """

    since: int
    is_sample: bool
    rows: Sequence[DecisionRow]
    outcomes: Mapping[str, list[OutcomeRow]]
    trials: int


async def read_pending_trials(
    database: Database, scope: Scope, encoding: Encoding, learning: Learning, curves: Curves, now: int
) -> dict[str, PendingTrials]:
    """Return the pending trials of a scope, by candidate id."""
    steps = await _steps(database, scope, learning, now)
    return await asyncio.to_thread(_by_candidate, steps, encoding, learning, curves, now)


async def _steps(
    database: Database, scope: Scope, learning: Learning, now: int, *, bucket: str | None = ""
) -> list[Step]:
    steps = []
    async with database.read() as connection:
        trials: defaultdict[int, int] = defaultdict(int)
        for row in await folds.waiting_trials(connection, scope, bucket=bucket):
            trials[row.minute] += row.trials
        for minute, end in pairwise([*sorted(trials), now // MINUTE + 1]):
            first, last = first_id_of(minute * MINUTE), first_id_of(end * MINUTE)
            read = await decisions.still_open(
                connection, scope.merchant_id, scope.placement, from_id=first, before_id=last, limit=MOST_OF_A_STEP
            )
            rows = [row for row in read if _teaches(row, learning, scope.reward)]
            reported = await outcomes.of_decisions(connection, [row.id for row in rows])
            steps.append(Step(minute * MINUTE, len(read) == MOST_OF_A_STEP, rows, reported, trials[minute]))
    return steps


def _teaches(row: DecisionRow, learning: Learning, learner: str) -> bool:
    return "|" not in learner or learning.teaches(learner, read_answer(row.answer).experiments, row.decided_at)


async def read_pending_choices(
    database: Database, scope: Scope, learner: ChoiceLearner, learning: Learning, curves: Curves, now: int
) -> ChoiceTable:
    """Return the decisions of a scope whose choice is not known yet; each says as much as its age does."""
    steps = await _steps(database, scope, learning, now, bucket=None)
    return await asyncio.to_thread(_choices, steps, learner, learning, curves, now)


def _choices(
    steps: Sequence[Step], learner: ChoiceLearner, learning: Learning, curves: Curves, now: int
) -> ChoiceTable:
    pending = []
    width = pending_step(learning.window_minutes) * MINUTE
    for step in steps:
        orders = [row for row in step.rows if _is_pending(row, step, learning)]
        age = max(0, now - step.since)
        for row in orders:
            order = tuple(ranked.id for ranked in read_answer(row.answer).ranking)
            # A full sample stands for all decisions of its step; each has a trial for every slot.
            weight = step.trials / len(order) / len(orders) if step.is_sample else 1.0
            offsets = learner.offsets(order, row.stratum, _history(row.history))
            shares = tuple(curves.share_since(candidate, age, width) for candidate in order)
            pending.append(ChoiceObservation(order, row.stratum, (), weight, offsets, shares))
    return aggregate(pending)


def _is_pending(row: DecisionRow, step: Step, learning: Learning) -> bool:
    answer = read_answer(row.answer)
    return bool(answer.ranking) and not credit_of(learning, answer, step.outcomes.get(row.id, []), closed=False)


def _by_candidate(
    steps: Sequence[Step], encoding: Encoding, learning: Learning, curves: Curves, now: int
) -> dict[str, PendingTrials]:
    trials: defaultdict[str, list[tuple[Floats, float, float]]] = defaultdict(list)
    width = pending_step(learning.window_minutes) * MINUTE
    for step in steps:
        sample, age = list(_sampled(step, encoding, learning)), max(0, now - step.since)
        weight = step.trials / len(sample) if step.is_sample and sample else 1.0
        for candidate, features in sample:
            trials[candidate].append((features, weight, curves.share_since(candidate, age, width)))
    return {name: _pending_trials(rows) for name, rows in sorted(trials.items())}


def _sampled(step: Step, encoding: Encoding, learning: Learning) -> Iterator[tuple[str, Floats]]:
    """Yield each candidate with a pending trial in a decision of the sample, and its features."""
    for row in step.rows:
        answer, events = read_answer(row.answer), step.outcomes.get(row.id, [])
        if credit_of(learning, answer, events, closed=False):
            continue
        names = list(credit_of(learning, answer, events, closed=True))
        yield from zip(names, encoding.rows(msgspec.json.decode(row.facts), _history(row.history), names), strict=True)


def _pending_trials(rows: Sequence[tuple[Floats, float, float]]) -> PendingTrials:
    features, trials, shares = zip(*rows, strict=True)
    return PendingTrials(np.array(features), np.array(trials), np.array(shares))
