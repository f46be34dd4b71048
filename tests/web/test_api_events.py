"""Events of offers and budgets by HTTP, and the ledger by filter."""

from __future__ import annotations

from engine.clock import now_ms
from tests.serving import Side
from tests.web.offer_shop import redeem, request_offers


def test_the_ledger_is_filtered(shop: Side):
    hold_id = request_offers(shop, customer_id="anna")["offers"][0]["hold_id"]
    request_offers(shop, customer_id="ben")
    redeem(shop, hold_id)
    for query, count in (
        ({}, 3),
        ({"kind": "commit"}, 1),
        ({"customer_id": "ben"}, 1),
        ({"offer": "ten", "customer_id": "anna"}, 2),
        ({"offer": "none"}, 0),
    ):
        items = shop.client.get("/v1/ledger", params=query).json()["items"]
        assert (query, len(items)) == (query, count)
        assert {item["offer_id"] for item in items} <= {"ten"}
    assert shop.client.get("/v1/ledger", params={"kind": "odd"}).json()["field"] == "kind"


def test_events_come_in_order_from_the_last_one(shop: Side):
    hold_id = request_offers(shop)["offers"][0]["hold_id"]
    redeem(shop, hold_id)
    made = shop.client.get("/v1/events", params={"type": "version.published"}).json()["items"]
    first = shop.client.get("/v1/events", params={"limit": 1, "after": made[-1]["id"]}).json()
    assert (first["more"], first["items"][0]["type"]) == (True, "offer.held")
    rest = shop.client.get("/v1/events", params={"after": first["items"][0]["id"]}).json()
    assert [item["type"] for item in rest["items"]] == ["offer.redeemed"]
    assert rest["items"][0]["data"]["discount"] == 1000
    server = shop.server
    server.run(server.engine.alerts.run(now=now_ms()))
    for _ in range(4):
        request_offers(shop)
    server.run(server.engine.alerts.run(now=now_ms()))
    alerts = shop.client.get("/v1/events", params={"type": "budget.alert"}).json()["items"]
    assert [(item["data"]["budget"], item["data"]["percent"]) for item in alerts] == [
        ("spring", 50),
        ("spring", 80),
        ("spring", 100),
    ]
    assert 'tap2_budgets_used{percent="100"}' in shop.client.get("/metrics").text
    for wrong in ({"type": "odd"}, {"after": -1}, {"limit": 0}):
        assert shop.client.get("/v1/events", params=wrong).json()["field"] in wrong
