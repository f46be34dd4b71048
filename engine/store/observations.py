"""Lessons: what each settled decision says of each candidate that was seen, in the order in which it became known.

A later outcome appends what it changes, so that sums are what the log says and who has read up to a lesson never reads
back. Only placements that learn from facts have any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.scope import Scope
from engine.model.timestamps import DAY, first_id_of, moment_of
from engine.store import decisions
from engine.store.connection.bulk import insert_many
from engine.store.connection.purging import Expired
from engine.store.decisions import DecisionRow
from engine.store.experiments import tracks
from engine.store.tables import observations

COLUMNS = ("merchant_id", "placement", "reward", "decision_id", "candidate", "trials", "successes", "customer")

MOST_SUCCESSES = 3
"""The successes of a candidate that count of each customer and day, so that no single voice moves a rate."""


class ObservationCell(NamedTuple):
    """The key of an observation."""

    merchant_id: int
    placement: str
    reward: str
    decision_id: str
    candidate: str


class ObservationRow(NamedTuple):
    """A lesson with the facts (JSON) of its decision; `trials` and `successes` may be taken back, and negative."""

    seq: int
    decision_id: str
    candidate: str
    trials: int
    successes: int
    decided_at: int
    facts: str
    history: str
    customer: str | None


class ChoiceRow(NamedTuple):
    """An observation of a choice with its decision: `candidate` was chosen, or none if empty.

    `trials` is negative where an earlier observation is taken back; `history` and `answer` are JSON.
    """

    seq: int
    candidate: str
    trials: int
    decided_at: int
    stratum: str
    history: str
    answer: str
    decision_id: str
    customer: str | None

    @property
    def successes(self) -> int:
        return self.trials if self.candidate else 0


async def append(connection: AsyncConnection, changes: Mapping[Any, list[int]]) -> None:
    """`changes`: trials and successes by `LessonCell`; those that change nothing are left out."""
    changed = [(ObservationCell(*cell), values) for cell, values in sorted(changes.items()) if any(values)]
    succeeded = {(cell.merchant_id, cell.decision_id) for cell, (_, successes) in changed if successes > 0}
    customers = await decisions.customers_of(connection, succeeded)
    rows = [(*cell, *values, customers.get(cell.decision_id)) for cell, values in changed]
    await insert_many(connection, observations, COLUMNS, rows)


async def last(connection: AsyncConnection, scope: Scope) -> int:
    """The number of the last lesson of (merchant, placement, reward): none with a lower one is still to come.

    PostgreSQL hands out numbers before their rows are committed, so writers that have begun are waited for.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(text("LOCK TABLE lessons IN SHARE MODE"))
    query = select(func.max(observations.c.seq)).where(*await tracks.within(connection, observations, scope))
    return (await connection.execute(query)).scalar() or 0


async def start_of_last(connection: AsyncConnection, scope: Scope, *, up_to: int, count: int) -> int:
    """Return the number behind which the last `count` lessons up to one stand; 0 if there are no more than those."""
    query = (
        select(observations.c.seq)
        .where(*await tracks.within(connection, observations, scope), observations.c.seq <= up_to)
        .order_by(observations.c.seq.desc())
        .offset(count)
        .limit(1)
    )
    return (await connection.execute(query)).scalar() or 0


async def after(connection: AsyncConnection, scope: Scope, *, seq: int, up_to: int, limit: int) -> list[ObservationRow]:
    """The lessons after one, in order, as far as their decisions are still in the log."""
    return [
        ObservationRow(
            row.seq,
            row.decision_id,
            row.candidate,
            row.trials,
            row.successes,
            decision.decided_at,
            decision.facts,
            decision.history,
            decision.customer,
        )
        for row, decision in await _with_decisions(connection, scope, seq=seq, up_to=up_to, limit=limit)
    ]


async def choices_after(
    connection: AsyncConnection, scope: Scope, *, seq: int, up_to: int, limit: int
) -> list[ChoiceRow]:
    """Return observations of choices after one, in order, as far as their decisions are still in the log."""
    return [
        ChoiceRow(
            row.seq,
            row.candidate,
            row.trials,
            decision.decided_at,
            decision.stratum,
            decision.history,
            decision.answer,
            decision.id,
            decision.customer,
        )
        for row, decision in await _with_decisions(connection, scope, seq=seq, up_to=up_to, limit=limit)
    ]


async def _with_decisions(
    connection: AsyncConnection, scope: Scope, *, seq: int, up_to: int, limit: int
) -> list[tuple[Any, DecisionRow]]:
    """Return the next observations whose decisions are in the log, with these; none only if none is left."""
    o = observations.c
    within = await tracks.within(connection, observations, scope)
    while True:
        query = select(o.seq, o.decision_id, o.candidate, o.trials, o.successes).where(
            *within, o.seq > seq, o.seq <= up_to
        )
        rows = (await connection.execute(query.order_by(o.seq).limit(limit))).all()
        logged = await decisions.by_ids(connection, scope.merchant_id, {row.decision_id for row in rows})
        joined = [(row, logged[row.decision_id]) for row in rows if row.decision_id in logged]
        if joined or not rows:
            return joined
        seq = rows[-1].seq


async def repeated(
    connection: AsyncConnection, scope: Scope, rows: Sequence[ObservationRow | ChoiceRow]
) -> frozenset[tuple[str, str]]:
    """Return (decision id, candidate) of the successes in `rows` beyond MOST_SUCCESSES of a customer and day.

    The order in which successes were stored decides, so a success that is taken back is judged as when it came.
    """
    named = [row for row in rows if row.successes and row.customer is not None]
    if not named:
        return frozenset()
    days = [row.decided_at // DAY for row in named]
    o = observations.c
    query = (
        select(o.customer, o.decision_id, o.candidate)
        .where(
            o.merchant_id == scope.merchant_id,
            o.customer.in_({row.customer for row in named}),
            o.decision_id >= first_id_of(min(days) * DAY),
            o.decision_id < first_id_of((max(days) + 1) * DAY),
            *await tracks.within(connection, observations, scope),
            o.successes > 0,
        )
        .group_by(o.customer, o.decision_id, o.candidate)
        .order_by(func.min(o.seq))
    )
    counts: Counter[tuple[str, int, str]] = Counter()
    beyond = set()
    for customer, decision_id, candidate in await connection.execute(query):
        key = (customer, moment_of(decision_id) // DAY, candidate)
        counts[key] += 1
        if counts[key] > MOST_SUCCESSES:
            beyond.add((decision_id, candidate))
    return frozenset(beyond)


def expired(*, before_id: str) -> Expired:
    """Return the observations of decisions older than an id; what was learned from them stays."""
    return Expired(observations, observations.c.decision_id < before_id)
