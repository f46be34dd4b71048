"""The codes of an offer on its page."""

from __future__ import annotations

from html import unescape

import pytest

from tests.serving import Server, Side
from tests.web.offer_shop import NEW_OFFER_FORM, OFFER, open_offer
from tests.web.people import Person


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    """An admin of a merchant with one offer, paid by the budget `spring`."""
    return open_offer(server, side)


# Codes


@pytest.fixture
def pool(person: Person, side: Side) -> str:
    """The page of the codes of an offer with a pool."""
    document = {"id": "ten", "label": "Ten", "offer": {**OFFER, "codes": "pool"}}
    side.client.put("/v1/placements/offers/candidates/ten", json=document, headers={"if-match": "*"})
    return "/admin/offers/ten/codes"


def test_empty_pool_warns_that_the_offer_is_not_shown(person: Person, pool: str) -> None:
    page = person.get(pool)
    assert "Used up" in page
    assert "Nobody is shown the offer." in page
    assert 'href="/admin/live/offers/ten/codes"' in person.get("/admin/offers/ten")


def test_codes_are_typed_uploaded_and_generated(person: Person, pool: str, side: Side) -> None:
    assert person.send(pool, act="add", codes="spring-1\r\n\r\nSPRING-2").status_code == 303
    file = {"file": ("codes.csv", b'\xef\xbb\xbfcode;note\n"FILE-1";x\nspring-1;y\n', "text/csv")}
    data = {"csrf": person.csrf(), "act": "add", "codes": ""}
    assert person.client.post(person.address(pool), data=data, files=file).status_code == 303
    assert person.send(pool, act="generate", generate="20", prefix="g-").status_code == 303
    assert "<dd>23 " in person.get(pool)
    lines = person.get(f"{pool}.csv").splitlines()
    assert (lines[0], lines[1], len(lines)) == ("code,state", "FILE-1,free", 24)
    side.client.post("/v1/personalize/offers", json={"context": {"cart": {"total": 900, "currency": "EUR"}}})
    assert person.send(f"{pool}/remove").status_code == 303
    counts = side.client.get("/v1/placements/offers/candidates/ten/codes").json()
    assert (counts["free"], counts["held"]) == (0, 1)


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ({"act": "add", "codes": "GOOD-1\na b"}, "Code 2 must be 4 to 64 letters"),
        ({"act": "add", "codes": ""}, "Must be 1 to 10,000 codes"),
        ({"act": "generate", "generate": "many"}, "Must be a whole number"),
        ({"act": "generate", "generate": "0"}, "Must be from 1 to 10,000."),
        ({"act": "generate", "generate": "5", "prefix": "a b"}, "At most 32 letters"),
    ],
)
def test_invalid_code_has_a_message_beside_its_field(
    person: Person, pool: str, sent: dict[str, str], text: str
) -> None:
    answer = person.send(pool, **sent)
    assert answer.status_code == 422
    assert text.lower() in answer.text.lower()
    assert sent.get("codes", "") in unescape(answer.text)


def test_offer_without_a_pool_explains_how_to_add_codes(person: Person, side: Side) -> None:
    assert "one code for everybody, or none" in person.get("/admin/offers/ten/codes")
    refused = person.send("/admin/offers/ten/codes", act="generate", generate="5")
    assert (refused.status_code, "are no pool" in unescape(refused.text)) == (409, True)
    own = {"codes": "customer", "code": "IGNORED", "version": person.version("/admin/offers/ten")}
    assert person.send("/admin/offers/ten", **NEW_OFFER_FORM | own).status_code == 200
    offer = side.client.get("/v1/placements/offers/candidates/ten").json()["offer"]
    assert (offer["codes"], offer["code"]) == ("customer", "")
    assert "their own code" in person.get("/admin/offers/ten/codes")
