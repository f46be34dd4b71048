"""Active plans and beliefs: refreshed by enough new trials, and by other processes."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.exc import OperationalError

from engine.clock import now_ms
from engine.configuration.release import Releases
from engine.learning import live
from engine.learning.live import LONGEST_UNREAD_MS
from engine.model.placement import FieldDocument
from engine.store.plans import activate
from engine.store.tables import plans
from tests.factories import METHODS, order, placement, rule
from tests.marks import SQLITE_FIRST

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reproducible_draws")]


def active(shop, engine=None):
    return (engine or shop.engine).live.get(shop.id, "payment_methods")


async def buy(shop, times=1, candidate=None, **facts):
    for _ in range(times):
        answer = await shop.decide(**facts)
        await shop.report(answer, "converted", candidate or order(answer.decision)[0])


async def version_now(shop, **facts):
    return (await shop.decide(**facts)).decision.beliefs_version


async def soon(condition, seconds=2.0):
    """Two seconds are promised; a machine under test may be slower to wake."""
    async with asyncio.timeout(seconds * 3):
        while not await condition():
            await asyncio.sleep(0.05)


async def test_first_outcomes_renew_the_draws_at_once(shop):
    assert await version_now(shop) == 0
    await buy(shop)
    await shop.engine.live.refresh()
    assert await version_now(shop) == 1
    await shop.engine.live.refresh()
    assert await version_now(shop) == 1


async def test_few_new_trials_wait_a_minute_with_much_evidence(shop, monkeypatch):
    await shop.update_state(card=(50_000, 20_000))
    version = await version_now(shop)
    await buy(shop)
    await shop.engine.live.refresh()
    assert await version_now(shop) == version
    later = now_ms() + LONGEST_UNREAD_MS
    monkeypatch.setattr(live, "now_ms", lambda: later)
    await shop.engine.live.refresh()
    assert await version_now(shop) == version + 1


async def test_enough_new_trials_refresh_the_draws(shop):
    await shop.update_state(card=(400, 160))
    version = await version_now(shop)
    await buy(shop, times=3, candidate="apple_pay")
    await shop.engine.live.refresh()
    assert await version_now(shop) == version + 1
    learned = await shop.decide()
    assert {ranked.id: ranked.score for ranked in learned.decision.ranking}["apple_pay"] == pytest.approx(
        4 / 5, abs=0.001
    )


async def test_evidence_that_could_not_be_read_is_read_later(shop, monkeypatch):
    await buy(shop)

    def away():
        raise OperationalError("BEGIN", {}, Exception("database is locked"))

    with monkeypatch.context() as patched:
        patched.setattr(shop.engine.database, "write", away)
        with pytest.raises(OperationalError):
            await shop.engine.live.refresh()
    await shop.engine.live.refresh()
    assert await version_now(shop) == 1


async def test_restart_keeps_beliefs(shop, start_engine):
    await buy(shop, times=4, candidate="ideal")
    await shop.engine.stop()
    restarted = await start_engine()
    shop.engine = restarted
    decision = (await shop.decide()).decision
    assert decision.beliefs_version == 1
    assert {ranked.id: ranked.score for ranked in decision.ranking}["ideal"] == pytest.approx(5 / 6)


@SQLITE_FIRST
async def test_stopping_amid_a_job_is_no_fault(start_engine, monkeypatch, caplog):
    begun = asyncio.Event()

    async def endless(releases, now):
        begun.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(Releases, "publish_due", endless)
    engine = await start_engine()
    await asyncio.wait_for(begun.wait(), 10)
    await engine.stop()
    await asyncio.sleep(0.05)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_without_evidence_all_candidates_are_equal(empty_shop):
    await empty_shop.add_placement(placement(buckets=("device.type",)))
    answer = await empty_shop.decide(device_type="mobile")
    assert answer.decision.beliefs_version == 0
    assert {ranked.score for ranked in answer.decision.ranking} == {0.5}
    assert all(0.08 < ranked.confidence < 0.28 for ranked in answer.decision.ranking)


async def test_an_unseen_bucket_starts_from_all_buckets(empty_shop):
    shop = empty_shop
    await shop.add_placement(placement(buckets=("device.type",)))
    await shop.update_state("mobile", **dict.fromkeys(METHODS, (1_000, 500)) | {"card": (1_000, 900)})
    on_mobile, on_desktop = await shop.decide(device_type="mobile"), await shop.decide(device_type="desktop")
    first = [next(ranked for ranked in a.decision.ranking if ranked.id == "card") for a in (on_mobile, on_desktop)]
    assert first[0].score == pytest.approx(first[1].score, abs=0.01)
    assert first[0].confidence > 0.99 > first[1].confidence > 0.3


async def test_the_arms_page_shows_the_estimates_that_decisions_use(empty_shop):
    shop = empty_shop
    await shop.add_placement(placement(buckets=("device.type",)))
    await shop.update_state("mobile", **dict.fromkeys(METHODS, (1_000, 500)) | {"card": (1_000, 900)})
    await shop.update_state("desktop", card=(5, 0))
    answer = await shop.decide(device_type="desktop")
    page = await shop.engine.monitor.arms(shop.id, "payment_methods", bucket="desktop")
    for ranked in answer.decision.ranking:
        arm = next(arm for arm in page.arms if arm.id == ranked.id)
        assert arm.mean == pytest.approx(ranked.score, abs=1e-6)
        assert arm.low < ranked.score < arm.high
    together = await shop.engine.monitor.arms(shop.id, "payment_methods")
    assert {arm.id: arm.trials for arm in together.arms}["card"] == pytest.approx(1_005, rel=0.01)


async def test_callers_cannot_create_buckets(empty_shop):
    shop = empty_shop
    await shop.create("field", FieldDocument(name="customer.vip", type="boolean"))
    await shop.add_placement(placement(buckets=("geo.country", "device.type", "customer.vip")))
    plan = active(shop).plan
    codes = [f"{a}{b}" for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    countries = {plan.bucket({"geo.country": country}).split("|")[0] for country in codes}
    assert 240 < len(countries) < 260
    assert {"DE", "-"} <= countries
    senseless = ["de", "DEU", "D", "ÄÖ", "D|", "", None, 7, True, ["DE"], {"a": 1}, "DE\n", "fridge", "mobile "]
    assert {plan.bucket(dict.fromkeys(plan.placement.buckets[:2], item)) for item in senseless} == {"-|-|-"}
    assert plan.bucket({"geo.country": "DE", "device.type": "mobile", "customer.vip": True}) == "DE|mobile|yes"
    for number in range(30):
        await shop.decide(geo_country=f"X{number}", device_type=f"fridge {number}")
    assert {item.row.bucket for item in await shop.engine.logbook.search(shop.id)} == {"-|-|-"}


async def test_beliefs_outlive_a_publication(shop):
    await shop.update_state(card=(100, 80))
    before = await version_now(shop)
    await shop.create("rule", rule({"exclude": ["ideal"]}))
    decision = (await shop.decide()).decision
    assert decision.beliefs_version == before
    assert {ranked.id: ranked.score for ranked in decision.ranking}["card"] == pytest.approx(81 / 102)


async def test_unchanged_beliefs_get_no_new_version(shop):
    await shop.update_state(card=(100, 80))
    before = active(shop).snapshots
    await shop.create("rule", rule({"exclude": ["ideal"]}))
    await shop.engine.live.refresh(at_once=True)
    assert active(shop).snapshots == before


async def test_late_beliefs_do_not_replace_later_versions(shop):
    await shop.update_state(card=(100, 80))
    early = active(shop).snapshots[""]
    await shop.update_state(card=(50, 1))
    late = active(shop).snapshots[""]
    [stream] = active(shop).streams.values()
    stream.put(early, stream.draw(early))
    assert active(shop).snapshots[""] == late
    assert await version_now(shop) == late.version


async def test_new_reward_starts_from_its_stored_statistics(shop):
    await shop.update_state(card=(100, 80))
    catalogue = shop.engine.catalogue
    selected = placement(reward="selected")
    await catalogue.update(shop.actor("ada"), "placement", "", "payment_methods", selected, version=None)
    assert {ranked.score for ranked in (await shop.decide()).decision.ranking} == {0.5}
    await catalogue.update(shop.actor("ada"), "placement", "", "payment_methods", placement(), version=None)
    assert {ranked.id: ranked.score for ranked in (await shop.decide()).decision.ranking}["card"] == pytest.approx(
        81 / 102
    )


async def test_a_plan_that_fails_to_load_leaves_the_old_one(shop, start_engine):
    version = active(shop).plan.version
    async with shop.engine.database.write() as connection:
        spoiled = {"merchant_id": shop.id, "placement": "payment_methods", "version": 99}
        await connection.execute(
            plans.insert().values(**spoiled, document='{"placement": 7}', published_at=0, published_by="nobody")
        )
        await activate(connection, shop.id, "payment_methods", 99)
    await shop.engine.follow()
    assert (await shop.decide()).decision.plan_version == version


async def test_another_process_follows_plans_and_keys_within_two_seconds(shop, start_engine):
    other = await start_engine()
    theirs = type(shop)(other, shop.merchant)
    await shop.create("rule", rule({"exclude": ["card"]}))
    key, plain = await shop.engine.accounts.create_key(shop.merchant, "secret", "Checkout", actor_name="ada")

    async def seen():
        return other.accounts.access(plain) is not None and "card" not in order((await theirs.decide()).decision)

    await soon(seen)
    await shop.engine.accounts.revoke_key(shop.merchant, key.id, actor_name="ada")
    await shop.engine.catalogue.delete(shop.actor("ada"), "placement", "", "payment_methods", version=None)

    async def gone():
        return other.accounts.access(plain) is None and active(shop, other) is None

    await soon(gone)


async def test_another_process_takes_over_beliefs_within_two_seconds(shop, start_engine):
    other = await start_engine()
    await shop.update_state(ideal=(1_000, 900))

    async def seen():
        return "" in active(shop, other).snapshots

    await soon(seen)
    theirs = type(shop)(other, shop.merchant)
    ours, others = (
        (await item.decide() for item in (shop, theirs)) if False else (await shop.decide(), await theirs.decide())
    )
    assert ours.decision.beliefs_version == others.decision.beliefs_version == 1
    scores = [{ranked.id: ranked.score for ranked in answer.decision.ranking} for answer in (ours, others)]
    assert scores[0] == scores[1]


async def test_processes_load_each_others_buckets(empty_shop, start_engine):
    shop = empty_shop
    await shop.add_placement(placement(buckets=("device.type",)))
    other = await start_engine()
    theirs = type(shop)(other, shop.merchant)
    # Theirs is the first version, ours the second: having made a later one ourselves must not hide theirs.
    await theirs.update_state("desktop", card=(50, 40))
    await shop.update_state("mobile", card=(60, 50))
    ours = active(shop).snapshots["mobile"].version
    assert ours > max(snapshot.version for snapshot in active(shop, other).snapshots.values())
    await shop.engine.follow()
    await other.follow()
    for engine in (shop.engine, other):
        learned = active(shop, engine).snapshots
        assert learned["mobile"].version == ours > learned["desktop"].version


@SQLITE_FIRST
async def test_late_beliefs_do_not_replace_newer_ones(shop, start_engine):
    """Two processes record and renew side by side, and end at the same beliefs."""
    other = await start_engine()
    theirs = type(shop)(other, shop.merchant)
    theirs._events = iter(range(10**6, 10**7))

    async def live_on(process):
        for _ in range(8):
            await buy(process, candidate="card")
            await process.engine.live.refresh(at_once=True)

    await asyncio.gather(live_on(shop), live_on(theirs))
    for engine in (shop.engine, other):
        await engine.live.refresh(at_once=True)
    for engine in (shop.engine, other):
        await engine.follow()
    learned = [active(shop, engine).snapshots[""] for engine in (shop.engine, other)]
    assert learned[0] == learned[1]
    assert (learned[0].knowledge.arms["card"].trials, learned[0].knowledge.arms["card"].successes) == (16, 16)


async def test_refresh_waits_for_a_running_refresh(shop):
    await buy(shop)

    async def version_after_another_refresh():
        await asyncio.sleep(0)
        await shop.engine.live.refresh()
        return await version_now(shop)

    _, version = await asyncio.gather(shop.engine.live.refresh(), version_after_another_refresh())
    assert version == 1
