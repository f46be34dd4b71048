"""Problems on the overview: each once, the worst first, with a link to its page."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from engine.clock import now_ms
from engine.decisions.usage import FieldUses, RuleUses
from engine.insights.learning_history import Jump
from engine.learning.outage_watch import Outage
from engine.model.documents.offer import OfferBudget
from engine.model.facts import REPORTED
from engine.model.offers.hold import Balance
from engine.model.resource import Resource
from engine.model.standard_vocabulary import STANDARD
from engine.model.timestamps import DAY, HOUR
from engine.offers.budgets import BudgetBalance
from engine.statistics.alarms import Alarm
from tests import factories
from web.admin.overview.attention import AttentionItem, attention_of
from web.charts.candidate_names import CandidateNames
from web.format import Show, viewer_locale

NAMES = CandidateNames({"card": "Card", "paypal": "PayPal"}, {"card": 0, "paypal": 1})
PLACEMENT = factories.placement()
LONG_AGO = 0


class Uses:
    """Counts as the engine reads them: of a week and of today."""

    def __init__(self, week: FieldUses, today: FieldUses, rules: dict[str, RuleUses]) -> None:
        self._fields, self._rules = {7: week, 1: today}, rules

    async def fields(self, _merchant_id: int, *, days: int) -> FieldUses:
        return self._fields[days]

    async def rules(self, _merchant_id: int, _placement: str, *, days: int) -> dict[str, RuleUses]:
        assert days == 7
        return self._rules


class Listed:
    """Anything of the engine that answers a list."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    async def answer(self, *_: Any, **__: Any) -> list[Any]:
        return self._items

    page = everywhere = alarms = jumps = answer


def uses(week: int = 2_000, today: int = 500, fields: Any = (), rules: Any = ()) -> Uses:
    """Return counts in which `fields` are (name, times in the week, times today)."""
    all = {name: count for name, count, _ in fields}
    now = {name: count for name, _, count in fields}
    return Uses(FieldUses(0, week, all), FieldUses(0, today, now), dict(rules))


def items(
    *,
    outages: tuple[Outage, ...] = (),
    alarms: list[Alarm] | None = None,
    counts: Uses | None = None,
    budgets: list[BudgetBalance] | None = None,
    jumps: list[Jump] | None = None,
    rules: tuple[Resource, ...] = (),
    reported: dict[str, str] | None = None,
) -> list[AttentionItem]:
    """Return what needs attention where this is so."""
    active = SimpleNamespace(availability_facts={REPORTED: reported} if reported else {})
    engine = SimpleNamespace(
        live=SimpleNamespace(outages=lambda *_: outages, get=lambda *_: active),
        dashboards=Listed(alarms or []),
        uses=counts or uses(0, 0),
        budgets=Listed(budgets or []),
        experiments=Listed([]),
        insights=Listed(jumps or []),
    )
    frame: Any = SimpleNamespace(
        engine=engine,
        merchant=SimpleNamespace(id=1, currency="EUR"),
        show=Show(locale=viewer_locale("en"), timezone="UTC", now=now_ms()),
        base="/admin/live",
    )
    configuration: Any = SimpleNamespace(fields=lambda: STANDARD, inside=lambda _placement: list(rules))
    return asyncio.run(attention_of(frame, configuration, PLACEMENT, NAMES))


def rule(id: str = "r1", *, changed_at: int = LONG_AGO, **changes: Any) -> Resource:
    document = factories.rule({"exclude": ["card"]}, id=id, **changes)
    return Resource("rule", PLACEMENT.key, id, 1, document, changed_at)


def budget(amount: int, spent: int, **changes: Any) -> BudgetBalance:
    document = OfferBudget(id="spring", name="Spring", currency="EUR", amount=amount, **changes)
    return BudgetBalance(document, 1, Balance(spent=spent))


def test_no_problem_gives_no_message():
    assert items() == []
    assert items(counts=uses(fields=[("geo.country", 2_000, 500)])) == []


