"""Offers on the pages of the admin."""

from __future__ import annotations

import pytest

from tests.serving import Server, Side
from tests.web.people import Person, person_of
from web.openapi import examples

OFFER = {
    "currency": "EUR",
    "benefit": {"type": "percentage", "percent": 10, "maximum": 2000},
    "budgets": ["spring"],
    "texts": {"en": {"title": "10% off", "terms": "Once"}},
}
PAGE = "/admin/placements/offers/candidates/ten"


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    """An admin of a merchant with one offer, paid by the budget `spring`."""
    created = person_of(server, side)
    for path, document in (
        ("/v1/budgets", {**examples.BUDGET, "amount": 1000}),
        ("/v1/placements", {"key": "offers", "name": "Offers"}),
        ("/v1/placements/offers/candidates", {"id": "ten", "label": "Ten percent", "offer": OFFER}),
    ):
        answer = side.client.post(path, json=document)
        assert answer.status_code == 201, answer.text
    return created


def test_a_candidates_form_keeps_its_offer(person: Person, side: Side) -> None:
    answer = person.send(PAGE, label="Ten", version=person.version(PAGE), enabled="on")
    assert answer.status_code == 200
    stored = side.client.get("/v1/placements/offers/candidates/ten").json()
    assert (stored["label"], stored["offer"]["budgets"]) == ("Ten", ["spring"])


def test_a_decision_says_why_an_offer_was_not_shown(person: Person, side: Side) -> None:
    cart = {"context": {"cart": {"total": 9_000, "currency": "EUR"}}}
    first, second = (side.client.post("/v1/personalize/offers", json=cart).json() for _ in range(2))
    assert (len(first["offers"]), len(second["offers"])) == (1, 0)
    page = person.get(f"/admin/decisions/{second['decision_id']}")
    assert "budget “spring” has too little left" in page
    assert "availability" not in page


def test_a_changed_budget_stands_among_the_changes_of_versions(person: Person, side: Side) -> None:
    raised = {**examples.BUDGET, "amount": 2000}
    assert side.client.put("/v1/budgets/spring", json=raised, headers={"if-match": "*"}).status_code == 200
    versions = side.client.get("/v1/placements/offers/versions").json()["items"]
    page = person.get(f"/admin/placements/offers/versions/{versions[0]['version']}")
    assert "Budget “Spring campaign”" in page


# Pages of their own


def test_the_list_says_what_offers_take_off_and_budgets_have_left(person: Person, side: Side) -> None:
    side.client.post("/v1/personalize/offers", json={"context": {"cart": {"total": 9_000, "currency": "EUR"}}})
    page = person.get("/admin/offers")
    assert "10% off, at most €20.00" in page
    assert "Spring campaign" in page
    assert "€9.00" in page
    assert "Nearly used up" in page


def test_a_used_up_budget_shows_on_its_offers_and_what_is_left(person: Person, side: Side) -> None:
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


def test_the_placement_of_offers_leads_back_to_them(server: Server, side: Side) -> None:
    person = person_of(server, side)
    page = person.get("/admin/placements/new?key=offers")
    assert 'value="Offers"' in page
    assert '<option value="subset" selected>' in page
    filled = {"name": "Offers", "shape": "subset", "policy": "thompson", "reward": "selected", "credit": "choice"}
    made = person.send("/admin/placements/new", key="offers", limit="3", **filled)
    assert made.status_code == 303
    assert made.headers["location"].endswith("/offers")
    assert "Make the budget that pays for it first." in person.get("/admin/offers")


def test_an_empty_list_says_what_to_do(server: Server, side: Side) -> None:
    page = person_of(server, side).get("/admin/offers")
    assert "No offers yet" in page
    assert "No budgets yet" in page
    assert "/placements/new?key=offers" in page
    assert "/offers/new" not in page


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
        "/admin/budgets/new", id="once", name="Once", currency="eur", uses="1", period="day", scope="customer"
    )
    assert made.status_code == 303
    assert "1 use a day for each customer" in person.get("/admin/offers")
    saved = person.send("/admin/budgets/once", name="Twice", uses="2", version=person.version("/admin/budgets/once"))
    assert "Saved and in force" in saved.text
    stored = side.client.get("/v1/budgets/once").json()
    assert (stored["name"], stored["uses"], stored["period"], stored["scope"]) == ("Twice", 2, "day", "customer")


def test_a_cap_that_makes_no_sense_is_refused_beside_its_field(person: Person, side: Side) -> None:
    version = person.version("/admin/budgets/spring")
    for wrong in ({"amount": "-1"}, {"uses": "many"}, {"name": ""}, {"amount": "", "uses": ""}):
        answer = person.send(
            "/admin/budgets/spring", **({"name": "Spring", "amount": "10", "version": version} | wrong)
        )
        assert answer.status_code == 422
        assert "field-error" in answer.text
    assert side.client.get("/v1/budgets/spring").json()["amount"] == 1000


