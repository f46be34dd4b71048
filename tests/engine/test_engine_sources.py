"""The source of an outcome limits its effect: a browser cannot block the merchant's server."""

from __future__ import annotations

import msgspec
import pytest

from engine.clock import now_ms
from engine.decisions import rebuild
from engine.decisions.retract import retract
from engine.model.history import AuditFilter
from engine.model.outcome import LARGEST_AMOUNT, MOST_OUTCOMES, Retraction
from engine.model.timestamps import DAY, MINUTE
from tests.factories import order
from tests.marks import SQLITE
from tests.query_plans import look_through, watched, writers_of

pytestmark = pytest.mark.anyio


def browser(shop, answer, type, candidate=None, **more):
    """An outcome that a browser reports on its decision."""
    row = shop.outcome(answer, type, candidate, **more)
    return msgspec.structs.replace(row, source="browser", key_id="key_browser", space=row.decision_id)


async def record(shop, *rows):
    return [receipt.status for receipt in await shop.engine.recorder.outcomes(list(rows))]


async def test_a_browser_cannot_take_the_id_of_an_order(shop):
    fake, real = await shop.decide(), await shop.decide()
    card = order(real.decision)[0]
    assert await record(shop, browser(shop, fake, "shown", event="order-5001")) == ["recorded"]
    receipt = await shop.report(real, "converted", card, event="order-5001", amount=5_000)
    assert receipt.status == "recorded"
    assert (await shop.counts())[card] == (1, 1)


async def test_browsers_cannot_take_ids_from_each_other(shop):
    first, second = await shop.decide(), await shop.decide()
    rows = [browser(shop, answer, "shown", event="seen") for answer in (first, second, second)]
    assert await record(shop, *rows) == ["recorded", "recorded", "duplicate"]


async def test_repeated_id_with_other_content_returns_the_stored_outcome(shop):
    answer = await shop.decide()
    card, other = order(answer.decision)[:2]
    await shop.report(answer, "converted", card, event="e", amount=500)
    receipt = await shop.report(answer, "converted", other, event="e", amount=700)
    assert receipt.status == "conflict"
    assert (receipt.stored.type, receipt.stored.candidate_id, receipt.stored.amount) == ("converted", card, 500)
    assert (await shop.report(answer, "converted", card, event="e", amount=500)).status == "duplicate"
    assert (await shop.counts())[card] == (1, 1)


async def test_conflict_inside_a_list_is_reported(shop):
    answer = await shop.decide()
    card, other = order(answer.decision)[:2]
    rows = [shop.outcome(answer, "converted", name, event="e") for name in (card, other, card)]
    assert await record(shop, *rows) == ["recorded", "conflict", "duplicate"]


async def test_a_decision_has_a_limited_number_of_outcomes(shop):
    answer = await shop.decide()
    rows = [shop.outcome(answer, "shown", event=f"e{number}") for number in range(MOST_OUTCOMES + 2)]
    assert await record(shop, *rows) == ["recorded"] * MOST_OUTCOMES + ["invalid"] * 2
    receipt = (await shop.engine.recorder.outcomes(rows[-1:]))[0]
    assert str(MOST_OUTCOMES) in receipt.message
    assert await record(shop, rows[0]) == ["duplicate"]


async def test_a_browser_leaves_room_for_the_server(shop):
    answer = await shop.decide()
    rows = [browser(shop, answer, "shown", event=f"e{number}") for number in range(MOST_OUTCOMES)]
    assert set(await record(shop, *rows)) == {"recorded"}
    assert (await shop.report(answer, "converted", order(answer.decision)[0])).status == "recorded"


async def test_too_large_an_amount_is_refused(shop):
    answer = await shop.decide()
    card = order(answer.decision)[0]
    receipt = await shop.report(answer, "converted", card, amount=LARGEST_AMOUNT + 1)
    assert receipt.status == "invalid"
    assert str(LARGEST_AMOUNT) in receipt.message
    assert (await shop.report(answer, "converted", card, amount=LARGEST_AMOUNT)).status == "recorded"


async def test_default_reward_ignores_browsers(shop):
    answer = await shop.decide("c1")
    card = order(answer.decision)[0]
    await record(shop, browser(shop, answer, "selected", card), browser(shop, answer, "abandoned"))
    assert await shop.counts() == {}
    assert await rebuild.compare(shop.engine.database) == []


async def test_the_purchase_of_a_server_replaces_that_of_a_browser(shop):
    answer = await shop.decide("c1")
    card, other = order(answer.decision)[:2]
    await record(shop, browser(shop, answer, "converted", other, amount=900))
    assert (await shop.counts())[other] == (1, 1)
    await shop.report(answer, "converted", card, amount=100)
    counts = await shop.counts()
    assert counts[card] == (1, 1)
    assert counts.get(other, (0, 0))[1] == 0
    assert await rebuild.compare(shop.engine.database) == []


async def test_a_browser_is_late_once_the_window_is_over(shop):
    answer = await shop.decide()
    late = browser(shop, answer, "shown")
    late = msgspec.structs.replace(late, recorded_at=late.recorded_at + 60 * 60_000)
    assert await record(shop, late) == ["invalid"]


async def play(shop):
    """Ten visits with words of a browser and, in every other one, a purchase by the server; some windows are over."""
    for number in range(10):
        answer = await shop.decide(f"c{number % 3}")
        first, second = order(answer.decision)[:2]
        rows = [browser(shop, answer, "converted", second, amount=10**6), browser(shop, answer, "selected", second)]
        assert await record(shop, *rows) == ["recorded"] * 2
        if number % 2:
            await shop.report(answer, "converted", first, amount=100)
        if number == 6:
            await shop.engine.recorder.close_due(now_ms() + 60 * MINUTE)


async def test_retracted_outcomes_leave_the_sums_of_a_log_without_them(shop):
    await play(shop)
    before = await shop.counts()
    database, since, until = shop.engine.database, now_ms() - DAY, now_ms() + 1
    others = Retraction(shop.id, "browser", since, until, key_id="key_other")
    assert await retract(database, others, actor_name="ada") == 0
    assert {name: counts for name, counts in before.items() if any(counts)} == await shop.counts()
    assert await retract(database, Retraction(shop.id, "browser", since, until), actor_name="ada") == 20
    assert await rebuild.compare(database) == []
    after = await shop.counts()
    assert sum(successes for _, successes in after.values()) == 5
    assert sum(successes for _, successes in before.values()) == 10
    entries = await shop.engine.catalogue.audit(
        shop.id, before_id=None, narrowed=AuditFilter(subject="outcomes"), limit=5
    )
    assert [(entry.action, entry.actor) for entry in entries] == [("retracted", "ada")] * 2


async def test_retracted_purchases_leave_the_customers_history(shop):
    await record(shop, shop.outcome(None, "converted", "klarna", customer="c1"))
    assert set((await shop.decide("c1")).facts.history) == {"klarna"}
    await retract(shop.engine.database, Retraction(shop.id, "server", 0, now_ms() + 1), actor_name="ada")
    assert (await shop.decide("c1")).facts.history == {}
    assert await rebuild.compare(shop.engine.database) == []


@SQLITE
async def test_a_retraction_seeks_its_outcomes_while_decisions_wait(shop):
    database = shop.engine.database
    for _ in range(2):
        await shop.report(None, "converted", "card", customer="anna", amount=5_000)
    with watched(*writers_of(database)) as statements:
        assert await retract(database, Retraction(shop.id, "server", 0, now_ms() + 1), actor_name="ada") == 2
    assert any("outcomes" in sql for sql, _ in statements)
    assert await look_through(database, statements, ["outcomes"]) == []
