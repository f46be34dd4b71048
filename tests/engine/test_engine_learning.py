"""Learning from outcomes: credit, windows, refunds; the folds always agree with the log."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import delete, text, update

from benchmarks.checks import engine as engine_checks
from engine.clock import now_ms
from engine.decisions import rebuild
from engine.model.placement import Thompson
from engine.model.timestamps import DAY, MINUTE
from engine.store import folds
from engine.store.tables import statistics, usage
from tests.factories import METHODS, candidates, order, placement
from tests.marks import SQLITE_FIRST, first_values

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("reproducible_draws")]
LATER = 3 * 60 * MINUTE


async def close_all(engine):
    return await engine.recorder.close_due(now_ms() + LATER)


async def test_a_purchase_counts_against_the_candidates_above_it(shop):
    answer = await shop.decide()
    first, second, third = order(answer.decision)[:3]
    assert (await shop.report(answer, "selected", second)).status == "recorded"
    assert await shop.counts() == {}
    assert (await shop.report(answer, "converted", second)).status == "recorded"
    assert await shop.counts() == {first: (1, 0), second: (1, 1)}
    assert third not in await shop.counts()


async def test_a_declined_payment_counts_against_its_method(shop):
    answer = await shop.decide()
    first, second = order(answer.decision)[:2]
    await shop.report(answer, "selected", first)
    await shop.report(answer, "declined", first)
    await shop.report(answer, "converted", second)
    assert await shop.counts() == {first: (1, 0), second: (1, 1)}


async def test_a_refund_takes_the_success_back(shop):
    answer = await shop.decide("c1")
    first = order(answer.decision)[0]
    await shop.report(answer, "converted", first)
    await shop.report(answer, "refunded", first)
    assert await shop.counts() == {first: (1, 0)}
    reasons = (await shop.decide("c1")).decision.ranking[0].reasons
    assert reasons == []


async def test_order_of_outcomes_does_not_matter(shop):
    now = now_ms()
    outcomes = [("selected", 0, now), ("declined", 0, now + 1), ("selected", 2, now + 2), ("converted", 2, now + 3)]
    sums = []
    for turn in range(4):
        before = await shop.counts()
        answer = await shop.decide()
        for type, index, moment in outcomes[turn:] + outcomes[:turn]:
            await shop.report(answer, type, order(answer.decision)[index], occurred_at=moment)
        ids, after = order(answer.decision), await shop.counts()
        sums.append([tuple(a - b for a, b in zip(after[id], before.get(id, (0, 0)), strict=True)) for id in ids[:3]])
    assert sums == [[(1, 0), (1, 0), (1, 1)]] * 4


async def test_decision_without_outcome_counts_as_failure_at_its_close(shop):
    answer = await shop.decide()
    assert await shop.engine.recorder.close_due(now_ms()) == 0
    assert await close_all(shop.engine) == 1
    assert await shop.counts() == dict.fromkeys(METHODS, (1, 0))
    assert await close_all(shop.engine) == 0
    chosen = order(answer.decision)[0]
    assert (await shop.report(answer, "converted", chosen)).status == "recorded"
    assert await shop.counts() == dict.fromkeys(METHODS, (0, 0)) | {chosen: (1, 1)}


async def test_many_windows_close_in_one_run(shop):
    for _ in range(26):
        await shop.engine.decider.decide(shop.id, ["payment_methods"] * 20, None, {})
    assert await close_all(shop.engine) == 520
    assert (await shop.counts())["card"] == (520, 0)


async def test_reward_selected_is_resolved_by_the_first_selection(empty_shop):
    await empty_shop.add_placement(placement(reward="selected"))
    answer = await empty_shop.decide()
    await empty_shop.report(answer, "selected", order(answer.decision)[0])
    assert await empty_shop.counts(reward="selected") == {order(answer.decision)[0]: (1, 1)}


async def test_buckets_learn_separately(empty_shop):
    await empty_shop.add_placement(placement(buckets=("device.type", "geo.country")))
    for device in ("mobile", "desktop"):
        answer = await empty_shop.decide(device_type=device, geo_country="DE")
        await empty_shop.report(answer, "converted", order(answer.decision)[0])
    answer = await empty_shop.decide(device_type="mobile")
    await empty_shop.report(answer, "converted", order(answer.decision)[0])
    assert [sum(n for n, _ in (await empty_shop.counts(bucket)).values()) for bucket in
            ("mobile|DE", "desktop|DE", "mobile|-", "desktop|-")] == [1, 1, 1, 0]  # fmt: skip


async def test_repeated_event_counts_once(shop):
    answer = await shop.decide()
    first = order(answer.decision)[0]
    row = shop.outcome(answer, "converted", first, event="once")
    together = await shop.engine.recorder.outcomes([row, row])
    again = await shop.engine.recorder.outcomes([row])
    assert [item.status for item in (*together, *again)] == ["recorded", "duplicate", "duplicate"]
    assert await shop.counts() == {first: (1, 1)}


async def test_first_of_two_reports_of_an_event_counts(shop):
    now = now_ms()
    reports = [
        shop.outcome(None, "converted", "klarna", customer="c1", event="e", occurred_at=now - 5 * DAY),
        shop.outcome(None, "converted", "ideal", customer="c1", event="e", occurred_at=now),
    ]
    receipts = await shop.engine.recorder.outcomes(reports)
    assert [receipt.status for receipt in receipts] == ["recorded", "conflict"]
    history = (await shop.decide("c1")).facts.history
    assert set(history) == {"klarna"}
    assert await rebuild.compare(shop.engine.database) == []


async def test_two_merchants_events_of_the_same_name_both_count(shop):
    _, other = await shop.engine.accounts.add_merchant("other", "Other")
    theirs = type(shop)(shop.engine, other)
    await theirs.add_placement()
    rows = [
        shop.outcome(None, "converted", "card", customer="c1", event="e"),
        theirs.outcome(None, "converted", "ideal", customer="c1", event="e"),
    ]
    assert [outcome.status for outcome in await shop.engine.recorder.outcomes(rows)] == ["recorded", "recorded"]
    assert set((await shop.decide("c1")).facts.history) == {"card"}
    assert set((await theirs.decide("c1")).facts.history) == {"ideal"}


async def test_a_decision_of_another_merchant_is_unknown(shop):
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    theirs = type(shop)(shop.engine, other)
    answer = await shop.decide()
    receipt = await theirs.report(answer, "converted", "card")
    assert (receipt.status, receipt.message) == ("unknown_decision", "decision_id: there is no such decision")
    assert receipt == await theirs.report("dec_nothing", "converted", "card", event=receipt.event_id)
    assert await shop.counts() == {}


@pytest.mark.parametrize(
    ("type", "candidate", "message"),
    [
        ("converted", "bitcoin", "candidate_id: not a candidate of this decision"),
        ("converted", None, "candidate_id: a converted outcome names its candidate"),
        ("shown", "bitcoin", "candidate_id: not a candidate of this decision"),
    ],
)
async def test_an_outcome_names_a_candidate_of_its_decision(shop, type, candidate, message):
    receipt = await shop.report(await shop.decide(), type, candidate)
    assert (receipt.status, receipt.message) == ("invalid", message)


async def test_an_invalid_report_may_be_corrected_and_sent_again(shop):
    answer = await shop.decide()
    assert (await shop.report(answer, "converted", None, event="e")).status == "invalid"
    assert (await shop.report(answer, "converted", "card", event="e")).status == "recorded"


async def test_a_method_that_was_excluded_may_have_been_bought_elsewhere(shop):
    await shop.create("rule", *_hide("klarna"))
    answer = await shop.decide()
    assert (await shop.report(answer, "converted", "klarna")).status == "recorded"
    assert "klarna" not in await shop.counts()


def _hide(method):
    from tests.factories import rule

    return [rule({"exclude": [method]})]


async def test_purchases_without_a_decision_change_only_the_history(shop):
    for number in range(5):
        assert (await shop.report(None, "converted", "ideal", customer="c1")).status == "recorded", number
    answer = await shop.decide("c1")
    assert answer.facts.history["ideal"].purchases == 5
    assert answer.facts.values["history.purchases"] == 5
    assert answer.facts.values["history.favourite"] == "ideal"
    assert await shop.counts() == {}
    assert (await shop.decide("c2")).facts.history == {}


async def test_after_five_purchases_a_favourite_is_nearly_always_first(shop):
    await shop.update_state(card=(2_000, 760), paypal=(2_000, 440), klarna=(2_000, 200), ideal=(2_000, 80))
    await shop.update_state(apple_pay=(2_000, 240), sepa_debit=(2_000, 100))
    for _ in range(5):
        answer = await shop.decide("c1")
        await shop.report(answer, "converted", "sepa_debit")
    answers = [await shop.decide("c1") for _ in range(60)]
    assert sum(order(item.decision)[0] == "sepa_debit" for item in answers) > 50


async def test_older_selection_counts_less(shop):
    await shop.report(None, "converted", "card", customer="c1", occurred_at=now_ms() - 45 * DAY)
    await shop.report(None, "converted", "ideal", customer="c1")
    history = (await shop.decide("c1")).facts.history
    assert history["card"].successes == pytest.approx(0.5)
    assert history["ideal"].successes == 1.0
    assert history["card"].purchases == history["ideal"].purchases == 1


@pytest.mark.parametrize("seed", first_values(range(3), 1))
async def test_a_rebuild_always_equals_the_folds(engine, seed):
    shops = await engine_checks.open_shops(engine)
    receipts = await engine_checks.play(shops, decision_count=150, outcome_count=600, seed=seed)
    assert all(
        receipts[status] > 4 for status in ("recorded", "duplicate", "conflict", "unknown_decision", "invalid")
    ), receipts
    assert await rebuild.compare(engine.database) == []
    async with engine.database.read() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM usage"))).scalar() > 50
        assert (await connection.execute(text("SELECT count(*) FROM statistics"))).scalar() > 20


async def test_a_rebuild_repairs_folds_that_were_tampered_with(shop):
    for number in range(4):
        answer = await shop.decide(f"c{number}")
        await shop.report(answer, "converted", order(answer.decision)[1])
    right = await shop.counts()
    async with shop.engine.database.write() as connection:
        await connection.execute(update(statistics).values(trials=statistics.c.trials + 1))
        await connection.execute(delete(usage).where(usage.c.successes > 0))
    differences = await rebuild.compare(shop.engine.database)
    assert {difference.fold for difference in differences} == {"statistics", "usage"}
    assert all(difference.stored != difference.rebuilt for difference in differences)
    await rebuild.rebuild(shop.engine.database)
    assert await rebuild.compare(shop.engine.database) == []
    assert await shop.counts() == right


@pytest.fixture
def meanwhile(monkeypatch):
    """`meanwhile(act)`: `act` begins when the log has been folded, and gets a while before the folds are touched."""
    fold_log, begun = rebuild.fold_log, []

    def arrange(act):
        async def fold_and_dawdle(*arguments):
            sums = await fold_log(*arguments)
            begun.append(asyncio.ensure_future(act()))
            await asyncio.wait(begun, timeout=0.5)
            return sums

        monkeypatch.setattr(rebuild, "fold_log", fold_and_dawdle)
        return begun

    return arrange


async def test_a_rebuild_loses_nothing_that_another_process_records_meanwhile(shop, start_engine, meanwhile):
    answers = [await shop.decide(f"c{number}") for number in range(2)]
    await shop.report(answers[0], "converted", order(answers[0].decision)[0])
    other = await start_engine()
    late = shop.outcome(answers[1], "converted", order(answers[1].decision)[0])
    begun = meanwhile(lambda: other.recorder.outcomes([late]))
    await rebuild.rebuild(shop.engine.database)
    [[receipt]] = await asyncio.gather(*begun)
    assert receipt.status == "recorded"
    assert sum(won for _, won in (await shop.counts()).values()) == 2
    meanwhile(asyncio.Event().wait)
    assert await rebuild.compare(shop.engine.database) == []


async def test_check_uses_a_snapshot_and_blocks_no_writer(shop, start_engine, meanwhile):
    answer = await shop.decide("c1")
    other = await start_engine()
    late = shop.outcome(answer, "converted", order(answer.decision)[0])
    begun = meanwhile(lambda: other.recorder.outcomes([late]))
    assert await rebuild.compare(shop.engine.database) == []
    assert begun[0].done()
    assert begun[0].result()[0].status == "recorded"


async def test_returning_candidates_keep_their_statistics(shop):
    answer = await shop.decide()
    first = order(answer.decision)[0]
    await shop.report(answer, "converted", first)
    catalogue = shop.engine.catalogue
    gone = await catalogue.delete(shop.actor(), "candidate", "payment_methods", first, version=None)
    assert first not in order((await shop.decide()).decision)
    await shop.create("candidate", gone.document)
    await shop.engine.live.refresh(at_once=True)
    ranked = {item.id: item.score for item in (await shop.decide()).decision.ranking}
    assert ranked[first] == pytest.approx(2 / 3)
    assert len(candidates()) == len(ranked)


@SQLITE_FIRST
async def test_reward_revenue_prefers_larger_amounts(empty_shop):
    await empty_shop.add_placement(placement(reward="revenue", policy=Thompson(floor=0.0)))
    for number in range(60):
        answer = await empty_shop.decide()
        first = order(answer.decision)[0]
        amount = 90_000 if first == "klarna" else 1_000
        row = empty_shop.outcome(answer, "converted", first, amount=amount)
        await empty_shop.engine.recorder.outcomes([row])
        if number % 10 == 9:
            await empty_shop.engine.live.refresh(at_once=True)
    firsts = [order((await empty_shop.decide()).decision)[0] for _ in range(40)]
    assert firsts.count("klarna") > 30
    assert await rebuild.compare(empty_shop.engine.database) == []


async def test_amount_in_another_currency_is_not_learned(empty_shop):
    await empty_shop.add_placement(placement(reward="revenue"))
    answer = await empty_shop.decide()
    first = order(answer.decision)[0]
    await empty_shop.engine.recorder.outcomes(
        [empty_shop.outcome(answer, "converted", first, amount=5, currency="JPY")]
    )
    async with empty_shop.engine.database.read() as connection:
        rows = await folds.days(connection, (empty_shop.id, "payment_methods", "revenue"), bucket=None, since_day=0)
    assert [(row.successes, row.priced, row.amount) for row in rows] == [(1, 0, 0)]