def test_unavailable_candidate_is_named():
    [item] = items(reported={"paypal": "not available: gateway down"})
    assert (item.mark, item.href) == ("Unavailable", "/admin/live/placements/payment_methods")
    assert item.text == "PayPal is not available: gateway down. No answer shows it."


def test_worst_problem_is_first():
    down = Outage("paypal", now_ms() - HOUR)
    jump = Jump("card", now_ms() // DAY - 1, 0.5, 0.7)
    sorted_items = items(outages=(down,), jumps=[jump], budgets=[budget(1_000, 850)])
    assert [item.mark for item in sorted_items] == ["Down", "Budget nearly spent", "Jump"]
    assert "PayPal seems to be down since" in sorted_items[0].text
    assert "Card jumped from 50.0% to 70.0%" in sorted_items[2].text
    assert sorted_items[2].href == "/admin/live/placements/payment_methods/performance/card"


def test_old_jump_is_not_reported():
    assert items(jumps=[Jump("card", now_ms() // DAY - 10, 0.5, 0.7)]) == []


@pytest.mark.parametrize(
    ("alarm", "mark", "text"),
    [
        (Alarm("fallbacks", 0.2, 0.0, 10), "Fallbacks", "20.0% of the answers since"),
        (Alarm("latency", 812.4, 95.2, 10), "Slow answers", "took longer than 812 ms; usual are 95 ms"),
        (Alarm("latency", 812.4, 0.0, 10), "Slow answers", "took longer than 812 ms."),
        (Alarm("outcomes_stopped", 0.0, 0.4, 10), "Outcomes stopped", "usually 40.0% of checkouts end in one"),
        (Alarm("conversion", 0.3, 0.4, 10), "Fewer purchases", "30.0% of yesterday’s checkouts"),
        (Alarm("conversion", 0.5, 0.4, 10), "More purchases", "usual are 40.0%"),
    ],
)
def test_alarm_names_the_usual_range(alarm: Alarm, mark: str, text: str):
    (item,) = items(alarms=[alarm])
    assert item.mark == mark
    assert text in item.text


def test_a_fact_that_stopped_today_is_named():
    (item,) = items(counts=uses(fields=[("geo.country", 1_500, 0), ("device.type", 2_000, 500)]))
    assert (item.mark, item.href) == ("Fact missing", "/admin/live/fields")
    assert item.text == "The fact “Country” stopped arriving: 0% of today’s checkouts have it, 100% did before."


def test_rare_fact_is_not_reported():
    assert items(counts=uses(fields=[("geo.country", 100, 0)])) == []
    assert items(counts=uses(week=300, today=150, fields=[("geo.country", 150, 0)])) == [], "too few answers"


def test_rule_that_never_fires_is_linked():
    (item,) = items(rules=(rule(name="No card"),), counts=uses())
    assert item.text == "The rule “No card” did not fire in 2,000 checkouts of the last 7 days."
    assert item.href == "/admin/live/rules/payment_methods/r1/uses"


@pytest.mark.parametrize(
    "resource",
    [rule(enabled=False), rule(changed_at=2**42), rule(active_from="2030-01-01T00:00:00Z")],
    ids=["off", "new", "planned"],
)
def test_rule_that_could_not_fire_is_not_reported(resource: Resource):
    assert items(rules=(resource,), counts=uses()) == []


def test_rule_that_fired_this_week_is_not_reported():
    fired = RuleUses({now_ms() // DAY: 3}, {}, now_ms())
    assert items(rules=(rule(),), counts=uses(rules={"r1": fired}.items())) == []


def test_nearly_spent_budget_is_named():
    assert items(budgets=[budget(1_000, 700), budget(1_000, 2_000, scope="customer")]) == []
    (item,) = items(budgets=[budget(1_000, 1_000)])
    assert (item.kind, item.mark) == ("bad", "Budget used up")
    assert item.href == "/admin/live/budgets/spring"
