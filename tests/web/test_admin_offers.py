"""Offers and budgets on the pages of the admin."""

from __future__ import annotations

import pytest

from tests.serving import Server, Side
from tests.web.offer_shop import OFFER, open_offer, redeem
from tests.web.people import Person, add_person
from web.openapi import examples

PAGE = "/admin/placements/offers/candidates/ten"


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    """An admin of a merchant with one offer, paid by the budget `spring`."""
    return open_offer(server, side)


def test_a_candidates_form_keeps_its_offer(person: Person, side: Side) -> None:
    answer = person.send(PAGE, label="Ten", version=person.version(PAGE), enabled="on")
    assert answer.status_code == 200
    stored = side.client.get("/v1/placements/offers/candidates/ten").json()
    assert (stored["label"], stored["offer"]["budgets"]) == ("Ten", ["spring"])


def test_decision_explains_why_an_offer_was_not_shown(person: Person, side: Side) -> None:
    cart = {"context": {"cart": {"total": 9_000, "currency": "EUR"}}}
    first, second = (side.client.post("/v1/personalize/offers", json=cart).json() for _ in range(2))
    assert (len(first["offers"]), len(second["offers"])) == (1, 0)
    page = person.get(f"/admin/decisions/{second['decision_id']}")
    assert "budget “spring” has too little left" in page
    assert "availability" not in page


def test_changed_budget_is_listed_in_the_versions(person: Person, side: Side) -> None:
    raised = {**examples.BUDGET, "amount": 2000}
    assert side.client.put("/v1/budgets/spring", json=raised, headers={"if-match": "*"}).status_code == 200
    versions = side.client.get("/v1/placements/offers/versions").json()["items"]
    page = person.get(f"/admin/placements/offers/versions/{versions[0]['version']}")
    assert "Budget “Spring campaign”" in page


# Pages of their own


def test_list_shows_benefits_and_remaining_budgets(person: Person, side: Side) -> None:
    side.client.post("/v1/personalize/offers", json={"context": {"cart": {"total": 9_000, "currency": "EUR"}}})
    page = person.get("/admin/offers")
    assert "10% off, at most €20.00" in page
    assert "Spring campaign" in page
    assert "€9.00" in page
    assert "Nearly used up" in page


def test_list_shows_redemptions_and_cost_of_offers(person: Person, side: Side) -> None:
    cart = {"total": 3_000, "currency": "EUR"}
    for _ in range(2):
        shown = side.client.post("/v1/personalize/offers", json={"context": {"cart": cart}}).json()
    redeem(side, shown["offers"][0]["hold_id"], cart=cart)
    page = person.get("/admin/offers")
    assert '<td class="num d-none d-md-table-cell">1 of 2</td>' in page
    assert '<td class="num d-none d-md-table-cell">€3.00</td>' in page


def test_a_smallest_cart_by_currency_shows_each_currency_once(person: Person, side: Side) -> None:
    document = {"id": "ten", "label": "Ten", "offer": OFFER, "min_amount": {"EUR": 6_000}}
    side.client.put("/v1/placements/offers/candidates/ten", json=document, headers={"if-match": "*"})
    field = person.get("/admin/offers/ten").split('name="min_amount"')[1].split("</div>")[0]
    assert "EUR 60.00" in field
    assert "input-group-text" not in field


def test_offers_show_that_their_budget_is_spent(person: Person, side: Side) -> None:
    limited = {**examples.BUDGET, "amount": 5000, "uses": 1}
    side.client.put("/v1/budgets/spring", json=limited, headers={"if-match": "*"})
    assert ">Used up<" not in person.get("/admin/offers")
    side.client.post("/v1/personalize/offers", json={"context": {"cart": {"total": 9_000, "currency": "EUR"}}})
    for page in ("/admin/offers", "/admin/budgets/spring"):
        text = person.get(page)
        assert text.count(">Used up<") == 2
        assert "€9.00 in 1 use" in text
        assert "€41.00 and 0 uses" in text


