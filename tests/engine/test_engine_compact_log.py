"""The log is small, and says the same as if it were not; a customer's decisions are found without an index."""

from __future__ import annotations

import threading
from random import Random

import msgspec
import pytest

from engine.clock import now_ms
from engine.decisions.requests.answers import decision_id
from engine.decisions.upkeep import dictionaries as training
from engine.model.timestamps import DAY, HOUR, MINUTE
from engine.store import decisions
from engine.store.log import customer_segments, dictionaries
from engine.store.log.customer_segments import Segment, ShardRow
from engine.store.log.dictionaries import DictionaryHead
from engine.store.log.records import compressed, decompressed, dictionary_of, trained
from tests.factories import candidate

pytestmark = pytest.mark.anyio
PLACEMENT = "payment_methods"
TEXTS = ("mobile|DE", "a1", '{"geo.country":"DE","note":"größer"}', "{}", '{"decision_id":"","ranking":["card"]}')


@pytest.fixture
def few(monkeypatch):
    """Make segments of ten decisions, and dictionaries from twenty."""
    monkeypatch.setattr(customer_segments, "DECISIONS", 10)
    monkeypatch.setattr(training, "FEWEST_SAMPLES", 20)


async def log_rows(shop, moments, customers):
    """Log copies of a decision at some moments, for customers in turn."""
    async with shop.engine.database.read() as connection:
        row = (await decisions.newest(connection, shop.id, limit=1))[0]
    rows = []
    for number, moment in enumerate(moments):
        id = decision_id(moment)
        changes = {"id": id, "decided_at": moment, "customer": customers[number % len(customers)]}
        rows.append(msgspec.structs.replace(row, **changes, answer=row.answer.replace(row.id, id)))
    async with shop.engine.database.write() as connection:
        await decisions.append(connection, rows)
    return rows


async def customer_ids(shop, customer, **limits):
    async with shop.engine.database.read() as connection:
        return [row.id for row in await decisions.newest(connection, shop.id, customer=customer, **limits)]


async def segments(shop):
    async with shop.engine.database.read() as connection:
        return (await customer_segments.ends(connection)).get(shop.id, 0)


# Records


@pytest.mark.parametrize("texts", [TEXTS, ("", "", "{}", "{}", "{}"), ("\0", "\n", "x" * 100_000, "{}", "ä")])
def test_record_is_decoded_unchanged(texts):
    samples = [(f"b{number}", *TEXTS[1:]) for number in range(300)]
    for dictionary in (None, trained(samples, 4_096)):
        given = () if dictionary is None else (dictionary,)
        assert [decompressed(record, *given) for record in compressed([texts], *given)] == [list(texts)]


def test_threads_compress_at_the_same_time():
    dictionary = trained([(str(number), *TEXTS[1:]) for number in range(300)], 4_096)
    wrong: list[int] = []

    def work(number):
        for turn in range(300):
            texts = [str(number * turn), *TEXTS[1:]]
            [record] = compressed([texts], dictionary)
            if decompressed(record, dictionary) != texts:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_texts_without_anything_in_common_have_no_dictionary():
    assert trained([("",), ("a",)], 4_096) is None


def test_a_dictionary_has_the_same_id_in_every_database():
    assert dictionary_of(b"same") == dictionary_of(b"same")
    assert dictionary_of(b"same").id != dictionary_of(b"other").id


async def test_record_without_its_dictionary_has_an_error(engine):
    async with engine.database.read() as connection:
        with pytest.raises(LookupError, match=r"dictionaries \[12345\] of the log are gone"):
            await dictionaries.load(connection, {12345})


# Dictionaries


@pytest.mark.usefixtures("few")
async def test_decisions_after_training_are_smaller_and_replay(shop):
    before = [await shop.decide(f"c{number}", geo_country="DE") for number in range(40)]
    await shop.engine.dictionary_trainer.train(now=now_ms())
    [dictionary] = shop.engine.recorder.dictionaries.values()
    after = await shop.decide("c1", geo_country="DE")
    for answer in (before[0], after):
        assert (await shop.engine.logbook.replay(shop.id, answer.decision.decision_id)).same
    async with shop.engine.database.read() as connection:
        row = await decisions.find(connection, shop.id, after.decision.decision_id)
    [small], [large] = (compressed([decisions.record_texts(row)], *each) for each in ([dictionary], []))
    assert len(small) < 0.7 * len(large)
    await shop.engine.dictionary_trainer.train(now=now_ms())
    assert list(shop.engine.recorder.dictionaries.values()) == [dictionary]


@pytest.mark.usefixtures("few")
async def test_few_decisions_train_nothing(shop):
    await shop.decide("c1")
    await shop.engine.dictionary_trainer.train(now=now_ms())
    assert shop.engine.recorder.dictionaries == {}


