"""Scheduled reports and recipients of alerts by HTTP: what the admin's pages do, with the same checks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mailboxes import MemoryMailServer
from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from web.openapi import examples

SCHEDULES, RECIPIENTS = "/v1/report-schedules", "/v1/alert-recipients"


def create(side: Side, path: str, document: dict[str, Any]) -> dict[str, Any]:
    answer = side.client.post(path, json=document)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{path}/{made['id']}"
    return made


@pytest.mark.parametrize(
    ("path", "document", "changes"),
    [
        (SCHEDULES, examples.REPORT_SCHEDULE, {"enabled": False, "format": "csv"}),
        (RECIPIENTS, examples.ALERT_RECIPIENT, {"types": ["arm.jumped"]}),
    ],
)
def test_a_document_is_listed_replaced_at_its_version_and_deleted(
    side: Side, path: str, document: dict[str, Any], changes: dict[str, Any]
):
    made = create(side, path, document)
    assert {name: made[name] for name in document} == document
    assert side.client.get(path).json() == {"items": [made], "next": None}
    item = f"{path}/{made['id']}"
    changed = document | changes
    assert side.client.put(item, json=changed).status_code == 428
    replaced = side.client.put(item, json=changed, headers={"if-match": '"1"'})
    assert replaced.headers["etag"] == '"2"'
    assert {name: replaced.json()[name] for name in changed} == changed
    assert side.client.put(item, json=changed, headers={"if-match": '"1"'}).status_code == 412
    assert side.client.get(item).json() == replaced.json()
    assert side.client.delete(item).status_code == 204
    assert side.client.get(item).status_code == 404
    audit = side.client.get("/v1/audit").text
    assert "shop.example.com" not in audit, "everybody reads the audit log"


def test_a_list_has_pages(side: Side):
    addresses = [f"person-{number}@shop.example.com" for number in range(3)]
    for address in addresses:
        create(side, RECIPIENTS, examples.ALERT_RECIPIENT | {"recipient": address})
    first = side.client.get(RECIPIENTS, params={"limit": 2}).json()
    rest = side.client.get(RECIPIENTS, params={"limit": 2, "cursor": first["next"]}).json()
    assert [each["recipient"] for each in first["items"] + rest["items"]] == addresses
    assert rest["next"] is None


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("path", "document", "field"),
    [
        (SCHEDULES, {"placement": "nowhere"}, "placement"),
        (SCHEDULES, {"recipients": []}, "recipients"),
        (SCHEDULES, {"recipients": ["Ada <ada@shop.example>"]}, "recipients/0"),
        (SCHEDULES, {"month_day": 31}, "month_day"),
        (SCHEDULES, {"hour": 24}, "hour"),
        (SCHEDULES, {"colour": "red"}, "colour"),
        (RECIPIENTS, {"recipient": "ada"}, "recipient"),
        (RECIPIENTS, {"types": []}, "types"),
        (RECIPIENTS, {"types": ["version.published"]}, "types"),
    ],
)
def test_invalid_field_is_named_and_not_stored(side: Side, path: str, document: dict[str, Any], field: str):
    usual = examples.REPORT_SCHEDULE if path == SCHEDULES else examples.ALERT_RECIPIENT
    answer = side.client.post(path, json={**usual, **document})
    assert answer.status_code in (400, 422)
    assert answer.json()["field"] == field
    assert side.client.get(path).json()["items"] == []


def test_alert_recipient_is_unique_and_keeps_its_position(side: Side):
    made = create(side, RECIPIENTS, examples.ALERT_RECIPIENT)
    again = side.client.post(RECIPIENTS, json=examples.ALERT_RECIPIENT)
    assert (again.status_code, again.json()["field"]) == (409, "recipient")
    other = examples.ALERT_RECIPIENT | {"recipient": "bob@shop.example.com"}
    moved = side.client.put(f"{RECIPIENTS}/{made['id']}", json=other, headers={"if-match": "*"})
    assert (moved.status_code, moved.json()["field"]) == (400, "recipient")


def test_a_test_report_is_sent_to_one_address(server: Server, side: Side, mail_server: MemoryMailServer):
    made = create(side, SCHEDULES, examples.REPORT_SCHEDULE | {"format": "csv"})
    test = f"{SCHEDULES}/{made['id']}/test"
    assert side.client.post(test, json={"recipient": "bob@shop.example.com"}).status_code == 204
    assert side.client.post(test, json={"recipient": "bob@shop.example.com"}).status_code == 409
    server.run(server.engine.mail.mailer.run())
    [sent] = [mail for mail in mail_server.messages if mail["To"] == "bob@shop.example.com"]
    assert "Weekly figures" in sent["Subject"]