def test_the_menu_marks_offers_on_a_budgets_page(person: Person) -> None:
    link = person.get("/admin/budgets/spring").partition('/offers" class="side-link"')[2]
    assert link.startswith(' aria-current="page"')


def test_placement_of_offers_links_to_them(server: Server, side: Side) -> None:
    person = add_person(server, side)
    page = person.get("/admin/placements/-/new?key=offers")
    assert 'value="Offers"' in page
    assert '<option value="subset" selected>' in page
    filled = {"name": "Offers", "shape": "subset", "policy": "thompson", "reward": "selected", "credit": "choice"}
    made = person.send("/admin/placements/-/new", key="offers", limit="3", **filled)
    assert made.status_code == 303
    assert made.headers["location"].endswith("/offers")
    assert "Make the budget that pays for it first." in person.get("/admin/offers")


def test_empty_list_explains_the_next_step(server: Server, side: Side) -> None:
    page = add_person(server, side).get("/admin/offers")
    assert "No offers yet" in page
    assert "No budgets yet" in page
    assert "/placements/-/new?key=offers" in page
    assert "/offers/-/new" not in page


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"enabled": False}, "Paused"),
        ({"offer": {**OFFER, "ends_at": "2026-01-01T00:00:00Z"}}, "Ended"),
        ({"offer": {**OFFER, "starts_at": "2100-01-01T00:00:00Z"}}, "Scheduled"),
        ({"offer": {**OFFER, "benefit": {"type": "fixed_amount", "amount": 500}}}, "€5.00 off"),
        ({"offer": {**OFFER, "benefit": {"type": "free_shipping", "maximum": 700}}}, "Free shipping, at most €7.00"),
    ],
)
def test_an_offer_shows_its_state(person: Person, side: Side, changes: dict[str, object], state: str) -> None:
    document = {"id": "ten", "label": "Ten percent", "offer": OFFER} | changes
    answer = side.client.put("/v1/placements/offers/candidates/ten", json=document, headers={"if-match": "*"})
    assert answer.status_code == 200
    assert state in person.get("/admin/offers")


def test_a_budget_is_made_and_its_cap_changed_on_its_page(person: Person, side: Side) -> None:
    made = person.send(
        "/admin/budgets/-/new", id="once", name="Once", currency="eur", uses="1", period="day", scope="customer"
    )
    assert made.status_code == 303
    assert "1 use a day for each customer" in person.get("/admin/offers")
    saved = person.send("/admin/budgets/once", name="Twice", uses="2", version=person.version("/admin/budgets/once"))
    assert "Saved and in force" in saved.text
    stored = side.client.get("/v1/budgets/once").json()
    assert (stored["name"], stored["uses"], stored["period"], stored["scope"]) == ("Twice", 2, "day", "customer")


def test_invalid_cap_is_refused_beside_its_field(person: Person, side: Side) -> None:
    version = person.version("/admin/budgets/spring")
    for wrong in ({"amount": "-1"}, {"uses": "many"}, {"name": ""}, {"amount": "", "uses": ""}):
        answer = person.send(
            "/admin/budgets/spring", **({"name": "Spring", "amount": "10", "version": version} | wrong)
        )
        assert answer.status_code == 422
        assert "field-error" in answer.text
    assert side.client.get("/v1/budgets/spring").json()["amount"] == 1000


def test_all_invalid_fields_of_a_budget_are_reported_together(person: Person) -> None:
    wrong = {"id": "spring sale!", "name": "", "currency": "EU", "amount": "-5", "uses": "-1", "period": "week"}
    answer = person.send("/admin/budgets/-/new", **wrong)
    assert answer.status_code == 422
    for field in ("id", "name", "currency", "amount", "uses", "period"):
        assert f'id="field-{field}-error"' in answer.text, field
    assert "Use letters, digits" in answer.text
    assert "Must be a whole number of at least 0." in answer.text


