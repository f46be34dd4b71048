"""Reads of the log return the logged rows of one merchant and placement, in order."""

from __future__ import annotations

import asyncio
import threading

import msgspec
import pytest
from sqlalchemy import select

from engine.clock import now_ms
from engine.decisions.requests.answers import decision_id
from engine.model.timestamps import DAY, first_id_of, moment_of
from engine.store import decisions
from engine.store.decisions import DecisionRow
from engine.store.log import records
from engine.store.log.pieces import newest_pieces
from engine.store.tables import decisions as table
from engine.store.tables.columns import LAST_ID, IdSpan, is_decision_id, is_start_of_id

pytestmark = pytest.mark.anyio
PLACEMENT = "payment_methods"
ALL = IdSpan(first_id_of(0), LAST_ID)


@pytest.fixture
async def logged(shop):
    """Two placements with decisions of the last ten days, one an hour, for two customers and guests."""
    answer = await shop.decide("c1", geo_country="DE")
    async with shop.engine.database.read() as connection:
        sample = await decisions.find(connection, shop.id, answer.decision.decision_id)
    now, rows = now_ms(), [sample]
    for number in range(240):
        moment = now - 10 * DAY + number * 3_600_000
        id = decision_id(moment)
        rows.append(
            msgspec.structs.replace(
                sample,
                id=id,
                decided_at=moment,
                placement=PLACEMENT if number % 3 else "offers",
                customer=(None, "a" * 32, "b" * 32)[number % 3],
                closes_at=None if number < 200 else now + DAY,
                bucket=f"bucket {number % 2}\n\0",
                stratum="" if number % 5 else "s",
                history="{}" if number % 2 else '{"card":[1.0,1.0,1]}',
                answer=sample.answer.replace(sample.id, id),
            )
        )
    async with shop.engine.database.write() as connection:
        await decisions.append(connection, rows[1:])
    return sorted(rows, key=lambda row: row.id)


async def read(shop, function, *arguments, **named):
    async with shop.engine.database.read() as connection:
        return await function(connection, *arguments, **named)


async def test_rows_round_trip(shop, logged):
    assert await read(shop, decisions.newest, shop.id, limit=1_000) == logged[::-1]
    by_id = await read(shop, decisions.by_ids, shop.id, [row.id for row in logged])
    assert list(by_id.values()) == logged


async def test_customers_and_answers_are_not_stored_in_plain(shop, logged):
    async with shop.engine.database.read() as connection:
        rows = (await connection.execute(select(table.c.record, table.c.placement))).all()
    stored = b"".join(bytes(row[0]) for row in rows)
    assert b"decision_id" not in stored[4_000:]
    assert len(stored) < 0.7 * sum(len("".join(decisions.record_texts(row))) for row in logged)


async def test_page_starts_after_the_previous_page(shop, logged):
    pages: list[DecisionRow] = []
    before = None
    while part := await read(shop, decisions.newest, shop.id, placement=PLACEMENT, before_id=before, limit=37):
        pages, before = pages + part, part[-1].id
    assert pages == [row for row in reversed(logged) if row.placement == PLACEMENT]
    day = first_id_of(logged[100].decided_at)
    assert (await read(shop, decisions.newest, shop.id, before_id=day, limit=1))[0] == logged[99]


async def test_period_includes_its_start_and_excludes_its_end(shop, logged):
    own = [row for row in logged if row.placement == PLACEMENT]
    span = IdSpan(own[10].id, own[20].id)
    assert await read(shop, decisions.last_between, shop.id, PLACEMENT, span, limit=99) == own[10:20][::-1]
    assert await read(shop, decisions.last_between, shop.id, PLACEMENT, span, limit=3) == own[17:20][::-1]
    piece = await read(shop, decisions.piece, shop.id, PLACEMENT, first=own[10].id, last=own[20].id)
    assert piece == own[10:21]


@pytest.mark.parametrize(("limit", "sizes"), [(4, [4]), (7, [5, 2]), (10, [5, 5]), (99, [5, 5]), (6, [5, 1])])
async def test_newest_decisions_of_a_span_are_split_into_pieces(shop, logged, limit, sizes):
    own = [row.id for row in logged if row.placement == PLACEMENT]
    newest = own[10:20][-limit:]
    pieces = await read(shop, newest_pieces, shop.id, PLACEMENT, IdSpan(own[10], own[20]), limit=limit, size=5)
    assert [piece.decisions for piece in pieces] == sizes
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    assert [piece.first for piece in pieces] == [newest[start] for start in starts]
    assert [piece.last for piece in pieces] == [
        newest[start + size - 1] for start, size in zip(starts, sizes, strict=True)
    ]


async def test_a_span_without_decisions_has_no_pieces(shop, logged):
    assert await read(shop, newest_pieces, shop.id, PLACEMENT, IdSpan("dec_00", "dec_01"), limit=9, size=5) == []


