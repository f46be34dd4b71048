"""The form of an offer, its card, and the limits of all offers."""

from __future__ import annotations

import pytest

from tests.serving import Server, Side
from tests.web.offer_shop import NEW_OFFER_FORM, OFFER, open_offer
from tests.web.people import Person


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    """An admin of a merchant with one offer, paid by the budget `spring`."""
    return open_offer(server, side)


# The form of an offer


def test_an_offer_is_added_on_its_page(person: Person, side: Side) -> None:
    assert person.send("/admin/offers/-/new", **NEW_OFFER_FORM).status_code == 303
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


def test_saved_offer_keeps_fields_outside_the_form(person: Person, side: Side) -> None:
    path, page = "/v1/placements/offers/candidates/ten", "/admin/offers/ten"
    texts = {**OFFER["texts"], "de": {"title": "10 % Rabatt", "terms": ""}}
    full = {**OFFER, "texts": texts, "ends_at": "2100-01-01T00:00:00Z", "hold_minutes": 30}
    document = {"id": "ten", "label": "Ten", "countries": ["DE"], "offer": full}
    side.client.put(path, json=document, headers={"if-match": "*"})
    changed = {
        **NEW_OFFER_FORM,
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
        ({"cooldown": "-1"}, "Must be a whole number of hours"),
        ({"starts_at": "tomorrow"}, "Must be a day and a time."),
        ({"starts_at": "2026-12-02T10:00", "ends_at": "2026-12-02T10:00"}, "Must be after the start"),
        ({"languages": "2", "locale.1": "German", "title.1": "Rabatt"}, "Use a language code"),
        ({"languages": "2", "locale.1": "en", "title.1": "Again"}, "This language has its texts above."),
        ({"languages": "2", "locale.1": "de", "terms.1": "Einmal"}, "Give customers a title"),
    ],
)
def test_contradictory_offer_is_refused(person: Person, changes: dict[str, str | None], text: str) -> None:
    values = {name: value for name, value in (NEW_OFFER_FORM | changes).items() if value is not None}
    answer = person.send("/admin/offers/-/new", **values)
    assert answer.status_code == 422
    assert text in answer.text
    assert answer.text.count('aria-invalid="true"') + answer.text.count('class="field-error"') >= 1
    for name, value in values.items():
        assert not name.startswith(("title", "terms", "locale", "starts_at")) or value in answer.text


# Window, languages and the card


def test_period_is_in_the_merchants_timezone(person: Person, side: Side) -> None:
    window = {"starts_at": "2026-07-01T00:00", "ends_at": "2026-12-01T18:30"}
    assert person.send("/admin/offers/-/new", **NEW_OFFER_FORM, **window).status_code == 303
    offer = side.client.get("/v1/placements/offers/candidates/five").json()["offer"]
    assert (offer["starts_at"], offer["ends_at"]) == ("2026-07-01T00:00:00+02:00", "2026-12-01T18:30:00+01:00")
    page = person.get("/admin/offers/five")
    assert 'value="2026-07-01T00:00"' in page
    assert 'value="2026-12-01T18:30"' in page


def test_unedited_period_is_unchanged(person: Person, side: Side) -> None:
    path, page = "/v1/placements/offers/candidates/ten", "/admin/offers/ten"
    exact = {**OFFER, "starts_at": "2026-11-01T09:00:30.5Z"}
    side.client.put(path, json={"id": "ten", "label": "Ten", "offer": exact}, headers={"if-match": "*"})
    sent = {**NEW_OFFER_FORM, "starts_at": "2026-11-01T10:00", "version": person.version(page)}
    assert person.send(page, **sent).status_code == 200
    assert side.client.get(path).json()["offer"]["starts_at"] == "2026-11-01T09:00:30.5Z"


