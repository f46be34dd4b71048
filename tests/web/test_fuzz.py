"""Whatever is sent, the answer is never a server error, and a decision never falls back."""

from __future__ import annotations

import json
from random import Random

import pytest

from benchmarks.fuzzing.bodies import request
from benchmarks.fuzzing.run import fuzz
from tests.marks import CHANGES_NOTHING
from tests.serving import Side

pytestmark = pytest.mark.anyio


async def test_three_thousand_unusual_requests_are_answered() -> None:
    fuzzed = await fuzz(3_000, seed=1)
    assert fuzzed.faults == []
    assert fuzzed.statuses.total() == 3_000
    assert {200, 202, 400, 404} <= fuzzed.statuses.keys()


def test_the_same_seed_gives_the_same_requests() -> None:
    first, again = Random(7), Random(7)
    assert [request(first, ["dec_1"]) for _ in range(200)] == [request(again, ["dec_1"]) for _ in range(200)]


HALF = "\ud800"


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"placements": HALF}, "placements"),
        ({"placements": ["payment_methods", HALF]}, "placements"),
        ({"placements": ["payment_methods"], "merchant_id": HALF}, "merchant_id"),
    ],
)
def test_half_a_surrogate_pair_is_refused_outside_the_facts(side: Side, body: dict[str, object], field: str) -> None:
    answer = side.client.post("/v1/personalize/decisions/batch", content=json.dumps(body))
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_non_text_token_makes_a_guest(side: Side) -> None:
    body = {"placement": "payment_methods", "customer_id": "c_1", "customer_token": HALF}
    with side.server.client(side.new_key("publishable")) as client:
        answer = client.post("/v1/personalize/decisions", content=json.dumps(body))
    assert (answer.status_code, answer.json()["fallback"]) == (200, False)


def test_receipt_never_repeats_non_text(side: Side) -> None:
    outcomes = [{"event_id": HALF, "type": "shown"}, {"event_id": "a", "customer_id": "c", "method_id": "card"}]
    answer = side.client.post("/v1/personalize/feedback", content=json.dumps(outcomes))
    assert answer.status_code == 202
    assert [(receipt["event_id"], receipt["status"]) for receipt in answer.json()["results"]] == [
        ("", "invalid"),
        ("a", "recorded"),
    ]