def test_somebody_elses_cap_is_not_overwritten(person: Person, side: Side) -> None:
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
        asked = {"offer_id": "ten", "context": {"cart": {"total": 9_000, "currency": "EUR"}}}
        assert side.client.post("/v1/redemptions/hold", json=asked).status_code == 201
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


# The form of an offer

NEW = {
    "id": "five",
    "label": "Five off",
    "benefit": "fixed_amount",
    "most": "5",
    "budget:spring": "on",
    "title": "5 euros off",
    "terms": "Once",
    "code": "FIVE",
    "min_amount": "20",
    "enabled": "on",
}


def test_an_offer_is_added_on_its_page(person: Person, side: Side) -> None:
    assert person.send("/admin/offers/new", **NEW).status_code == 303
    stored = side.client.get("/v1/placements/offers/candidates/five").json()
    offer = stored["offer"]
    assert (offer["benefit"], offer["budgets"], offer["code"]) == (
        {"type": "fixed_amount", "amount": 500},
        ["spring"],
        "FIVE",
    )
    assert offer["texts"] == {"en": {"title": "5 euros off", "terms": "Once"}}
    assert stored["min_amount"] == 2000
    assert stored["position"] > side.client.get("/v1/placements/offers/candidates/ten").json()["position"]


def test_a_saved_offer_keeps_what_the_form_does_not_show(person: Person, side: Side) -> None:
    path, page = "/v1/placements/offers/candidates/ten", "/admin/offers/ten"
    texts = {**OFFER["texts"], "de": {"title": "10 % Rabatt", "terms": ""}}  # type: ignore[dict-item]
    full = {**OFFER, "texts": texts, "ends_at": "2100-01-01T00:00:00Z", "hold_minutes": 30}
    document = {"id": "ten", "label": "Ten", "countries": ["DE"], "offer": full}
    side.client.put(path, json=document, headers={"if-match": "*"})
    changed = {
        **NEW,
        "id": "",
        "benefit": "percentage",
        "percent": "12,5",
        "most": "30",
        "version": person.version(page),
        "ends_at": "2100-01-01T01:00",
        "languages": "2",
        "locale": "en",
        "locale.1": "de",
        "title.1": "10 % Rabatt",
    }
    assert "Saved and in force" in person.send(page, **changed).text
    stored = side.client.get(path).json()
    assert (stored["label"], stored["countries"]) == ("Five off", ["DE"])
    assert stored["offer"]["benefit"] == {"type": "percentage", "percent": 12.5, "maximum": 3000}
    assert (stored["offer"]["ends_at"], stored["offer"]["hold_minutes"]) == ("2100-01-01T00:00:00Z", 30)
    assert list(stored["offer"]["texts"]) == ["en", "de"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"budget:spring": None}, "Choose at least one budget"),
        ({"most": ""}, "Must be more than 0"),
        ({"benefit": "percentage", "percent": "0"}, "more than 0 and at most 100"),
        ({"benefit": "free_shipping", "most": "0"}, "the most that one use may cost"),
        ({"title": ""}, "Give customers a title"),
        ({"code": "a b"}, "letters, digits"),
        ({"benefit": "cash"}, "Choose what it takes off"),
        ({"starts_at": "tomorrow"}, "Must be a day and a time."),
        ({"starts_at": "2026-12-02T10:00", "ends_at": "2026-12-02T10:00"}, "Must be after the start"),
        ({"languages": "2", "locale.1": "German", "title.1": "Rabatt"}, "Use a language code"),
        ({"languages": "2", "locale.1": "en", "title.1": "Again"}, "This language has its texts above."),
        ({"languages": "2", "locale.1": "de", "terms.1": "Einmal"}, "Give customers a title"),
    ],
)
def test_an_offer_that_makes_no_sense_is_refused(person: Person, changes: dict[str, str | None], text: str) -> None:
    values = {name: value for name, value in (NEW | changes).items() if value is not None}
    answer = person.send("/admin/offers/new", **values)
    assert answer.status_code == 422
    assert text in answer.text
    assert answer.text.count('aria-invalid="true"') + answer.text.count('class="field-error"') >= 1
    for name, value in values.items():
        assert not name.startswith(("title", "terms", "locale", "starts_at")) or value in answer.text


# Window, languages and the card


def test_a_window_is_on_the_merchants_clock(person: Person, side: Side) -> None:
    window = {"starts_at": "2026-07-01T00:00", "ends_at": "2026-12-01T18:30"}
    assert person.send("/admin/offers/new", **NEW, **window).status_code == 303
    offer = side.client.get("/v1/placements/offers/candidates/five").json()["offer"]
    assert (offer["starts_at"], offer["ends_at"]) == ("2026-07-01T00:00:00+02:00", "2026-12-01T18:30:00+01:00")
    page = person.get("/admin/offers/five")
    assert 'value="2026-07-01T00:00"' in page
    assert 'value="2026-12-01T18:30"' in page


