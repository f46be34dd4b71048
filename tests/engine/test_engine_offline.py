"""Decisions that clients made by snapshots: logged once, exactly as the kernel makes them, or refused with a reason."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete

from benchmarks.checks.offline_cases import answer_of
from engine.clock import now_ms
from engine.decisions.offline import snapshots
from engine.decisions.offline.intake import LONGEST_WAY, TIME_FOR_OUTCOMES, OfflineDecision, OfflineReceipt
from engine.decisions.offline.snapshots import LIFE, IssuedSnapshot, SnapshotKey
from engine.model.documents.preferences import PreferenceDefaults
from engine.model.errors import Conflict, NotFound
from engine.model.experiment import Experiment, Variant
from engine.model.facts import OFFLINE, SOURCE
from engine.model.placement import Contextual, Holdback, Split, Thompson
from engine.model.timestamps import HOUR, MINUTE
from engine.store import decisions
from engine.store.metrics import hours
from engine.store.metrics.hours import HourSpan
from engine.store.tables import beliefs
from tests import factories
from tests.marks import SQLITE, SQLITE_FIRST
from tests.shop import Shop

pytestmark = pytest.mark.anyio
KEY_ID = "key_a"
CONTEXT = {"cart": {"total": 12_900, "currency": "EUR"}, "device": {"type": "mobile"}}
PLACEMENT = "payment_methods"


async def issue(shop: Shop, *, key: str = KEY_ID, is_browser: bool = False, now: int | None = None) -> IssuedSnapshot:
    moment = now_ms() if now is None else now
    return (await shop.engine.snapshots.issue(SnapshotKey(shop.id, key, is_browser), PLACEMENT, now=moment))[0]


def made(
    shop: Shop, snapshot: IssuedSnapshot, number: int = 0, *, decided_at: int | None = None, **changes: Any
) -> OfflineDecision:
    """Return what a client sends of a decision that it makes now, by the beliefs in force."""
    id = f"dec_{now_ms() if decided_at is None else decided_at:012x}{snapshot.id_suffix}{number:06x}"
    active = shop.engine.live.get(shop.id, PLACEMENT)
    assert active is not None
    decision = answer_of(active, CONTEXT, id)
    order = [ranked.id for ranked in decision.ranking]
    return OfflineDecision(id, snapshot.token, CONTEXT, order, decision.propensity)


async def send(shop: Shop, *sent: OfflineDecision, key: str = KEY_ID, now: int | None = None) -> list[OfflineReceipt]:
    moment = now_ms() if now is None else now
    return await shop.engine.offline_intake.record(shop.id, key, sent, now=moment)


async def statuses(shop: Shop, *sent: OfflineDecision, **more: Any) -> list[str]:
    return [receipt.status for receipt in await send(shop, *sent, **more)]


async def counted(shop: Shop) -> int:
    """Return the decisions that the hourly sums of the metrics contain."""
    span = HourSpan(shop.id, PLACEMENT, 0, now_ms() // HOUR + 1)
    async with shop.engine.database.read() as connection:
        return sum(each.totals.decisions for each in await hours.by_hour(connection, span))


@SQLITE_FIRST
async def test_a_decision_is_logged_replays_and_is_learned_from(shop: Shop):
    await shop.update_state(card=(40, 20), paypal=(50, 24))
    snapshot = await issue(shop)
    sent = made(shop, snapshot)
    assert await statuses(shop, sent) == ["recorded"]
    logged = await shop.engine.logbook.get(shop.id, sent.decision_id)
    assert msgspec.json.decode(logged.row.facts)[SOURCE] == OFFLINE
    assert [ranked.id for ranked in logged.decision.ranking] == sent.ranking
    assert (await shop.engine.logbook.replay(shop.id, sent.decision_id)).same
    before = (await shop.counts()).get(sent.ranking[0], (0, 0))[1]
    await shop.report(sent.decision_id, "converted", sent.ranking[0])
    assert (await shop.counts())[sent.ranking[0]][1] == before + 1


async def test_repeated_decision_counts_once(shop: Shop):
    snapshot = await issue(shop)
    sent = [made(shop, snapshot, number) for number in range(5)]
    assert await statuses(shop, *sent, sent[0]) == ["recorded"] * 5 + ["duplicate"]
    assert await statuses(shop, *sent) == ["duplicate"] * 5


@SQLITE_FIRST
async def test_decision_sent_concurrently_counts_once(shop: Shop, start_engine: Any):
    snapshot = await issue(shop)
    sent = [made(shop, snapshot, number) for number in range(20)]
    other = Shop(await start_engine(), shop.merchant)
    await asyncio.gather(*(send(each, *sent) for each in (shop, shop, other, other)))
    async with shop.engine.database.read() as connection:
        logged = await decisions.by_ids(connection, shop.id, [each.decision_id for each in sent])
    assert len(logged) == 20
    assert await counted(shop) == 20


async def test_another_decision_under_the_same_id_is_refused(shop: Shop):
    snapshot = await issue(shop)
    sent = made(shop, snapshot)
    facts = {"cart": {"total": 1, "currency": "EUR"}}
    assert await statuses(shop, sent, msgspec.structs.replace(sent, context=facts)) == ["recorded", "differs"]
    assert await statuses(shop, msgspec.structs.replace(sent, context=facts)) == ["differs"]


@SQLITE
async def test_an_answer_that_the_kernel_does_not_give_is_refused(shop: Shop):
    snapshot = await issue(shop)
    sent = made(shop, snapshot)
    for changes in (
        {"ranking": sent.ranking[::-1]},
        {"ranking": sent.ranking[:-1]},
        {"ranking": []},
        {"propensity": sent.propensity * (1 + 2**-52)},
    ):
        (receipt,) = await send(shop, msgspec.structs.replace(sent, **changes))
        assert receipt.status == "differs", changes
        assert receipt.message
    assert await statuses(shop, sent) == ["recorded"]


@SQLITE
async def test_a_snapshot_that_was_not_given_to_the_key_is_refused(shop: Shop):
    snapshot = await issue(shop)
    sent = made(shop, snapshot)
    token = snapshot.token
    forged = [
        token[:-1] + ("0" if token[-1] != "0" else "1"),
        token[:10] + "A" + token[11:],
        "sn_",
        "",
        "sn__",
        "dt_1_2",
    ]
    tried = [msgspec.structs.replace(sent, snapshot=each) for each in forged]
    tried.append(msgspec.structs.replace(sent, decision_id=f"dec_{now_ms():012x}{'0' * 20}"))
    assert await statuses(shop, *tried) == ["unknown_snapshot"] * len(tried)
    assert await statuses(shop, sent, key="key_b") == ["unknown_snapshot"]
    merchant, _ = await shop.engine.accounts.add_merchant("other", "Other")
    assert await statuses(Shop(shop.engine, merchant), sent) == ["unknown_snapshot"]


@SQLITE
async def test_decision_outside_the_validity_of_its_snapshot_is_refused(shop: Shop):
    now = now_ms()
    begin = now - 2 * LIFE
    snapshot = await issue(shop, now=begin)
    times = {
        begin - 1: "expired",
        begin: "recorded",
        begin + LIFE: "recorded",
        begin + LIFE + 1: "expired",
    }
    sent = [made(shop, snapshot, number, decided_at=decided_at) for number, decided_at in enumerate(times)]
    assert await statuses(shop, *sent, now=now) == list(times.values())
    future = await issue(shop, now=now)
    sent = [made(shop, future, number, decided_at=now + number * MINUTE) for number in range(3)]
    assert await statuses(shop, *sent, now=now) == ["recorded", "recorded", "expired"]
    late = made(shop, snapshot, 9, decided_at=begin + 1)
    assert await statuses(shop, late, now=begin + 2 + LONGEST_WAY) == ["expired"]


@SQLITE
async def test_a_snapshot_gives_so_many_decisions_and_no_more(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(snapshots, "MOST_OF_BROWSER", 3)
    snapshot = await issue(shop, is_browser=True)
    assert snapshot.most_decisions == 3
    sent = [made(shop, snapshot, number) for number in range(4)]
    assert await statuses(shop, *sent) == ["recorded"] * 3 + ["too_many"]
    # The same numbers at other times are other ids.
    assert await statuses(shop, made(shop, snapshot, 1, decided_at=now_ms() + 5)) == ["too_many"]
    assert await statuses(shop, sent[0]) == ["duplicate"]


@SQLITE_FIRST
async def test_later_plans_and_beliefs_change_nothing(shop: Shop):
    await shop.update_state(card=(40, 20), paypal=(50, 24))
    snapshot = await issue(shop)
    sent = [made(shop, snapshot, number) for number in range(8)]
    await shop.update_state(klarna=(500, 499))
    await shop.create("rule", factories.rule({"exclude": ["card", "paypal"]}))
    assert await statuses(shop, *sent) == ["recorded"] * 8
    for each in sent:
        assert (await shop.engine.logbook.replay(shop.id, each.decision_id)).same


@SQLITE
async def test_missing_snapshot_is_reported(shop: Shop):
    await shop.update_state(card=(40, 20))
    snapshot = await issue(shop)
    first, second = made(shop, snapshot, 0), made(shop, snapshot, 1)
    await shop.update_state(card=(90, 20))
    async with shop.engine.database.write() as connection:
        await connection.execute(delete(beliefs))
    (receipt,) = await send(shop, first)
    assert (receipt.status, "no longer kept" in receipt.message) == ("unknown_snapshot", True)
    await shop.engine.catalogue.delete(shop.actor(), "placement", "", PLACEMENT, version=None)
    assert await statuses(shop, second) == ["unknown_snapshot"]


@SQLITE
async def test_outcomes_of_a_late_decision_count(shop: Shop):
    begin = now_ms() - 5 * 60 * MINUTE
    snapshot = await issue(shop, now=begin)
    sent = made(shop, snapshot, decided_at=begin + MINUTE)
    assert await statuses(shop, sent) == ["recorded"]
    row = (await shop.engine.logbook.get(shop.id, sent.decision_id)).row
    assert row.closes_at is not None
    assert row.closes_at >= now_ms() + TIME_FOR_OUTCOMES - MINUTE
    await shop.engine.recorder.close_due(now_ms())
    await shop.report(sent.decision_id, "converted", sent.ranking[0], occurred_at=begin + 2 * MINUTE)
    assert (await shop.counts())[sent.ranking[0]][1] == 1


@SQLITE
async def test_no_snapshot_if_guests_are_not_personalized(shop: Shop):
    snapshot = await issue(shop)
    sent = made(shop, snapshot)
    await shop.engine.preferences.set_defaults(shop.actor(), PreferenceDefaults(personalization_enabled=False))
    await shop.engine.settings_reader.follow()
    with pytest.raises(Conflict, match="unless they agree"):
        await issue(shop)
    assert await statuses(shop, sent) == ["invalid"]
    async with shop.engine.database.read() as connection:
        assert await decisions.by_ids(connection, shop.id, [sent.decision_id]) == {}


VARIANTS = (Variant(id="a", name="A"), Variant(id="b", name="B", order=("paypal",)))


@SQLITE
@pytest.mark.parametrize(("placement", "rules", "reason"), [
    ({"policy": Contextual(("device.type",))}, (), "weighs facts"),
    ({"holdback": Holdback(share=0.1)}, (), "held back"),
    ({"reward": "margin"}, (), "margin of each cart"),
    ({"credit": "choice", "reward": "revenue"}, (), "depend on the candidates"),
    ({}, (factories.rule({"exclude": ["card"]}, when=factories.CART_OVER_100),), "facts: cart.currency, cart.total"),
])  # fmt: skip
async def test_placement_without_a_snapshot_has_a_reason(
    empty_shop: Shop, placement: dict[str, Any], rules: tuple[Any, ...], reason: str
):
    await empty_shop.add_placement(factories.placement(**placement))
    if rules:
        await empty_shop.create("rule", *rules)
    with pytest.raises(Conflict, match=reason):
        await issue(empty_shop)


@SQLITE
async def test_an_experiment_ends_snapshots(shop: Shop):
    await shop.engine.experiments.create(
        shop.actor(), PLACEMENT, Experiment(id="other", name="Other", variants=VARIANTS, minimum_days=0)
    )
    await issue(shop)
    await shop.engine.experiments.start(shop.actor(), PLACEMENT, "other")
    with pytest.raises(Conflict, match="experiment"):
        await issue(shop)
    with pytest.raises(NotFound):
        await shop.engine.snapshots.issue(SnapshotKey(shop.id, KEY_ID, False), "no_such", now=now_ms())


@SQLITE
async def test_browsers_get_no_limits_of_amount(empty_shop: Shop):
    limited = factories.candidate("klarna", min_amount=2_000, position=1)
    await empty_shop.add_placement(factories.placement(), factories.candidate("card"), limited)
    assert (await issue(empty_shop)).plan.candidates[1].min_amount == 2_000
    with pytest.raises(Conflict, match="limits of amount"):
        await issue(empty_shop, is_browser=True)


@SQLITE
@pytest.mark.parametrize("policy", [Thompson(floor=0.05), Split({"card": 2})])
async def test_a_snapshot_is_the_same_until_something_changes(empty_shop: Shop, policy: Any):
    await empty_shop.add_placement(factories.placement(policy=policy))
    service, key, now = empty_shop.engine.snapshots, SnapshotKey(empty_shop.id, KEY_ID, False), now_ms()
    first, tag = await service.issue(key, PLACEMENT, now=now)
    second, _ = await service.issue(key, PLACEMENT, now=now)
    assert first.plan == second.plan
    assert first.id_suffix != second.id_suffix
    assert service.still_stands(key, PLACEMENT, tag, now=now + snapshots.FRESH - 1)
    assert not service.still_stands(key, PLACEMENT, tag, now=now + snapshots.FRESH)
    assert not service.still_stands(key._replace(key_id="key_b"), PLACEMENT, tag, now=now)
    await empty_shop.create("rule", factories.rule({"exclude": ["card"]}))
    assert not service.still_stands(key, PLACEMENT, tag, now=now)
