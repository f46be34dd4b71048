"""The list of placements: each at a glance."""

from __future__ import annotations

import re

from tests.serving import Server, Side
from tests.web.people import add_person


def cells(page: str) -> list[str]:
    """Return the figures of the first row, from left to right."""
    return re.findall(r'<td class="num">(.*?)</td>', page)


def test_a_placement_shows_how_many_decisions_end_in_a_purchase(server: Server, side: Side):
    person = add_person(server, side)
    assert cells(person.get("/admin/live/placements"))[1] == "–"
    decisions = [side.decide(f"c_{number}") for number in range(4)]
    for decision in decisions[:3]:
        event = {"event_id": decision["decision_id"], "decision_id": decision["decision_id"], "type": "converted"}
        event["candidate_id"] = decision["ranking"][0]["id"]
        assert side.client.post("/v1/personalize/feedback", json=event).status_code == 202
    assert cells(person.get("/admin/live/placements"))[:2] == ["4", "75.0%"]
