"""`tap2 export decisions`: a file of the requested days for other tools."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pandas
import pytest
from click.testing import CliRunner, Result

from engine.service import open_engine
from engine.settings import Settings
from tests.shop import Shop
from web.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with one decision."""

    async def work() -> None:
        engine = await open_engine(Settings(data=str(tmp_path), refresh_seconds=3600))
        engine.recorder.start()
        merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
        shop = Shop(engine, merchant)
        await shop.add_placement()
        await engine.live.follow()
        await shop.decide("ada")
        await engine.stop()

    asyncio.run(work())
    return tmp_path


def run(folder: Path, *arguments: str, what: str = "decisions", file: str = "log.parquet") -> Result:
    command = ["export", what, "--merchant", "shop", "--out", str(folder / file), *arguments]
    return CliRunner().invoke(main, command, env={"TAP2_DATA": str(folder)})


def test_the_last_days_are_written(folder: Path):
    result = run(folder, "--json")
    assert result.exit_code == 0, result.output
    written = json.loads(result.stdout[result.stdout.index("{") :])
    assert (written["decisions"], written["outcomes"]) == (1, 0)
    assert len(pandas.read_parquet(folder / "log.parquet")) == 1


def test_days_without_decisions_make_an_empty_file(folder: Path):
    assert run(folder, "--from", "2020-01-01", "--to", "2020-01-31").exit_code == 0
    assert pandas.read_parquet(folder / "log.parquet").empty


def test_other_side_has_a_separate_log(folder: Path):
    assert run(folder, "--mode", "test").exit_code == 0
    assert pandas.read_parquet(folder / "log.parquet").empty


def test_a_first_day_after_the_last_is_refused(folder: Path):
    result = run(folder, "--from", "2026-02-01", "--to", "2026-01-01")
    assert result.exit_code == 2
    assert "--from must not be after --to" in result.output
    assert not (folder / "log.parquet").exists()


def test_the_file_for_the_verifier_has_the_same_decisions(folder: Path):
    result = run(folder, "--json", what="verification", file="log.ndjson")
    assert result.exit_code == 0, result.output
    written = json.loads(result.stdout[result.stdout.index("{") :])
    assert (written["decisions"], written["left_out"]) == (1, {})
    lines = [json.loads(line) for line in (folder / "log.ndjson").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["log", "draws", "plan", "limits", "decision", "end"]
    assert run(folder, what="verification", file="log.ndjson").exit_code == 0


def test_verifier_file_follows_the_same_options(folder: Path):
    arguments = {"what": "verification", "file": "log.ndjson"}
    for options in (("--mode", "test"), ("--placement", "offers"), ("--from", "2020-01-01", "--to", "2020-01-31")):
        assert run(folder, *options, **arguments).exit_code == 0
        assert '"decisions":0' in (folder / "log.ndjson").read_text()
