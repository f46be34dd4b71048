"""A merchant's own retention: counted before it deletes, at most the server's, and only for its data."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import event, func, select

from engine import jobs
from engine.clock import now_ms, simulated_time
from engine.customers.changes import Changer
from engine.customers.retention import Retention
from engine.decisions import rebuild
from engine.decisions.replay import replay
from engine.experiments.conversions import ReportedConversion
from engine.model.documents.preferences import PreferenceChange
from engine.model.documents.retention import KINDS, RetentionPolicy
from engine.model.errors import Invalid, Stale
from engine.model.experiment import Experiment, Variant
from engine.model.timestamps import DAY
from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.store.connection import purging
from engine.store.customers import retention as stored_retention
from engine.store.customers.retention import CountedRows
from engine.store.tables import metadata
from tests import factories
from tests.engine.test_engine_retention import add, row_of
from tests.marks import SQLITE
from tests.shop import Shop

pytestmark = pytest.mark.anyio

SERVER = Changer("server", "key 1")
TABLES = {
    "decisions": ("decisions",),
    "outcomes": ("outcomes",),
    "history": ("usage",),
    "observations": ("lessons",),
    "experiment_units": (
        "experiment_exposures", "experiment_outcomes", "experiment_measures", "experiment_conversions",
    ),
    "preference_versions": ("customer_setting_versions",),
    "webhook_deliveries": ("webhook_deliveries",),
    "mails": ("mails",),
}  # fmt: skip
"""The tables that the parts of a preview count."""
SHORT = RetentionPolicy(decisions=90, preference_versions=30, webhook_deliveries=7, mails=7)


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[Engine]:
    """Without jobs: on a slow machine they would change what the tests count."""
    engine = await open_engine(settings)
    await engine.start(with_jobs=False)
    yield engine
    await engine.stop()


async def shop_around(shop: Shop, *customers: str, days_ago: int) -> list[Any]:
    """Create customers with decisions, purchases and preferences of some days ago."""
    answers, then = [], now_ms() - days_ago * DAY
    with simulated_time(lambda: then):
        for customer in customers:
            for number in range(3):
                answer = await shop.decide(customer, cart_total=5_000 + number, cart_currency="EUR")
                await shop.report(answer, "shown", answer.decision.ranking[0].id)
                await shop.report(answer, "converted", answer.decision.ranking[0].id, amount=5_000)
                answers.append(answer)
            await shop.report(None, "converted", "card", customer=customer, amount=900)
            conversion = ReportedConversion(
                event_id=f"conversion {customer} {days_ago}", unit=customer, amount=700, currency="EUR",
                occurred_at=then, recorded_at=then, source="server", key_id="key",
            )  # fmt: skip
            await shop.engine.conversions.record(shop.id, "payment_methods", "first", conversion)
            for language in ("de", "fr"):
                await shop.engine.preferences.change(shop.id, customer, PreferenceChange(language=language), SERVER)
    await shop.engine.recorder.close_due(now_ms())
    return answers


async def open_shop(engine: Any, name: str) -> Shop:
    """A merchant with a placement that learns from choices, and an experiment."""
    merchant, _ = await engine.accounts.add_merchant(name, name.title())
    shop, then = Shop(engine, merchant), now_ms() - 300 * DAY
    with simulated_time(lambda: then):
        await shop.add_placement(factories.placement(credit="choice"))
        variants = (Variant(id="control", name="As it is"), Variant(id="paypal", name="PayPal", order=("paypal",)))
        await engine.experiments.create(
            shop.actor(), "payment_methods", Experiment(id="first", name="First", variants=variants)
        )
        await engine.experiments.start(shop.actor(), "payment_methods", "first")
    return shop


async def send_messages(shop: Shop, *, days_ago: int) -> None:
    """As if a mail and an event had been sent, and one of each still waited."""
    database, created_at = shop.engine.database, now_ms() - days_ago * DAY
    endpoint = f"hook {shop.id}"
    table = metadata.tables["webhook_endpoints"]
    async with database.read() as connection:
        is_new = (await connection.execute(select(table).where(table.c.id == endpoint))).first() is None
    if is_new:
        await add(database, table, row_of(table, 1, id=endpoint, merchant_id=shop.id, enabled=False))
    for name, key in (("webhook_deliveries", "event_id"), ("mails", "id")):
        table = metadata.tables[name]
        for number, state in ((2 * days_ago, "sent"), (2 * days_ago + 1, "waiting")):
            value = number if key == "event_id" else f"{shop.id} {number}"
            own = {key: value, "state": state, "created_at": created_at}
            of_hook = {"endpoint_id": endpoint} if name == "webhook_deliveries" else {}
            row = row_of(table, number, **own, **of_hook)
            await add(database, table, row | ({"merchant_id": shop.id} if "merchant_id" in row else {}))


async def sizes(shop: Shop) -> Counter[str]:
    """Return how many rows of a merchant each table has."""
    counts: Counter[str] = Counter()
    async with shop.engine.database.read() as connection:
        for name, table in metadata.tables.items():
            query = select(func.count()).select_from(table)
            if name == "webhook_deliveries":
                query = query.where(table.c.endpoint_id == f"hook {shop.id}")
            elif "merchant_id" not in table.c:
                continue
            else:
                query = query.where(table.c.merchant_id == shop.id)
            counts[name] = (await connection.execute(query)).scalar_one()
    return counts


async def two_shops(engine: Any) -> tuple[Shop, Shop, list[Any]]:
    """Two merchants with old, middle-aged and new data, and the first one's new decisions."""
    shops = [await open_shop(engine, name) for name in ("shop", "other")]
    answers: list[Any] = []
    for shop in shops:
        await shop_around(shop, "anna", "ben", days_ago=120)
        await shop_around(shop, "clara", days_ago=95)
        answers.append(await shop_around(shop, "anna", days_ago=20))
        await send_messages(shop, days_ago=10)
        await send_messages(shop, days_ago=3)
    await engine.supervisor.add_up()
    await engine.use_counter.flush()
    # What the server's own retention deletes is gone.
    await jobs.purge(engine.database, retention_days=400)
    return shops[0], shops[1], answers[0]


