"""The log of decisions."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, LargeBinary, Select, and_, func, or_, select, tuple_, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.timestamps import first_id_of, moment_of
from engine.store.connection.bulk import insert_many
from engine.store.connection.customer_names import CustomerNames, names_of
from engine.store.connection.inline import Inline
from engine.store.log import customer_segments, days
from engine.store.log.dictionaries import PlacementKey
from engine.store.log.dictionaries import load as load_dictionaries
from engine.store.log.old_decisions import all_merchants
from engine.store.log.records import WITHOUT, Dictionary, compressed, decompressed
from engine.store.tables import decisions
from engine.store.tables.columns import LAST_ID, IdSpan, is_decision_id, is_start_of_id


class DecisionRow(msgspec.Struct, array_like=True):
    """A logged decision; `facts`, `history` and `answer` are JSON texts, times epoch milliseconds.

    `stratum` names the requests with the same bucket, candidates and rules that move the order, if choices are
    learned from. `decided_at` is the time in the id. `closes_at` is when its window ends; None once it has, or where
    nothing is learned from it.
    """

    id: str
    merchant_id: int
    placement: str
    customer: str | None
    decided_at: int
    closes_at: int | None
    plan_version: int
    beliefs_version: int
    bucket: str
    facts: str
    history: str
    answer: str
    stratum: str = ""


class _StoredRow(NamedTuple):
    """A decision as it is stored: id and customer as bytes, and the rest compressed."""

    merchant_id: int
    id: bytes
    placement: str
    customer: bytes | None
    closes_at: int | None
    plan_version: int
    beliefs_version: int
    dictionary: int
    record: bytes


COLUMNS = _StoredRow._fields
ANSWER_START = '{"decision_id":"'
"""An answer begins with the id, which the record need not repeat."""
MOMENTS_A_QUERY = 100
MOST_IN_THE_LOOP = 500
"""Rows that are decompressed in the event loop: more would hold up decisions, and get a thread."""
NO_DICTIONARIES: Mapping[PlacementKey, Dictionary] = {}


async def append(
    connection: AsyncConnection,
    rows: Sequence[DecisionRow],
    dictionaries: Mapping[PlacementKey, Dictionary] = NO_DICTIONARIES,
    *,
    now: int | None = None,
    returning: bool = False,
) -> set[str]:
    """Insert decisions, compressed with the dictionary of their placement; `returning` their ids if they are new.

    A decision that is stored already belongs to a commit whose answer was lost, and stays. With `now` (epoch ms),
    decisions that are too old for the next customer segment get segments of their own.
    """
    stored, column = _stored(connection, rows, dictionaries), "id" if returning else None
    new = await insert_many(connection, decisions, COLUMNS, stored, on_conflict="nothing", returning=column)
    await customer_segments.add_late(connection, rows, now=now)
    return {f"dec_{bytes(id).hex()}" for id in new}


async def replace(
    connection: AsyncConnection,
    rows: Sequence[DecisionRow],
    dictionaries: Mapping[PlacementKey, Dictionary] = NO_DICTIONARIES,
    *,
    now: int | None = None,
) -> None:
    """Put rows in the place of rows with the same id, or of nothing."""
    await insert_many(connection, decisions, COLUMNS, _stored(connection, rows, dictionaries), on_conflict="replace")
    await customer_segments.add_late(connection, rows, now=now)


def record_texts(row: DecisionRow) -> tuple[str, str, str, str, str]:
    """Return the texts that a decision's record contains: bucket, stratum, facts, history, answer."""
    named = f"{ANSWER_START}{row.id}"
    answer = ANSWER_START + row.answer[len(named) :] if row.answer.startswith(named) else row.answer
    return row.bucket, row.stratum, row.facts, row.history, answer


def _stored(
    connection: AsyncConnection, rows: Sequence[DecisionRow], dictionaries: Mapping[PlacementKey, Dictionary]
) -> list[_StoredRow]:
    names = names_of(connection.dialect)
    together: defaultdict[Dictionary, list[DecisionRow]] = defaultdict(list)
    for row in (with_stored_name(names, row) for row in rows) if names.keys else rows:
        together[dictionaries.get((row.merchant_id, row.placement), WITHOUT)].append(row)
    return [
        _with_record(row, dictionary.id, record)
        for dictionary, own in together.items()
        for row, record in zip(own, compressed([record_texts(row) for row in own], dictionary), strict=True)
    ]


def with_stored_name(names: CustomerNames, row: DecisionRow) -> DecisionRow:
    """Return a decision that names its customer as the database does, also in its facts, where a rule reads this."""
    if not row.customer or not names.keys:
        return row
    name = names.stored(row.customer)
    return msgspec.structs.replace(row, customer=name, facts=row.facts.replace(row.customer, name))


def _with_record(row: DecisionRow, dictionary: int, record: bytes) -> _StoredRow:
    return _StoredRow(
        row.merchant_id,
        bytes.fromhex(row.id[4:]),
        row.placement,
        None if row.customer is None else bytes.fromhex(row.customer),
        row.closes_at,
        row.plan_version,
        row.beliefs_version,
        dictionary,
        record,
    )


