"""`tap2 beliefs rebuild`: compare the sums with the log, and fold them again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.store.tables import statistics
from tests.factories import order
from tests.shop import Shop
from web.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with one purchase, whose statistics have one success too many."""

    async def work() -> None:
        engine = await open_engine(Settings(data=str(tmp_path), refresh_seconds=3600))
        engine.recorder.start()
        await create_decisions(engine)
        await engine.stop()

    asyncio.run(work())
    return tmp_path


async def create_decisions(engine: Engine) -> None:
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    shop = Shop(engine, merchant)
    await shop.add_placement()
    await engine.live.follow()
    answer = await shop.decide("c1")
    await shop.report(answer, "converted", order(answer.decision)[0])
    async with engine.database.write() as connection:
        await connection.execute(update(statistics).values(successes=statistics.c.successes + 1))


def rebuild(folder: Path, *options: str) -> Result:
    environment = {"TAP2_DATA": str(folder), "COLUMNS": "200"}
    return CliRunner().invoke(main, ["beliefs", "rebuild", *options], env=environment)


def document(result: Result) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(result.stdout)
    return item


def test_check_prints_a_difference_as_json(folder: Path):
    result = rebuild(folder, "--check", "--json")
    assert result.exit_code == 1
    [difference] = document(result)["differences"]
    assert (difference["fold"], difference["kept"][1], difference["rebuilt"][1]) == ("statistics", 2, 1)
    assert document(result)["same"] is False


def test_check_prints_a_difference_as_text(folder: Path):
    result = rebuild(folder, "--check")
    assert result.exit_code == 1
    assert "statistics" in result.stdout


def test_rebuild_repairs_the_difference(folder: Path):
    assert rebuild(folder, "--json").exit_code == 0
    checked = rebuild(folder, "--check", "--json")
    assert checked.exit_code == 0
    assert document(checked) == {"same": True, "differences": []}
