"""Find the decisions of a customer without an index that every decision would have to write at a random position.

The decisions of a merchant are put into segments, thousands at a time. A segment has 256 rows, for the first byte of
the customer's hash; a row has, sorted, the next three bytes of each hash and the time of the decision. Decisions since
the last segment are looked through one by one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from sqlalchemy import LargeBinary, delete, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.timestamps import MINUTE, first_id_of, moment_of
from engine.store.connection.bulk import insert_many
from engine.store.connection.customer_names import names_of
from engine.store.connection.purging import Expired
from engine.store.tables.columns import LAST_ID, IdSpan
from engine.store.tables.log import customer_segment_ends, customer_segments, decisions

LATE = MINUTE
"""A segment contains no decision younger than this (ms): until then its commit may take."""
LOGGED_LATE = LATE // 2
"""The age of a decision (ms) from which its commit may end after the segment of its time was made."""
DECISIONS = 20_000
"""Decisions of a segment; as long as there are fewer, looking through them is fast."""
_KEY_BYTES = 3
"""Of a customer's hash, those that stand in an entry; the byte before them is the shard."""
_TIME_BYTES = 6
"""Of an id, those that are its time in epoch milliseconds."""
_TIME_BITS = np.uint64(40)
_TIME = np.uint64((1 << 40) - 1)
"""Of an entry, the time of its decision in milliseconds after the first one of the row."""
_PLACES = np.uint64(256) ** np.arange(7, -1, -1, dtype=np.uint64)
"""What the bytes of a number are worth, the highest first."""


class Owned(Protocol):
    """The id, merchant and customer of a decision."""

    id: str
    merchant_id: int
    customer: str | None
    decided_at: int


class Segment(NamedTuple):
    """The decisions of one merchant up to an instant, each as id (16 bytes) and customer, as they are stored."""

    merchant_id: int
    ends_at: int
    decisions: Sequence[tuple[bytes, bytes]]


class ShardRow(NamedTuple):
    """The decisions of a segment whose customers' hashes begin with the byte `shard`."""

    merchant_id: int
    shard: int
    last_id: bytes
    begins_at: int
    entries: bytes


async def add_late(connection: AsyncConnection, rows: Iterable[Owned], *, now: int | None) -> None:
    """Put decisions that are logged late into segments of their own; `now` in epoch milliseconds."""
    if now is None:
        return
    names = names_of(connection.dialect)
    late = [
        Segment(row.merchant_id, now, [(bytes.fromhex(row.id[4:]), bytes.fromhex(names.stored(row.customer)))])
        for row in rows
        if row.customer is not None and row.decided_at < now - LOGGED_LATE
    ]
    await _insert(connection, [own for segment in late for own in rows_of(segment)])


async def ends(connection: AsyncConnection) -> dict[int, int]:
    """Return up to where the decisions of each merchant are in segments (epoch ms)."""
    c = customer_segment_ends.c
    return {row[0]: row[1] for row in await connection.execute(select(c.merchant_id, c.ends_at))}


async def next_segment(connection: AsyncConnection, merchant_id: int, *, begins_at: int, now: int) -> Segment | None:
    """Return the next decisions to put into a segment; None as long as they are few."""
    c = decisions.c
    inside = (c.merchant_id == merchant_id, c.id >= first_id_of(begins_at), c.id < first_id_of(now - LATE))
    query = select(type_coerce(c.id, LargeBinary()), type_coerce(c.customer, LargeBinary())).where(*inside)
    rows = (await connection.execute(query.order_by(c.id).limit(DECISIONS))).all()
    # Of the last millisecond there may be more.
    end = rows[-1][0][:_TIME_BYTES] if rows else b""
    if len(rows) < DECISIONS or int.from_bytes(end) == begins_at:
        return None
    complete_rows = [(id, customer) for id, customer in rows if customer is not None and id[:_TIME_BYTES] < end]
    return Segment(merchant_id, int.from_bytes(end), complete_rows)


async def add(connection: AsyncConnection, segment: Segment, rows: Sequence[ShardRow], *, begins_at: int) -> None:
    """Store the rows of a segment that begins where the last one ended, unless another process has done so."""
    if (await ends(connection)).get(segment.merchant_id, 0) != begins_at:
        return
    await _insert(connection, rows)
    end = (segment.merchant_id, segment.ends_at)
    await insert_many(connection, customer_segment_ends, ("merchant_id", "ends_at"), [end], on_conflict="replace")


