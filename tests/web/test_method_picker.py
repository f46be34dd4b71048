"""Several common payment methods are added at once, all or none."""

from __future__ import annotations

import msgspec
import pytest

from engine.model.placement import Candidate
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from web.admin.candidates.method_picker import candidate_of
from web.admin.candidates.method_types import COMMON

PICK = "/admin/live/methods/-/new/pick"
METHODS = "/v1/placements/payment_methods/candidates"


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def send(person: Person, *picked: str) -> int:
    data = {"csrf": person.csrf("/admin/live/methods"), "method": list(picked)}
    return person.client.post(PICK, data=data).status_code


def stored(side: Side) -> dict[str, dict[str, object]]:
    return {each["id"]: each for each in side.client.get(METHODS).json()["items"]}


def test_picked_methods_are_appended_with_typical_attributes(side: Side, person: Person) -> None:
    before = stored(side)
    assert send(person, "oxxo", "klarna") == 303
    after = stored(side)
    assert after.keys() - before.keys() == {"oxxo", "klarna"}
    assert (after["oxxo"]["countries"], after["oxxo"]["currencies"]) == (["MX"], ["MXN"])
    assert after["oxxo"]["max_amount"] == {"MXN": 1_000_000}
    last = max(each["position"] for each in before.values())  # type: ignore[type-var]
    assert sorted(after[name]["position"] for name in ("klarna", "oxxo")) == [last + 1, last + 2]  # type: ignore[operator,type-var]


def test_existing_method_is_marked_and_not_added_twice(side: Side, person: Person) -> None:
    assert person.get(PICK).count(" checked disabled") == 3, "card, ideal and paypal"
    before = stored(side)
    assert send(person, "paypal", "swish") == 303
    assert "Nothing was added: there is already a candidate “paypal”." in person.get(PICK)
    assert stored(side) == before


@pytest.mark.parametrize("picked", [(), ("nonsense",)])
def test_empty_selection_adds_nothing(side: Side, person: Person, picked: tuple[str, ...]) -> None:
    before = stored(side)
    assert send(person, *picked) == 303
    assert "Pick at least one method." in person.get(PICK)
    assert stored(side) == before


def test_methods_of_the_merchants_country_are_first(server: Server) -> None:
    side = server.sides()[0]
    person = add_person(server, side)
    assert person.client.get(PICK).status_code == 303, "there is no placement yet"
    side.create_examples()
    text = person.get(PICK)
    assert "Canada, United States, in CAD or USD, CA$50.00 to CA$30,000.00; $50.00 to $30,000.00" in text
    assert text.index("In Germany") < text.index("Klarna") < text.index("Everywhere") < text.index("Swish")


def test_viewer_cannot_add_methods(server: Server, side: Side) -> None:
    viewer = add_person(server, side, role="viewer")
    assert viewer.client.get(PICK).status_code == 403
    assert send(viewer, "swish") == 403


def test_with_review_methods_are_added_to_the_draft(server: Server, side: Side) -> None:
    server.run(server.engine.accounts.set_review(side.merchant, on=True, actor_name="tester"))
    person = add_person(server, side)
    assert send(person, "swish", "twint") == 303
    assert "swish" not in stored(side)
    assert "Swish" in person.get("/admin/live/methods")


@pytest.mark.parametrize("method", COMMON, ids=lambda method: method.type)
def test_each_is_a_validcandidate_of(method) -> None:
    document = msgspec.to_builtins(candidate_of(method, 0))
    assert msgspec.convert(document, Candidate).type == method.type
    assert set(method.least) | set(method.most) <= set(method.currencies)