def _read(row: Any, loaded: Mapping[int, Dictionary], names: CustomerNames) -> DecisionRow:
    bucket, stratum, facts, history, answer = decompressed(row.record, loaded[row.dictionary])
    if names.keys and row.customer is not None:
        facts = facts.replace(names.stored(row.customer), row.customer)
    if answer.startswith(f'{ANSWER_START}"'):
        answer = f"{ANSWER_START}{row.id}{answer[len(ANSWER_START) :]}"
    return DecisionRow(
        row.id,
        row.merchant_id,
        row.placement,
        row.customer,
        moment_of(row.id),
        row.closes_at,
        row.plan_version,
        row.beliefs_version,
        bucket,
        facts,
        history,
        answer,
        stratum,
    )


async def _rows(connection: AsyncConnection, query: Select[Any]) -> list[DecisionRow]:
    rows = (await connection.execute(query)).all()
    loaded = await load_dictionaries(connection, {row.dictionary for row in rows})
    names = names_of(connection.dialect)
    if len(rows) <= MOST_IN_THE_LOOP or isinstance(connection, Inline):
        return _read_all(rows, loaded, names)
    return await asyncio.to_thread(_read_all, rows, loaded, names)


def _read_all(rows: Sequence[Any], loaded: Mapping[int, Dictionary], names: CustomerNames) -> list[DecisionRow]:
    return [_read(row, loaded, names) for row in rows]


def _all() -> Select[Any]:
    return select(*(decisions.c[name] for name in COLUMNS))


