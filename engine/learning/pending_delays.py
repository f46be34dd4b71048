"""Count pending decisions by age and delay: until windows close, nothing else shows how long outcomes take."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from bandits.evidence.delay import NOT_YET, PendingCount, bin_of
from engine.learning.credit_settings import Learning
from engine.learning.outcome_effects import credit_of, read_answer, resolution
from engine.model.placement import Placement
from engine.model.timestamps import MINUTE, first_id_of
from engine.store import decisions
from engine.store import outcomes as stored_outcomes
from engine.store.decisions import DecisionRow
from engine.store.outcomes import OutcomeRow

MOST_DECISIONS = 2_000
"""The oldest are read: they show the longest delays."""


class PendingCounts(NamedTuple):
    """Counts of pending decisions, of all together and by the candidates that they may give trials to."""

    common: tuple[PendingCount, ...] = ()
    by_candidate: Mapping[str, tuple[PendingCount, ...]] = MappingProxyType({})


async def read_pending_counts(
    connection: AsyncConnection, merchant_id: int, placement: Placement, now: int
) -> PendingCounts:
    """Count the pending decisions of a placement."""
    first, last = first_id_of(now - placement.window_minutes * MINUTE), first_id_of(now + 1)
    rows = await decisions.still_open(
        connection, merchant_id, placement.key, from_id=first, before_id=last, limit=MOST_DECISIONS
    )
    reported = await stored_outcomes.of_decisions(connection, [row.id for row in rows]) if rows else {}
    return count_pending(rows, reported, Learning.of(placement), now)


def count_pending(
    rows: Sequence[DecisionRow], outcomes: Mapping[str, list[OutcomeRow]], learning: Learning, now: int
) -> PendingCounts:
    """Count decisions by the bins of their age and delay; those that can give no trial are left out."""
    counts: Counter[tuple[int, int, bool]] = Counter()
    by_candidate: defaultdict[str, Counter[tuple[int, int, bool]]] = defaultdict(Counter)
    for row in rows:
        answer, events = read_answer(row.answer), outcomes.get(row.id, [])
        credit = credit_of(learning, answer, events, closed=False)
        trials = credit or credit_of(learning, answer, events, closed=True)
        if trials:
            delay, succeeded = resolution(row, learning, credit, events) if credit else (NOT_YET, False)
            age = bin_of(now - row.decided_at)
            counts[age, delay, succeeded] += 1
            for name, counted in trials.items():
                by_candidate[name][age, delay, bool(credit and counted.successes)] += 1
    return PendingCounts(_counted(counts), {name: _counted(own) for name, own in sorted(by_candidate.items())})


def _counted(counts: Counter[tuple[int, int, bool]]) -> tuple[PendingCount, ...]:
    return tuple(
        PendingCount(age, delay, count if succeeded else 0, 0 if succeeded else count)
        for (age, delay, succeeded), count in sorted(counts.items())
    )
