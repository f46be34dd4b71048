"""Whether what a placement learns from can be trusted: who was offered what, who reports, and whether chances hold."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.decisions.logbook import decoded
from engine.learning.active import Active
from engine.learning.credit_settings import Learning
from engine.learning.live import Live
from engine.learning.outcome_effects import credit_of, read_answer
from engine.model.errors import NotFound
from engine.model.outcome import OutcomeRow
from engine.model.scope import Scope
from engine.model.timestamps import DAY, first_id_of
from engine.statistics.health import AudienceRow, CandidateAudience, DayWeights, audiences, day_weights
from engine.store import beliefs as snapshots
from engine.store import decisions, outcomes
from engine.store.beliefs import Version
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.tables.columns import IdSpan

MOST_READ = 1_000
DAYS = 14
MOST_A_DAY = 200


class DataHealth(NamedTuple):
    """`sources` counts the outcomes of the `decisions` newest decisions by who reported them.

    `pools`: the credit takes unlike audiences for a merit. `newest` is the beliefs version in use, None before there
    is one.
    """

    decisions: int
    audiences: list[CandidateAudience]
    pools: bool
    sources: Counter[str]
    weights: list[DayWeights]
    newest: Version | None


class HealthMonitor:
    """Reads the health of placements from the log."""

    def __init__(self, database: Database, live: Live) -> None:
        self._database = database
        self._live = live

    async def of(self, merchant_id: int, placement: str) -> DataHealth:
        """Return the health of a placement's data. Raise `NotFound` for an unknown one."""
        active = self._live.get(merchant_id, placement)
        if active is None:
            raise NotFound(f"there is no placement “{placement}”", field="placement")
        scope = Scope(merchant_id, placement, active.plan.placement.reward)
        async with self._database.read() as connection:
            rows = await decisions.newest(connection, merchant_id, placement=placement, limit=MOST_READ)
            reported = await outcomes.of_decisions(connection, [row.id for row in rows])
            versions = await snapshots.last_versions(connection, scope, limit=1)
            days = await _rows_by_day(connection, merchant_id, placement)
        # Reading thousands of answers takes long enough to delay decisions.
        audience_rows, weights = await asyncio.to_thread(_read, active, rows, reported, days)
        return DataHealth(
            decisions=len(rows),
            audiences=audiences(active.plan.ids, audience_rows),
            pools=not active.plan.learns_choices,
            sources=Counter(outcome.source for events in reported.values() for outcome in events),
            weights=weights,
            newest=versions[0] if versions else None,
        )


def _read(
    active: Active,
    rows: Sequence[DecisionRow],
    reported: Mapping[str, list[OutcomeRow]],
    days: Mapping[int, Sequence[DecisionRow]],
) -> tuple[list[AudienceRow], list[DayWeights]]:
    """Read the answers of the newest decisions, and those of each day."""
    audience_rows = [_audience_row(row, active, reported.get(row.id, [])) for row in rows]
    weights = [day_weights(day, map(decoded, of_day)) for day, of_day in days.items()]
    return audience_rows, [day for day in weights if day.decisions]


def _audience_row(row: DecisionRow, active: Active, events: list[OutcomeRow]) -> AudienceRow:
    answer = read_answer(row.answer)
    excluded = {candidate.id for candidate in answer.excluded}
    credit = credit_of(Learning.of(active.plan.placement), answer, events, closed=True)
    succeeded = any(counted.successes for counted in credit.values()) if row.closes_at is None else None
    return AudienceRow(frozenset(name for name in active.plan.ids if name not in excluded), succeeded)


async def _rows_by_day(connection: AsyncConnection, merchant_id: int, placement: str) -> dict[int, list[DecisionRow]]:
    """Return a sample of each of the last days that had decisions, the newest day first."""
    today, result = now_ms() // DAY, {}
    for day in range(today, today - DAYS, -1):
        rows = await decisions.last_between(
            connection,
            merchant_id,
            placement,
            IdSpan(first_id_of(day * DAY), first_id_of((day + 1) * DAY)),
            limit=MOST_A_DAY,
        )
        if rows:
            result[day] = rows
    return result
