"""Aliases over HTTP: a server links an id to who logged in, and everything about the customer includes it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import httpx
import pytest

from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side

PATH = "/v1/personalize/aliases"
ANNA, DEVICE = "anna@example.com", "device-77"


def link(side: Side, customer: str = ANNA, anonymous: str = DEVICE) -> httpx.Response:
    return side.client.post(PATH, json={"customer_id": customer, "anonymous_id": anonymous})


def history(side: Side, customer: str) -> Any:
    decision = side.decide(customer)["decision_id"]
    return side.client.get(f"/v1/decisions/{decision}?explain=true").json()["trace"]["history"]


def buy(side: Side, customer: str) -> None:
    outcome = {"event_id": "bought-1", "customer_id": customer, "method_id": "paypal"}
    answer = side.client.post("/v1/personalize/feedback", json=outcome).json()
    assert answer["results"][0]["status"] == "recorded"


def test_the_past_of_a_device_follows_the_log_in(side: Side):
    buy(side, DEVICE)
    assert history(side, ANNA) == {}
    answer = link(side)
    assert (answer.status_code, answer.json()["is_new"], answer.headers["cache-control"]) == (200, True, "no-store")
    assert set(history(side, ANNA)) == {"paypal"}
    again = link(side)
    assert again.json() == {"linked_at": answer.json()["linked_at"], "is_new": False}
    assert ANNA not in answer.text


def test_an_export_and_an_erasure_include_the_device(side: Side):
    decision = side.decide(DEVICE)["decision_id"]
    link(side)
    answer = side.client.post("/v1/personalize/customers/export", json={"customer_id": ANNA})
    file = zipfile.ZipFile(io.BytesIO(answer.content))
    assert [row["decision_id"] for row in json.loads(file.read("decisions.json"))] == [decision]
    assert len(json.loads(file.read("aliases.json"))) == 1
    assert side.client.post("/v1/personalize/customers/erase", json={"customer_id": ANNA}).json()["decisions"] == 1
    assert side.client.get(f"/v1/decisions/{decision}").status_code == 404
    assert side.decide(DEVICE)["personalized"] is False


def test_known_customers_are_never_joined(side: Side):
    link(side)
    for customer, anonymous, field in (
        ("ben", DEVICE, "anonymous_id"),
        ("ben", ANNA, "anonymous_id"),
        (DEVICE, "phone", "customer_id"),
    ):
        answer = link(side, customer, anonymous)
        assert (answer.status_code, answer.json()["field"]) == (409, field)


@CHANGES_NOTHING
@pytest.mark.parametrize(("sent", "field"), [
    ({"anonymous_id": ""}, "anonymous_id"), ({"anonymous_id": ANNA}, "anonymous_id"),
    ({"customer_id": "x" * 257}, "customer_id"), ({"device": "x"}, "device"),
])  # fmt: skip
def test_a_mistake_in_a_link_is_named(side: Side, sent: dict[str, Any], field: str):
    answer = side.client.post(PATH, json={"customer_id": ANNA, "anonymous_id": DEVICE, **sent})
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_neither_browsers_nor_other_merchants_link(server: Server, side: Side):
    buy(side, DEVICE)
    with server.client(side.new_key("publishable")) as browser:
        assert browser.post(PATH, json={"customer_id": ANNA, "anonymous_id": DEVICE}).status_code == 403
    other, _ = server.sides()
    other.create_examples()
    assert link(other).status_code == 200
    assert history(side, ANNA) == history(other, ANNA) == {}
    assert link(side).json()["is_new"] is True