async def test_open_and_closed_windows_are_distinguished(shop, logged):
    own = [row for row in logged if row.placement == PLACEMENT]
    closed = [row for row in own if row.closes_at is None]
    open_rows = [row for row in own if row.closes_at is not None]
    assert (
        await read(shop, decisions.last_between, shop.id, PLACEMENT, ALL, limit=999, only_closed=True) == closed[::-1]
    )
    still_open = await read(
        shop, decisions.still_open, shop.id, PLACEMENT, from_id=ALL.first, before_id=ALL.last, limit=len(open_rows)
    )
    assert still_open == open_rows
    async with shop.engine.database.write() as connection:
        await decisions.close(connection, open_rows[:5])
        due = await decisions.due(connection, now=now_ms() + 2 * DAY, limit=999)
    assert {row.id for row in due if row.placement == PLACEMENT} == {row.id for row in open_rows[5:]}


async def test_decisions_of_some_milliseconds_are_found(shop, logged):
    own = [row for row in logged if row.placement == PLACEMENT]
    moments = [row.decided_at for row in own[::2]] + [5, own[0].decided_at]
    assert await read(shop, decisions.at_moments, shop.id, PLACEMENT, moments) == own[::2]
    assert await read(shop, decisions.at_moments, shop.id, PLACEMENT, []) == []


async def test_groups_are_read_by_bucket_stratum_and_history(shop, logged):
    bucket = logged[5].bucket
    expected = [
        (row.stratum, row.answer)
        for row in reversed(logged)
        if row.placement == PLACEMENT and row.bucket == bucket and row.stratum and row.history == "{}"
    ]
    answers = await read(shop, decisions.answers_without_past, shop.id, placement=PLACEMENT, bucket=bucket, limit=999)
    assert answers == expected


async def test_customers_are_read_without_their_decisions(shop, logged):
    keys = [(shop.id, row.id) for row in logged] + [(shop.id + 1, logged[0].id), (shop.id, "no id")]
    customers = await read(shop, decisions.customers_of, keys)
    assert customers == {row.id: bytes.fromhex(row.customer) for row in logged if row.customer is not None}


async def test_decisions_are_counted_since_an_id(shop, logged):
    assert await read(shop, decisions.count_since, logged[0].id) == len(logged)
    assert await read(shop, decisions.count_since, first_id_of(logged[-1].decided_at)) == 1


async def test_existing_decision_is_not_replaced(shop, logged):
    changed = msgspec.structs.replace(logged[0], bucket="another")
    async with shop.engine.database.write() as connection:
        await decisions.append(connection, [changed])
        assert await decisions.find(connection, shop.id, changed.id) == logged[0]
        await decisions.replace(connection, [changed])
        assert await decisions.find(connection, shop.id, changed.id) == changed


async def test_large_reads_are_decompressed_beside_the_event_loop(shop, logged, monkeypatch):
    threads = set()

    def decompressed(*arguments):
        threads.add(threading.current_thread())
        return records.decompressed(*arguments)

    monkeypatch.setattr(decisions, "decompressed", decompressed)
    assert len(await read(shop, decisions.chunk, after=None, limit=1_000)) == len(logged)
    assert threads == {threading.current_thread()}
    threads.clear()
    monkeypatch.setattr(decisions, "MOST_IN_THE_LOOP", len(logged) - 1)
    assert await read(shop, decisions.chunk, after=None, limit=1_000) == logged
    assert threads
    assert threading.current_thread() not in threads


async def test_reads_at_the_same_time_share_dictionaries(shop, logged):
    ids = [row.id for row in logged]
    results = await asyncio.gather(*(read(shop, decisions.by_ids, shop.id, ids[number::8]) for number in range(8)))
    assert sorted(id for result in results for id in result) == ids


@pytest.mark.parametrize(
    ("text", "is_id", "is_start"),
    [
        ("dec_" + "0" * 32, True, True),
        ("dec_" + "0" * 12, False, True),
        ("dec_" + "0" * 31, False, False),
        ("dec_" + "0" * 10, False, False),
        ("dec_" + "0" * 34, False, False),
        ("dec_" + "G" * 32, False, False),
        ("DEC_" + "0" * 32, False, False),
        ("dec_" + "0" * 32 + "\n", False, False),
        ("", False, False),
    ],
)
def test_only_valid_ids_are_accepted(text, is_id, is_start):
    assert (is_decision_id(text), is_start_of_id(text)) == (is_id, is_start)


def test_id_contains_its_time():
    for moment in (0, 1, now_ms(), 2**47):
        id = decision_id(moment)
        assert moment_of(id) == moment
        assert first_id_of(moment) <= id < first_id_of(moment + 1)
