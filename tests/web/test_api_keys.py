"""Keys: shown once, listed without their secret, rotated with an overlap, revoked at once; what each kind may do."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from engine.clock import now_ms
from engine.settings import Settings
from engine.store import accounts as store
from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side, serving
from web.openapi import examples


def status_with(server: Server, key: str, path: str = "/v1/placements") -> int:
    with server.client(key) as client:
        return client.get(path).status_code


def made(side: Side, kind: str = "secret") -> dict[str, Any]:
    answer = side.client.post("/v1/keys", json={"kind": kind, "name": "Web"})
    assert answer.status_code == 201
    key: dict[str, Any] = answer.json()
    return key


def listed(side: Side, id: str) -> dict[str, Any]:
    return next(item for item in side.client.get("/v1/keys").json()["items"] if item["id"] == id)


def test_a_key_is_shown_once(side: Side):
    key = made(side)
    answer = side.client.get("/v1/keys")
    assert key["key"].startswith("sk_live_")
    assert key["key"] not in answer.text
    assert set(listed(side, key["id"])) == {
        "id",
        "kind",
        "name",
        "hint",
        "created_at",
        "expires_at",
        "in_force",
        "created_by",
    }
    assert answer.headers["cache-control"] == "no-store"


def test_key_text_shows_kind_and_side(server: Server):
    for side, mode in zip(server.sides(), ("live", "test"), strict=True):
        assert made(side, "secret")["key"].startswith(f"sk_{mode}_")
        assert made(side, "publishable")["key"].startswith(f"pk_{mode}_")


def test_after_a_rotation_both_keys_work_for_the_overlap(side: Side):
    old = made(side)
    answer = side.client.post(f"/v1/keys/{old['id']}/rotate", json={"overlap_hours": 2})
    assert answer.status_code == 201
    assert [status_with(side.server, key) for key in (old["key"], answer.json()["key"])] == [200, 200]
    assert listed(side, old["id"])["expires_at"] is not None
    assert listed(side, answer.json()["id"])["expires_at"] is None


def test_without_an_overlap_the_old_key_ends_at_once(side: Side):
    old = made(side)
    new = side.client.post(f"/v1/keys/{old['id']}/rotate", json={"overlap_hours": 0}).json()
    assert [status_with(side.server, key) for key in (old["key"], new["key"])] == [401, 200]
    assert listed(side, old["id"])["in_force"] is False


def test_a_second_rotation_is_refused(side: Side):
    old = made(side)
    side.client.post(f"/v1/keys/{old['id']}/rotate", json={"overlap_hours": 1})
    ends = listed(side, old["id"])["expires_at"]
    again = side.client.post(f"/v1/keys/{old['id']}/rotate", json={"overlap_hours": 700})
    assert again.status_code == 409
    assert listed(side, old["id"])["expires_at"] == ends


def test_a_revoked_key_is_refused_at_once(side: Side):
    key = made(side)
    assert status_with(side.server, key["key"]) == 200
    assert side.client.delete(f"/v1/keys/{key['id']}").status_code == 204
    assert status_with(side.server, key["key"]) == 401
    assert side.client.delete(f"/v1/keys/{key['id']}").status_code == 404
    assert side.client.post(f"/v1/keys/{key['id']}/rotate", json={"overlap_hours": 1}).status_code == 404


def test_a_key_that_ran_out_is_refused(side: Side):
    key = made(side)

    async def run_out() -> None:
        async with side.server.engine.database.write() as connection:
            [stored] = [row for row in await store.keys_of(connection, side.merchant.id) if row.id == key["id"]]
            assert await store.expire_key(connection, stored, now_ms() - 1, now=now_ms())
        await side.server.engine.accounts.load_keys()

    side.server.run(run_out())
    answer = httpx.get(f"{side.server.url}/v1/keys", headers={"authorization": f"Bearer {key['key']}"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@CHANGES_NOTHING
@pytest.mark.parametrize("given", ["", "Bearer", "Basic abc", "Bearer sk_live_0", "Bearer \xe4\xf6", "x" * 9999])
def test_request_without_a_valid_key_is_refused(side: Side, given: str):
    answer = httpx.get(f"{side.server.url}/v1/keys", headers={"authorization": given.encode("latin-1")})
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:tap2:problem:unauthorized")


def test_keys_come_in_pages(side: Side):
    ids = [item["id"] for item in side.client.get("/v1/keys").json()["items"]] + [made(side)["id"] for _ in range(4)]
    seen, cursor = [], ""
    while cursor is not None:
        page = side.client.get("/v1/keys", params={"limit": 2, "cursor": cursor}).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert seen == ids


@pytest.mark.parametrize("hours", [-1, 721, 1.5, "24", None])
def test_an_overlap_has_limits(side: Side, hours: Any):
    key = made(side)
    answer = side.client.post(f"/v1/keys/{key['id']}/rotate", json={"overlap_hours": hours})
    assert (answer.status_code, answer.json()["field"]) == (400, "overlap_hours")


def test_a_publishable_key_decides_and_reports_only(side: Side):
    with side.server.client(side.new_key("publishable")) as client:
        decision = client.post("/v1/personalize/decisions", json=examples.DECISION).json()
        outcome = {"event_id": "seen", "type": "shown", "decision_id": decision["decision_id"]}
        outcome["token"] = decision["token"]
        assert client.post("/v1/personalize/feedback", json=outcome).json()["results"][0]["status"] == "recorded"
        assert client.get("/v1/personalize/methods").status_code == 200
        assert client.get(f"/v1/decisions/{decision['decision_id']}").status_code == 403


def test_publishable_key_is_rate_limited(tmp_path_factory: pytest.TempPathFactory):
    with serving(Settings(data=str(tmp_path_factory.mktemp("slow")), public_rate="3/minute")) as server:
        side, _ = server.sides()
        side.create_examples()
        with server.client(side.new_key("publishable")) as client:
            answers = [client.get("/v1/personalize/methods") for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 60
        assert side.client.get("/v1/personalize/methods").status_code == 200
