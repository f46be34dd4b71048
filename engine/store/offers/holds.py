"""Holds, and what every change of one writes: its row, its balances and the ledger, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Select, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.kernel.offers import ledger as rules
from engine.kernel.offers.ledger import Transition
from engine.model.errors import NotFound
from engine.model.offers.hold import Balance, BalanceKey, Hold
from engine.store.connection.bulk import insert_many
from engine.store.offers import balances, entries
from engine.store.tables import holds

_COLUMNS = Hold._fields
_encode = msgspec.json.Encoder().encode


async def take(connection: AsyncConnection, new: Sequence[Hold], *, now: int) -> dict[str, str]:
    """Hold what fits under the caps; return the ids of the others, each with a budget that has too little left.

    One conditional update serves all holds. Where it fails, the holds are taken hold by hold, in their order.
    """
    await balances.lock(connection, (key for hold in new for key in hold.balances))
    transitions = [rules.take(hold) for hold in new]
    taken, refused = transitions, dict[str, str]()
    if not await _try_all(connection, transitions):
        taken, refused = await _take_each(connection, transitions)
    rows = [_row(transition.hold) for transition in taken]
    await insert_many(connection, holds, _COLUMNS, rows)
    await entries.append(connection, taken, now=now)
    return refused


async def apply(connection: AsyncConnection, transition: Transition, *, now: int) -> None:
    """Store a hold that was read with `lock` after a change that takes nothing from what is available."""
    hold = transition.hold
    values = {name: value for name, value in hold._asdict().items() if name not in ("id", "balances")}
    await connection.execute(update(holds).where(holds.c.id == hold.id).values(**values))
    await _settle(connection, [transition], now=now)


async def lock(connection: AsyncConnection, merchant_id: int, hold_id: str) -> Hold:
    """Return a hold that nobody else changes until the transaction ends; raise `NotFound` where there is none."""
    query = _select().where(holds.c.id == hold_id, holds.c.merchant_id == merchant_id).with_for_update()
    row = (await connection.execute(query)).first()
    if row is None:
        raise NotFound(f"there is no hold “{hold_id}”", field="hold_id")
    return _hold(row)


async def expire(connection: AsyncConnection, *, now: int, limit: int) -> int:
    """Release at most `limit` holds that nobody redeemed in time; return how many."""
    query = (
        _select()
        .where(holds.c.state == "live", holds.c.expires_at <= now)
        .order_by(holds.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    transitions = [rules.expire(_hold(row)) for row in await connection.execute(query)]
    if transitions:
        ids = [transition.hold.id for transition in transitions]
        # All of them were live, with a single movement behind them.
        values = {"state": "expired", "entries": holds.c.entries + 1}
        await connection.execute(update(holds).where(holds.c.id.in_(ids)).values(**values))
        await _settle(connection, transitions, now=now)
    return len(transitions)


async def every(connection: AsyncConnection, merchant_id: int) -> list[Hold]:
    """Return all holds of a merchant."""
    query = _select().where(holds.c.merchant_id == merchant_id).order_by(holds.c.id)
    return [_hold(row) for row in await connection.execute(query)]


async def _settle(connection: AsyncConnection, transitions: Sequence[Transition], *, now: int) -> None:
    changes = _sums(transitions)
    await balances.lock(connection, changes)
    await balances.add(connection, changes)
    await entries.append(connection, transitions, now=now)


async def _try_all(connection: AsyncConnection, transitions: Sequence[Transition]) -> bool:
    """Take all holds or none."""
    await connection.execute(text("SAVEPOINT taking"))
    taken = await balances.try_take(connection, _sums(transitions))
    if not taken:
        await connection.execute(text("ROLLBACK TO SAVEPOINT taking"))
    await connection.execute(text("RELEASE SAVEPOINT taking"))
    return taken


async def _take_each(
    connection: AsyncConnection, transitions: Sequence[Transition]
) -> tuple[list[Transition], dict[str, str]]:
    taken, refused = [], {}
    for transition in transitions:
        if await _try_all(connection, [transition]):
            taken.append(transition)
        else:
            refused[transition.hold.id] = await _refusing(connection, transition)
    return taken, refused


async def _refusing(connection: AsyncConnection, transition: Transition) -> str:
    """Return the first budget that has too little left for a hold."""
    for key, change in _sums([transition]).items():
        await connection.execute(text("SAVEPOINT asking"))
        taken = await balances.try_take(connection, {key: change})
        await connection.execute(text("ROLLBACK TO SAVEPOINT asking"))
        await connection.execute(text("RELEASE SAVEPOINT asking"))
        if not taken:
            return key.budget
    return ""


def _sums(transitions: Iterable[Transition]) -> dict[BalanceKey, Balance]:
    sums: dict[BalanceKey, Balance] = {}
    for hold, movements in transitions:
        for movement in movements:
            for key in hold.balances:
                sums[key] = sums.get(key, Balance()).plus(movement.change)
    return sums


def _select() -> Select[Any]:
    return select(*(holds.c[name] for name in _COLUMNS))


def _row(hold: Hold) -> tuple[object, ...]:
    return tuple(hold._replace(balances=_encode([key[1:] for key in hold.balances]).decode()))  # type: ignore[arg-type]


def _hold(row: Any) -> Hold:
    hold = Hold(*row)
    keys = msgspec.json.decode(row.balances, type=list[tuple[str, int, str]])
    return hold._replace(balances=tuple(BalanceKey(hold.merchant_id, *key) for key in keys))