def test_a_language_is_added_and_removed(person: Person, side: Side) -> None:
    answer = person.send("/admin/offers/-/new", **NEW_OFFER_FORM, locale="en", act="language_add")
    assert answer.status_code == 200
    assert 'name="title.1"' in answer.text
    assert 'value="5 euros off"' in answer.text
    assert side.client.get("/v1/placements/offers/candidates/five").status_code == 404
    german = {"languages": "2", "locale": "en", "locale.1": "de", "title.1": "5 Euro weniger", "terms.1": "Einmal"}
    assert person.send("/admin/offers/-/new", **NEW_OFFER_FORM, **german).status_code == 303
    path, page = "/v1/placements/offers/candidates/five", "/admin/offers/five"
    assert side.client.get(path).json()["offer"]["texts"]["de"] == {"title": "5 Euro weniger", "terms": "Einmal"}
    emptied = {"languages": "2", "locale": "en", "locale.1": "", "title.1": "", "version": person.version(page)}
    assert person.send(page, **NEW_OFFER_FORM, **emptied).status_code == 200
    assert list(side.client.get(path).json()["offer"]["texts"]) == ["en"]


def test_card_shows_the_texts_for_customers(person: Person) -> None:
    form = {**NEW_OFFER_FORM, "locale": "en", "languages": "2", "locale.1": "de", "title.1": "5 Euro weniger"}
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
    answer = person.send("/admin/offers/-/card", **NEW_OFFER_FORM | odd)
    assert answer.status_code == 200
    assert "customer-card" in answer.text


def test_candidate_without_an_offer_has_no_offer_page(person: Person, side: Side) -> None:
    side.client.post("/v1/placements/offers/candidates", json={"id": "none", "label": "No offer"})
    assert person.client.get(person.address("/admin/offers/none")).status_code == 404


# Limits of all offers


def test_limits_of_an_order_are_kept(person: Person, side: Side) -> None:
    page = "/admin/offers/-/limits"
    assert 'href="/admin/live/offers/-/limits"' in person.get("/admin/offers")
    sent = {"most_off": "30", "same_answer_minutes": "10", "version": person.version(page)}
    assert "Saved and in force" in person.send(page, **sent).text
    stored = side.client.get("/v1/placements/offers").json()
    assert stored["order_limits"] == {"most_off": 3000, "same_answer_minutes": 10}
    assert 'value="30.00"' in person.get(page)
    for wrong in ({"most_off": "-3"}, {"most_off": "0"}, {"same_answer_minutes": "61"}):
        refused = person.send(page, **sent | wrong | {"version": person.version(page)})
        assert (refused.status_code, refused.text.count("field-error")) == (422, 1)


def test_offer_shows_if_and_when_it_repeats(person: Person, side: Side) -> None:
    assert person.send("/admin/offers/-/new", **NEW_OFFER_FORM, cooldown="48").status_code == 303
    offer = side.client.get("/v1/placements/offers/candidates/five").json()["offer"]
    assert (offer["stackable"], offer["cooldown_hours"]) == (False, 48)
    assert 'value="48"' in person.get("/admin/offers/five")


# Incremental effect


def test_offer_without_a_holdback_explains_the_missing_comparison(person: Person) -> None:
    page = person.get("/admin/offers/ten/effect")
    assert "Nobody is held back" in page
    assert "/placements/offers/settings" in page


def test_offer_page_shows_its_incremental_effect(person: Person, side: Side) -> None:
    stored = side.client.get("/v1/placements/offers")
    document = {**stored.json(), "holdback": {"share": 0.2, "salt": ""}}
    del document["version"], document["changed_at"]
    changed = side.client.put("/v1/placements/offers", json=document, headers={"If-Match": stored.headers["etag"]})
    assert changed.status_code == 200, changed.text
    assert '/offers/ten/effect"' in person.get("/admin/offers/ten")
    page = person.get("/admin/offers/ten/effect")
    assert "Too few orders" in page
    assert "no holdback shows a change of orders by 10%" in page
