"""The export for the verifier: what it contains, what it never contains, and what it leaves out."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from engine.clock import now_ms
from engine.insights import verification_export, verification_lines
from engine.insights.verification_export import ExportedDecisions, export_for_verification
from engine.insights.verification_lines import Numbers
from engine.model.placement import Split
from engine.model.timestamps import DAY
from engine.store.tables import beliefs
from tests import factories
from tests.marks import SQLITE, SQLITE_FIRST
from tests.shop import Shop

pytestmark = pytest.mark.anyio


async def exported(shop: Shop, folder: Path, **changes: Any) -> tuple[ExportedDecisions, list[dict[str, Any]]]:
    path, now = folder / "log.ndjson", now_ms()
    span = {"begin": now - DAY, "end": now + DAY} | changes
    total = await export_for_verification(shop.engine.database, shop.id, path, **span)
    assert [each.name for each in folder.iterdir() if each.suffix == ".part"] == []
    return total, [json.loads(line) for line in path.read_text().splitlines()]


@SQLITE_FIRST
async def test_line_follows_the_lines_it_refers_to(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(verification_export, "CHUNK", 3)
    ids = [(await shop.decide(f"c{number}")).decision.decision_id for number in range(4)]
    await shop.update_state(card=(40, 20), paypal=(50, 24))
    ids += [(await shop.decide(f"c{number}")).decision.decision_id for number in range(4)]
    total, lines = await exported(shop, tmp_path)
    assert total == ExportedDecisions(8, {})
    assert [line["id"] for line in lines if line["kind"] == "decision"] == sorted(ids)
    assert Counter(line["kind"] for line in lines) == {
        "log": 1, "plan": 1, "draws": 2, "limits": 2, "decision": 8, "end": 1,
    }  # fmt: skip
    defined: dict[str, set[int]] = {"plan": set(), "draws": set(), "limits": set()}
    for line in lines:
        assert {
            name: line[name] for name, numbers in defined.items() if name in line and line[name] not in numbers
        } == {}
        if line["kind"] in defined:
            defined[line["kind"]].add(line["n"])
    assert (lines[0]["kind"], lines[-1]["kind"], lines[-1]["decisions"]) == ("log", "end", 8)


async def test_export_contains_no_customer_ids_or_facts(shop: Shop, tmp_path: Path):
    split = factories.placement(key="banner", name="Banner", policy=Split())
    await shop.add_placement(split, *factories.candidates("a", "b"))
    await shop.decide("ada@example.com", device_id="phone-77", cart_total=987_654_321, geo_country="DE")
    await shop.decide("ada@example.com", placement="banner")
    _, lines = await exported(shop, tmp_path)
    content = (tmp_path / "log.ndjson").read_text()
    assert [
        text for text in ("ada@example.com", "phone-77", "987654321", "cart.total", '"DE"') if text in content
    ] == []
    # A draw that is the same for a customer each time depends on the keyed hash; no other line has it.
    hashed = shop.engine.hasher(shop.id, "ada@example.com")
    assert [line["key"] for line in lines if hashed in str(line)] == [f"banner:{hashed}"]


async def test_erased_customer_is_not_exported(shop: Shop, tmp_path: Path):
    await shop.decide("ada")
    kept = await shop.decide("bob")
    await shop.engine.eraser.erase(shop.id, "ada", suppress=False)
    total, lines = await exported(shop, tmp_path)
    assert total.decisions == 1
    assert [line["id"] for line in lines if line["kind"] == "decision"] == [kept.decision.decision_id]


async def test_opted_out_customer_is_not_exported(shop: Shop, tmp_path: Path):
    await shop.engine.decider.decide(shop.id, ["payment_methods"], "ada", {}, personal=False)
    assert (await exported(shop, tmp_path))[0] == ExportedDecisions(0, {})


@SQLITE
async def test_other_days_placements_and_merchants_are_not_exported(shop: Shop, tmp_path: Path):
    merchant, _ = await shop.engine.accounts.add_merchant("other", "Other")
    other = Shop(shop.engine, merchant)
    await other.add_placement()
    await shop.decide("ada")
    now = now_ms()
    assert (await exported(other, tmp_path))[0].decisions == 0
    assert (await exported(shop, tmp_path, begin=now - 2 * DAY, end=now - DAY))[0].decisions == 0
    assert (await exported(shop, tmp_path, placement="offers"))[0].decisions == 0
    assert (await exported(shop, tmp_path, placement="payment_methods"))[0].decisions == 1


@SQLITE
async def test_decision_without_beliefs_is_excluded_with_a_reason(shop: Shop, tmp_path: Path):
    await shop.update_state(card=(40, 20))
    gone = (await shop.decide()).decision
    async with shop.engine.database.write() as connection:
        await connection.execute(delete(beliefs))
    total, lines = await exported(shop, tmp_path)
    reason = f"beliefs version {gone.beliefs_version} of “payment_methods” is no longer kept"
    assert total == ExportedDecisions(0, {reason: 1})
    assert [(line["id"], line["reason"]) for line in lines if line["kind"] == "left_out"] == [
        (gone.decision_id, reason)
    ]


@SQLITE
async def test_an_export_that_fails_leaves_no_file(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    await shop.decide()
    monkeypatch.setattr(verification_lines, "_answer", lambda decision: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await exported(shop, tmp_path)
    assert list(tmp_path.glob("log.ndjson*")) == []


def test_numbers_are_used_again_from_the_oldest_on():
    numbers = Numbers(2)
    assert [numbers.add(key) for key in "abc"] == [0, 1, 0]
    assert [numbers.get(key) for key in "abc"] == [None, 1, 0]
