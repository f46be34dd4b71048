"""Holds, and what every change of one writes: its row, its balances and the ledger, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Select, bindparam, case, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.kernel.offers import ledger as rules
from engine.kernel.offers.availability import CODES_USED_UP, OWN_CODE_TAKEN, too_little
from engine.kernel.offers.ledger import Transition
from engine.model.errors import NotFound
from engine.model.events.event import offer_event
from engine.model.offers.hold import Balance, BalanceKey, Hold, HoldOwner, OfferKey, OfferUses, leaves_room
from engine.model.outcome import OutcomeRow
from engine.store.connection.bulk import insert_many
from engine.store.connection.customer_names import PLAIN, CustomerNames, names_of
from engine.store.customers.aliases import names_of_customer
from engine.store.events import outbox
from engine.store.offers import balances, caps, codes, entries
from engine.store.tables import holds
from engine.store.tables.offers import has_order, is_live

_COLUMNS = Hold._fields
_encode = msgspec.json.Encoder().encode
# On the path of every decision about offers, where writing the query anew would take longer than waiting.
_LIVE_OF = {
    dialect: f"SELECT {', '.join(f'h.{name}' for name in _COLUMNS)} FROM {customers} JOIN holds AS h "  # noqa: S608
    "ON h.merchant_id = CAST(r.value ->> 0 AS bigint) AND h.customer = r.value ->> 1 AND h.placement = r.value ->> 2 "
    "WHERE h.state = 'live' ORDER BY h.id"
    for dialect, customers in {
        "sqlite": "json_each(?) AS r",
        "postgresql": "json_array_elements(CAST(CAST($1 AS text) AS json)) AS r(value)",
    }.items()
}
_balances = msgspec.json.Decoder(list[tuple[str, int, str]]).decode


class Refusal(NamedTuple):
    """An offer that could not be held, and why: empty where the hold was changed meanwhile."""

    offer: str
    reason: str


class Taken(NamedTuple):
    """Why groups were refused, by index, and the codes that the holds of the others got, by hold."""

    refused: dict[int, Refusal]
    codes: dict[str, str]


async def take(connection: AsyncConnection, groups: Sequence[Sequence[Transition]], *, now: int) -> Taken:
    """Take the holds of each group together, or none of them.

    One conditional update serves all groups. Where it fails, they are taken one by one, in their order. A transition of
    a hold that somebody else changed meanwhile refuses its group, as does a pool without a free code.
    """
    refused = await _changed(connection, groups)
    pending = {index: group for index, group in enumerate(groups) if index not in refused}
    assigned = await _give_codes(connection, pending, refused, now=now)
    await balances.lock(connection, (key for group in pending.values() for each in group for key in each.hold.balances))
    if not await _try_all(connection, [each for group in pending.values() for each in group]):
        for index, group in list(pending.items()):
            if not await _try_all(connection, group):
                refused[index] = await _refusal(connection, group)
                await codes.settle(connection, [_given_back(each) for each in group])
                del pending[index]
    await _store(connection, [each for group in pending.values() for each in group], now=now)
    return Taken(refused, assigned)


async def _give_codes(
    connection: AsyncConnection, pending: dict[int, Sequence[Transition]], refused: dict[int, Refusal], *, now: int
) -> dict[str, str]:
    """Give the holds of groups their codes; groups for which there is none are refused."""
    wanting = [each for group in pending.values() for each in group if each.code]
    if not wanting:
        return {}
    assigned = await codes.give(connection, wanting, now=now)
    for index, group in list(pending.items()):
        pending[index] = [_with_code(each, assigned) for each in group]
        missing = [each for each in group if each.code and each.hold.id not in assigned]
        if missing:
            refused[index] = Refusal(missing[0].hold.offer, _no_code(missing[0]))
            await codes.settle(connection, [_given_back(each) for each in pending.pop(index)])
    return assigned


def _no_code(transition: Transition) -> str:
    return OWN_CODE_TAKEN if transition.code and transition.code.kind == "customer" else CODES_USED_UP


def _with_code(transition: Transition, assigned: dict[str, str]) -> Transition:
    hold = transition.hold
    return transition._replace(hold=hold._replace(code=assigned[hold.id])) if hold.id in assigned else transition


def _given_back(transition: Transition) -> Transition:
    """Return what frees the code that a refused hold got; a hold that is kept keeps its own."""
    hold = transition.hold
    return transition._replace(hold=hold._replace(state="released", code=hold.code if transition.code else ""))


async def shortage(connection: AsyncConnection, transition: Transition) -> str:
    """Return why `take` would refuse a transition now, read without a lock; empty where it may succeed.

    Only what balances and pools lack is read, not whether a code that was typed in is free.
    """
    changes = _sums([transition])
    stored = await balances.read(connection, [*changes])
    in_force = await caps.read(connection, transition.hold.merchant_id)
    for key, change in changes.items():
        cap = in_force.get(key.budget)
        after = stored.get(key, Balance()).plus(change)
        if cap is None or not leaves_room(cap, after, 0, 0):
            return too_little(key.budget)
    return CODES_USED_UP if await _lacks_code(connection, transition) else ""


async def _lacks_code(connection: AsyncConnection, transition: Transition) -> bool:
    hold, _, request = transition
    if request is None or request.kind != "pool" or request.code:
        return False
    return hold.offer in await codes.without_free(connection, hold.merchant_id, hold.placement, [hold.offer])


async def apply(connection: AsyncConnection, transition: Transition, *, now: int) -> None:
    """Store a hold that was read with `lock` after a change that takes nothing from what is available."""
    await _update(connection, transition.hold)
    await codes.settle(connection, [transition])
    await _settle(connection, [transition], now=now)


async def lock(connection: AsyncConnection, merchant_id: int, hold_id: str) -> Hold:
    """Return a hold that nobody else changes until the transaction ends; raise `NotFound` where there is none."""
    return await _find(connection, merchant_id, hold_id, _select().with_for_update())


async def get(connection: AsyncConnection, merchant_id: int, hold_id: str) -> Hold:
    """Return a hold; raise `NotFound` where there is none."""
    return await _find(connection, merchant_id, hold_id, _select())


async def _find(connection: AsyncConnection, merchant_id: int, hold_id: str, query: Select[Any]) -> Hold:
    row = (await connection.execute(query.where(holds.c.id == hold_id, holds.c.merchant_id == merchant_id))).first()
    if row is None:
        raise NotFound(f"there is no hold “{hold_id}”", field="hold_id")
    return _hold(row)


async def expire(connection: AsyncConnection, *, now: int, limit: int) -> int:
    """Release at most `limit` holds that nobody redeemed in time; return how many."""
    query = (
        _select()
        .where(is_live, holds.c.expires_at <= now)
        .order_by(holds.c.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    live = [_hold(row) for row in await connection.execute(query)]
    await _end(connection, live, now=now)
    return len(live)


async def decline(connection: AsyncConnection, reports: Sequence[OutcomeRow]) -> None:
    """End the live holds whose payment was declined, as if their time had run out; reports name the offer."""
    declined = {(row.decision_id, row.candidate) for row in reports}
    # A hold that is locked is being redeemed by another transaction, which then wins.
    query = _reported(reports).where(is_live).with_for_update(skip_locked=True)
    live = sorted(_hold(row) for row in await connection.execute(query))
    ended = [hold for hold in live if (hold.decision_id, hold.offer) in declined]
    await _end(connection, ended, now=max(row.recorded_at for row in reports))


async def _end(connection: AsyncConnection, live: Sequence[Hold], *, now: int) -> None:
    """Give back what live holds set aside; each makes one movement more."""
    if not live:
        return
    transitions = [rules.expire(hold) for hold in live]
    values = {"state": "expired", "entries": holds.c.entries + 1}
    await connection.execute(update(holds).where(holds.c.id.in_([hold.id for hold in live])).values(**values))
    await codes.settle(connection, transitions)
    await _settle(connection, transitions, now=now)


async def live_of(connection: AsyncConnection, owners: Iterable[HoldOwner]) -> dict[HoldOwner, list[Hold]]:
    """Return the live holds of customers, the oldest first; their time may be over."""
    names = names_of(connection.dialect)
    stored_owners = [owner._replace(customer=names.stored(owner.customer)) for owner in sorted(set(owners))]
    parameters = (_encode(stored_owners).decode(),)
    rows: Iterable[Any] = await connection.exec_driver_sql(_LIVE_OF[connection.dialect.name], parameters)
    live: dict[HoldOwner, list[Hold]] = {}
    for row in rows:
        hold = _hold(row, names)
        live.setdefault(HoldOwner(hold.merchant_id, hold.customer, hold.placement), []).append(hold)
    return live


async def redeemed(connection: AsyncConnection, merchant_id: int, placement: str, *, since: int) -> dict[str, int]:
    """Return what the redeemed holds of decisions cost, less refunds, by decision; of holds since a time."""
    c = holds.c
    query = (
        select(c.decision_id, func.sum(c.spent - c.returned))
        .where(c.merchant_id == merchant_id, c.placement == placement, c.state == "redeemed", c.created_at >= since)
        .group_by(c.decision_id)
    )
    return {id: int(cost) for id, cost in await connection.execute(query)}


async def last_redeemed(
    connection: AsyncConnection, merchant_id: int, placement: str, customer: str, *, since: int
) -> dict[str, int]:
    """Return when a customer last redeemed each offer of a placement after `since`, without what was refunded."""
    values = {"merchant": merchant_id, "customer": customer, "placement": placement, "since": since}
    return {row[0]: row[1] for row in await connection.execute(_last_redeemed(), values)}


@cache
def _last_redeemed() -> Select[Any]:
    """Return the query, which each decision about offers with a cooldown makes: building it takes most of its time."""
    table = holds.c
    query = select(table.offer, func.max(table.redeemed_at)).where(
        *(table.merchant_id == bindparam("merchant"), table.customer.in_(names_of_customer())),
        *(table.placement == bindparam("placement"), table.state == "redeemed"),
        *(table.redeemed_at > bindparam("since"), ~_is_refunded()),
    )
    return query.group_by(table.offer)


async def redeemed_share(
    connection: AsyncConnection, merchant_id: int, placement: str, *, since: int
) -> tuple[int, int]:
    """Return how many of the holds of a placement since a time were redeemed, and of how many that are over."""
    table = holds.c
    redeemed = func.sum(case((table.state == "redeemed", 1), else_=0))
    query = select(redeemed, func.count()).where(
        *(table.merchant_id == merchant_id, table.placement == placement, table.id >= first_hold_id(since)),
        table.state != "live",
    )
    row = (await connection.execute(query)).one()
    return int(row[0] or 0), row[1]


async def uses_by_offer(connection: AsyncConnection, merchant_id: int, *, since: int) -> dict[OfferKey, OfferUses]:
    """Return how offers were used by the holds since a time."""
    c = holds.c
    redeemed = func.sum(case((c.state == "redeemed", 1), else_=0))
    query = (
        select(c.placement, c.offer, func.count(), redeemed, func.sum(c.spent - c.returned))
        .where(c.merchant_id == merchant_id, c.id >= first_hold_id(since))
        .group_by(c.placement, c.offer)
    )
    rows = await connection.execute(query)
    return {OfferKey(row[0], row[1]): OfferUses(row[2], int(row[3]), int(row[4])) for row in rows}


def first_hold_id(now: int) -> str:
    """Return an id that is not greater than that of any hold from that millisecond on."""
    return f"hold_{now:012x}"


async def of_order(connection: AsyncConnection, hold: Hold, order_id: str) -> list[Hold]:
    """Return the other redeemed holds of an order. Without an order's id, those of the same decision are of one."""
    table = holds.c
    on_order = (table.order_id == order_id) & has_order if order_id else table.decision_id == hold.decision_id
    if not (order_id or hold.decision_id):
        return []
    query = _select().where(table.merchant_id == hold.merchant_id, on_order, table.state == "redeemed")
    return [_hold(row) for row in await connection.execute(query.where(table.id != hold.id, ~_is_refunded()))]


