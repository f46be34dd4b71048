"""Erase and export over HTTP, the register of requests, and the same on the command line."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from engine.customers.export import Section
from engine.customers.requests import DAYS_TO_ANSWER
from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from web.customer_files import MOST_ROWS_ON_PAGE, export_zip, index_page
from web.openapi import examples

CUSTOMERS, REQUESTS = "/v1/personalize/customers", "/v1/personalize/requests"
CUSTOMER = {"customer_id": "anna@example.com"}


@pytest.fixture
def browser(side: Side) -> Iterator[httpx.Client]:
    with side.server.client(side.new_key("publishable")) as client:
        yield client


def live_through(side: Side) -> str:
    """Decide, buy, and say something; return the decision's id."""
    decision = side.client.post("/v1/personalize/decisions", json={**examples.DECISION, **CUSTOMER}).json()
    outcome = {"event_id": "o1", "decision_id": decision["decision_id"], "type": "converted", "candidate_id": "card"}
    assert side.client.post("/v1/personalize/feedback", json=outcome).json()["results"][0]["status"] == "recorded"
    side.client.put("/v1/personalize/preferences", json={**CUSTOMER, "language": "de", "categories": {"note": "=1+1"}})
    side.client.post("/v1/personalize/consents", json={**CUSTOMER, "method": "accept"})
    id: str = decision["decision_id"]
    return id


def export(client: httpx.Client, **more: Any) -> zipfile.ZipFile:
    answer = client.post(f"{CUSTOMERS}/export", json={**CUSTOMER, **more})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip"), answer.text
    assert answer.headers["cache-control"] == "no-store"
    return zipfile.ZipFile(io.BytesIO(answer.content))


def test_export_has_readable_and_machine_readable_data(side: Side):
    decision_id = live_through(side)
    file = export(side.client)
    names = {name.rpartition(".")[0] for name in file.namelist()}
    assert {f"{name}.{kind}" for name in names - {"index"} for kind in ("csv", "json")} | {"index.html"} == set(
        file.namelist()
    )
    decisions = json.loads(file.read("decisions.json"))
    assert [row["decision_id"] for row in decisions] == [decision_id]
    assert json.loads(decisions[0]["facts"])["geo.country"] == "DE"
    assert json.loads(file.read("outcomes.json"))[0]["type"] == "converted"
    assert json.loads(file.read("preferences.json"))[0]["language"] == "de"
    assert {row["purpose"]: row["accepted"] for row in json.loads(file.read("consents.json"))}["analytics"] is True
    assert json.loads(file.read("affinities.json"))[0]["candidate"] == "card"
    assert "de" in str(json.loads(file.read("preference_versions.json"))[0]["content"])
    rows = list(csv.reader(io.StringIO(file.read("decisions.csv").decode())))
    assert rows[1][rows[0].index("decision_id")] == decision_id
    page = file.read("index.html").decode()
    assert decision_id in page
    assert "anna@example.com" not in page


def test_export_of_an_unknown_customer_is_empty(side: Side):
    file = export(side.client, customer_id="nobody")
    assert json.loads(file.read("decisions.json")) == []
    assert "Nothing." in file.read("index.html").decode()


def test_erased_customer_has_no_data_and_is_refused(side: Side):
    decision_id = live_through(side)
    answer = side.client.post(f"{CUSTOMERS}/erase", json=CUSTOMER)
    assert (answer.status_code, answer.json()["decisions"], answer.json()["suppressed"]) == (200, 1, True)
    assert side.client.get(f"/v1/decisions/{decision_id}").status_code == 404
    assert json.loads(export(side.client).read("decisions.json")) == []
    again = side.client.post("/v1/personalize/decisions", json={**examples.DECISION, **CUSTOMER}).json()
    assert again["personalized"] is False
    (entry, *_) = side.client.get(REQUESTS, params={"state": "done"}).json()["items"]
    assert (entry["id"], entry["kind"], entry["is_overdue"]) == (answer.json()["request_id"], "erase", False)
    assert "anna" not in json.dumps(entry)
    other = side.client.post(f"{CUSTOMERS}/erase", json={**CUSTOMER, "suppress": False}).json()
    assert (other["decisions"], other["suppressed"]) == (0, False)
    fresh = side.client.post("/v1/personalize/decisions", json={**examples.DECISION, **CUSTOMER}).json()
    assert "personalized" not in fresh


