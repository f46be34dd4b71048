"""Webhooks by HTTP: create, change, rotate, test, read the log of deliveries, send again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from standardwebhooks import Webhook

from tests.serving import Side
from web.openapi import examples

HOOK = {**examples.WEBHOOK, "types": ["arm.jumped"]}


def create(side: Side, **changes: Any) -> dict[str, Any]:
    answer = side.client.post("/v1/webhooks", json={**HOOK, **changes})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def eventually(check: Callable[[], Any], *, seconds: float = 15) -> Any:
    """Return what `check` returns once it is true."""
    end = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
    return value


def test_an_endpoint_shows_its_secret_once(side: Side):
    made = create(side)
    secret = made.pop("secret")
    assert Webhook(secret)
    path = f"/v1/webhooks/{made['id']}"
    shown = side.client.get(path)
    assert shown.json() == made
    assert shown.headers["etag"] == '"1"'
    assert side.client.get("/v1/webhooks").json() == {"items": [made], "next": None}
    rotated = side.client.post(f"{path}/rotate", json={"overlap_hours": 1}).json()
    assert rotated["secret"] != secret
    assert rotated["old_secret_until"]
    assert secret[6:] not in side.client.get("/v1/audit").text


def test_an_endpoint_is_replaced_at_its_version_and_deleted(side: Side):
    made = create(side)
    path = f"/v1/webhooks/{made['id']}"
    document = {**HOOK, "enabled": False, "types": ["metric.alert"], "format": "cloudevents"}
    assert made["format"] == "standard"
    assert side.client.put(path, json=document).status_code == 428
    changed = side.client.put(path, json=document, headers={"if-match": '"1"'}).json()
    assert (changed["enabled"], changed["types"], changed["version"]) == (False, ["metric.alert"], 2)
    assert changed["format"] == "cloudevents"
    assert side.client.put(path, json=document, headers={"if-match": '"1"'}).status_code == 412
    assert side.client.post(f"{path}/test").json()["field"] == "enabled"
    assert side.client.delete(path).status_code == 204
    assert side.client.get(path).status_code == 404
    actions = {item["action"] for item in side.client.get("/v1/audit").json()["items"] if "webhook" in item["subject"]}
    assert actions == {"created", "changed", "deleted"}


def test_invalid_endpoint_names_the_field(side: Side):
    for wrong, field in (
        ({"url": "http://shop.example.com/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://user:pw@shop.example.com/"}, "url"),
        ({"types": []}, "types"),
        ({"types": ["odd"]}, "types/0"),
        ({"types": ["endpoint.test"]}, "types"),
        ({"description": "x" * 300}, "description"),
        ({"colour": "red"}, "colour"),
    ):
        answer = side.client.post("/v1/webhooks", json={**HOOK, **wrong})
        assert (answer.status_code, answer.json()["field"]) in ((422, field), (400, field)), answer.text
    made = create(side)
    rotation = side.client.post(f"/v1/webhooks/{made['id']}/rotate", json={"overlap_hours": 1000})
    assert rotation.json()["field"] == "overlap_hours"


def test_a_test_message_is_in_the_log_with_its_fault(side: Side):
    """The example's host has no address or no receiver: the log has the fault."""
    path = f"/v1/webhooks/{create(side, url='https://hooks.invalid-host-of-a-test.com/')['id']}"
    sent = side.client.post(f"{path}/test").json()
    assert (sent["type"], sent["state"], sent["attempts"]) == ("endpoint.test", "waiting", [])

    def parked() -> Any:
        return side.client.get(f"{path}/deliveries", params={"state": "parked"}).json()["items"]

    [item] = eventually(parked, seconds=30)
    assert item["event_id"] == sent["event_id"]
    [attempt] = item["attempts"]
    assert attempt["fault"] in ("unresolved", "timeout", "connection", "internal_address")
    assert side.client.get(path).json()["parked"] == 1
    [parked_messages] = re.findall(
        r'^tap2_webhook_messages\{state="parked"\} (\S+)$', side.client.get("/metrics").text, re.MULTILINE
    )
    assert float(parked_messages) >= 1
    event = side.client.get("/v1/events", params={"type": "endpoint.test"}).json()["items"][-1]
    assert (event["id"], event["data"]) == (sent["event_id"], {"endpoint_id": path.rpartition("/")[2]})
    again = side.client.post(f"{path}/deliveries/{sent['event_id']}/resend")
    assert again.status_code == 202
    assert side.client.post(f"{path}/deliveries/1/resend").status_code == 404
    assert side.client.post(f"{path}/resend").json()["count"] in (0, 1)


def test_log_is_paginated(side: Side):
    path = f"/v1/webhooks/{create(side)['id']}"
    ids = [side.client.post(f"{path}/test").json()["event_id"] for _ in range(3)]
    first = side.client.get(f"{path}/deliveries", params={"limit": 2}).json()
    rest = side.client.get(f"{path}/deliveries", params={"limit": 2, "cursor": first["next"]}).json()
    assert [item["event_id"] for item in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None
