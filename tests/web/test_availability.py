"""Reports of what cannot be had: over HTTP, and as the pages say it."""

from __future__ import annotations

import re

from tests.serving import Server, Side
from tests.web.people import add_person

PATH = "/v1/placements/payment_methods/availability"
REPORT = {"unavailable": {"ideal": {"reason": "gateway down"}}}


def test_report_is_stored_and_applied(side: Side):
    first = side.client.get(PATH)
    assert (first.json(), first.headers["etag"]) == ({"version": 0, "unavailable": {}}, '"0"')
    replaced = side.client.put(PATH, json=REPORT, headers={"If-Match": '"0"'})
    assert (replaced.status_code, replaced.json()) == (200, {"version": 1, **REPORT})
    assert side.client.get(PATH).json() == replaced.json()
    request = {"placement": "payment_methods", "context": {"geo": {"country": "NL"}}}
    answer = side.client.post("/v1/personalize/decisions", json=request).json()
    assert {"id": "ideal", "reason": "not available: gateway down"} in answer["excluded"]
    assert side.client.put(PATH, json=REPORT, headers={"If-Match": '"0"'}).status_code == 412
    assert side.client.put(PATH, json=REPORT).status_code == 428


def test_browser_cannot_report(side: Side):
    page = side.server.client(side.new_key("publishable"))
    assert page.put(PATH, json=REPORT, headers={"If-Match": "*"}).status_code == 403


def test_page_shows_and_ends_a_report(server: Server, side: Side):
    person = add_person(server, side)
    side.client.put(PATH, json=REPORT, headers={"If-Match": "*"}).raise_for_status()
    for page in ("/admin/placements/payment_methods", "/admin/"):
        text = re.sub("</?bdi>", "", person.get(page))
        assert "iDEAL is not available: gateway down. No answer shows it." in text
    address = "/admin/placements/payment_methods/candidates/ideal/available"
    assert person.send(address).status_code == 303
    assert side.client.get(PATH).json() == {"version": 2, "unavailable": {}}
    assert "gateway down" not in person.get("/admin/placements/payment_methods")
    assert person.send(address).status_code in (200, 303)
    assert side.client.get(PATH).json()["version"] == 2
