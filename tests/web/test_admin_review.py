"""Review by a second person on the pages: switches change the draft, authors do not approve, emergencies show."""

from __future__ import annotations

import re

import pytest

from tests.serving import Server, Side
from tests.web.people import Person, add_person
from tests.web.test_admin_drafts import CHANGES, PLACEMENT, act, shown

METHODS = "/admin/live/methods"
UNDO = re.compile(r'action="([^"]+)"[^>]*>.{0,200}?Undo', re.DOTALL)


@pytest.fixture
def ada(server: Server, side: Side) -> Person:
    return add_person(server, side)


@pytest.fixture
def bob(server: Server, side: Side) -> Person:
    return add_person(server, side)


def test_switch_publishes_at_once_and_can_be_undone(side: Side, ada: Person):
    ada.send(f"{METHODS}/paypal/toggle", enabled="off", why="Down since noon")
    assert "paypal" not in shown(side)
    page = ada.get(METHODS)
    undo = f"{METHODS}/paypal/toggle?enabled=on"
    assert undo in page
    newest = side.client.get("/v1/audit").json()["items"][0]
    assert (newest["why"], newest["emergency"]) == ("Down since noon", False)
    ada.send(undo)
    assert "paypal" in shown(side)


def test_with_review_switches_and_forms_change_the_draft(side: Side, ada: Person, bob: Person):
    ada.send("/admin/live/review", review="on", placement=PLACEMENT)
    ada.send(f"{METHODS}/paypal/toggle", enabled="off")
    assert "paypal" in shown(side)
    assert "In the draft" in ada.get(METHODS)
    assert "1 thing to be changed" in ada.get(CHANGES)
    act(bob, "ask")
    assert act(ada, "approve").status_code == 403
    assert act(bob, "approve").status_code == 403
    cyd = add_person(side.server, side)
    assert act(cyd, "approve").status_code == 303
    assert act(ada, "publish").status_code == 303
    assert "paypal" not in shown(side)


def test_with_review_undo_removes_the_change_from_the_draft(side: Side, ada: Person):
    ada.send("/admin/live/review", review="on", placement=PLACEMENT)
    ada.send(f"{METHODS}/paypal/toggle", enabled="off")
    ada.send(f"{METHODS}/paypal/toggle?enabled=on")
    assert "Nothing to publish" in ada.get(CHANGES)


def test_person_does_not_approve_their_own_change_with_a_key(server: Server, side: Side, ada: Person):
    accounts = server.engine.accounts
    key = server.run(accounts.create_key(side.merchant, "secret", "CI", actor_name=ada.email))[1]
    ada.send("/admin/live/review", review="on", placement=PLACEMENT)
    client, draft = server.client(key), f"/v1/placements/{PLACEMENT}/draft"
    paypal = {"id": "paypal", "label": "PayPal", "enabled": False}
    saved = client.put(f"{draft}/candidates/paypal", json=paypal, headers={"If-Match": "*"})
    assert saved.json()["authors"] == [ada.email]
    direct = client.put(f"/v1/placements/{PLACEMENT}/candidates/paypal", json=paypal, headers={"If-Match": "*"})
    assert (direct.status_code, direct.json()["type"]) == (403, "urn:tap2:problem:review-required")
    assert client.post(f"{draft}/review", json={}, headers={"If-Match": "*"}).status_code == 200
    assert act(ada, "approve").status_code == 403
    back = client.post(f"/v1/placements/{PLACEMENT}/roll-back", json={"version": 1})
    assert (back.status_code, back.json()["type"]) == (403, "urn:tap2:problem:review-required")


def test_emergency_pause_is_shown_until_another_person_confirms_it(side: Side, ada: Person, bob: Person):
    ada.send("/admin/live/review", review="on", placement=PLACEMENT)
    ada.send(f"{METHODS}/paypal/pause", why="")
    assert "paypal" in shown(side)
    ada.send(f"{METHODS}/paypal/pause", why="Answers with errors")
    assert "paypal" not in shown(side)
    for page in ("/admin/live/", CHANGES):
        assert "Answers with errors" in bob.get(page)
    seen = re.search(r'action="(/admin/live/emergencies/\d+/seen)"', bob.get("/admin/live/"))
    assert seen is not None
    assert seen[1] not in ada.get("/admin/live/")
    assert ada.send(seen[1]).status_code == 403
    assert bob.send(seen[1]).status_code == 303
    assert "I have seen it" not in bob.get("/admin/live/")
    assert "Emergency" in bob.get("/admin/live/audit")