def test_a_window_that_is_left_alone_stays_as_it_is(person: Person, side: Side) -> None:
    path, page = "/v1/placements/offers/candidates/ten", "/admin/offers/ten"
    exact = {**OFFER, "starts_at": "2026-11-01T09:00:30.5Z"}
    side.client.put(path, json={"id": "ten", "label": "Ten", "offer": exact}, headers={"if-match": "*"})
    sent = {**NEW, "starts_at": "2026-11-01T10:00", "version": person.version(page)}
    assert person.send(page, **sent).status_code == 200
    assert side.client.get(path).json()["offer"]["starts_at"] == "2026-11-01T09:00:30.5Z"


def test_a_language_is_added_and_removed(person: Person, side: Side) -> None:
    answer = person.send("/admin/offers/new", **NEW, locale="en", act="language_add")
    assert answer.status_code == 200
    assert 'name="title.1"' in answer.text
    assert 'value="5 euros off"' in answer.text
    assert side.client.get("/v1/placements/offers/candidates/five").status_code == 404
    german = {"languages": "2", "locale": "en", "locale.1": "de", "title.1": "5 Euro weniger", "terms.1": "Einmal"}
    assert person.send("/admin/offers/new", **NEW, **german).status_code == 303
    path, page = "/v1/placements/offers/candidates/five", "/admin/offers/five"
    assert side.client.get(path).json()["offer"]["texts"]["de"] == {"title": "5 Euro weniger", "terms": "Einmal"}
    emptied = {"languages": "2", "locale": "en", "locale.1": "", "title.1": "", "version": person.version(page)}
    assert person.send(page, **NEW, **emptied).status_code == 200
    assert list(side.client.get(path).json()["offer"]["texts"]) == ["en"]


def test_the_card_shows_what_a_customer_reads(person: Person) -> None:
    form = {**NEW, "locale": "en", "languages": "2", "locale.1": "de", "title.1": "5 Euro weniger"}
    english = person.send("/admin/offers/-/card", **form, card_total="40").text
    for text in ("5 euros off", "FIVE", "-€5.00", "€40.00", "€35.00", 'data-bs-theme="light"', 'data-device="phone"'):
        assert text in english
    german = person.send("/admin/offers/-/card", **form, card_locale="de", card_dark="on", card_device="desktop").text
    for text in ("5 Euro weniger", "-5,00\xa0€", "95,00\xa0€", 'data-bs-theme="dark"', 'data-device="desktop"'):
        assert text in german
    assert (
        ">German</option>"
        in person.client.post(
            person.address("/admin/offers/-/card"),
            data={"csrf": person.csrf(), **form, "currency": "JPY"},
            headers={"hx-request": "true"},
        ).text
    )
    arabic = person.send("/admin/offers/-/card", **form | {"locale.1": "ar"}, card_locale="ar").text
    assert 'dir="rtl"' in arabic


@pytest.mark.parametrize(
    "odd", [{"most": "x"}, {"benefit": "cash"}, {"locale": "odd_"}, {"card_total": "?"}, {"title": ""}]
)
def test_a_card_of_an_unfinished_form_is_no_error(person: Person, odd: dict[str, str]) -> None:
    answer = person.send("/admin/offers/-/card", **NEW | odd)
    assert answer.status_code == 200
    assert "customer-card" in answer.text


def test_a_candidate_without_an_offer_has_no_such_page(person: Person, side: Side) -> None:
    side.client.post("/v1/placements/offers/candidates", json={"id": "none", "label": "No offer"})
    assert person.client.get(person.address("/admin/offers/none")).status_code == 404


def test_an_offer_without_a_holdback_says_that_nothing_can_be_compared(person: Person) -> None:
    page = person.get("/admin/offers/ten/effect")
    assert "Nobody is held back" in page
    assert "/placements/offers/settings" in page


def test_the_page_of_an_offer_shows_what_it_added(person: Person, side: Side) -> None:
    stored = side.client.get("/v1/placements/offers")
    document = {**stored.json(), "holdback": {"share": 0.2, "salt": ""}}
    del document["version"], document["changed_at"]
    changed = side.client.put("/v1/placements/offers", json=document, headers={"If-Match": stored.headers["etag"]})
    assert changed.status_code == 200, changed.text
    assert '/offers/ten/effect"' in person.get("/admin/offers/ten")
    page = person.get("/admin/offers/ten/effect")
    assert "Too few orders" in page
    assert "no holdback shows a change of orders by 10%" in page