def rows_of(segment: Segment) -> list[ShardRow]:
    """Return the rows of a segment, at most 256."""
    if not segment.decisions:
        return []
    ids, customers = (_columns(column) for column in zip(*segment.decisions, strict=True))
    moments = ids[:, :_TIME_BYTES].astype(np.uint64) @ _PLACES[-_TIME_BYTES:]
    keys = customers[:, 1 : 1 + _KEY_BYTES].astype(np.uint64) @ _PLACES[-_KEY_BYTES:]
    rows = []
    for shard in np.unique(customers[:, 0]):
        own = np.flatnonzero(customers[:, 0] == shard)
        begins_at = moments[own].min()
        entries = np.sort((keys[own] << _TIME_BITS) | (moments[own] - begins_at)).astype("<u8")
        last = ids[own[np.argmax(moments[own])]].tobytes()
        rows.append(ShardRow(segment.merchant_id, int(shard), last, int(begins_at), entries.tobytes()))
    return rows


def _columns(values: Sequence[bytes]) -> npt.NDArray[np.uint8]:
    """Return the first 16 bytes of values, (n, 16): behind them may stand the number of a customer's key."""
    return np.frombuffer(b"".join(value[:16] for value in values), np.uint8).reshape(len(values), 16)


async def spans(
    connection: AsyncConnection, merchant_id: int, customer: str, *, before_id: str | None
) -> AsyncIterator[IdSpan]:
    """Yield spans of ids that contain all decisions of a customer before an id, the newest first."""
    end, customer = (await ends(connection)).get(merchant_id, 0), names_of(connection.dialect).stored(customer)
    yield IdSpan(first_id_of(end), LAST_ID)
    c = customer_segments.c
    query = select(c.begins_at, c.entries).where(c.merchant_id == merchant_id, c.shard == _shard(customer))
    moments = {
        moment
        for begins_at, entries in await connection.execute(query)
        for moment in _moments(customer, begins_at, entries)
    }
    first = moment_of(before_id) if before_id else None
    for moment in sorted(moments, reverse=True):
        if moment < end and (first is None or moment <= first):
            yield IdSpan(first_id_of(moment), first_id_of(moment + 1))


async def forget(connection: AsyncConnection, merchant_id: int, customer: str, moments: Collection[int]) -> None:
    """Delete the entries of a customer's decisions at some times (epoch ms), which are no longer in the log."""
    c, customer = customer_segments.c, names_of(connection.dialect).stored(customer)
    own = (c.merchant_id == merchant_id, c.shard == _shard(customer))
    query = select(c.last_id, c.begins_at, c.entries).where(*own, c.begins_at <= max(moments, default=0))
    for last_id, begins_at, entries in (await connection.execute(query)).all():
        within = np.frombuffer(entries, "<u8")
        removed = np.array(
            [_entry(customer, moment - begins_at) for moment in moments if moment >= begins_at], np.uint64
        )
        left = within[~np.isin(within, removed)]
        if left.size == within.size:
            continue
        row = (*own, c.last_id == last_id)
        change = update(customer_segments).where(*row).values(entries=left.tobytes())
        await connection.execute(change if left.size else delete(customer_segments).where(*row))


def _entry(customer: str, time: int) -> int:
    """Return the entry of a decision `time` ms after the first one of its row."""
    return int.from_bytes(bytes.fromhex(customer)[1 : 1 + _KEY_BYTES]) << int(_TIME_BITS) | time


async def clear(connection: AsyncConnection) -> None:
    """Delete all segments. Until they are made again, decisions of customers are looked for one by one."""
    for table in (customer_segments, customer_segment_ends):
        await connection.execute(delete(table))


def expired(*, before_id: str) -> Expired:
    """Return the segments of which all decisions are older than an id."""
    return Expired(customer_segments, customer_segments.c.last_id < before_id)


def _moments(customer: str, begins_at: int, entries: bytes) -> list[int]:
    """Return the times at which a customer, or another one with the same digits, may have got decisions."""
    within = np.frombuffer(entries, "<u8")
    key = np.uint64(int.from_bytes(bytes.fromhex(customer)[1 : 1 + _KEY_BYTES])) << _TIME_BITS
    first, end = np.searchsorted(within, key), np.searchsorted(within, key | _TIME, side="right")
    return [begins_at + int(time) for time in within[first:end] & _TIME]


def _shard(customer: str) -> int:
    return int(customer[:2], 16)


async def _insert(connection: AsyncConnection, rows: Sequence[ShardRow]) -> None:
    await insert_many(connection, customer_segments, ShardRow._fields, rows, on_conflict="nothing")