async def lock_order(connection: AsyncConnection, hold: Hold, order_id: str) -> None:
    """Lock the order of a hold, as `of_order` tells it: nobody else redeems on it until the transaction ends."""
    order = order_id or hold.decision_id
    if order and connection.dialect.name != "sqlite":
        # SQLite has one writer at a time anyway.
        query = text("SELECT pg_advisory_xact_lock(hashtextextended(:order, :merchant))")
        await connection.execute(query, {"order": order, "merchant": hold.merchant_id})


def _is_refunded() -> ColumnElement[bool]:
    return (holds.c.refunded > 0) & (holds.c.refunded >= holds.c.cart_total)


async def every(connection: AsyncConnection, merchant_id: int) -> list[Hold]:
    """Return all holds of a merchant."""
    query = _select().where(holds.c.merchant_id == merchant_id).order_by(holds.c.id)
    return [_hold(row) for row in await connection.execute(query)]


async def _settle(connection: AsyncConnection, transitions: Sequence[Transition], *, now: int) -> None:
    changes = _sums(transitions)
    await balances.lock(connection, changes)
    await balances.add(connection, changes)
    await _append(connection, transitions, now=now)


async def _append(connection: AsyncConnection, transitions: Sequence[Transition], *, now: int) -> None:
    """Write what happened to holds: into the ledger, and as events for others."""
    await entries.append(connection, transitions, now=now)
    await outbox.append(connection, outbox.events_of(transitions), now=now)