async def test_a_preview_counts_what_the_purge_then_deletes(engine):
    shop, other, kept = await two_shops(engine)
    before, others = await sizes(shop), await sizes(other)
    previews = await engine.retention.preview(shop.id, SHORT)
    assert [each.kind for each in previews] == [kind for kind in KINDS if kind != "inactive_customers"]
    parts = {name: part.rows for each in previews for name, part in each.parts.items()}
    assert all(each.is_exact for each in previews)
    assert all(parts.values()), parts
    oldest = {each.kind: round((now_ms() - each.oldest_at) / DAY) for each in previews}
    assert oldest["decisions"] in (120, 121)
    assert (oldest["preference_versions"], oldest["webhook_deliveries"], oldest["mails"]) == (120, 10, 10)
    assert await sizes(shop) == before

    await engine.retention.replace(shop.actor(), SHORT, confirmed=True)
    await jobs.purge(engine.database, retention_days=400)
    after = await sizes(shop)
    assert {name: sum(before[table] - after[table] for table in TABLES[name]) for name in parts} == parts
    assert after["decisions"] == len(kept)
    assert await sizes(other) == others
    assert [each.rows for each in await engine.retention.preview(shop.id, SHORT)] == [0, 0, 0, 0]
    for answer in kept:
        logged = await engine.logbook.get(shop.id, answer.decision.decision_id)
        assert (await replay(engine.database, logged.row)).same


@SQLITE
async def test_sums_agree_with_the_log_for_the_days_that_all_merchants_have(engine):
    shop, _, _ = await two_shops(engine)
    await engine.retention.replace(shop.actor(), SHORT, confirmed=True)
    await jobs.purge(engine.database, retention_days=400)
    since = rebuild.first_whole_day(now_ms(), 400, await engine.retention.log_from())
    assert since == now_ms() // DAY - 90 + 1
    assert await rebuild.compare(engine.database, since_day=since) == []
    learned = (await sizes(shop))["statistics"]
    await rebuild.rebuild(engine.database, since_day=since)
    assert (await sizes(shop))["statistics"] == learned
    # A longer retention brings nothing back.
    await engine.retention.replace(shop.actor(), RetentionPolicy(), confirmed=False)
    assert rebuild.first_whole_day(now_ms(), 400, await engine.retention.log_from()) == since


async def test_active_preferences_are_kept(shop):
    then = now_ms() - 60 * DAY
    with simulated_time(lambda: then):
        for language in ("de", "fr"):
            await shop.engine.preferences.change(shop.id, "anna", PreferenceChange(language=language), SERVER)
    await shop.engine.retention.replace(shop.actor(), RetentionPolicy(preference_versions=30), confirmed=True)
    await jobs.purge(shop.engine.database, retention_days=400)
    in_force = await shop.engine.preferences.get(shop.id, "anna")
    assert (in_force.version, in_force.preferences.language) == (2, "fr")
    versions = await shop.engine.preferences.versions(shop.id, "anna", limit=10)
    assert [each.version for each in versions] == [2]


