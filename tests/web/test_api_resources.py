"""Configuring over HTTP: create, list, show, replace, delete, with versions so that two editors cannot collide."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from web.openapi import examples

PLACEMENT = "/v1/placements/payment_methods"
COLLECTIONS = [
    ("/v1/placements", "payment_methods", examples.PLACEMENT),
    (f"{PLACEMENT}/candidates", "ideal", examples.CANDIDATE),
    (f"{PLACEMENT}/rules", examples.RULE["id"], examples.RULE),
    ("/v1/vocabulary", "customer.tier", examples.FIELD),
    ("/v1/lists", "blocked-regions", examples.LIST),
]
every_collection = pytest.mark.parametrize(("path", "id", "example"), COLLECTIONS)


def any_version() -> dict[str, str]:
    return {"if-match": "*"}


@every_collection
@CHANGES_NOTHING
def test_created_resource_is_returned_with_its_version(side: Side, path: str, id: str, example: dict[str, Any]):
    answer = side.client.get(f"{path}/{id}")
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"1"'
    shown = answer.json()
    assert shown["version"] == 1
    assert {name: shown[name] for name in example} == example


@every_collection
def test_a_replacement_counts_the_version_up(side: Side, path: str, id: str, example: dict[str, Any]):
    answer = side.client.put(f"{path}/{id}", json=example, headers={"if-match": '"1"'})
    assert (answer.status_code, answer.headers["etag"], answer.json()["version"]) == (200, '"2"', 2)
    assert side.client.get(f"{path}/{id}").json() == answer.json()


@every_collection
@CHANGES_NOTHING
def test_a_change_without_a_version_is_refused(side: Side, path: str, id: str, example: dict[str, Any]):
    for answer in (side.client.put(f"{path}/{id}", json=example), side.client.delete(f"{path}/{id}")):
        assert answer.status_code == 428
        assert answer.json()["field"] == "If-Match"
    assert side.client.get(f"{path}/{id}").json()["version"] == 1


@every_collection
def test_a_change_from_a_stale_version_is_refused(side: Side, path: str, id: str, example: dict[str, Any]):
    side.client.put(f"{path}/{id}", json=example, headers=any_version())
    stale = {"if-match": '"1"'}
    for answer in (
        side.client.put(f"{path}/{id}", json=example, headers=stale),
        side.client.delete(f"{path}/{id}", headers=stale),
    ):
        assert answer.status_code == 412
        assert answer.json()["type"] == "urn:tap2:problem:stale"
    assert side.client.get(f"{path}/{id}").json()["version"] == 2


@every_collection
@CHANGES_NOTHING
def test_existing_id_is_a_conflict(side: Side, path: str, id: str, example: dict[str, Any]):
    answer = side.client.post(path, json=example)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:tap2:problem:conflict")


@every_collection
def test_deleted_resource_can_be_created_again(side: Side, path: str, id: str, example: dict[str, Any]):
    assert side.client.delete(f"{path}/{id}", headers=any_version()).status_code == 204
    assert side.client.get(f"{path}/{id}").status_code == 404
    assert side.client.delete(f"{path}/{id}", headers=any_version()).status_code == 404
    answer = side.client.post(path, json=example)
    assert (answer.status_code, answer.headers["location"]) == (201, f"{path}/{id}")


@every_collection
@CHANGES_NOTHING
def test_id_cannot_be_changed(side: Side, path: str, id: str, example: dict[str, Any]):
    name = next(name for name, value in example.items() if value == id)
    answer = side.client.put(f"{path}/{id}", json={**example, name: "another.one"}, headers=any_version())
    assert (answer.status_code, answer.json()["field"]) == (400, name)


@CHANGES_NOTHING
@pytest.mark.parametrize("given", ["1", '"1", "2"', "abc", '""', '"-1"'])
def test_invalid_if_match_is_named(side: Side, given: str):
    answer = side.client.delete("/v1/lists/blocked-regions", headers={"if-match": given})
    assert (answer.status_code, answer.json()["field"]) == (400, "If-Match")


def test_weak_etag_never_matches(side: Side):
    assert side.client.delete("/v1/lists/blocked-regions", headers={"if-match": 'W/"1"'}).status_code == 412


def test_only_one_of_many_concurrent_edits_succeeds(side: Side):
    def save(number: int) -> int:
        body = {**examples.CANDIDATE, "label": f"Label {number}"}
        with side.server.client(side.key) as client:
            return client.put(f"{PLACEMENT}/candidates/ideal", json=body, headers={"if-match": '"1"'}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(save, range(8)))
    assert sorted(statuses) == [200] + [412] * 7
    assert side.client.get(f"{PLACEMENT}/candidates/ideal").json()["version"] == 2


def test_list_is_created_completely_or_not_at_all(side: Side):
    good = [{"id": f"m{number}", "label": "M"} for number in range(3)]
    wrong = [*good, {"id": "m9", "label": "M", "min_amount": 9, "max_amount": 1}]
    answer = side.client.post(f"{PLACEMENT}/candidates", json=wrong)
    assert (answer.status_code, answer.json()["field"]) == (400, "3/max_amount")
    assert side.client.get(f"{PLACEMENT}/candidates/m0").status_code == 404
    answer = side.client.post(f"{PLACEMENT}/candidates", json=good)
    assert answer.status_code == 201
    assert [item["id"] for item in answer.json()["items"]] == ["m0", "m1", "m2"]


def test_a_list_that_names_an_id_twice_creates_nothing(side: Side):
    twice = [{"name": "one", "values": []}, {"name": "one", "values": ["a"]}]
    assert side.client.post("/v1/lists", json=twice).status_code == 409
    assert side.client.get("/v1/lists/one").status_code == 404


def test_at_most_500_are_created_at_once(side: Side):
    many = [{"name": f"l{number}"} for number in range(501)]
    assert side.client.post("/v1/lists", json=many).status_code == 400
    assert side.client.post("/v1/lists", json=many[:500]).status_code == 201


def test_pages_contain_every_item_once(side: Side):
    side.client.post("/v1/lists", json=[{"name": f"l{number:02}"} for number in range(25)])
    seen, cursor = [], ""
    while cursor is not None:
        page = side.client.get("/v1/lists", params={"limit": 10, "cursor": cursor}).json()
        assert len(page["items"]) <= 10
        seen += [item["name"] for item in page["items"]]
        cursor = page["next"]
    assert seen == ["blocked-regions", *(f"l{number:02}" for number in range(25))]


def test_a_list_may_be_larger_than_other_bodies(side: Side):
    values = [f"customer-{number}" for number in range(60_000)]
    assert side.client.post("/v1/lists", json={"name": "long", "values": values}).status_code == 201
    values.append("one more")
    answer = side.client.put("/v1/lists/long", json={"name": "long", "values": values}, headers=any_version())
    assert answer.status_code == 200
    answer = side.client.post("/v1/lists", json={"name": "longer", "values": ["x" * 200] * 11_000})
    assert (answer.status_code, answer.json()["status"]) == (413, 413)


def test_deleted_placement_deletes_its_resources(side: Side):
    assert side.client.delete(PLACEMENT, headers=any_version()).status_code == 204
    assert side.client.get(f"{PLACEMENT}/candidates").status_code == 404
    assert side.client.post("/v1/personalize/decisions", json=examples.DECISION).status_code == 404


def test_a_saved_candidate_decides_at_once(side: Side):
    side.client.post(f"{PLACEMENT}/candidates", json={"id": "wero", "label": "Wero"})
    assert "wero" in {ranked["id"] for ranked in side.decide()["ranking"]}


def test_field_used_by_a_rule_cannot_be_deleted(side: Side):
    answer = side.client.delete("/v1/vocabulary/cart.total", headers=any_version())
    assert answer.status_code == 400
    assert "cart.total" in answer.json()["detail"]
    assert side.client.get("/v1/vocabulary/cart.total").status_code == 200


def test_every_saved_change_is_a_plan_version(side: Side):
    before = side.client.get(f"{PLACEMENT}/versions").json()["items"]
    side.client.put(f"{PLACEMENT}/candidates/ideal", json=examples.CANDIDATE, headers=any_version())
    after = side.client.get(f"{PLACEMENT}/versions").json()["items"]
    assert after[0]["version"] == before[0]["version"] + 1
    assert [item["in_force"] for item in after] == [True] + [False] * len(before)
    assert [item["version"] for item in after[1:]] == [item["version"] for item in before]


def test_versions_are_paginated(side: Side):
    first = side.client.get(f"{PLACEMENT}/versions", params={"limit": 2}).json()
    then = side.client.get(f"{PLACEMENT}/versions", params={"limit": 200, "cursor": first["next"]}).json()
    versions = [item["version"] for item in first["items"] + then["items"]]
    assert versions == list(range(versions[0], 0, -1))
    assert then["next"] is None


def test_rollback_creates_a_new_version_for_later_edits(side: Side):
    old = side.decide()["plan_version"]
    side.client.post(f"{PLACEMENT}/candidates", json={"id": "wero", "label": "Wero"})
    answer = side.client.post(f"{PLACEMENT}/roll-back", json={"version": old})
    [now] = [item for item in answer.json()["items"] if item["in_force"]]
    assert (now["version"], now["why"]) == (old + 2, f"Rolled back to version {old}")
    decision = side.decide()
    assert decision["plan_version"] == old + 2
    assert "wero" not in {ranked["id"] for ranked in decision["ranking"]}
    assert side.client.get(f"{PLACEMENT}/candidates/wero").json()["enabled"] is False
    side.client.put(f"{PLACEMENT}/candidates/paypal", json={"id": "paypal", "label": "Other"}, headers=any_version())
    assert "wero" not in {ranked["id"] for ranked in side.decide()["ranking"]}
    assert side.client.post(f"{PLACEMENT}/roll-back", json={"version": old + 3}).status_code == 409


def test_rollback_requires_an_existing_version_and_placement(side: Side):
    answer = side.client.post(f"{PLACEMENT}/roll-back", json={"version": 999})
    assert (answer.status_code, answer.json()["field"]) == (400, "version")
    side.client.delete(PLACEMENT, headers=any_version())
    assert side.client.post(f"{PLACEMENT}/roll-back", json={"version": 1}).status_code == 404
    assert side.client.get(f"{PLACEMENT}/versions").status_code == 404
    assert side.client.post("/v1/personalize/decisions", json=examples.DECISION).status_code == 404


def test_audit_log_has_actor_and_change(side: Side):
    side.client.put(
        f"{PLACEMENT}/rules/{examples.RULE['id']}", json={**examples.RULE, "priority": 7}, headers=any_version()
    )
    newest = side.client.get("/v1/audit", params={"limit": 1}).json()
    (entry,) = newest["items"]
    assert entry["who"].startswith("key tests (key_")
    assert (entry["action"], entry["subject"]) == ("changed", f"rule {examples.RULE['id']} in payment_methods")
    assert (entry["before"]["priority"], entry["after"]["priority"]) == (10, 7)
    following = side.client.get("/v1/audit", params={"limit": 200, "cursor": newest["next"]}).json()["items"]
    assert entry["id"] not in {item["id"] for item in following}
    only = side.client.get("/v1/audit", params={"subject": "list "}).json()["items"]
    assert [item["subject"] for item in only] == ["list blocked-regions"]


BAD: list[tuple[str, Any, str]] = [
    ("/v1/placements", {"key": "a"}, "name"),
    ("/v1/placements", {"key": "a b", "name": "A"}, "key"),
    ("/v1/placements", {"key": "a\n", "name": "A"}, "key"),
    ("/v1/placements", {"key": "a", "name": "A", "colour": 1}, "colour"),
    ("/v1/placements", {"key": "a", "name": "A", "reward": "luck"}, "reward"),
    ("/v1/placements", {"key": "a", "name": "A", "shape": {"type": "ranking", "limit": 3}}, "shape/limit"),
    ("/v1/placements", {"key": "a", "name": "A", "policy": {"type": "thompson", "floor": 0.9}}, "policy/floor"),
    ("/v1/placements", {"key": "a", "name": "A", "buckets": ["device.type", "nothing.here"]}, "buckets/1"),
    (f"{PLACEMENT}/candidates", {"id": "x"}, "label"),
    (f"{PLACEMENT}/candidates", {"id": "x", "label": "X", "countries": ["DE", "de"]}, "countries/1"),
    (f"{PLACEMENT}/candidates", {"id": "x", "label": "X", "fee_percent": "1.4"}, "fee_percent"),
    (f"{PLACEMENT}/candidates", {"id": "x", "label": "X", "fee_fixed": 1.5}, "fee_fixed"),
    (f"{PLACEMENT}/candidates", {"id": "x", "label": "X", "min_amount": 2, "max_amount": 1}, "max_amount"),
    (f"{PLACEMENT}/candidates", [{"id": "x", "label": "X"}, {"id": "y"}], "1/label"),
    (f"{PLACEMENT}/rules", {**examples.RULE, "id": "x", "when": {"nope": []}}, "when/nope"),
    (f"{PLACEMENT}/rules", {**examples.RULE, "id": "x", "when": {">": [{"var": "cart.totl"}, 1]}}, "when/>/0"),
    (f"{PLACEMENT}/rules", {**examples.RULE, "id": "x", "effects": []}, "effects"),
    (f"{PLACEMENT}/rules", {**examples.RULE, "id": "x", "effects": [{"exclude": ["nobody"]}]}, "effects/0"),
    ("/v1/vocabulary", {"name": "time.zone", "type": "string"}, "name"),
    ("/v1/vocabulary", {"name": "cart.colour", "type": "paint"}, "type"),
    ("/v1/lists", {"name": "l", "values": ["a", 1]}, "values/1"),
    ("/v1/lists", 5, "body"),
    ("/v1/lists", [], "body"),
    ("/v1/keys", {"kind": "golden"}, "kind"),
    (f"{PLACEMENT}/roll-back", {"version": 0}, "version"),
    (f"{PLACEMENT}/roll-back", {"version": "1"}, "version"),
]


@CHANGES_NOTHING
@pytest.mark.parametrize(("path", "body", "field"), BAD, ids=[f"{path} {field}" for path, _, field in BAD])
def test_bad_input_names_its_field(side: Side, path: str, body: Any, field: str):
    answer = side.client.post(path, json=body)
    problem = answer.json()
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert problem["type"] == "urn:tap2:problem:invalid"
    assert problem["field"].startswith(field), problem
    assert problem["errors"][0]["message"]


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/lists?limit=0", "limit"),
        ("/v1/lists?limit=201", "limit"),
        ("/v1/lists?limit=ten", "limit"),
        ("/v1/lists?limit=1&limit=2", "limit"),
        ("/v1/lists?size=3", "size"),
        ("/v1/audit?cursor=abc", "cursor"),
        ("/v1/decisions?placement=no%20such", "placement"),
    ],
)
def test_invalid_parameter_is_named(side: Side, path: str, field: str):
    answer = side.client.get(path)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_two_sides_of_a_merchant_share_nothing(server: Server):
    live, test = server.sides()
    live.create_examples()
    assert test.client.get("/v1/placements").json()["items"] == []
    test.create_examples()
    test.client.delete(PLACEMENT, headers=any_version())
    assert live.client.get(PLACEMENT).status_code == 200


def test_the_key_is_checked_before_version_and_body(server: Server):
    with server.client() as client:
        answers = [client.put("/v1/lists/a", content=b"no JSON") for _ in range(5)]
        answers += [client.get("/v1/lists?limit=none"), client.post("/v1/keys", content=b"no JSON")]
    assert {answer.status_code for answer in answers} == {401}


def test_the_version_is_checked_before_the_body(side: Side):
    assert [side.client.put("/v1/lists/a", content=b"no JSON").status_code for _ in range(5)] == [428] * 5
