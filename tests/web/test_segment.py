"""Outcomes from Segment's libraries for Python and Node, unchanged, and what messages mean."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from segment.analytics.client import Client

from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from tests.web.node_packages import run_module
from web.api.feedback import Outcome
from web.api.segment.messages import minor_units, outcome_of
from web.http.request_reading import UnreadItem
from web.openapi import examples


def outcomes(side: Side, decision_id: str) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = side.client.get(f"/v1/decisions/{decision_id}?explain=true").json()["outcomes"]
    return shown


def message(**properties: Any) -> dict[str, Any]:
    usual = {"decision_id": "dec_1", "payment_method": "paypal", "total": 49.99, "currency": "EUR"}
    return {"type": "track", "event": "Order Completed", "messageId": "m1", "properties": usual | properties}


def test_segments_library_reports_a_purchase(server: Server, side: Side):
    decision = side.decide("c_1")
    chosen = decision["ranking"][0]["id"]
    errors: list[object] = []
    library = Client(side.key, host=server.url, on_error=lambda error, batch: errors.append(error), sync_mode=True)
    about = {"decision_id": decision["decision_id"], "payment_method": chosen}
    library.identify("c_1", {"plan": "gold"})
    library.track("c_1", "Payment Info Entered", about)
    for _ in range(2):
        order = about | {"total": 129.0, "currency": "EUR", "order_id": "4711"}
        library.track("c_1", "Order Completed", order, message_id="order-4711")
    assert errors == []
    reported = {each["type"]: each for each in outcomes(side, decision["decision_id"])}
    assert set(reported) == {"selected", "converted"}
    assert (reported["converted"]["amount"], reported["converted"]["candidate_id"]) == (12_900, chosen)


NODE = """import { Analytics } from "@segment/analytics-node";
const library = new Analytics({ writeKey: KEY, host: SERVER });
library.on("error", (error) => console.log("error", error.code));
const about = { decision_id: DECISION, payment_method: METHOD };
library.identify({ userId: "c_1", traits: { plan: "gold" } });
library.track({ userId: "c_1", event: "Payment Info Entered", properties: about });
for (const _ of [1, 2]) {
  const properties = { ...about, total: 129.0, currency: "EUR", order_id: "4712" };
  library.track({ userId: "c_1", event: "Order Completed", properties, messageId: "order-4712" });
  await library.flush();
}
await library.closeAndFlush();
"""


def test_segments_library_for_node_reports_a_purchase(server: Server, side: Side, tmp_path: Path):
    decision = side.decide("c_1")
    id, chosen = decision["decision_id"], decision["ranking"][0]["id"]
    names = {"SERVER": server.url, "KEY": side.key, "DECISION": id, "METHOD": chosen}
    assert run_module(NODE, tmp_path, "@segment/analytics-node", **names) == []
    reported = outcomes(side, id)
    assert sorted(each["type"] for each in reported) == ["converted", "selected"]
    [order] = [each for each in reported if each["type"] == "converted"]
    assert (order["amount"], order["candidate_id"], order["event_id"]) == (12_900, chosen, "order-4712")


def test_each_message_has_a_status_and_the_others_are_counted(side: Side):
    decision = side.decide("c_1")["decision_id"]
    batch = [
        message(decision_id=decision),
        message(decision_id=decision) | {"messageId": "m2", "event": "Product Viewed"},
        message(decision_id=decision, total=49.999) | {"messageId": "m3"},
        {"type": "track"},
    ]
    answer = side.client.post("/v1/batch", json={"batch": batch, "sentAt": "2026-11-20T09:30:00Z", "writeKey": "x"})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["success"], body["ignored"]) == (True, 1)
    assert [each["status"] for each in body["results"]] == ["recorded", "invalid", "invalid"]
    assert body["results"][1]["message"] == "properties/total: is not an amount of its currency, such as 49.99 of EUR"


@CHANGES_NOTHING
@pytest.mark.parametrize("key", ["", "nobody", "sk_live_0"])
def test_a_wrong_write_key_is_refused(server: Server, side: Side, key: str):
    credentials = base64.b64encode(f"{key}:".encode()).decode()
    answer = server.client().post(
        "/v1/batch", json=examples.SEGMENT_BATCH, headers={"authorization": f"Basic {credentials}"}
    )
    assert answer.status_code == 401
    assert server.client().post("/v1/batch", json=examples.SEGMENT_BATCH).status_code == 401
    broken = server.client().post("/v1/batch", json={}, headers={"authorization": "Basic ***"})
    assert broken.status_code == 401


def test_a_publishable_key_is_refused(side: Side):
    key = side.client.post("/v1/keys", json={"kind": "publishable", "name": "web"}).json()["key"]
    answer = side.server.client().post(
        "/v1/batch", json=examples.SEGMENT_BATCH, headers={"authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        (49.99, "EUR", 4_999),
        (0.1 + 0.2, "EUR", 30),
        (389.96999999999997, "EUR", 38_997),
        ("0.30000000000000004", "EUR", None),
        (1.005, "EUR", None),
        ("49.99", "eur", 4_999),
        (5_000, "JPY", 5_000),
        (5_000.5, "JPY", None),
        (1.234, "KWD", 1_234),
        (129.0, "EUR", 12_900),
        (-1, "EUR", -100),
        (float("nan"), "EUR", None),
        (float("inf"), "EUR", None),
        ("1,000", "EUR", None),
        (True, "EUR", None),
        ({}, "EUR", None),
        (1, None, None),
        ("1e400", "EUR", None),
        ("1e999999999", "EUR", None),
    ],
)
def test_amounts_are_decimals_of_their_currency(amount: object, currency: object, minor: int | None):
    assert minor_units(amount, currency) == minor


def test_messages_are_mapped_by_name():
    def read(**changes: Any) -> Any:
        return outcome_of(message() | changes, "EUR")

    types = {event: read(event=event).type for event in ("Order Completed", "order refunded", "Abandoned", "shown")}
    assert types == {
        "Order Completed": "converted", "order refunded": "refunded", "Abandoned": "abandoned", "shown": "shown",
    }  # fmt: skip
    assert read(event="Cart Viewed") is None
    assert read(type="page") is None
    assert isinstance(read(properties=message(candidate_id=7)["properties"]), UnreadItem)
    assert isinstance(read(messageId="with blank"), UnreadItem)
    wrong = read(properties=message(total=None, revenue="much")["properties"])
    assert wrong.problem.field == "properties/revenue"
    own_currency = message(currency=None)["properties"]
    assert read(properties=own_currency).currency == "EUR"


def test_an_order_without_a_decision_counts_in_the_customers_history():
    order = message(decision_id=None) | {"userId": "c_1"}
    purchase = outcome_of(order, "EUR")
    assert isinstance(purchase, Outcome)
    assert (purchase.customer_id, purchase.method_id, purchase.decision_id) == ("c_1", "paypal", None)
    assert outcome_of(order | {"userId": None}, "EUR") is None
    assert outcome_of(order | {"event": "Order Refunded"}, "EUR") is None
