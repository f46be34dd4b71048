"""Decisions whose windows are open, read for how long outcomes take: until windows close, nothing else tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from bandits.evidence.delay import NOT_YET, PendingDelays, bin_of
from engine.learning.outcome_effects import Learning, earned, read_answer, resolution
from engine.model.ids import first_id_of
from engine.model.placement import Placement
from engine.model.timestamps import MINUTE
from engine.store import decisions, outcomes
from engine.store.decisions import DecisionRow
from engine.store.outcomes import OutcomeRow

MOST = 2_000
"""Decisions that are read, the oldest: they tell most about long delays."""


async def of(connection: AsyncConnection, merchant_id: int, placement: Placement, now: int) -> list[PendingDelays]:
    first, last = first_id_of(now - placement.window_minutes * MINUTE), first_id_of(now + 1)
    rows = await decisions.still_open(connection, merchant_id, placement.key, from_id=first, before_id=last, limit=MOST)
    told = await outcomes.of_decisions(connection, [row.id for row in rows]) if rows else {}
    return counted(rows, told, Learning.of(placement), now)


def counted(
    rows: Sequence[DecisionRow], told: Mapping[str, list[OutcomeRow]], learning: Learning, now: int
) -> list[PendingDelays]:
    """Decisions that nothing would be learned from, whatever comes, do not count."""
    counts: Counter[tuple[int, int, bool]] = Counter()
    for row in rows:
        answer, mine = read_answer(row.answer), told.get(row.id, [])
        credit = earned(learning, answer, mine, closed=False)
        if credit or earned(learning, answer, mine, closed=True):
            known = resolution(row, learning, credit, mine) if credit else (NOT_YET, False)
            counts[bin_of(now - row.decided_at), *known] += 1
    return [
        PendingDelays(age, delay, times if won else 0, 0 if won else times)
        for (age, delay, won), times in sorted(counts.items())
    ]