def test_budget_is_paced_over_a_period_on_its_page(person: Person, side: Side) -> None:
    paced = {"paced_from": "2026-12-01T00:00", "paced_until": "2026-12-24T12:00"}
    new = {"id": "daily", "name": "Daily", "currency": "EUR", "amount": "50", "period": "day", **paced}
    assert person.send("/admin/budgets/-/new", **new).status_code == 303
    pacing = side.client.get("/v1/budgets/daily").json()["pacing"]
    assert [moment[:16] for moment in pacing.values()] == [*paced.values()]
    page = person.get("/admin/budgets/daily")
    assert 'value="2026-12-24T12:00"' in page
    assert "A daily amount is spread over each day." in page
    version = person.version("/admin/budgets/daily")
    same = person.send("/admin/budgets/daily", name="Daily", amount="60", version=version, **paced)
    assert "Saved and in force" in same.text
    assert side.client.get("/v1/budgets/daily").json()["pacing"] == pacing
    person.send("/admin/budgets/daily", name="Daily", amount="60", version=person.version("/admin/budgets/daily"))
    assert side.client.get("/v1/budgets/daily").json()["pacing"] is None


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"paced_until": ""}, "Give both a beginning and an end, or neither"),
        ({"paced_until": "2026-11-30T00:00"}, "Must be after the start, or there is nothing to spread"),
        ({"paced_from": "soon"}, "Must be a day and a time"),
        ({"amount": "", "uses": "5"}, "Needs an amount that all customers share"),
    ],
)
def test_invalid_pacing_period_is_refused(person: Person, side: Side, wrong: dict[str, str], reason: str) -> None:
    paced = {"paced_from": "2026-12-01T00:00", "paced_until": "2026-12-24T00:00"}
    values = {"name": "Spring", "amount": "10", "version": person.version("/admin/budgets/spring"), **paced, **wrong}
    answer = person.send("/admin/budgets/spring", **values)
    assert (answer.status_code, reason in answer.text) == (422, True), answer.text
    assert side.client.get("/v1/budgets/spring").json()["pacing"] is None


def test_cap_changed_by_another_person_is_not_overwritten(person: Person, side: Side) -> None:
    version = person.version("/admin/budgets/spring")
    changed = {**examples.BUDGET, "amount": 7000}
    assert side.client.put("/v1/budgets/spring", json=changed, headers={"if-match": "*"}).status_code == 200
    answer = person.send("/admin/budgets/spring", name="Spring", amount="5", version=version)
    assert "Someone else saved this" in answer.text
    assert side.client.get("/v1/budgets/spring").json()["amount"] == 7000


def test_a_budgets_page_shows_its_ledger_in_pages(person: Person, side: Side) -> None:
    raised = {**examples.BUDGET, "amount": 10**6}
    side.client.put("/v1/budgets/spring", json=raised, headers={"if-match": "*"})
    for _ in range(51):
        request = {"offer_id": "ten", "context": {"cart": {"total": 9_000, "currency": "EUR"}}}
        assert side.client.post("/v1/redemptions/hold", json=request).status_code == 201
    page = person.get("/admin/budgets/spring")
    assert page.count("<td>Held</td>") == 50
    older = page.partition("?before=")[2].partition('"')[0]
    assert person.get(f"/admin/budgets/spring?before={older}").count("<td>Held</td>") == 1
    assert person.get("/admin/budgets/spring?before=odd").count("<td>Held</td>") == 50


def test_a_cap_goes_into_the_draft_under_review(server: Server, person: Person, side: Side) -> None:
    server.run(server.engine.accounts.set_review(side.merchant, on=True, actor_name="tests"))
    page = "/admin/budgets/spring"
    answer = person.send(page, name="Spring", amount="9000", version=person.version(page))
    assert "Saved in the draft" in answer.text
    assert side.client.get("/v1/budgets/spring").json()["amount"] == 1000
    assert "/budgets/spring" in person.get("/admin/placements/offers/changes")
