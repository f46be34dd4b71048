"""The effects of a tier: on its page, in mails, at exports, and at the limit of requests."""

from __future__ import annotations

import pytest

from engine.model.documents.tier import Tier
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from web.openapi import examples

REPORT = "/v1/placements/payment_methods/report"
DECISIONS = "/v1/personalize/decisions"
TIERS = {
    "exports": Tier(exports_a_month=2),
    "quiet": Tier(scheduled_mail=False, logo=False),
    "slow": Tier(requests_an_hour=4),
    "slower": Tier(requests_an_hour=3),
}


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def give(server: Server, side: Side, name: str) -> None:
    engine = server.engine
    server.run(engine.tiers.replace(TIERS, actor_name="tap2"))
    server.run(engine.tiers.assign(side.merchant.slug, name, actor_name="tap2"))
    server.run(engine.accounts.load_keys())


def test_export_limit_does_not_stop_decisions(server: Server, side: Side, person: Person) -> None:
    give(server, side, "exports")
    assert side.client.get(REPORT, params={"format": "csv"}).status_code == 200
    assert person.client.get(person.address("/admin/dashboard/summary.csv")).status_code == 200
    refused = side.client.get(REPORT, params={"format": "pdf"})
    assert (refused.status_code, refused.json()["type"]) == (429, "urn:tap2:problem:too-many-requests")
    assert "the tier “exports” allows 2 exports a month; the next month begins on 1 " in refused.json()["detail"]
    assert 0 < int(refused.headers["retry-after"]) <= 31 * 86_400
    for file in ("/admin/dashboard/summary.pdf", "/admin/decisions/csv", "/admin/ledger/ledger.csv"):
        page = person.client.get(person.address(file))
        assert page.status_code == 429
        assert "The tier “exports” allows 2 exports a month" in page.text
    assert side.client.post(DECISIONS, json=examples.DECISION).status_code == 200
    assert "Used up" in person.get("/admin/account")
    assert "2 a month" in person.get("/admin/account")


def test_missing_file_uses_no_export(server: Server, side: Side, person: Person) -> None:
    give(server, side, "exports")
    assert person.client.get(person.address("/admin/dashboard/other.pdf")).status_code == 404
    assert side.client.get(REPORT, params={"range": "custom"}).status_code == 400
    limits = side.client.get("/v1/limits").json()
    assert (limits["tier"], limits["exports_a_month"], limits["exports"]) == ("exports", 2, 0)


def test_without_a_tier_nothing_is_limited(side: Side, person: Person) -> None:
    assert side.client.get("/v1/limits").json() | {"exports_renewed_at": ""} == {
        "tier": "", "exports_a_month": None, "exports": 0, "exports_renewed_at": "", "requests_an_hour": None,
        "scheduled_mail": True, "logo": True,
    }  # fmt: skip
    assert "You have no tier" in person.get("/admin/account")
    answer = side.client.post(DECISIONS, json=examples.DECISION)
    assert answer.headers.get_list("ratelimit-policy") == ['"decisions";q=1000000;w=1']


def test_schedule_explains_why_it_is_not_sent(server: Server, side: Side, person: Person) -> None:
    made = side.client.post("/v1/report-schedules", json=examples.REPORT_SCHEDULE).json()
    assert made["is_allowed"]
    assert "Not in your tier" not in person.get("/admin/reports")
    give(server, side, "quiet")
    page = person.get("/admin/reports")
    assert "your tier “quiet” does not include it" in page
    assert "Not in your tier" in page
    [listed] = side.client.get("/v1/report-schedules").json()["items"]
    assert not listed["is_allowed"]
    refused = side.client.post(f"/v1/report-schedules/{made['id']}/test", json=examples.REPORT_TEST)
    assert (refused.status_code, "no reports by mail" in refused.json()["detail"]) == (409, True)


def test_all_keys_share_the_requests_of_an_hour(server: Server, side: Side, person: Person) -> None:
    give(server, side, "slow")
    assert "0 now, in the server process" in person.get("/admin/account")
    other = server.client(side.new_key("secret"))
    assert side.client.post(DECISIONS, json=examples.DECISION).status_code == 200
    answer = other.post(DECISIONS, json=examples.DECISION)
    assert '"requests";q=4;w=3600' in answer.headers["ratelimit-policy"]
    assert '"requests";r=2;t=1800' in answer.headers["ratelimit"]
    outcome = {"event_id": "order-1", "customer_id": "c_1", "method_id": "card"}
    assert other.post("/v1/personalize/feedback", json=[outcome, outcome]).status_code == 202
    refused = side.client.post(DECISIONS, json=examples.DECISION)
    assert (refused.status_code, refused.json()["detail"]) == (429, "the limit of requests is used up")
    assert 0 < int(refused.headers["retry-after"]) <= 900
    assert "4 now, in the server process that shows this page" in person.get("/admin/account")
    assert "Used up" in person.get("/admin/account")
    assert '"decisions";r=1000000' in refused.headers["ratelimit"], "a 429 uses no quota"
    assert side.client.get("/v1/lists").status_code == 200


def test_tier_limits_each_merchant_separately(server: Server, side: Side) -> None:
    give(server, side, "slower")
    other = server.sides()[0]
    give(server, other, "slower")
    assert {side.client.post(DECISIONS, json=examples.DECISION).status_code for _ in range(3)} == {200}
    assert side.client.post(DECISIONS, json=examples.DECISION).status_code == 429
    assert other.client.post(DECISIONS, json=examples.DECISION).status_code != 429
