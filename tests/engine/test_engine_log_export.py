"""The log as Parquet: every decision with its outcomes, as other tools read them, in bounded memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from pyarrow import parquet

from engine.clock import now_ms
from engine.insights import log_export
from engine.insights.evaluation import First, evaluate
from engine.insights.log_export import SCHEMA, export_decisions
from engine.model.placement import Holdback, Thompson
from engine.model.timestamps import DAY
from tests import factories
from tests.marks import SQLITE_FIRST
from tests.shop import Shop

PAGE = Path(__file__).parents[2] / "docs" / "data-export.md"


async def exported(shop: Shop, folder: Path, **changes: Any) -> pandas.DataFrame:
    path, now = folder / "log.parquet", now_ms()
    span = {"begin": now - DAY, "end": now + DAY} | changes
    total = await export_decisions(shop.engine.database, shop.id, path, **span)
    frame = pandas.read_parquet(path)
    assert total.decisions == len(frame)
    assert [each.name for each in folder.iterdir() if each.suffix == ".part"] == []
    return frame


@pytest.mark.anyio
async def test_a_row_has_facts_answer_chances_and_outcomes(empty_shop: Shop, tmp_path: Path) -> None:
    await empty_shop.add_placement(
        factories.placement(holdback=Holdback(share=0.01)), *factories.candidates("card", "paypal")
    )
    answer = await empty_shop.decide("ada", device_type="mobile", cart_total=4_200)
    first = answer.decision.ranking[0]
    await empty_shop.report(answer, "selected", first.id)
    await empty_shop.report(answer, "converted", first.id, amount=4_200)
    await empty_shop.report(answer, "refunded", first.id, amount=200)
    frame = await exported(empty_shop, tmp_path)
    (row,) = frame.to_dict("records")
    assert (row["decision_id"], row["placement"]) == (answer.decision.decision_id, "payment_methods")
    assert json.loads(row["facts"])["cart.total"] == 4_200
    assert row["propensity"] == answer.decision.propensity
    assert (row["action"], row["action_chance"]) == (first.id, first.chance)
    assert [each["type"] for each in row["outcomes"]] == ["selected", "converted", "refunded"]
    assert (row["purchased"], row["revenue"]) == (True, 4_000)
    assert [each["id"] for each in row["experiments"]] == ["holdback"]


@pytest.mark.anyio
async def test_customers_are_only_hashes(empty_shop: Shop, tmp_path: Path) -> None:
    await empty_shop.add_placement()
    await empty_shop.decide("ada@example.com")
    await empty_shop.decide()
    frame = await exported(empty_shop, tmp_path)
    assert list(frame.customer.isna()) == [False, True]
    assert frame.customer[0] == empty_shop.engine.hasher(empty_shop.id, "ada@example.com")
    assert "ada@example.com" not in (tmp_path / "log.parquet").read_bytes().decode("latin-1")


@pytest.mark.anyio
async def test_chunks_make_one_file_without_gaps(
    empty_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_export, "CHUNK", 7)
    monkeypatch.setattr(log_export, "ROWS_OF_A_GROUP", 15)
    await empty_shop.add_placement()
    ids = [(await empty_shop.decide(f"c{number}")).decision.decision_id for number in range(40)]
    frame = await exported(empty_shop, tmp_path)
    assert sorted(frame.decision_id) == sorted(ids)
    assert frame.decided_at.is_monotonic_increasing
    assert parquet.ParquetFile(tmp_path / "log.parquet").num_row_groups >= 2


@pytest.mark.anyio
async def test_other_times_and_placements_are_left_out(empty_shop: Shop, tmp_path: Path) -> None:
    await empty_shop.add_placement()
    await empty_shop.decide("ada")
    now = now_ms()
    assert len(await exported(empty_shop, tmp_path, begin=now - 2 * DAY, end=now - DAY)) == 0
    assert len(await exported(empty_shop, tmp_path, placement="offers")) == 0
    assert len(await exported(empty_shop, tmp_path, placement="payment_methods")) == 1


@SQLITE_FIRST
@pytest.mark.anyio
async def test_another_tool_gives_the_same_estimate(empty_shop: Shop, tmp_path: Path) -> None:
    """The inverse propensity estimate by pandas is that of `tap2 evaluate log`, where one slot is drawn."""
    setup = factories.placement(policy=Thompson(drawn=1, history=False, floor=0.5), window_minutes=1)
    await empty_shop.add_placement(setup, *factories.candidates("card", "paypal", "klarna"))
    random = np.random.default_rng(4)
    for number in range(150):
        answer = await empty_shop.decide(f"c{number}")
        first = answer.decision.ranking[0].id
        kind = "converted" if random.random() < {"card": 0.5, "paypal": 0.7, "klarna": 0.3}[first] else "abandoned"
        await empty_shop.report(answer, kind, first if kind == "converted" else None, amount=None)
    await empty_shop.engine.recorder.close_due(now_ms() + DAY)
    frame = await exported(empty_shop, tmp_path)
    assert frame.is_closed.all()
    # The first third of a log that learned decides whether it can tell; the rest is estimated from.
    frame = frame.tail(100)
    weight = (frame.action == "paypal") / frame.action_chance
    own = await evaluate(
        empty_shop.engine.database, empty_shop.id, "payment_methods", First("paypal"),
        since=now_ms() - DAY, until=now_ms() + DAY,
    )  # fmt: skip
    assert frame.reward.mean() == pytest.approx(own.logged.value)
    assert (weight * frame.reward).mean() == pytest.approx(own.ips.value)


def test_every_column_is_described() -> None:
    text = PAGE.read_text()
    assert [name for name in SCHEMA.names if f"`{name}`" not in text] == []
