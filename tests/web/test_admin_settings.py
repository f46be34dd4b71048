"""The form of a placement: how it is set up, changed and deleted, and what is refused beside its field."""

from __future__ import annotations

import pytest

from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from tests.web.people import Person, add_person


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def test_a_placement_can_be_set_up_changed_and_deleted(side: Side, person: Person) -> None:
    values = {"key": "offers", "name": "Offers", "shape": "subset", "limit": "2", "policy": "split",
              "weight:a": "50", "weight:b": "50", "reward": "selected", "credit": "first"}  # fmt: skip
    assert person.send("/admin/live/placements/-/new", **values).headers["location"] == "/admin/live/offers"
    stored = side.client.get("/v1/placements/offers").json()
    assert stored["shape"] == {"type": "subset", "limit": 2}
    assert stored["policy"] == {"type": "split", "weights": {"a": 50.0, "b": 50.0}}
    settings = "/admin/live/placements/offers/settings"
    changed = values | {"policy": "thompson", "floor": "2,5", "drawn": "4", "version": person.version(settings)}
    assert person.send(settings, **changed).status_code == 200
    policy = side.client.get("/v1/placements/offers").json()["policy"]
    assert (policy["floor"], policy["drawn"]) == (0.025, 4)
    refused = person.send("/admin/placements/offers/delete", confirm="offer", version=person.version(settings))
    assert refused.status_code == 422
    person.send("/admin/placements/offers/delete", confirm="offers", version=person.version(settings))
    assert side.client.get("/v1/placements/offers").status_code == 404


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "not a key"}, "Use letters"),
        ({"floor": "60"}, "between 0 and 50"),
        ({"buckets": "cart.total"}, "needs a list of allowed values"),
        ({"buckets": "no.such"}, "there is no field"),
        ({"policy": "split", "weight:a": "half"}, "must be a number"),
        ({"policy": "split", "weight:a": "0"}, "at least one weight must be above 0"),
        ({"shape": "subset", "limit": "0"}, "between 1 and 100"),
    ],
)
def test_invalid_placement_is_refused_beside_its_field(person: Person, changes: dict[str, str], message: str) -> None:
    values = {"key": "offers", "name": "Offers", "policy": "thompson", "reward": "converted", "credit": "cascade"}
    answer = person.send("/admin/placements/-/new", **values | changes)
    assert answer.status_code == 422
    assert message.lower() in answer.text.lower()


def test_the_holdback_is_set_kept_and_ended(side: Side, person: Person) -> None:
    settings = "/admin/placements/payment_methods/settings"
    values = {"name": "Payment methods", "reward": "converted", "credit": "choice"}

    def save(**more: str) -> str:
        return person.send(settings, version=person.version(settings), **values, **more).text

    def held() -> object:
        return side.client.get("/v1/placements/payment_methods").json()["holdback"]

    save(holdback="2.5", holdback_salt="drawn")
    assert held() == {"share": 0.025, "salt": "drawn"}
    assert 'value="2.5"' in person.get(settings)
    assert "Must be above 0 and at most 50, or empty." in save(holdback="60")
    assert held() == {"share": 0.025, "salt": "drawn"}
    save(holdback="")
    assert held() is None