async def shown(connection: AsyncConnection, reports: Sequence[OutcomeRow]) -> None:
    """Write an event for each hold that was shown, by reports that name its offer or the whole decision."""
    reported = {(row.decision_id, row.candidate) for row in reports}
    held = sorted(_hold(row) for row in await connection.execute(_reported(reports)))
    shown_holds = (each for each in held if {(each.decision_id, each.offer), (each.decision_id, None)} & reported)
    now = max(row.recorded_at for row in reports)
    await outbox.append(connection, (offer_event(each, "offer.shown") for each in shown_holds), now=now)


def _reported(reports: Sequence[OutcomeRow]) -> Select[Any]:
    """Return the query of the holds of reported decisions, unsorted: SQLite would read all holds rather than sort."""
    query = _select().where(holds.c.merchant_id.in_({row.merchant_id for row in reports}))
    return query.where(holds.c.decision_id.in_({row.decision_id for row in reports}))


async def _try_all(connection: AsyncConnection, transitions: Sequence[Transition]) -> bool:
    """Take all holds or none."""
    await connection.execute(text("SAVEPOINT taking"))
    taken = await balances.try_take(connection, _sums(transitions))
    if not taken:
        await connection.execute(text("ROLLBACK TO SAVEPOINT taking"))
    await connection.execute(text("RELEASE SAVEPOINT taking"))
    return taken


