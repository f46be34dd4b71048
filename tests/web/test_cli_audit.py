"""`tap2 audit verify` says whether the audit log is as it was written, and what differs first."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from web.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with two merchants."""
    monkeypatch.setenv("TAP2_DATA", str(tmp_path))
    for slug in ("shop", "other"):
        assert run("merchant", "add", slug).exit_code == 0
    assert run("keys", "create", "--merchant", "shop", "--kind", "secret").exit_code == 0
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--json"])


def rows(result: Result) -> list[dict[str, Any]]:
    return json.loads(result.stdout)


def change(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / "tap2.sqlite") as database:
        database.execute(statement)


def test_unchanged_log_passes(folder: Path):
    ran = run("audit", "verify")
    assert ran.exit_code == 0
    sides = {(row["merchant"], row["side"]): (row["entries"], row["problem"]) for row in rows(ran)}
    assert sides[("shop", "live")] == (2, "")
    assert len(sides) == 4
    assert {row["merchant"] for row in rows(run("audit", "verify", "--merchant", "other"))} == {"other"}


def test_difference_is_named_with_status_1(folder: Path):
    change(folder, "UPDATE audit SET who = 'nobody' WHERE merchant_id = 1 AND number = 2")
    ran = run("audit", "verify")
    assert ran.exit_code == 1
    row = next(row for row in rows(ran) if row["problem"])
    assert (row["merchant"], row["side"], row["entries"], row["number"]) == ("shop", "live", 1, 2)
    assert "was changed" in row["problem"]
    assert run("audit", "verify", "--merchant", "other").exit_code == 0


def test_recorded_head_must_be_in_the_log(folder: Path):
    [end] = [row["last"] for row in rows(run("audit", "verify", "--merchant", "shop")) if row["side"] == "live"]
    assert run("audit", "verify", "--merchant", "shop", "--end", end).exit_code == 0
    other = run("audit", "verify", "--merchant", "shop", "--test", "--end", end)
    assert other.exit_code == 1
    assert "not as you noted it" in other.stdout
    wrong = run("audit", "verify", "--merchant", "shop", "--end", "12")
    assert (wrong.exit_code, "number and the digest" in wrong.stderr) == (1, True)
    assert run("audit", "verify", "--end", end).exit_code == 2
    assert "no merchant" in run("audit", "verify", "--merchant", "nobody").stderr