def test_a_browser_exports_and_erases_its_own_customer_alone(side: Side, browser: httpx.Client):
    live_through(side)
    token = side.client.post("/v1/personalize/customer-tokens", json=CUSTOMER).json()["customer_token"]
    for sent in (CUSTOMER, {"customer_id": "ben", "customer_token": token}):
        for path in ("erase", "export"):
            answer = browser.post(f"{CUSTOMERS}/{path}", json=sent)
            assert (answer.status_code, answer.json()["field"]) == (403, "customer_token")
    assert json.loads(export(browser, customer_token=token).read("outcomes.json"))
    assert browser.post(f"{CUSTOMERS}/erase", json={**CUSTOMER, "customer_token": token}).json()["decisions"] == 1
    entries = side.client.get(REQUESTS).json()["items"]
    assert [(entry["kind"], entry["received_by"]) for entry in entries] == [
        ("export", "the customer's browser"),
        ("erase", "the customer's browser"),
    ]
    assert browser.get(REQUESTS).status_code == 403


# The register


def take_in(side: Side, **more: Any) -> dict[str, Any]:
    answer = side.client.post(REQUESTS, json={**CUSTOMER, "kind": "correct", **more})
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


def test_a_repeated_request_keeps_its_due_date(side: Side):
    first = take_in(side, identity_check="called back")
    assert take_in(side) == first
    assert (first["state"], first["identity_check"], first["is_overdue"]) == ("open", "called back", False)
    assert int(first["due_at"][:4]) * 372 + int(first["due_at"][5:7]) * 31 + int(first["due_at"][8:10]) - (
        int(first["received_at"][:4]) * 372 + int(first["received_at"][5:7]) * 31 + int(first["received_at"][8:10])
    ) in range(DAYS_TO_ANSWER, DAYS_TO_ANSWER + 4)
    assert take_in(side, kind="restrict")["id"] != first["id"]


def test_a_request_is_closed_once_and_refused_with_a_reason(side: Side):
    entry = take_in(side)
    path = f"{REQUESTS}/{entry['id']}/close"
    unexplained = side.client.post(path, json={"state": "refused"})
    assert (unexplained.status_code, unexplained.json()["field"]) == (400, "explanation")
    closed = side.client.post(path, json={"state": "refused", "explanation": "not the same person"})
    assert (closed.status_code, closed.json()["state"], closed.json()["explanation"]) == (
        200,
        "refused",
        "not the same person",
    )
    assert side.client.post(path, json={"state": "done"}).status_code == 409
    assert take_in(side)["id"] != entry["id"]
    audit = side.client.get("/v1/audit", params={"subject": f"request {entry['id']}"}).json()["items"]
    assert [change["action"] for change in audit] == ["refused", "received"]


def test_requests_come_in_pages(side: Side):
    ids = [take_in(side, customer_id=f"c{number}")["id"] for number in range(3)]
    first = side.client.get(REQUESTS, params={"state": "open", "limit": 2}).json()
    rest = side.client.get(REQUESTS, params={"state": "open", "after": first["next"]}).json()
    assert [item["id"] for item in (*first["items"], *rest["items"])] == ids
    assert rest["next"] is None


def test_another_merchants_request_does_not_exist(server: Server, side: Side):
    other, _ = server.sides()
    id = take_in(side)["id"]
    assert other.client.post(f"{REQUESTS}/{id}/close", json={"state": "done"}).status_code == 404
    assert other.client.get(REQUESTS).json()["items"] == []


@CHANGES_NOTHING
@pytest.mark.parametrize(("path", "sent", "field"), [
    (f"{CUSTOMERS}/erase", {"suppress": "no"}, "suppress"),
    (f"{CUSTOMERS}/erase", {"customer_id": ""}, "customer_id"),
    (f"{CUSTOMERS}/export", {"format": "pdf"}, "format"),
    (REQUESTS, {"kind": "forget"}, "kind"),
    (REQUESTS, {"kind": "erase", "identity_check": "x" * 1_001}, "identity_check"),
])  # fmt: skip
def test_invalid_request_names_the_field(side: Side, path: str, sent: dict[str, Any], field: str):
    answer = side.client.post(path, json={**CUSTOMER, **sent})
    assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text


# Files


def test_page_escapes_customer_text_and_limits_rows():
    rows = [{"note": "<script>alert(1)</script>"}] * (MOST_ROWS_ON_PAGE + 5)
    page = index_page([Section("notes", "Notes <b>", rows)], exported_at="now")
    assert "<script>" not in page
    assert "<b>" not in page
    assert "5 more rows are in notes.csv." in page


def test_csv_is_safe_in_a_spreadsheet():
    file = zipfile.ZipFile(io.BytesIO(export_zip([Section("notes", "", [{"note": "=1+1"}])], exported_at="now")))
    assert file.read("notes.csv").decode().splitlines() == ["note", "'=1+1"]