async def _changed(connection: AsyncConnection, groups: Sequence[Sequence[Transition]]) -> dict[int, Refusal]:
    """Lock the existing holds; refuse groups with a hold that has moved since it was read."""
    existing = [each for group in groups for each in group if each.entries_before]
    if not existing:
        return {}
    query = _select().where(holds.c.id.in_([each.hold.id for each in existing])).order_by(holds.c.id).with_for_update()
    entries_of = {row.id: row.entries for row in await connection.execute(query)}
    return {
        index: Refusal(each.hold.offer, "")
        for index, group in enumerate(groups)
        for each in group
        if each.entries_before and entries_of.get(each.hold.id) != each.entries_before
    }


async def _store(connection: AsyncConnection, transitions: Sequence[Transition], *, now: int) -> None:
    new = [_row(each.hold) for each in transitions if not each.entries_before]
    await insert_many(connection, holds, _COLUMNS, new)
    for each in transitions:
        if each.entries_before:
            await _update(connection, each.hold)
    await _append(connection, transitions, now=now)


async def _update(connection: AsyncConnection, hold: Hold) -> None:
    values = {name: value for name, value in hold._asdict().items() if name not in ("id", "balances")}
    await connection.execute(update(holds).where(holds.c.id == hold.id).values(**values))


async def _refusal(connection: AsyncConnection, group: Sequence[Transition]) -> Refusal:
    """Return the first offer of a group, with a budget that has too little left for it."""
    for transition in group:
        for key, change in _sums([transition]).items():
            await connection.execute(text("SAVEPOINT holds"))
            taken = await balances.try_take(connection, {key: change})
            await connection.execute(text("ROLLBACK TO SAVEPOINT holds"))
            await connection.execute(text("RELEASE SAVEPOINT holds"))
            if not taken:
                return Refusal(transition.hold.offer, too_little(key.budget))
    return Refusal(group[0].hold.offer, too_little(group[0].hold.balances[0].budget))


def _sums(transitions: Iterable[Transition]) -> dict[BalanceKey, Balance]:
    sums: dict[BalanceKey, Balance] = {}
    for hold, movements, _ in transitions:
        for movement in movements:
            change = movement.change
            for key in hold.balances:
                sums[key] = sums[key].plus(change) if key in sums else change
    return sums


def _select() -> Select[Any]:
    return select(*(holds.c[name] for name in _COLUMNS))


def _row(hold: Hold) -> tuple[object, ...]:
    return tuple(hold._replace(balances=_encode([key[1:] for key in hold.balances]).decode()))  # type: ignore[arg-type]


def _hold(row: Any, names: CustomerNames = PLAIN) -> Hold:
    """Return the hold of a row; `names` are those of a row that the driver alone has read."""
    hold = Hold(*row)
    balances = _balances(names.hashes_within(hold.balances))  # type: ignore[arg-type]
    keys = tuple(BalanceKey(hold.merchant_id, *key) for key in balances)
    return hold._replace(customer=names.hash_of(hold.customer), balances=keys)
