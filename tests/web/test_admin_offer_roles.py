"""Permissions for offers, their codes and limits, and changes under review."""

from __future__ import annotations

import pytest

from tests.serving import Server, Side
from tests.web.offer_shop import NEW_OFFER_FORM, OFFER, open_offer
from tests.web.people import Person, add_person

POOL = "/admin/offers/ten/codes"
LIMITS = "/admin/offers/-/limits"


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    """An admin of a merchant whose offer has a pool of two codes."""
    created = open_offer(server, side)
    document = {"id": "ten", "label": "Ten percent", "offer": {**OFFER, "codes": "pool"}}
    path = "/v1/placements/offers/candidates/ten"
    assert side.client.put(path, json=document, headers={"if-match": "*"}).status_code == 200
    assert side.client.post(f"{path}/codes", json={"codes": ["CODE-1", "CODE-2"]}).status_code == 201
    return created


@pytest.fixture
def viewer(server: Server, side: Side, person: Person) -> Person:
    return add_person(server, side, role="viewer")


def test_viewer_sees_counts_but_no_codes(viewer: Person) -> None:
    page = viewer.get(POOL)
    assert "<dd>2 " in page
    assert "CODE-1" not in page
    assert "Download as CSV" not in page
    assert "Generate codes" not in page
    assert viewer.client.get(viewer.address(f"{POOL}.csv")).status_code == 403


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (POOL, {"act": "generate", "generate": "5"}),
        (f"{POOL}/remove", {}),
        (LIMITS, {"most_off": "1"}),
        ("/admin/offers/ten", NEW_OFFER_FORM),
        ("/admin/offers/-/new", NEW_OFFER_FORM),
        ("/admin/offers/-/card", NEW_OFFER_FORM),
    ],
)
def test_viewer_cannot_change_offers(viewer: Person, side: Side, path: str, values: dict[str, str]) -> None:
    before = side.client.get("/v1/placements/offers/candidates/ten").json()
    assert viewer.send(path, **values).status_code == 403
    assert side.client.get("/v1/placements/offers/candidates/ten").json() == before
    assert side.client.get("/v1/placements/offers/candidates/ten/codes").json()["free"] == 2


def test_a_viewer_reads_limits_and_the_form(viewer: Person) -> None:
    for path in (LIMITS, "/admin/offers/ten"):
        page = viewer.get(path)
        assert "Your role can view this but not change it." in page
        assert "<fieldset" in page
        assert " disabled>" in page


def test_limits_go_into_the_draft_under_review(server: Server, person: Person, side: Side) -> None:
    server.run(server.engine.accounts.set_review(side.merchant, on=True, actor_name="tests"))
    answer = person.send(LIMITS, most_off="25", same_answer_minutes="5", version=person.version(LIMITS))
    assert "Saved in the draft" in answer.text
    assert side.client.get("/v1/placements/offers").json()["order_limits"]["most_off"] is None
    assert 'value="25.00"' in person.get(LIMITS)


def test_a_new_code_kind_takes_effect_when_it_is_published(server: Server, person: Person, side: Side) -> None:
    server.run(server.engine.accounts.set_review(side.merchant, on=True, actor_name="tests"))
    page = "/admin/offers/ten"
    sent = {**NEW_OFFER_FORM, "codes": "customer", "code": "", "version": person.version(page)}
    assert "Saved in the draft" in person.send(page, **sent).text
    assert side.client.get("/v1/placements/offers/candidates/ten").json()["offer"]["codes"] == "pool"
    assert "You have nothing to add" in person.get(POOL)
    assert person.send(POOL, act="generate", generate="3").status_code == 303


def test_two_editors_of_limits_do_not_overwrite_each_other(person: Person) -> None:
    version = person.version(LIMITS)
    assert person.send(LIMITS, most_off="25", same_answer_minutes="5", version=version).status_code == 200
    late = person.send(LIMITS, most_off="99", same_answer_minutes="5", version=version)
    assert late.status_code == 409
    assert "saved now: <strong>25.00</strong>" in late.text
    assert 'value="99"' in late.text