async def test_values_of_few_customers_are_in_no_dictionary(shop):
    row = (await log_rows_of_one(shop))[0]
    facts = [
        {"geo.country": "DE", "customer.note": f"secret-{number}", "cart.total": 70_000 + number, "vip": number == 7}
        for number in range(100)
    ]
    rows = [
        msgspec.structs.replace(
            row,
            customer=f"{number:032x}",
            bucket="mobile" if number else "my own",
            facts=msgspec.json.encode(values).decode(),
            history='{"card":[4711.5,3.0,4711]}' if number == 3 else "{}",
        )
        for number, values in enumerate(facts)
    ]
    text = "".join("".join(decisions.record_texts(row)) for row in training.shareable(rows, Random(1)))
    assert "DE" in text
    assert '"vip":false' in text
    for rare in ("secret", "7000", "my own", "4711", '"vip":true'):
        assert rare not in text


async def test_a_customer_who_returns_shares_no_value_with_others(shop):
    row = (await log_rows_of_one(shop))[0]
    mine = {"customer": "a" * 32, "facts": '{"note":"mine"}', "bucket": "mine"}
    rows = [msgspec.structs.replace(row, **mine) for _ in range(50)]
    shared = training.shareable(rows, Random(1))
    assert {(each.facts, each.bucket) for each in shared} == {("{}", "")}


async def log_rows_of_one(shop):
    await shop.decide("c1", geo_country="DE")
    async with shop.engine.database.read() as connection:
        return await decisions.newest(connection, shop.id, limit=1)


async def test_replaced_dictionaries_are_deleted_after_the_retention(shop):
    now = now_ms()
    rows = [DictionaryHead(shop.id, PLACEMENT, dictionary_of(bytes([age])).id, 1, now - age * DAY) for age in (9, 5, 1)]
    async with shop.engine.database.write() as connection:
        for row in rows:
            await dictionaries.add(connection, row, b"content")
    for days, left in ((7, 3), (4, 2), (0, 1)):
        expired = dictionaries.expired(before=now - days * DAY)
        async with shop.engine.database.write() as connection:
            await connection.execute(expired.table.delete().where(expired.condition))
            assert len((await connection.execute(expired.table.select())).all()) == left
            assert (await dictionaries.newest(connection))[shop.id, PLACEMENT] == rows[2]


# Customers


