"""An erased customer leaves nothing, and every sum is as if they had never been there; also after a restore."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, text

from engine.clock import now_ms
from engine.customers import erasure
from engine.customers.changes import Changer
from engine.decisions import rebuild
from engine.decisions.replay import replay
from engine.decisions.upkeep.customer_index import index_customers
from engine.experiments.conversions import ReportedConversion
from engine.model.documents.consent import ConsentRecord
from engine.model.documents.preferences import PreferenceChange
from engine.model.experiment import Experiment, Variant
from engine.model.placement import Fixed, Holdback
from engine.service import open_engine
from engine.settings import Settings
from engine.store.connection.database import Database
from engine.store.log import customer_segments
from engine.store.tables import metadata
from tests import factories
from tests.marks import SQLITE, SQLITE_FIRST
from tests.offers import offer_candidate, open_offers
from tests.query_plans import look_through, readers_of, watched, writers_of

pytestmark = pytest.mark.anyio

SERVER = Changer("server", "key 1")
CHANGES_ANYWAY = {"erasures", "lessons", "rule_fired", "fits", "beliefs", "leases", "outbox", "decision_times"}
"""Tables with a proof of the erasure, with what cancels out, with times of what happened last, with events of nobody,
and with how many answers took how long."""


async def contents(database: Database) -> dict[str, list[str]]:
    """Return the rows of every table, as sorted texts."""
    async with database.read() as connection:
        return {
            name: sorted(str(tuple(row)) for row in await connection.execute(select(table)))
            for name, table in metadata.tables.items()
        }


async def tidy_contents(shop: Any) -> dict[str, list[str]]:
    """Return the rows of every table without zero sums, which an erasure removes."""
    await shop.engine.eraser.erase(shop.id, "nobody", suppress=False)
    return await contents(shop.engine.database)


def differing(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, tuple[set[str], set[str]]]:
    """Return the removed and the added rows of tables that should be equal."""
    return {
        name: (set(before[name]) - set(after[name]), set(after[name]) - set(before[name]))
        for name in before
        if before[name] != after[name] and name not in CHANGES_ANYWAY
    }


async def open_shop(shop: Any, *, credit: str = "cascade", policy: Any = None) -> None:
    """A placement that learns, with a rule, a holdback and a running experiment."""
    await shop.add_placement(
        factories.placement(credit=credit, holdback=Holdback(share=0.2), **({"policy": policy} if policy else {}))
    )
    await shop.create("rule", factories.rule({"boost": {"candidates": ["klarna"], "factor": 1.5}}))
    variants = (Variant(id="control", name="As it is"), Variant(id="paypal", name="PayPal", order=("paypal",)))
    document = Experiment(id="first", name="PayPal first", variants=variants)
    await shop.engine.experiments.create(shop.actor(), "payment_methods", document)
    await shop.engine.experiments.start(shop.actor(), "payment_methods", "first")


async def shop_around(shop: Any, *customers: str) -> list[Any]:
    """Customers who decide, buy, refund, convert and say what they want."""
    answers = []
    for customer in customers:
        for number in range(4):
            answer = await shop.decide(customer, cart_total=5_000 + number, cart_currency="EUR")
            first = answer.decision.ranking[0].id
            await shop.report(answer, "shown", first)
            if number % 2:
                await shop.report(answer, "converted", first, amount=5_000)
            answers.append(answer)
        await shop.report(answers[-1], "refunded", answers[-1].decision.ranking[0].id, amount=5_000)
        await shop.report(None, "converted", "card", customer=customer, amount=900)
        now = now_ms()
        conversion = ReportedConversion(
            event_id=f"conversion {customer}", unit=customer, amount=700, currency="EUR", occurred_at=now,
            recorded_at=now, source="server", key_id="key",
        )  # fmt: skip
        await shop.engine.conversions.record(shop.id, "payment_methods", "first", conversion)
        await shop.engine.preferences.change(shop.id, customer, PreferenceChange(language="de"), SERVER)
        record = ConsentRecord(method="save", purposes={"analytics": True})
        await shop.engine.consents.record(shop.id, customer, record, SERVER)
    await shop.engine.supervisor.add_up()
    await shop.engine.use_counter.flush()
    return answers


@SQLITE_FIRST
@pytest.mark.parametrize("credit", ["cascade", "choice", "position"])
async def test_sums_are_as_if_the_customer_had_never_been_there(empty_shop, credit):
    shop = empty_shop
    await open_shop(shop, credit=credit)
    kept = await shop_around(shop, "ben", "clara")
    before = await tidy_contents(shop)
    gone = await shop_around(shop, "anna", "dora", "emil")
    await shop.engine.recorder.close_due(now_ms() + 1)
    for customer in ("anna", "dora", "emil"):
        receipt = await shop.engine.eraser.erase(shop.id, customer, suppress=False)
        assert (receipt.decisions, receipt.suppressed) == (4, False)
    await shop.engine.supervisor.add_up()
    after = await contents(shop.engine.database)
    assert differing(before, after) == {}
    assert await rebuild.compare(shop.engine.database) == []
    hashes = [shop.engine.hasher(shop.id, customer) for customer in ("anna", "dora", "emil")]
    assert not any(hash in row for name, rows in after.items() if name != "erasures" for hash in hashes for row in rows)
    for answer in kept:
        logged = await shop.engine.logbook.get(shop.id, answer.decision.decision_id)
        assert (await replay(shop.engine.database, logged.row)).same
    assert len(gone) == 12


OF_ALL_CUSTOMERS = (
    "usage",
    "ledger",
    "budget_balances",
    "offer_codes",
    "experiment_",
    "customer_aliases",
    "tallies",
    "outcomes",
)
"""Tables that are large where a merchant has many customers."""


@SQLITE
async def test_writers_do_not_look_through_rows_of_other_customers(empty_shop):
    shop = empty_shop
    await open_shop(shop)
    await open_offers(shop, offer_candidate(codes="customer"), amount=100_000, scope="customer")
    await shop_around(shop, "anna")
    await shop.report(None, "converted", "card", customer="anna", amount=800)
    await shop.engine.decider.decide_offers(shop.id, "offers", "anna", {"cart": {"currency": "EUR", "total": 10_000}})
    with watched(*writers_of(shop.engine.database)) as statements:
        await shop.engine.eraser.erase(shop.id, "anna")
    assert {"DELETE", "UPDATE"} <= {sql.split()[0] for sql, _ in statements}
    assert await look_through(shop.engine.database, statements, OF_ALL_CUSTOMERS) == []


@SQLITE
async def test_an_export_reads_no_outcomes_of_others(empty_shop):
    shop = empty_shop
    await open_shop(shop)
    await shop_around(shop, "anna")
    with watched(*readers_of(shop.engine.database)) as statements:
        await shop.engine.customer_export.sections(shop.id, "anna")
    assert any("outcomes" in sql for sql, _ in statements)
    assert await look_through(shop.engine.database, statements, ["outcomes"]) == []


@SQLITE_FIRST
async def test_closed_windows_are_subtracted_too(empty_shop):
    shop = empty_shop
    await open_shop(shop)
    await shop_around(shop, "ben")
    await shop.engine.recorder.close_due(now_ms() + 10**9)
    await shop.engine.supervisor.add_up()
    before = await tidy_contents(shop)
    await shop_around(shop, "anna")
    await shop.engine.recorder.close_due(now_ms() + 10**9)
    await shop.engine.eraser.erase(shop.id, "anna", suppress=False)
    await shop.engine.supervisor.add_up()
    after = await contents(shop.engine.database)
    assert differing(before, after) == {}
    assert await rebuild.compare(shop.engine.database) == []


async def test_erased_customer_is_refused_until_opt_in(empty_shop):
    shop = empty_shop
    await open_shop(shop, policy=Fixed())
    await shop_around(shop, "anna")
    receipt = await shop.engine.eraser.erase(shop.id, "anna")
    assert (receipt.decisions, receipt.suppressed) == (4, True)
    before = await tidy_contents(shop)
    assert not (await shop.decide("anna")).is_personal
    assert differing(before, await contents(shop.engine.database)) == {}
    await shop.engine.preferences.change(shop.id, "anna", PreferenceChange(personalization_enabled=True), SERVER)
    answer = await shop.decide("anna")
    assert (answer.is_personal, answer.facts.history) == (True, {})
    versions = await shop.engine.preferences.versions(shop.id, "anna", limit=10)
    assert [version.version for version in versions] == [2, 1]


async def test_accounts_of_offers_stay_under_a_random_name(empty_shop):
    shop = empty_shop
    await open_offers(shop, offer_candidate())
    held = await shop.engine.decider.decide_offers(
        shop.id, "offers", "anna", {"cart": {"total": 1_000, "currency": "EUR"}}
    )
    assert held.holds
    before = await tidy_contents(shop)
    await shop.engine.eraser.erase(shop.id, "anna", suppress=False)
    after = await contents(shop.engine.database)
    hash = shop.engine.hasher(shop.id, "anna")
    assert len(after["holds"]) == len(before["holds"]) == 1
    assert not any(hash in row for name in ("holds", "ledger", "budget_balances", "offer_codes") for row in after[name])
    assert (await shop.engine.budgets.verify(shop.id)).is_same


@SQLITE_FIRST
async def test_erasure_removes_decisions_from_segments(empty_shop, monkeypatch):
    shop = empty_shop
    await open_shop(shop, policy=Fixed())
    await shop_around(shop, "anna", "ben", "clara")
    monkeypatch.setattr(customer_segments, "DECISIONS", 6)
    await index_customers(shop.engine.database, [shop.id], now=now_ms() + 10 * customer_segments.LATE)
    kept = await contents(shop.engine.database)
    assert kept["customer_segments"]
    await shop.engine.eraser.erase(shop.id, "anna", suppress=False)
    assert await shop.engine.logbook.search(shop.id, customer_id="anna") == []
    assert len(await shop.engine.logbook.search(shop.id, customer_id="ben")) == 4
    key = bytes.fromhex(shop.engine.hasher(shop.id, "anna"))
    async with shop.engine.database.read() as connection:
        rows = await connection.execute(text("SELECT shard, entries FROM customer_segments"))
        entries = [bytes(row.entries) for row in rows if row.shard == key[0]]
    assert not any(
        key[1:4][::-1] == entry[start + 5 : start + 8] for entry in entries for start in range(0, len(entry), 8)
    )


async def test_second_pass_erases_rows_written_meanwhile(empty_shop):
    shop = empty_shop
    await open_shop(shop, policy=Fixed())
    await shop_around(shop, "ben")
    before = await tidy_contents(shop)
    answer = await shop.decide("anna")
    row = (await shop.engine.logbook.get(shop.id, answer.decision.decision_id)).row
    await shop.engine.eraser.erase(shop.id, "anna", suppress=False)
    late = msgspec.structs.replace(row, id=f"dec_{now_ms():012x}{'0' * 20}")
    await shop.engine.recorder.append(late, ["card"], shop.engine.live.get(shop.id, "payment_methods").learning)
    assert await shop.engine.eraser.sweep(now=now_ms()) == 0
    # The row without a customer, and Anna's.
    assert await shop.engine.eraser.sweep(now=now_ms() + 2 * erasure.SWEEP_AFTER_MS) == 2
    after = await contents(shop.engine.database)
    assert after["decisions"] == before["decisions"]
    assert await shop.engine.eraser.sweep(now=now_ms() + 2 * erasure.SWEEP_AFTER_MS) == 0


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_a_restored_backup_erases_again_before_it_serves(empty_shop, settings: Settings, tmp_path: Path):
    shop = empty_shop
    await open_shop(shop, policy=Fixed())
    await shop_around(shop, "anna", "ben")
    backup = tmp_path / "backup.sqlite"
    with sqlite3.connect(tmp_path / "tap2.sqlite") as source, sqlite3.connect(backup) as target:
        source.backup(target)
    await shop.engine.eraser.erase(shop.id, "anna")
    folder = tmp_path / "restored"
    folder.mkdir()
    for name, copy in (("backup.sqlite", "tap2.sqlite"), ("customer.key", "customer.key"), ("erasures.jsonl",) * 2):
        shutil.copy(tmp_path / name, folder / copy)
    restored = await open_engine(msgspec.structs.replace(settings, data=str(folder)))
    try:
        async with restored.database.read() as connection:
            hash = shop.engine.hasher(shop.id, "anna")
            count = text("SELECT count(*) FROM usage WHERE customer = :customer")
            assert (await connection.execute(count, {"customer": hash})).scalar_one() > 0
        await restored.start(with_jobs=False)
        left = await contents(restored.database)
        assert not any(
            hash in row
            for name, rows in left.items()
            if name not in ("erasures", "customer_settings", "customer_setting_versions")
            for row in rows
        )
        assert len(await restored.logbook.search(shop.id, customer_id="ben")) == 4
        assert await restored.logbook.search(shop.id, customer_id="anna") == []
        assert await rebuild.compare(restored.database) == []
        assert await restored.eraser.replay() == 0
    finally:
        await restored.stop()


async def test_two_erasures_at_the_same_time_subtract_once(empty_shop, start_engine):
    shop = empty_shop
    await open_shop(shop, policy=Fixed())
    await shop_around(shop, "ben")
    before = await tidy_contents(shop)
    await shop_around(shop, "anna")
    other = await start_engine()
    await asyncio.gather(*(each.eraser.erase(shop.id, "anna", suppress=False) for each in (shop.engine, other)))
    await shop.engine.supervisor.add_up()
    assert await rebuild.compare(shop.engine.database) == []
    after = await contents(shop.engine.database)
    assert {name for name, row in differing(before, after).items() if name in ("tallies", "field_days")} == set()
    assert await shop.engine.logbook.search(shop.id, customer_id="anna") == []


@SQLITE
async def test_deleted_data_is_overwritten_on_the_disk(shop):
    for connect in (shop.engine.database.write, shop.engine.database.read):
        async with connect() as connection:
            assert (await connection.exec_driver_sql("PRAGMA secure_delete")).scalar() == 1


@SQLITE_FIRST
async def test_erasure_of_an_unknown_customer_and_twice_is_harmless(empty_shop):
    shop = empty_shop
    await open_shop(shop, policy=Fixed())
    for _ in range(2):
        assert (await shop.engine.eraser.erase(shop.id, "nobody")).decisions == 0
    await shop_around(shop, "anna")
    assert (await shop.engine.eraser.erase(shop.id, "anna")).decisions == 4
    assert (await shop.engine.eraser.erase(shop.id, "anna")).decisions == 0
