"""Previews over HTTP: start, follow, read and cancel them; other merchants see none."""

from __future__ import annotations

import time

import pytest

from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side

PREVIEWS = "/v1/placements/payment_methods/previews"
NO_CARD = {
    "id": "no-card", "name": "No card", "when": {"==": [{"var": "geo.country"}, "DE"]},
    "effects": [{"exclude": ["card"]}],
}  # fmt: skip


def ended(side: Side, id: str) -> dict:
    for _ in range(600):
        preview = side.client.get(f"{PREVIEWS}/{id}").json()
        if preview["state"] != "running":
            return preview
        time.sleep(0.1)
    raise AssertionError("the preview did not end")


def start(side: Side, **body) -> dict:
    answer = side.client.post(PREVIEWS, json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_rules_are_previewed_on_logged_decisions(side: Side):
    for number in range(5):
        side.decide(f"c_{number}")
    preview = ended(side, start(side, rules=[NO_CARD])["id"])
    assert (preview["state"], preview["done"], preview["total"]) == ("done", 5, 5)
    result = preview["result"]
    assert (result["read"], result["changed"]) == (5, 5)
    assert next(item for item in result["places"] if item["id"] == "card")["shown"] == [5, 0]
    assert result["effect"]["refused"] == "the outcomes of these decisions are still awaited"
    assert result["first_at"].endswith("Z")


def test_rules_over_64_kib_can_be_previewed(side: Side):
    side.decide()
    preview = start(side, rules=[{**NO_CARD, "id": f"rule-{index}", "notes": "x" * 900} for index in range(100)])
    assert ended(side, preview["id"])["state"] == "done"


def test_without_a_draft_the_published_rules_change_nothing(side: Side):
    side.decide()
    assert ended(side, start(side)["id"])["result"]["changed"] == 0


def test_one_preview_runs_at_a_time_and_can_be_cancelled(side: Side):
    running = start(side)
    assert side.client.post(PREVIEWS, json={}).status_code == 409
    assert side.client.delete(f"{PREVIEWS}/{running['id']}").json()["state"] == "cancelled"
    assert ended(side, start(side)["id"])["state"] == "done"


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"since": "2026-11-02T00:00:00Z", "until": "2026-11-01T00:00:00Z"}, "until"),
        ({"without": "no-such-rule"}, "without"),
        ({"rules": [NO_CARD | {"effects": [{"exclude": ["nobody"]}]}]}, "effects"),
    ],
)
def test_invalid_preview_names_the_field(side: Side, body: dict, field: str):
    answer = side.client.post(PREVIEWS, json=body)
    assert answer.status_code in (400, 404, 422)
    assert field in answer.text


def test_preview_is_private_to_its_merchant_and_placement(server: Server, side: Side):
    id = start(side)["id"]
    other, _ = server.sides()
    other.create_examples()
    assert other.client.get(f"{PREVIEWS}/{id}").status_code == 404
    assert other.client.delete(f"{PREVIEWS}/{id}").status_code == 404
    assert side.client.get(f"/v1/placements/offers/previews/{id}").status_code == 404
    assert server.client(side.new_key()).get(f"{PREVIEWS}/{id}").status_code == 403
    assert ended(side, id)["state"] == "done"
