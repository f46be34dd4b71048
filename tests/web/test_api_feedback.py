"""A list of outcomes is answered item by item: one that is not valid costs the others nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving import Side
from web.openapi import examples

FEEDBACK = "/v1/personalize/feedback"


def purchase(number: int, **changes: Any) -> dict[str, Any]:
    return {"event_id": f"order-{number}", "customer_id": "c", "method_id": "card", **changes}


BAD: dict[str, tuple[Any, str]] = {
    "an unknown type": (purchase(2, type="loved"), "type: must be one of"),
    "no event_id": ({"customer_id": "c", "method_id": "card"}, "event_id: is required"),
    "a fraction as amount": (purchase(2, amount=129.5), "amount: must be a whole number"),
    "a text as amount": (purchase(2, amount="12900"), "amount: must be a whole number"),
    "a large amount": (purchase(2, amount=10**25), "amount: "),
    "a moment to come": (purchase(2, timestamp="2999-01-01T00:00:00Z"), "timestamp: must not be in the future"),
    "no offset": (purchase(2, timestamp="2026-01-01T00:00:00"), "timestamp: "),
    "no method": (purchase(2, method_id=None), "method_id: is required"),
    "no type": (purchase(2, decision_id="dec_1"), "type: is required"),
    "an unknown field": (purchase(2, mood="good"), "mood: is not a known field"),
    "an event_id with a blank": (purchase(2, event_id="a b"), "event_id: "),
    "a number": (5, "body: must be an object"),
    "nothing": (None, "body: must be an object"),
    "a list": ([purchase(2)], "body: must be an object"),
}


@pytest.mark.parametrize(("bad", "message"), BAD.values(), ids=list(BAD))
def test_invalid_item_does_not_stop_the_others(side: Side, bad: Any, message: str):
    answer = side.client.post(FEEDBACK, json=[purchase(1), bad, purchase(3)])
    assert answer.status_code == 202, answer.text
    first, refused, third = answer.json()["results"]
    assert (first["status"], third["status"]) == ("recorded", "recorded")
    assert refused["status"] == "invalid"
    assert refused["message"].startswith(message), refused
    assert first["event_id"], third["event_id"] == ("order-1", "order-3")


@pytest.mark.parametrize("value", [b"NaN", b"1e400", b'"\\ud800"', b"9" * 5000, b'"\\u0000"'])
def test_invalid_json_value_is_a_separate_item(side: Side, value: bytes):
    good = b'{"event_id": "order-%d", "customer_id": "c", "method_id": "card"}'
    bad = b'{"event_id": "bad", "customer_id": "c", "method_id": %s}' % value
    answer = side.client.post(FEEDBACK, content=b"[" + b",".join([good % 1, bad, good % 3]) + b"]")
    assert answer.status_code == 202, answer.text
    assert [result["status"] for result in answer.json()["results"]] == ["recorded", "invalid", "recorded"]
    assert answer.json()["results"][1]["event_id"] == "bad"


def test_list_of_only_invalid_items_is_answered(side: Side):
    answer = side.client.post(FEEDBACK, json=[{}, {"event_id": "x"}])
    assert answer.status_code == 202
    assert [result["status"] for result in answer.json()["results"]] == ["invalid", "invalid"]


def test_500_ordinary_outcomes_fit(side: Side):
    outcomes = [{**examples.OUTCOME, "event_id": f"order-{number}-converted"} for number in range(500)]
    answer = side.client.post(FEEDBACK, json=outcomes)
    assert answer.status_code == 202, answer.text
    assert len(answer.json()["results"]) == 500


@pytest.mark.parametrize("count", [0, 501])
def test_the_number_of_outcomes_is_limited(side: Side, count: int):
    answer = side.client.post(FEEDBACK, json=[purchase(number) for number in range(count)])
    assert (answer.status_code, answer.json()["field"]) == (400, "body")


def test_a_list_over_256_kib_is_too_large(side: Side):
    assert side.client.post(FEEDBACK, content=b"[" + b" " * (256 * 1024)).status_code == 413
    assert side.client.post(FEEDBACK, content=b"[" + b" " * (256 * 1024 - 1)).status_code == 400
