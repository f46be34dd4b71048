"""Delete what tables know of a customer, beside the log whose sums are subtracted first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Table, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.outcome import OutcomeRow
from engine.store.connection.bulk import insert_many
from engine.store.connection.customer_names import names_of
from engine.store.connection.purging import Expired, keys_of, with_keys
from engine.store.decisions import DecisionRow
from engine.store.experiments import exposures
from engine.store.outcomes import of_merchant
from engine.store.tables import (
    audit,
    audit_customers,
    budget_balances,
    customer_aliases,
    customer_consents,
    customer_setting_versions,
    customer_settings,
    decisions,
    erasures,
    experiment_conversions,
    experiment_exposures,
    holds,
    ledger,
    observations,
    offer_codes,
    outcomes,
    privacy_requests,
    usage,
)

SETTINGS_TABLES = (customer_settings, customer_setting_versions, customer_consents)
OF_UNITS = (*exposures.OF_UNITS, experiment_conversions)
OF_OFFERS = (ledger, budget_balances, offer_codes)

Keys = Sequence[tuple[Table, Sequence[tuple[Any, ...]]]]
"""The primary keys of rows, by table."""


class Erasure(NamedTuple):
    """A customer that was erased: when it was asked for (epoch ms), and when nothing was left."""

    merchant_id: int
    customer: str
    requested_at: int
    done_at: int | None


def _own(table: Table, merchant_id: int, customer: str) -> ColumnElement[bool]:
    column = table.c.unit if table in OF_UNITS else table.c.customer
    return (table.c.merchant_id == merchant_id) & (column == customer)


async def delete_decisions(connection: AsyncConnection, rows: Sequence[DecisionRow]) -> None:
    """Delete decisions with their outcomes; lessons stay, without the customer, as learning has read them already."""
    for row in rows:
        own = (decisions.c.merchant_id == row.merchant_id, decisions.c.id == row.id)
        await connection.execute(delete(decisions).where(*own))
    ids = [row.id for row in rows]
    await connection.execute(delete(outcomes).where(outcomes.c.decision_id.in_(ids)))
    await connection.execute(update(observations).where(observations.c.decision_id.in_(ids)).values(customer=None))


async def purchases(connection: AsyncConnection, merchant_id: int, customer: str, *, limit: int) -> list[OutcomeRow]:
    """Return purchases that no decision led to."""
    c = outcomes.c
    query = select(*(c[name] for name in OutcomeRow.__struct_fields__)).where(
        c.merchant_id == merchant_id, c.customer == customer, c.decision_id.is_(None)
    )
    return [OutcomeRow(*row) for row in await connection.execute(query.limit(limit))]


async def delete_rest(connection: AsyncConnection, merchant_id: int, customer: str) -> None:
    """Delete what is left of a customer when the log and the sums of experiments are empty of them."""
    for table in (*SETTINGS_TABLES, audit_customers, outcomes, usage, customer_aliases):
        await connection.execute(delete(table).where(_own(table, merchant_id, customer)))
    c = customer_aliases.c
    await connection.execute(delete(customer_aliases).where(c.merchant_id == merchant_id, c.alias == customer))


def units(merchant_id: int, customer: str) -> list[Expired]:
    """Return what is left of a customer as the unit of experiments, by no index: see `purging`."""
    return [Expired(table, _own(table, merchant_id, customer)) for table in OF_UNITS]


async def accounts_of_offers(connection: AsyncConnection, merchant_id: int, customer: str) -> Keys:
    """Return the keys of a customer's accounts, which are in no index: see `purging`."""
    own = {table: _own(table, merchant_id, customer) for table in OF_OFFERS}
    return [(table, await keys_of(connection, table, condition)) for table, condition in own.items()]


async def pseudonymize(
    connection: AsyncConnection, merchant_id: int, customer: str, pseudonym: str, accounts: Keys
) -> None:
    """Keep the accounts of offers, whose sums must stay, under a random name that nobody can trace."""
    c, names = holds.c, names_of(connection.dialect)
    named = func.replace(c.balances, names.stored(customer), names.stored(pseudonym))
    change = update(holds).where(_own(holds, merchant_id, customer))
    await connection.execute(change.values(customer=pseudonym, balances=named))
    for table, keys in accounts:
        some = with_keys(list(table.primary_key.columns), keys)
        await connection.execute(update(table).where(some).values(customer=pseudonym))


async def note(connection: AsyncConnection, merchant_id: int, customer: str, *, requested_at: int) -> None:
    """Note that a customer is being erased; a later request replaces an earlier one."""
    row = (merchant_id, customer, requested_at, None)
    await insert_many(connection, erasures, Erasure._fields, [row], on_conflict="replace")


async def finish(connection: AsyncConnection, erasure: Erasure, *, done_at: int) -> None:
    """Note that nothing is left of a customer."""
    own = _own(erasures, erasure.merchant_id, erasure.customer) & (erasures.c.requested_at == erasure.requested_at)
    await connection.execute(update(erasures).where(own).values(done_at=done_at))


async def noted(connection: AsyncConnection, *, unfinished: bool) -> list[Erasure]:
    """Return all erasures, or those that are not finished."""
    query = select(*(erasures.c[name] for name in Erasure._fields))
    if unfinished:
        query = query.where(erasures.c.done_at.is_(None))
    rows: Any = await connection.execute(query.order_by(erasures.c.requested_at))
    return [Erasure(*row) for row in rows]


async def rows(connection: AsyncConnection, merchant_id: int, customer: str) -> dict[str, list[dict[str, Any]]]:
    """Return what an export shows of a customer beside the log, by table."""
    tables = (
        *SETTINGS_TABLES,
        customer_aliases,
        usage,
        experiment_exposures,
        experiment_conversions,
        holds,
        privacy_requests,
    )
    rows: dict[str, list[dict[str, Any]]] = {}
    for table in tables:
        result = await connection.execute(select(table).where(_own(table, merchant_id, customer)))
        rows[str(table.name)] = [dict(row._mapping) for row in result]
    rows[str(audit_customers.name)] = await _noted_of(connection, merchant_id, customer)
    return rows


async def _noted_of(connection: AsyncConnection, merchant_id: int, customer: str) -> list[dict[str, Any]]:
    """Return what the audit log has about a customer: not who did it, because these are people too."""
    c, p = audit.c, audit_customers.c
    query = (
        select(c["at"].label("noted_at"), c.action, c.subject, p.reason.label("reason"))
        .join_from(audit_customers, audit, (p.merchant_id == c.merchant_id) & (p.number == c.number))
        .where(_own(audit_customers, merchant_id, customer))
        .order_by(c.number)
    )
    return [dict(row._mapping) for row in await connection.execute(query)]


async def outcomes_of(
    connection: AsyncConnection, merchant_id: int, customer: str, decision_ids: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the outcomes of a customer's decisions, and purchases that no decision led to."""
    c = outcomes.c
    own = select(outcomes).where(_own(outcomes, merchant_id, customer))
    of_decisions = select(outcomes).where(of_merchant(merchant_id), c.decision_id.in_(decision_ids))
    result = await connection.execute(own.union(of_decisions).order_by(c.seq))
    return [dict(row._mapping) for row in result]
