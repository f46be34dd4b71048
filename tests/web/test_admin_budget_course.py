"""The spending of a budget over time, and the filtered ledger."""

from __future__ import annotations

import pytest

from engine.clock import now_ms
from engine.model.timestamps import DAY, rfc3339
from tests.serving import Server, Side
from tests.web.offer_shop import OFFER, open_offer
from tests.web.people import Person
from web.openapi import examples


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    """An admin of a merchant with one offer, paid by the budget `spring`."""
    return open_offer(server, side)


# The course of a budget, and the ledger


def spend(side: Side, customer: str = "anna") -> str:
    """Show the offer and redeem it; return the hold."""
    cart = {"total": 4_000, "currency": "EUR"}
    answer = side.client.post(
        "/v1/personalize/offers", json={"customer_id": customer, "context": {"cart": cart}}
    ).json()
    hold_id: str = answer["offers"][0]["hold_id"]
    assert side.client.post("/v1/redemptions/redeem", json={"hold_id": hold_id, "cart": cart}).status_code == 200
    return hold_id


def test_budget_page_predicts_when_the_budget_is_spent(person: Person, side: Side) -> None:
    assert "chart-budget" not in person.get("/admin/budgets/spring")
    spend(side)
    page = person.get("/admin/budgets/spring")
    assert "At this pace used up in" in page
    assert "Pace: €4.00 a day" in page
    assert '<td class="num">€6.00</td>' in page
    spend(side, "ben")
    assert "Nearly used up" in person.get("/admin/budgets/spring")


def test_paced_budget_page_predicts_the_amount_left_at_its_end(person: Person, side: Side) -> None:
    pacing = {"starts_at": rfc3339(now_ms() - DAY), "ends_at": rfc3339(now_ms() + DAY)}
    paced = {**examples.BUDGET, "amount": 5_000, "pacing": pacing}
    assert side.client.put("/v1/budgets/spring", json=paced, headers={"if-match": "*"}).status_code == 200
    spend(side)
    page = person.get("/admin/budgets/spring")
    assert "Spread over" in page
    assert "At this pace €42." in page
    assert "is left when its time ends on" in page


@pytest.mark.parametrize("changes", [{"period": "day"}, {"scope": "customer", "uses": 3}, {"amount": None, "uses": 50}])
def test_every_kind_of_budget_has_a_chart(person: Person, side: Side, changes: dict[str, object]) -> None:
    side.client.post("/v1/budgets", json={**examples.BUDGET, "id": "other", **changes})
    document = {"id": "ten", "label": "Ten", "offer": {**OFFER, "budgets": ["spring", "other"]}}
    side.client.put("/v1/placements/offers/candidates/ten", json=document, headers={"if-match": "*"})
    spend(side)
    page = person.get("/admin/budgets/other")
    assert 'data-chart="chart-budget"' in page
    assert ("spent in the last 30 days" in page) == ("amount" not in changes)


def test_ledger_is_filtered_and_downloaded(person: Person, side: Side) -> None:
    assert "No entries" in person.get("/admin/ledger")
    hold_id = spend(side)
    spend(side, "ben")
    page = person.get("/admin/ledger?customer=anna&kind=commit&budget=spring&offer=ten")
    assert page.count("<td>Redeemed</td>") == 1
    assert hold_id[-8:] in page
    assert "Ten percent" in page
    assert "No entries" in person.get("/admin/ledger?customer=carl")
    assert person.get("/admin/ledger?budget=&before=odd").count("<tr>") == 5
    lines = person.get("/admin/ledger/ledger.csv?kind=commit").splitlines()
    assert lines[0].startswith("recorded_at,kind,debit")
    assert len(lines) == 3
    hashed = lines[1].split(",")[6]
    assert person.get(f"/admin/ledger?customer={hashed}").count("<td>Redeemed</td>") == 1


def test_ledger_pages_keep_the_filter(person: Person, side: Side) -> None:
    side.client.put("/v1/budgets/spring", json={**examples.BUDGET, "amount": 10**6}, headers={"if-match": "*"})
    for number in range(26):
        spend(side, f"c{number}")
    page = person.get("/admin/ledger?offer=ten")
    following = page.partition('href="/admin/live/ledger?')[2].partition('"')[0]
    while "before=" not in following:
        page = page.partition('href="/admin/live/ledger?')[2]
        following = page.partition('href="/admin/live/ledger?')[2].partition('"')[0]
    assert person.get(f"/admin/ledger?{following}").count("<tr>") == 3