def inside(merchant_id: int, placement: str, span: IdSpan) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for the decisions of a placement between two ids."""
    c = decisions.c
    return c.merchant_id == merchant_id, c.id >= span.first, c.id < span.last, c.placement == placement


async def by_keys(
    connection: AsyncConnection, keys: Iterable[tuple[int, str]], *, lock: bool = False
) -> dict[str, DecisionRow]:
    """Return decisions of merchants by id; `keys` are ids of merchants and decisions.

    `lock` holds them until the transaction ends (PostgreSQL; SQLite has one writer).
    """
    logged: dict[str, DecisionRow] = {}
    for named in _named(connection, keys):
        query = _all().where(*named).order_by(decisions.c.id)
        logged |= {row.id: row for row in await _rows(connection, query.with_for_update() if lock else query)}
    return logged


async def by_ids(connection: AsyncConnection, merchant_id: int, ids: Iterable[str]) -> dict[str, DecisionRow]:
    """Return decisions of a merchant by id."""
    return await by_keys(connection, ((merchant_id, id) for id in ids))


async def find(connection: AsyncConnection, merchant_id: int, decision_id: str) -> DecisionRow | None:
    return (await by_ids(connection, merchant_id, [decision_id])).get(decision_id)


async def customers_of(connection: AsyncConnection, keys: Collection[tuple[int, str]]) -> dict[str, bytes]:
    """Return the customers of decisions, as they are stored; those without a customer are left out."""
    customers: dict[str, bytes] = {}
    c = decisions.c
    for named in _named(connection, keys):
        query = select(c.id, type_coerce(c.customer, LargeBinary())).where(*named, c.customer.is_not(None))
        customers |= {row[0]: row[1] for row in await connection.execute(query)}
    return customers


async def merchant_of(connection: AsyncConnection, decision_id: str) -> int | None:
    """Return the id of the merchant of a decision, whoever that is."""
    if not is_decision_id(decision_id):
        return None
    c = decisions.c
    query = select(c.merchant_id).where(c.merchant_id.in_(all_merchants()), c.id == decision_id)
    return (await connection.execute(query)).scalar()


async def newest(
    connection: AsyncConnection,
    merchant_id: int,
    *,
    placement: str | None = None,
    customer: str | None = None,
    before_id: str | None = None,
    limit: int = 50,
) -> list[DecisionRow]:
    """Return the newest decisions first; `before_id` is where the last page ended."""
    if before_id is not None and not is_start_of_id(before_id):
        return []
    c = decisions.c
    query = _all().where(c.merchant_id == merchant_id)
    if placement is not None:
        query = query.where(c.placement == placement)
    if before_id is not None:
        query = query.where(c.id < before_id)
    query = query.order_by(c.id.desc()).limit(limit)
    rows: list[DecisionRow] = []
    if customer is None:
        for recent in days.back(connection, before_id):
            if len(rows := await _rows(connection, query.where(*recent))) >= limit:
                break
        return rows
    own = query.where(c.customer == customer)
    async for span in customer_segments.spans(connection, merchant_id, customer, before_id=before_id):
        rows += await _rows(connection, own.where(c.id >= span.first, c.id < span.last))
        if len(rows) >= limit:
            break
    return rows[:limit]


async def among_latest(
    connection: AsyncConnection, merchant_id: int, placement: str, *, latest: int, limit: int
) -> list[DecisionRow]:
    """Return the newest decisions of a placement among the latest ones of the merchant, the newest first."""
    c = decisions.c
    before = select(c.id).where(c.merchant_id == merchant_id).order_by(c.id.desc()).offset(latest).limit(1)
    first = (await connection.execute(before)).scalar() or first_id_of(0)
    return await last_between(connection, merchant_id, placement, IdSpan(first, LAST_ID), limit=limit)


async def answers_without_past(
    connection: AsyncConnection, merchant_id: int, *, placement: str, bucket: str, limit: int
) -> list[tuple[str, str]]:
    """Return stratum and answer of a bucket's decisions for customers without a past, the newest first.

    Only the newest `limit` decisions of the placement are looked at; those without a stratum are left out.
    """
    rows = await newest(connection, merchant_id, placement=placement, limit=limit)
    return [(row.stratum, row.answer) for row in rows if row.bucket == bucket and row.stratum and row.history == "{}"]


async def due(connection: AsyncConnection, *, now: int, limit: int) -> list[DecisionRow]:
    """Lock and return decisions whose window has ended, except those that another worker has locked."""
    query = (
        _all()
        .where(decisions.c.closes_at <= now)
        .order_by(decisions.c.closes_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return await _rows(connection, query)


async def still_open(
    connection: AsyncConnection, merchant_id: int, placement: str, *, from_id: str, before_id: str, limit: int
) -> list[DecisionRow]:
    """Return the first decisions between two ids whose window has not ended."""
    conditions = inside(merchant_id, placement, IdSpan(from_id, before_id))
    query = _all().where(*conditions, decisions.c.closes_at.is_not(None))
    return await _rows(connection, query.order_by(decisions.c.id).limit(limit))


async def last_between(
    connection: AsyncConnection,
    merchant_id: int,
    placement: str,
    span: IdSpan,
    *,
    limit: int,
    only_closed: bool = False,
) -> list[DecisionRow]:
    """Return the newest decisions of a span, the newest first."""
    query = _all().where(*inside(merchant_id, placement, span))
    if only_closed:
        query = query.where(decisions.c.closes_at.is_(None))
    return await _rows(connection, query.order_by(decisions.c.id.desc()).limit(limit))


async def first_between(
    connection: AsyncConnection, merchant_id: int, span: IdSpan, *, placement: str | None, limit: int
) -> list[DecisionRow]:
    """Return the oldest decisions of a span, the oldest first; of all placements without `placement`."""
    c = decisions.c
    query = _all().where(c.merchant_id == merchant_id, c.id >= span.first, c.id < span.last)
    query = query.where(c.placement == placement) if placement is not None else query
    return await _rows(connection, query.order_by(c.id).limit(limit))


async def at_moments(
    connection: AsyncConnection, merchant_id: int, placement: str, moments: Iterable[int]
) -> list[DecisionRow]:
    """Return the decisions of some milliseconds, in their order."""
    sorted_moments = sorted(set(moments))
    rows: list[DecisionRow] = []
    for start in range(0, len(sorted_moments), MOMENTS_A_QUERY):
        some = sorted_moments[start : start + MOMENTS_A_QUERY]
        spans = (IdSpan(first_id_of(moment), first_id_of(moment + 1)) for moment in some)
        within = or_(*(and_(*inside(merchant_id, placement, span)) for span in spans))
        rows += await _rows(connection, _all().where(within).order_by(decisions.c.id))
    return rows


async def piece(
    connection: AsyncConnection, merchant_id: int, placement: str, *, first: str, last: str
) -> list[DecisionRow]:
    """Return the decisions from `first` to `last`, both included."""
    c = decisions.c
    inside = (c.merchant_id == merchant_id, c.placement == placement, c.id >= first, c.id <= last)
    return await _rows(connection, _all().where(*inside).order_by(c.id))


async def count_since(connection: AsyncConnection, first: str) -> int:
    """Count the decisions of all merchants from an id on."""
    c = decisions.c
    query = select(func.count()).select_from(decisions).where(c.merchant_id.in_(all_merchants()), c.id >= first)
    return (await connection.execute(query)).scalar_one()


async def close(connection: AsyncConnection, rows: Collection[DecisionRow]) -> None:
    """End the windows of decisions."""
    for named in _named(connection, ((row.merchant_id, row.id) for row in rows)):
        await connection.execute(update(decisions).where(*named).values(closes_at=None))


async def chunk(connection: AsyncConnection, *, after: DecisionRow | None, limit: int) -> list[DecisionRow]:
    """Return the next decisions of the log, merchant by merchant, in order."""
    key = tuple_(decisions.c.merchant_id, decisions.c.id)
    query = _all().order_by(*key)
    if after is not None:
        query = query.where(key > (after.merchant_id, after.id))
    return await _rows(connection, query.limit(limit))


def _named(connection: AsyncConnection, keys: Iterable[tuple[int, str]]) -> Iterator[tuple[ColumnElement[bool], ...]]:
    """Yield the conditions of one query each, in order; ids that nothing can have are left out."""
    ids: defaultdict[int, list[str]] = defaultdict(list)
    for merchant_id, id in sorted(set(keys)):
        if is_decision_id(id):
            ids[merchant_id].append(id)
    for merchant_id, own in ids.items():
        for some, inside in days.by_day(connection, own):
            yield decisions.c.merchant_id == merchant_id, decisions.c.id.in_(some), *inside
