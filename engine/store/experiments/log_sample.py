"""What the log says of the units of an experiment beside the sums: a part of it, read on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from sqlalchemy import Subquery, Text, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from engine.model.experiment import Unit
from engine.store.experiments.sums import PhaseKey
from engine.store.tables import decisions, experiment_exposures, outcomes


class IdSpan(NamedTuple):
    """Ids of decisions, from the first on and before the last."""

    first: str
    last: str


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
    c = decisions.c
    recent = _recent(key, span, limit)
    newest = decisions.join(recent, recent.c.id == c.id)
    named = c.answer.contains(f'"{key.experiment}"', autoescape=True)
    query = select(c.id, c.customer, c.answer).select_from(newest).where(named)
    return [EnrolledAnswer(*row) for row in await connection.execute(query)]


async def events_of_newest(
    connection: AsyncConnection, key: PhaseKey, span: IdSpan, types: Iterable[str], *, limit: int
) -> set[tuple[str, str]]:
    """Return the types of outcomes, as (decision, type), of the newest decisions of the placement."""
    o = outcomes.c
    recent = _recent(key, span, limit)
    joined = recent.join(outcomes, o.decision_id == recent.c.id)
    query = select(o.decision_id, o.type).select_from(joined).where(o.type.in_(sorted(types))).distinct()
    return {(row[0], row[1]) for row in await connection.execute(query)}


def _recent(key: PhaseKey, span: IdSpan, limit: int) -> Subquery:
    c = decisions.c
    inside = (c.merchant_id == key.merchant_id, c.id >= span.first, c.id < span.last, c.placement == key.placement)
    return select(c.id).where(*inside).order_by(c.id.desc()).limit(limit).subquery()


async def sampled_units(
    connection: AsyncConnection, key: PhaseKey, unit: Unit, *, limit: int, device_in: Callable[[str], str | None]
) -> list[SampledUnit]:
    """Return at most `limit` units of a phase with the facts of their first exposure, where the log still has them.

    Customers and devices come in the order of their hash, which is a random sample; decisions from the first on.
    `device_in` names the device of facts as JSON: the log does not name it otherwise.
    """
    e = experiment_exposures.c
    inside = [e[name] == value for name, value in key._asdict().items()]
    columns = (e.merchant_id, e.placement, e.unit, e.variant, e.exposed_at, e.past, e.orders, e.revenue, e.measured)
    units = select(*columns).where(*inside).order_by(e.unit).limit(limit).subquery()
    d, u = decisions.c, units.c
    match unit:
        case "decision":
            same = d.id == u.unit
        case "customer":
            same = and_(d.merchant_id == u.merchant_id, d.customer == u.unit, d.decided_at == u.exposed_at)
        case "device":
            span = (d.id >= FirstId(u.exposed_at), d.id < FirstId(u.exposed_at + 1))
            same = and_(d.merchant_id == u.merchant_id, *span)
    query = (
        select(u.unit, u.variant, u.exposed_at, u.past, u.orders, u.revenue, u.measured, d.facts)
        .select_from(units.join(decisions, and_(same, d.placement == u.placement)))
        .order_by(u.unit, d.id)
    )
    first: dict[str, SampledUnit] = {}
    for row in await connection.execute(query):
        if unit != "device" or device_in(row.facts) == row.unit:
            first.setdefault(row[0], SampledUnit(*row))
    return list(first.values())


class FirstId(FunctionElement[str]):
    """Compute `first_id_of` of a column in the database."""

    type = Text()
    inherit_cache = True
    name = "first_id"


@compiles(FirstId, "sqlite")
def _in_sqlite(element: FirstId, compiler: SQLCompiler, **options: Any) -> str:
    return f"printf('dec_%012x', {compiler.process(element.clauses, **options)})"


@compiles(FirstId, "postgresql")
def _in_postgresql(element: FirstId, compiler: SQLCompiler, **options: Any) -> str:
    return f"'dec_' || lpad(to_hex({compiler.process(element.clauses, **options)}), 12, '0')"