async def test_policy_cannot_exceed_the_server_setting(shop):
    service = shop.engine.retention
    too_long = RetentionPolicy(decisions=401, webhook_deliveries=31, mails=91)
    for act in (service.preview(shop.id, too_long), service.replace(shop.actor(), too_long, confirmed=True)):
        with pytest.raises(Invalid) as refused:
            await act
        assert [problem.field for problem in refused.value.problems] == ["decisions", "webhook_deliveries", "mails"]
    assert (await service.get(shop.id)).version == 0
    await service.replace(shop.actor(), RetentionPolicy(decisions=300), confirmed=False)
    # The operator shortens it later.
    shorter = Retention(shop.engine.database, 200, 548)
    assert (await shorter.get(shop.id)).kinds["decisions"].days == 200
    assert await shorter.days_of_decisions(shop.id) == 200


async def test_deletion_requires_confirmation(shop):
    answer = await _decide(shop, days_ago=100)
    service, policy = shop.engine.retention, RetentionPolicy(decisions=95)
    with pytest.raises(Invalid) as refused:
        await service.replace(shop.actor(), policy, confirmed=False)
    assert [problem.field for problem in refused.value.problems] == ["confirm"]
    assert (await service.get(shop.id)).version == 0
    assert [(each.kind, each.rows) for each in await service.losses(shop.id, policy)] == [("decisions", 1)]
    assert await service.losses(shop.id, RetentionPolicy(decisions=105)) == []
    await service.replace(shop.actor(), policy, confirmed=True)
    # What the policy in force deletes already needs no other confirmation.
    assert await service.losses(shop.id, policy) == []
    await service.replace(shop.actor(), policy, confirmed=False)
    assert await shop.engine.logbook.get(shop.id, answer.decision.decision_id)


async def _decide(shop: Shop, *, days_ago: int) -> Any:
    then = now_ms() - days_ago * DAY
    with simulated_time(lambda: then):
        return await shop.decide()


async def test_two_people_do_not_overwrite_each_other(shop):
    service = shop.engine.retention
    await service.replace(shop.actor(), RetentionPolicy(mails=30), confirmed=False, version=0)
    with pytest.raises(Stale):
        await service.replace(shop.actor("second"), RetentionPolicy(mails=20), confirmed=False, version=0)
    assert (await service.get(shop.id)).kinds["mails"].days == 30


async def test_removed_policy_stops_the_purge(shop, monkeypatch):
    monkeypatch.setattr(purging, "PIECE", 10)
    monkeypatch.setattr(purging, "PIECES_OF_A_LOOK", 1)
    table = metadata.tables["usage"]
    old = now_ms() // DAY - 200
    rows = [row_of(table, number, merchant_id=shop.id, day=old) for number in range(100)]
    await add(shop.engine.database, table, *rows)
    await shop.engine.retention.replace(shop.actor(), RetentionPolicy(decisions=90), confirmed=True)
    purge = asyncio.create_task(jobs.purge(shop.engine.database, retention_days=400))
    while (await sizes(shop))["usage"] == len(rows):
        await asyncio.sleep(0)
    await shop.engine.retention.replace(shop.actor(), RetentionPolicy(), confirmed=False)
    answer = await shop.decide()
    await purge
    assert 0 < (await sizes(shop))["usage"] < len(rows)
    assert not answer.decision.fallback


async def test_bounded_count_is_marked(shop, monkeypatch):
    for _ in range(3):
        await _decide(shop, days_ago=100)
    monkeypatch.setattr(stored_retention, "MOST_COUNTED", 2)
    [preview] = await shop.engine.retention.preview(shop.id, RetentionPolicy(decisions=90))
    assert (preview.is_exact, preview.parts["decisions"]) == (False, CountedRows(2, False, preview.oldest_at))


@SQLITE
async def test_a_transaction_of_the_purge_reads_only_the_rows_that_it_deletes(shop):
    engine, statements = shop.engine, []
    sqlite = engine.database._writer.sync_engine
    event.listen(sqlite, "before_cursor_execute", lambda *given: statements.append(given[2:4]))
    await _decide(shop, days_ago=100)
    row = row_of(metadata.tables["usage"], 1, merchant_id=shop.id, day=now_ms() // DAY - 100)
    await add(engine.database, metadata.tables["usage"], row)
    await engine.retention.replace(shop.actor(), RetentionPolicy(decisions=90), confirmed=True)
    await jobs.purge(engine.database, retention_days=95)
    await shop.engine.retention.replace(shop.actor(), RetentionPolicy(), confirmed=False)
    deleting = {sql.split()[2]: (sql, values) for sql, values in statements if sql.startswith("DELETE")}
    assert {"decisions", "usage"} <= deleting.keys()
    async with engine.database.read() as connection:
        for table in ("decisions", "usage"):
            sql, values = deleting[table]
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
            last = metadata.tables[table].primary_key.columns.values()[-1].name
            assert f"{last}=?" in str(plan.all())
