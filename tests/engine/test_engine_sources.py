"""Who reported an outcome decides what it can do: a browser cannot stand in the way of the merchant's server."""

from __future__ import annotations

import msgspec
import pytest

from engine.decisions import rebuild
from engine.model.outcome import LARGEST_AMOUNT, MOST_OUTCOMES
from tests.factories import order

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


async def test_a_repeated_id_with_other_content_says_what_is_stored(shop):
    answer = await shop.decide()
    card, other = order(answer.decision)[:2]
    await shop.report(answer, "converted", card, event="e", amount=500)
    receipt = await shop.report(answer, "converted", other, event="e", amount=700)
    assert receipt.status == "conflict"
    assert (receipt.stored.type, receipt.stored.candidate_id, receipt.stored.amount) == ("converted", card, 500)
    assert (await shop.report(answer, "converted", card, event="e", amount=500)).status == "duplicate"
    assert (await shop.counts())[card] == (1, 1)


async def test_a_conflict_inside_one_list_is_told(shop):
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


async def test_the_default_reward_learns_nothing_from_browsers(shop):
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
