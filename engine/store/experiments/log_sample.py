"""What the log says of the units of an experiment beside the sums: a part of it, read on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.experiment import Unit
from engine.store import decisions
from engine.store.experiments.sums import PhaseKey
from engine.store.log.pieces import newest_pieces
from engine.store.outcomes import of_merchant
from engine.store.tables import experiment_exposures, outcomes
from engine.store.tables.columns import IdSpan


class SampledUnit(NamedTuple):
    """A unit with what it bought, and as JSON the facts of its first exposure and its other measures."""

    unit: str
    variant: str
    exposed_at: int
    past: int
    orders: int
    revenue: int
    measured: str
    facts: str


class EnrolledAnswer(NamedTuple):
    """A logged decision with its answer as JSON."""

    id: str
    customer: str | None
    answer: str


async def newest_answers(
    connection: AsyncConnection, key: PhaseKey, span: IdSpan, *, limit: int
) -> list[EnrolledAnswer]:
    """Return the newest decisions of the placement that name the experiment, of `limit` read."""
    rows = await decisions.last_between(connection, key.merchant_id, key.placement, span, limit=limit)
    return [EnrolledAnswer(row.id, row.customer, row.answer) for row in rows if f'"{key.experiment}"' in row.answer]


async def events_of_newest(
    connection: AsyncConnection, key: PhaseKey, span: IdSpan, types: Iterable[str], *, limit: int
) -> set[tuple[str, str]]:
    """Return the types of outcomes, as (decision, type), of the newest decisions of the placement."""
    newest = await newest_pieces(connection, key.merchant_id, key.placement, span, limit=limit, size=limit)
    if not newest:
        return set()
    o, (first, last, _) = outcomes.c, newest[0]
    inside = (of_merchant(key.merchant_id), o.placement == key.placement, o.decision_id.between(first, last))
    query = select(o.decision_id, o.type).where(*inside, o.type.in_(sorted(types))).distinct()
    return {(row[0], row[1]) for row in await connection.execute(query)}


async def sampled_units(
    connection: AsyncConnection, key: PhaseKey, unit: Unit, *, limit: int, device_in: Callable[[str], str | None]
) -> list[SampledUnit]:
    """Return at most `limit` units of a phase with the facts of their first exposure, where the log still has them.

    Customers and devices come in the order of their hash, which is a random sample; decisions from the first on.
    `device_in` names the device of facts as JSON: the log does not name it otherwise.
    """
    e = experiment_exposures.c
    inside = [e[name] == value for name, value in key._asdict().items()]
    columns = (e.unit, e.variant, e.exposed_at, e.past, e.orders, e.revenue, e.measured)
    units = (await connection.execute(select(*columns).where(*inside).order_by(e.unit).limit(limit))).all()
    facts = await _first_facts(connection, key, unit, {row.unit: row.exposed_at for row in units}, device_in)
    return [SampledUnit(*row, facts[row.unit]) for row in units if row.unit in facts]


async def _first_facts(
    connection: AsyncConnection,
    key: PhaseKey,
    unit: Unit,
    exposed_at: Mapping[str, int],
    device_in: Callable[[str], str | None],
) -> dict[str, str]:
    """Return the facts of each unit's first exposure as JSON, by unit."""
    first: dict[str, str] = {}
    if unit == "decision":
        rows = (await decisions.by_ids(connection, key.merchant_id, exposed_at)).values()
        return {row.id: row.facts for row in rows if row.placement == key.placement}
    for row in await decisions.at_moments(connection, key.merchant_id, key.placement, exposed_at.values()):
        name = row.customer if unit == "customer" else device_in(row.facts)
        if name is not None and exposed_at.get(name) == row.decided_at:
            first.setdefault(name, row.facts)
    return first
