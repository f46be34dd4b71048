"""The page of opt-in rates: by purpose and day, from what customers answered."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from sqlalchemy import text

from engine.clock import now_ms
from engine.customers import opt_in
from engine.customers.changes import Changer
from engine.model.documents.consent import ConsentRecord
from engine.model.timestamps import DAY
from tests.serving import Server, Side
from tests.web.people import Person, add_person

SERVER = Changer("server", "key 1")
PAGE = "/admin/customers/opt-in"
MOVE = "UPDATE customer_consents SET recorded_at = :at WHERE merchant_id = :merchant AND customer = :customer"


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side, role="viewer")


def answer(side: Side, customer: str, *, days_ago: int = 0, **record: Any) -> None:
    """Record a consent that was given some days ago."""
    engine, merchant_id = side.server.engine, side.merchant.id

    async def work() -> None:
        await engine.consents.record(merchant_id, customer, ConsentRecord(**record), SERVER)
        own = {"merchant": merchant_id, "customer": engine.hasher(merchant_id, customer)}
        async with engine.database.write() as connection:
            await connection.execute(text(MOVE), {**own, "at": now_ms() - days_ago * DAY})

    side.server.run(work())


def rows(page: str, caption: str) -> list[list[str]]:
    """Return the rows of a table by the start of its caption."""
    [table] = [each for each in re.findall(r"<table.*?</table>", page, re.S) if f">{caption}" in each]
    body = table.partition("<tbody>")[2]
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in body.split("</tr>")[:-1]]


def test_page_without_answers_explains_its_purpose(side: Side, person: Person):
    page = person.get(PAGE)
    assert "No answers in the last 30 days" in page
    assert "data-chart" not in page
    answer(side, "anna", method="dismiss")
    assert "So far 1 prompt was closed without an answer." in person.get(PAGE)
    assert "Opt-in rates over time" in person.get("/admin/customers")


def test_rates_are_of_the_answers_by_purpose(side: Side, person: Person):
    answer(side, "anna", method="accept")
    assert "data-chart" not in person.get(PAGE), "one day is no course"
    answer(side, "ben", method="save", purposes={"personalization": True, "analytics": False})
    answer(side, "eva", method="gpc", days_ago=3)
    answer(side, "old", method="accept", days_ago=60)
    page = person.get(PAGE)
    assert "66.7% of 3 answers in the last 30 days allow personalization" in page
    totals = rows(page, "Answers by purpose")
    assert totals[0] == ["Personalization", "2", "1", "66.7%"]
    assert totals[1] == ["Analytics", "1", "2", "33.3%"]
    assert [row[2:] for row in rows(page, "Answers by day") if row[1] == "Personalization"] == [
        ["2", "0", "100.0%"],
        ["0", "1", "0.0%"],
    ]
    assert "1 answer is a signal" in page
    [chart] = re.findall(r'data-chart="chart-opt-in">(.*?)</script>', page, re.S)
    assert "Cross merchant" in json.dumps(json.loads(unescape(chart)))
    weekly = person.get(f"{PAGE}?range=90")
    assert rows(weekly, "Answers by purpose")[0] == ["Personalization", "3", "1", "75.0%"]
    assert "Week from" in weekly


def test_invalid_range_has_a_message(side: Side, person: Person):
    answer(side, "anna", method="accept")
    page = person.get(f"{PAGE}?range=custom&first=2026-02-02&last=2026-01-01")
    assert "The first day must not be after the last one" in page
    assert "of 1 answer in" in person.get(f"{PAGE}?range=nonsense")


def test_erased_customer_is_not_counted(server: Server, side: Side, person: Person):
    answer(side, "anna", method="accept")
    answer(side, "ben", method="reject")
    server.run(server.engine.eraser.erase(side.merchant.id, "anna", suppress=False))
    assert rows(person.get(PAGE), "Answers by purpose")[0] == ["Personalization", "0", "1", "0.0%"]


def test_other_sides_and_merchants_are_not_counted(side: Side, person: Person):
    answer(side, "anna", method="accept")
    assert "No answers" in person.client.get(PAGE.replace("/admin", "/admin/test", 1)).text


def test_very_many_answers_are_sampled_by_customer(side: Side, person: Person, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(opt_in, "MOST_ANSWERS", 10)
    for number in range(12):
        answer(side, f"customer {number}", method="accept" if number % 2 else "reject")
    page = person.get(PAGE)
    assert "customers chosen at random" in page
    _, accepted, refused, _ = rows(page, "Answers by purpose")[0]
    assert int(accepted) + int(refused) == 10
