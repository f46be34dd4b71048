"""The estimated cost of an offer, on its page, before customers see it."""

from __future__ import annotations

import pytest

from engine.model.timestamps import DAY
from engine.previews.estimation.offer_cost import OfferCost
from tests.serving import Server, Side
from tests.web.offer_shop import NEW_OFFER_FORM, open_offer
from tests.web.people import Person, add_person
from web.admin.offers.offer_cost import words_of
from web.format import ENGLISH, Show

PAGE = "/admin/offers/five"
SHOW = Show(locale=ENGLISH, timezone="UTC", now=20_000 * DAY)


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    """An admin of a merchant with an offer in force and a paused one."""
    created = open_offer(server, side)
    paused = {name: value for name, value in NEW_OFFER_FORM.items() if name not in ("enabled", "min_amount")}
    assert created.send("/admin/offers/-/new", **paused).status_code == 303
    return created


def ask_the_log(server: Server, side: Side, person: Person) -> str:
    """Send the form and wait for the answer."""
    assert person.send(f"{PAGE}/cost").status_code == 303
    previews = server.engine.previews
    newest = server.run(previews.newest(side.merchant.id, "offers", offer="five"))
    assert newest is not None
    server.run(previews.finish(side.merchant.id, newest.id))
    return person.get(PAGE)


def test_paused_offer_shows_its_estimated_cost(server: Server, person: Person, side: Side) -> None:
    assert "Ask the log of the last 30 days" in person.get(PAGE)
    for number in range(3):
        cart = {"total": 4_000, "currency": "EUR"}
        body = {"customer_id": f"c{number}", "context": {"cart": cart}}
        assert side.client.post("/v1/personalize/offers", json=body).status_code == 200
    page = ask_the_log(server, side, person)
    assert "At most €15.00 in 30 days" in page
    assert "to 3 customers" in page
    assert "too few customers for an interval" in page
    assert "Ask again" in page
    assert side.client.get("/v1/placements/offers/candidates/five").json()["enabled"] is False


def test_cost_is_unknown_without_past_decisions(server: Server, person: Person, side: Side) -> None:
    page = ask_the_log(server, side, person)
    assert "Cannot be known from the past" in page
    assert "No checkout asked for offers in the last 30 days." in page


def test_estimate_replaces_the_form(server: Server, person: Person, side: Side) -> None:
    headers = {"hx-request": "true", "x-csrf-token": person.csrf()}
    address = person.address(f"{PAGE}/cost")
    started = person.client.post(address, headers=headers)
    assert started.status_code == 200
    assert 'id="offer-cost"' in started.text
    assert "<html" not in started.text
    newest = server.run(server.engine.previews.newest(side.merchant.id, "offers", offer="five"))
    assert newest is not None
    server.run(server.engine.previews.finish(side.merchant.id, newest.id))
    assert "Cannot be known" in person.client.get(address, headers={"hx-request": "true"}).text
    assert "<html" in person.get(f"{PAGE}/cost")


def test_viewer_reads_the_estimate_and_cannot_request_one(server: Server, person: Person, side: Side) -> None:
    ask_the_log(server, side, person)
    viewer = add_person(server, side, role="viewer")
    page = viewer.get(PAGE)
    assert "Cannot be known from the past" in page
    assert 'id="cost-ask"' not in page
    assert viewer.send(f"{PAGE}/cost").status_code == 403


def test_candidates_without_an_offer_have_no_cost(person: Person) -> None:
    assert person.client.get(person.address("/admin/offers/none/cost")).status_code == 404
    assert person.send("/admin/offers/none/cost").status_code == 404


# In words


def test_estimate_has_an_interval_and_the_present_rate() -> None:
    cost = OfferCost(decisions=80, customers=50, most=100_000, low=80_000, high=120_000)
    verdict, details = words_of(cost, 400, (30, 100), "EUR", SHOW)
    assert verdict == "At most €1,000.00 in 30 days"
    assert details[0] == "It would have been shown in 80 of 400 decisions, to 50 customers."
    assert details[1] == "If each customer used it once a day: €1,000.00 (€800.00 to €1,200.00)."
    assert "30.0% of shown offers are redeemed" in details[2]
    assert "€300.00 (€175." in details[2]
    assert "only lower the cost" in details[3]


@pytest.mark.parametrize(
    ("read", "decisions", "verdict"), [(0, 0, "Cannot be known from the past"), (10, 0, "Nobody would have got it")]
)
def test_missing_estimate_explains_why(read: int, decisions: int, verdict: str) -> None:
    words = words_of(OfferCost(decisions, decisions, 0, None, None), read, (0, 0), "EUR", SHOW)
    assert words[0] == verdict
    assert words[1]


def test_without_redemptions_no_rate_is_shown() -> None:
    cost = OfferCost(decisions=1, customers=1, most=500, low=None, high=None)
    _, details = words_of(cost, 1, (0, 0), "EUR", SHOW)
    assert not any("At this rate" in text for text in details)