@pytest.mark.usefixtures("few")
async def test_customers_are_found_in_segments_and_since(shop):
    await shop.decide("c1")
    now, random = now_ms(), Random(5)
    names = [random.randbytes(16).hex() for _ in range(4)] + [None]
    names += [names[0][:8] + "f" * 24]
    rows = await log_rows(shop, [now - 2 * DAY + number // 3 for number in range(95)], names)
    await shop.engine.index_customers()
    assert await segments(shop) > now - 2 * DAY + 20
    for name in names:
        if name is not None:
            own = sorted((row.id for row in rows if row.customer == name), reverse=True)
            assert await customer_ids(shop, name) == own
            assert await customer_ids(shop, name, limit=3) == own[:3]
            assert await customer_ids(shop, name, before_id=own[4], limit=4) == own[5:9]
    assert await customer_ids(shop, "0" * 32) == []


@pytest.mark.usefixtures("few")
async def test_the_last_minute_is_in_no_segment(shop):
    await shop.decide("c1")
    now, name = now_ms(), "a" * 32
    rows = await log_rows(shop, [now - 30_000 + number for number in range(40)], [name])
    await shop.engine.index_customers()
    assert await segments(shop) == 0
    assert len(await customer_ids(shop, name)) == len(rows)


@pytest.mark.usefixtures("few")
async def test_decisions_that_are_logged_late_are_found(shop):
    """The database was away, and segments were made before the queue was written."""
    await shop.decide("c1")
    now, name = now_ms(), "b" * 32
    await log_rows(shop, [now - 10 * MINUTE + number for number in range(40)], ["a" * 32])
    await shop.engine.index_customers()
    assert await segments(shop) > now - 10 * MINUTE
    async with shop.engine.database.read() as connection:
        row = (await decisions.newest(connection, shop.id, limit=1))[0]
    late = [
        msgspec.structs.replace(row, id=decision_id(decided_at), decided_at=decided_at, customer=name)
        for decided_at in (now - 10 * MINUTE, now - 10 * MINUTE, now - 2 * MINUTE)
    ]
    async with shop.engine.database.write() as connection:
        await decisions.append(connection, late, now=now)
    assert sorted(await customer_ids(shop, name)) == sorted(row.id for row in late)


@pytest.mark.usefixtures("few")
async def test_two_processes_make_a_segment_once(shop):
    await shop.decide("c1")
    now = now_ms()
    await log_rows(shop, [now - DAY + number for number in range(40)], ["a" * 32])
    async with shop.engine.database.read() as connection:
        segment = await customer_segments.next_segment(connection, shop.id, begins_at=0, now=now)
    rows = customer_segments.rows_of(segment)
    for _ in range(2):
        async with shop.engine.database.write() as connection:
            await customer_segments.add(connection, segment, rows, begins_at=0)
    assert await segments(shop) == segment.ends_at
    assert len(await customer_ids(shop, "a" * 32)) == 40


@pytest.mark.usefixtures("few")
async def test_segments_are_deleted_with_their_decisions(shop, monkeypatch):
    await shop.decide("c1")
    now, name = now_ms(), "a" * 32
    await log_rows(shop, [now - 500 * DAY + number for number in range(30)], [name])
    await shop.engine.index_customers()
    await shop.engine.purge()
    assert await customer_ids(shop, name) == []
    async with shop.engine.database.read() as connection:
        assert (await connection.execute(customer_segments.customer_segments.select())).all() == []


def test_a_segment_without_customers_has_no_rows():
    assert customer_segments.rows_of(Segment(1, 5, [])) == []


def test_a_segment_has_a_row_for_each_first_byte():
    customers = [bytes([number % 3]) + bytes(15) for number in range(9)]
    ids = [(1_000 + number).to_bytes(6) + bytes(10) for number in range(9)]
    rows = customer_segments.rows_of(Segment(1, 2_000, list(zip(ids, customers, strict=True))))
    assert [row.shard for row in rows] == [0, 1, 2]
    assert rows[1] == ShardRow(1, 1, ids[7], 1_001, b"".join(entry.to_bytes(8, "little") for entry in (0, 3, 6)))


async def test_impossible_id_is_not_found(shop):
    await shop.decide("c1")
    async with shop.engine.database.read() as connection:
        for id in ("", "dec_", "dec_1", "dec_" + "g" * 32, "dec_" + "A" * 32, "\0", "dec_" + "0" * 33):
            assert await decisions.find(connection, shop.id, id) is None
            assert await decisions.merchant_of(connection, id) is None
            assert await decisions.newest(connection, shop.id, before_id=f"{id}x") == []


async def test_a_decision_of_another_merchant_is_not_found(shop):
    answer = await shop.decide("c1")
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    id = answer.decision.decision_id
    async with shop.engine.database.read() as connection:
        assert await decisions.merchant_of(connection, id) == shop.id
        assert await decisions.by_keys(connection, [(other.id, id), (shop.id, "dec_1")]) == {}
        both = await decisions.by_keys(connection, [(other.id, id), (shop.id, id), (shop.id, id)], lock=True)
        assert list(both) == [id]


async def test_the_log_is_read_merchant_by_merchant(shop):
    first = [await shop.decide(f"c{number}") for number in range(5)]
    rows: list[str] = []
    last = None
    async with shop.engine.database.read() as connection:
        while part := await decisions.chunk(connection, after=last, limit=2):
            rows, last = rows + [row.id for row in part], part[-1]
    assert rows == sorted(answer.decision.decision_id for answer in first)


# Retraining


@pytest.mark.usefixtures("few")
async def test_a_changed_plan_trains_again_a_day_later_if_that_saves_enough(shop, monkeypatch):
    for number in range(40):
        await shop.decide(f"c{number}", geo_country="DE")
    now, trainer = now_ms(), shop.engine.dictionary_trainer
    await trainer.train(now=now)
    first = dict(shop.engine.recorder.dictionaries)
    await shop.create("candidate", candidate("giftcard", label="A gift card with a long and uncommon name"))
    for number in range(60):
        await shop.decide(f"d{number}", geo_country="FR")
    await trainer.train(now=now + DAY - 1)
    assert shop.engine.recorder.dictionaries == first
    monkeypatch.setattr(training, "MUST_SAVE", 0.9)
    await trainer.train(now=now + DAY)
    assert shop.engine.recorder.dictionaries == first
    monkeypatch.setattr(training, "MUST_SAVE", -1.0)
    # None was good enough, and a minute later none would be either.
    await trainer.train(now=now + DAY + HOUR - 1)
    assert shop.engine.recorder.dictionaries == first
    await trainer.train(now=now + DAY + HOUR)
    assert shop.engine.recorder.dictionaries != first


async def test_another_process_uses_the_dictionary_too(shop):
    theirs = dictionary_of(b"theirs")
    async with shop.engine.database.write() as connection:
        await dictionaries.add(connection, DictionaryHead(shop.id, PLACEMENT, theirs.id, 1, now_ms()), theirs.content)
    await shop.engine.dictionary_trainer.follow()
    assert shop.engine.recorder.dictionaries == {(shop.id, PLACEMENT): theirs}


async def test_a_rare_placement_is_not_searched_in_the_whole_log(shop):
    answers = [await shop.decide(f"c{number}") for number in range(7)]
    ids = sorted((answer.decision.decision_id for answer in answers), reverse=True)
    async with shop.engine.database.read() as connection:
        for latest, limit, expected in ((4, 9, ids[:5]), (4, 2, ids[:2]), (99, 9, ids)):
            rows = await decisions.among_latest(connection, shop.id, PLACEMENT, latest=latest, limit=limit)
            assert [row.id for row in rows] == expected


@pytest.mark.usefixtures("few")
async def test_decisions_of_the_same_millisecond_are_in_one_segment(shop):
    await shop.decide("c1")
    moment = now_ms() - DAY
    await log_rows(shop, [moment] * 25, ["a" * 32])
    await shop.engine.index_customers()
    await shop.engine.index_customers()
    assert len(await customer_ids(shop, "a" * 32)) == 25
