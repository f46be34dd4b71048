"""`tap2 customer`: the id is prompted, and the file is private."""

from __future__ import annotations

import asyncio
import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from engine.clock import now_ms, simulated_time
from engine.customers.changes import Changer
from engine.migrate import upgrade
from engine.model.documents.preferences import PreferenceChange
from engine.model.timestamps import DAY
from engine.service import open_engine
from engine.settings import Settings
from engine.store.connection.database import sqlite_url
from tests.shop import Shop
from web.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a merchant and a customer's decision."""
    monkeypatch.setenv("TAP2_DATA", str(tmp_path))
    asyncio.run(_create_customers(tmp_path))
    return tmp_path


async def _create_customers(folder: Path) -> None:
    await upgrade(sqlite_url(str(folder)))
    engine = await open_engine(Settings(data=str(folder), decision_timeout_ms=60_000))
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    shop = Shop(engine, merchant)
    await shop.add_placement()
    await engine.start(with_jobs=False)
    await shop.decide("anna")
    await engine.stop()


def run(*words: str, answers: str | None = "anna\n") -> Result:
    return CliRunner().invoke(main, ["customer", *words, "--merchant", "shop", "--json"], input=answers)


def document(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout[result.stdout.index("{") :])


def test_a_customer_is_exported_and_erased(folder: Path):
    file = folder / "anna.zip"
    assert document(run("export", str(file)))["file"] == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(json.loads(zipfile.ZipFile(file).read("decisions.json"))) == 1
    receipt = document(run("erase"))
    assert (receipt["decisions"], receipt["suppressed"]) == (1, True)
    assert document(run("erase", "--keep-nothing", "--customer-id", "anna", answers=None))["suppressed"] is False
    assert len((folder / "erasures.jsonl").read_text().split()) == 2
    assert "anna" not in (folder / "erasures.jsonl").read_text()


def test_an_export_never_replaces_a_file(folder: Path):
    file = folder / "there.zip"
    file.write_text("mine")
    assert run("export", str(file)).exit_code != 0
    assert file.read_text() == "mine"


def retention(*words: str) -> Result:
    return CliRunner().invoke(main, ["retention", *words, "--merchant", "shop", "--json"])


def test_retention_of_a_merchant_is_previewed_set_and_removed(folder: Path):
    asyncio.run(_wish_long_ago(folder))
    (counted,) = json.loads(retention("preview", "inactive_customers=120").stdout)
    assert (counted["rows"], counted["parts"]) == (1, {"customers": 1})
    refused = retention("set", "inactive_customers=120", "mails=30")
    assert (refused.exit_code, "1 of inactive_customers" in refused.output) == (1, True)
    assert days_of(retention("show")) == (548, 90)
    assert days_of(retention("set", "inactive_customers=120", "mails=30", "--confirm")) == (120, 30)
    assert days_of(retention("set", "inactive_customers=server")) == (548, 30)
    for wrong, named in (("mails=soon", "KIND=DAYS"), ("letters=9", "kinds are decisions"), ("mails=1", "mails: ")):
        assert named in retention("set", wrong).output


def days_of(result: Result) -> tuple[int, int]:
    days = {row["kind"]: row["days"] for row in json.loads(result.stdout)}
    return days["inactive_customers"], days["mails"]


async def _wish_long_ago(folder: Path) -> None:
    engine = await open_engine(Settings(data=str(folder)))
    then = now_ms() - 200 * DAY
    with simulated_time(lambda: then):
        merchant = await engine.accounts.merchant("shop", "live")
        change = PreferenceChange(language="de")
        await engine.preferences.change(merchant.id, "anna", change, Changer("server", "key 1"))
    await engine.database.close()


def test_a_shorter_retention_is_previewed(folder: Path):
    words = ["db", "preview-retention", "--json", "--days"]
    assert json.loads(CliRunner().invoke(main, [*words, "90"]).stdout) == []
    too_short = CliRunner().invoke(main, [*words, "89"])
    assert (too_short.exit_code, "89 is not in the range" in too_short.output) == (2, True)
