"""The merchant's lists: typed, pasted, uploaded, counted, and kept while a rule uses them."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest

from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from web.openapi import examples

NAME = "blocked-regions"
PAGE = f"/admin/lists/{NAME}"
UNDO = re.compile(r'action="([^"]+/changes/list/[^"]+/back[^"]*)"')


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    """An admin of a merchant with the list of the examples, which no rule looks at."""
    return add_person(server, side)


def review(server: Server, side: Side) -> None:
    server.run(server.engine.accounts.set_review(side.merchant, on=True, actor_name="tests"))


def use_list(side: Side, **others: object) -> None:
    rule = {
        "id": "blocked",
        "name": "Blocked regions",
        "when": {"and": [{"in_list": [{"var": "geo.region"}, NAME]}, {"==": [{"var": "geo.country"}, "DE"]}]},
        "effects": [{"exclude": ["card"]}],
        **others,
    }
    answer = side.client.post("/v1/placements/payment_methods/rules", json=rule)
    assert answer.status_code == 201, answer.text


def values_of(side: Side, name: str = NAME) -> list[str]:
    values: list[str] = side.client.get(f"/v1/lists/{name}").json()["values"]
    return values


def test_pasted_values_make_a_list(person: Person, side: Side) -> None:
    answer = person.send("/admin/lists/-/new", name="vip", values=" ada \r\nben\nada\n\n")
    assert answer.status_code == 303
    assert values_of(side, "vip") == ["ada", "ben"]
    assert "vip is ready" in person.get("/admin/lists")


def test_uploaded_file_adds_to_what_is_typed(person: Person, side: Side) -> None:
    form = {"csrf": person.csrf(), "version": person.version(PAGE), "values": "DE-BY"}
    file = {"file": ("regions.txt", "﻿FR-75\r\nDE-BY\r\nES-CT\r\n".encode(), "text/plain")}
    answer = person.client.post(person.address(PAGE), data=form, files=file)
    assert answer.status_code == 200
    assert values_of(side) == ["DE-BY", "FR-75", "ES-CT"]


def test_binary_file_is_refused_beside_its_field(person: Person, side: Side) -> None:
    form = {"csrf": person.csrf(), "version": person.version(PAGE), "values": "DE-BY"}
    answer = person.client.post(person.address(PAGE), data=form, files={"file": ("x.bin", b"\xff\xfe\x00")})
    assert answer.status_code == 422
    assert "must be text in UTF-8" in answer.text
    assert values_of(side) == ["DE-BY", "AT-9"]


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("name", "values", "message"),
    [("", "a", "Give it a name"), ("no blanks", "a", "Use letters"), ("vip", "x" * 201, "at most 200 characters")],
)
def test_invalid_list_keeps_the_typed_values(person: Person, name: str, values: str, message: str) -> None:
    answer = person.send("/admin/lists/-/new", name=name, values=values)
    assert answer.status_code == 422
    assert message in answer.text
    assert values in answer.text


def test_long_list_is_kept_and_added_to_without_being_shown(person: Person, side: Side) -> None:
    many = [f"value-{number}" for number in range(3_000)]
    assert side.client.post("/v1/lists", json={"name": "many", "values": many}).status_code == 201
    page = person.get("/admin/lists/many")
    assert "Keep the 3,000 values" in page
    assert "value-17" not in page
    version = person.version("/admin/lists/many")
    person.send("/admin/lists/many", version=version, keep="on", values="one more")
    assert values_of(side, "many") == [*many, "one more"]
    version = person.version("/admin/lists/many")
    person.send("/admin/lists/many", version=version, values="only this")
    assert values_of(side, "many") == ["only this"]


@pytest.mark.parametrize("enabled", [True, False])
def test_list_used_by_a_rule_is_not_deleted(person: Person, side: Side, enabled: bool) -> None:
    use_list(side, enabled=enabled)
    assert "Blocked regions" in person.get("/admin/lists")
    answer = person.send(f"{PAGE}/delete", version=person.version(PAGE))
    assert answer.status_code == 422
    assert "still in use by “Blocked regions”" in answer.text
    assert values_of(side)


def test_undo_restores_a_deleted_list(person: Person, side: Side) -> None:
    person.send(f"{PAGE}/delete", version=person.version(PAGE))
    assert side.client.get(f"/v1/lists/{NAME}").status_code == 404
    match = re.search(r'action="([^"]+/restore)"', person.get("/admin/lists"))
    assert match
    person.send(match[1])
    assert values_of(side) == ["DE-BY", "AT-9"]


def test_two_editors_of_a_list_do_not_overwrite_each_other(person: Person, side: Side) -> None:
    version = person.version(PAGE)
    person.send(PAGE, version=version, values="first")
    answer = person.send(PAGE, version=version, values="second")
    assert answer.status_code == 409
    assert "second" in answer.text
    assert values_of(side) == ["first"]


def test_reviewed_lists_change_in_the_draft(server: Server, person: Person, side: Side) -> None:
    review(server, side)
    assert person.send("/admin/lists/-/new", name="vip", values="ada").status_code == 303
    assert "New in the draft" in person.get("/admin/lists")
    assert side.client.get("/v1/lists/vip").status_code == 404
    person.send(PAGE, version=person.version(PAGE), values="DE-BE")
    assert "Changed in the draft" in person.get("/admin/lists")
    assert values_of(side) == ["DE-BY", "AT-9"]


@pytest.mark.parametrize("edited", [True, False])
def test_undo_of_a_deletion_restores_the_state_of_the_draft(
    server: Server, person: Person, side: Side, edited: bool
) -> None:
    review(server, side)
    if edited:
        person.send(PAGE, version=person.version(PAGE), values="DE-BE")
    person.send(f"{PAGE}/delete", version=person.version(PAGE))
    page = person.get("/admin/lists")
    assert "Deleted in the draft" in page
    match = UNDO.search(page)
    assert match, "the next page offers to take it back"
    person.send(match[1])
    page = person.get("/admin/lists")
    assert ("Changed in the draft" in page) == edited
    assert "Deleted in the draft" not in page
    assert ("DE-BE" in person.get(PAGE)) == edited


@pytest.mark.parametrize("path", ["/admin/methods/card", "/admin/fields/{field}"])
def test_every_deletion_in_a_draft_offers_undo(server: Server, person: Person, side: Side, path: str) -> None:
    review(server, side)
    path = path.format(field=examples.FIELD["name"])
    answer = person.send(f"{path}/delete", version=person.version(path))
    assert answer.status_code == 303
    page = person.client.get(answer.headers["location"]).text
    match = re.search(r'action="([^"]+/changes/(?:candidate|field)/[^"]+/back[^"]*)"', page)
    assert match, page
    assert person.send(match[1]).status_code == 303
    changes = person.get("/admin/placements/payment_methods/changes")
    assert "No changes" in changes or "nothing" in changes.lower()


def upload(person: Person, name: str, content: bytes) -> httpx.Response:
    values = {"csrf": person.csrf(), "version": "0", "name": name, "values": ""}
    file = {"file": ("values.csv", content, "text/csv")}
    return person.client.post(person.address("/admin/lists/-/new"), data=values, files=file)


def test_a_spreadsheets_quotes_are_no_part_of_values(person: Person, side: Side):
    lines = ('\ufeff"DE-BY"', '"Berlin, Mitte"', '"5"" pipe"', "plain;text", '"AT-9";', "Ma\u0308rz", "M\u00e4rz")
    assert upload(person, "quoted", "\r\n".join(lines).encode()).status_code == 303
    assert values_of(side, "quoted") == ["DE-BY", "Berlin, Mitte", '5" pipe', "plain;text", "AT-9", "M\u00e4rz"]


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"DE-BY\0\nAT-9", "has a NUL character"),
        (b'"DE-BY"\n"AT-9","Vienna"\n', "Line 2 has several values"),
        (b'"DE-BY";"Bavaria"\n', "Line 1 has several values"),
        ("DE-BY".encode("utf-16"), "must be text in UTF-8"),
    ],
)
def test_a_file_that_is_no_list_is_refused(person: Person, side: Side, content: bytes, message: str):
    answer = upload(person, "refused", content)
    assert (answer.status_code, message in unescape(answer.text)) == (422, True)
    assert side.client.get("/v1/lists/refused").status_code == 404
