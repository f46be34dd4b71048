"""Retention over HTTP and on its page: previewed, confirmed, and in the audit log."""

from __future__ import annotations

from typing import Any

import pytest

from engine.clock import now_ms
from engine.model.timestamps import DAY, first_id_of
from engine.store.log.records import compressed
from engine.store.tables import decisions
from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from tests.web.people import Person, add_person

PATH = "/v1/personalize/retention"
PAGE = "/admin/customers/retention"
ANY = {"If-Match": "*"}


@pytest.fixture
def admin(server: Server, side: Side) -> Person:
    return add_person(server, side)


def store_decision(side: Side, *, days_ago: int) -> None:
    """As if something had been decided some days ago."""
    row = {
        "merchant_id": side.merchant.id, "id": first_id_of(now_ms() - days_ago * DAY) + 20 * "0",
        "placement": "payment_methods", "plan_version": 1, "beliefs_version": 1, "dictionary": 0,
        "record": compressed([("DE", "", "{}", "{}", "{}")])[0],
    }  # fmt: skip

    async def work() -> None:
        async with side.server.engine.database.write() as connection:
            await connection.execute(decisions.insert().values(row))

    side.server.run(work())


def items(answer: Any) -> dict[str, dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return {item["kind"]: item for item in answer.json()["items"]}


def test_without_a_policy_the_server_setting_is_returned(side: Side):
    answer = side.client.get(PATH)
    kinds = items(answer)
    assert answer.headers["etag"] == '"0"'
    assert kinds["decisions"] == {"kind": "decisions", "days": 400, "own": None, "server": 400, "shortest": 90}
    assert (kinds["preference_versions"]["days"], kinds["webhook_deliveries"]["days"], kinds["mails"]["days"]) == (
        None, 30, 90,
    )  # fmt: skip


def test_deletion_is_previewed_and_confirmed(side: Side):
    store_decision(side, days_ago=100)
    store_decision(side, days_ago=80)
    [preview] = items(side.client.post(f"{PATH}/preview", json={"decisions": 90})).values()
    assert (preview["days"], preview["rows"], preview["exact"], preview["parts"]["decisions"]) == (90, 1, True, 1)
    assert preview["oldest_at"] is not None
    refused = side.client.put(PATH, json={"decisions": 90}, headers=ANY)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "confirm")
    assert items(side.client.get(PATH))["decisions"]["own"] is None
    saved = side.client.put(PATH, json={"decisions": 90, "confirm": True}, headers={"If-Match": '"0"'})
    assert items(saved)["decisions"] == {"kind": "decisions", "days": 90, "own": 90, "server": 400, "shortest": 90}
    assert (saved.headers["etag"], saved.headers["cache-control"]) == ('"1"', "no-store")
    again = side.client.put(PATH, json={}, headers={"If-Match": '"0"'})
    assert again.status_code == 412
    entry = side.client.get("/v1/audit").json()["items"][0]
    assert (entry["action"], entry["subject"], entry["after"]) == ("changed", "retention", {"decisions": 90})


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"decisions": 89}, "decisions"),
        ({"decisions": 401}, "decisions"),
        ({"preference_versions": 29}, "preference_versions"),
        ({"webhook_deliveries": 31}, "webhook_deliveries"),
        ({"mails": "30"}, "mails"),
        ({"audit": 30}, "audit"),
    ],
)
def test_invalid_policy_names_the_field(side: Side, body: dict[str, Any], field: str):
    for answer in (side.client.post(f"{PATH}/preview", json=body), side.client.put(PATH, json=body, headers=ANY)):
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field), answer.text
    assert items(side.client.get(PATH))["decisions"]["own"] is None


def test_publishable_keys_are_refused(side: Side):
    with side.server.client(side.new_key("publishable")) as browser:
        assert browser.get(PATH).status_code == 403
        assert browser.put(PATH, json={}, headers=ANY).status_code == 403
        assert browser.post(f"{PATH}/preview", json={}).status_code == 403


def test_page_saves_at_once_if_nothing_is_deleted(side: Side, admin: Person):
    assert "Retention" in admin.get("/admin/customers")
    answer = admin.send(PAGE, decisions="180", mails="", version=admin.version(PAGE))
    assert answer.status_code == 303
    page = admin.get(PAGE)
    assert "The retention is saved. Nothing is to be deleted now." in page
    assert 'value="180"' in page
    assert items(side.client.get(PATH))["decisions"]["days"] == 180


def test_page_previews_deletion_and_requires_confirmation(side: Side, admin: Person):
    store_decision(side, days_ago=100)
    version = admin.version(PAGE)
    answer = admin.send(PAGE, decisions="95", version=version)
    assert answer.status_code == 200
    assert "This data would be deleted" in answer.text
    assert "1 decision<" in answer.text
    assert 'name="shown" value="95----"' in answer.text
    unticked = admin.send(PAGE, decisions="95", version=version, shown="95----")
    assert unticked.status_code == 422
    assert "Tick this to delete the data" in unticked.text
    # A confirmation of other days than the shown ones is not accepted.
    other = admin.send(PAGE, decisions="90", version=version, shown="95----", confirm="on")
    assert other.status_code == 200
    assert items(side.client.get(PATH))["decisions"]["own"] is None
    saved = admin.send(PAGE, decisions="95", version=version, shown="95----", confirm="on")
    assert saved.status_code == 303
    assert "begins to delete within an hour" in admin.get(PAGE)
    assert items(side.client.get(PATH))["decisions"]["own"] == 95


def test_the_page_previews_without_saving(side: Side, admin: Person):
    answer = admin.send(PAGE, decisions="95", version=admin.version(PAGE), act="preview")
    assert answer.status_code == 200
    assert "Nothing would be deleted now" in answer.text
    assert items(side.client.get(PATH))["decisions"]["own"] is None


def test_mistakes_are_shown_beside_their_fields(side: Side, admin: Person):
    version = admin.version(PAGE)
    answer = admin.send(PAGE, decisions="many", preference_versions="7", mails="91", version=version)
    assert answer.status_code == 422
    for message in ("Must be 90 to 400 days, or empty.", "Must be 30 to 3,650 days, or empty."):
        assert message in answer.text
    assert 'value="many"' in answer.text
    too_long = admin.send(PAGE, mails="91", version=version)
    assert "Must be 7 to 90 days, or empty." in too_long.text


def test_change_of_another_person_is_not_overwritten(side: Side, admin: Person):
    version = admin.version(PAGE)
    side.client.put(PATH, json={"mails": 30}, headers=ANY)
    answer = admin.send(PAGE, mails="20", version=version)
    assert answer.status_code == 409
    assert "Someone else saved this" in answer.text
    assert items(side.client.get(PATH))["mails"]["days"] == 30


def test_viewers_read_but_cannot_change(server: Server, side: Side):
    viewer = add_person(server, side, role="viewer")
    side.client.put(PATH, json={"decisions": 180}, headers=ANY)
    page = viewer.get(PAGE)
    assert "180 days" in page
    assert "Your team" in page
    assert 'name="decisions"' not in page
    assert viewer.send(PAGE, decisions="100").status_code == 403
