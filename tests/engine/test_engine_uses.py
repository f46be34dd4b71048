"""Counts of fired rules and sent fields; rules on a field that is never sent are reported."""

from __future__ import annotations

import pytest

from engine.clock import now_ms
from engine.decisions.usage import ENOUGH
from engine.model.errors import NotFound
from engine.model.timestamps import DAY
from rules import parse_rule
from tests.factories import plan, rule
from tests.marks import SQLITE_FIRST

pytestmark = pytest.mark.anyio
SMALL = {"<": [{"var": "cart.total"}, 5000]}
GERMAN = {"==": [{"var": "geo.country"}, "DE"]}


async def count(shop):
    await shop.engine.use_counter.flush()


async def test_rule_has_daily_counts_missing_fields_and_last_time(shop):
    await shop.create("rule", rule({"exclude": ["ideal"]}, when=SMALL, id="small"))
    for total in (100, 200, 9_000):
        await shop.decide(cart_total=total)
    await shop.decide(geo_country="DE")
    await count(shop)
    uses = (await shop.engine.uses.rules(shop.id, "payment_methods"))["small"]
    assert (uses.fired, uses.skipped, uses.lacked) == (2, 1, {"cart.total": 1})
    assert uses.fired_since(now_ms() // DAY - 6) == 2
    assert uses.fired_since(now_ms() // DAY + 1) == 0
    assert now_ms() - uses.last_fired < DAY
    assert "other" not in await shop.engine.uses.rules(shop.id, "payment_methods", rule="other")
    with pytest.raises(NotFound):
        await shop.engine.uses.rules(shop.id, "nowhere")


async def test_field_never_sent_is_reported_after_enough_answers(shop):
    for number in range(ENOUGH):
        if number == ENOUGH - 1:
            await count(shop)
            assert not (await shop.engine.uses.fields(shop.id)).never("cart.total")
        await shop.decide(geo_country="DE")
    await count(shop)
    uses = await shop.engine.uses.fields(shop.id)
    assert uses.never("cart.total")
    assert not uses.never("geo.country")
    assert (uses.share("geo.country"), uses.share("cart.total")) == (1, 0)
    other, _ = await shop.engine.accounts.add_merchant("other", "Other")
    assert (await shop.engine.uses.fields(other.id)).share("geo.country") is None


@SQLITE_FIRST
@pytest.mark.parametrize(
    ("when", "can_fire"),
    [
        (SMALL, False),
        ({"!": SMALL}, False),
        ({"and": [SMALL, GERMAN]}, False),
        ({"or": [SMALL, GERMAN]}, True),
        ({"exists": [{"var": "cart.total"}]}, False),
        ({"!": {"exists": [{"var": "cart.total"}]}}, True),
        ({"missing": ["cart.total"]}, True),
        ({"<": [{"var": ["cart.total", 0]}, 5000]}, True),
        ({"and": [{"missing": ["cart.total"]}, SMALL]}, False),
        ({"if": [GERMAN, SMALL, True]}, True),
    ],
)
async def test_rule_without_a_field_fires_depending_on_its_condition(shop, when, can_fire):
    for _ in range(ENOUGH):
        await shop.decide(geo_country="DE")
    await count(shop)
    item = plan()
    read = parse_rule({"id": "r", "when": when, "effects": [{"exclude": ["ideal"]}]}, item.vocabulary, item.lists)
    never_sent = (await shop.engine.uses.fields(shop.id)).waiting_for(read)
    assert never_sent == (("cart.total",), can_fire)
