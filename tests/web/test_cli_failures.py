"""Commands that fail: one line on stderr that names the problem and the remedy."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.exc import DatabaseError

from engine.accounts.accounts import Accounts
from engine.settings import Settings
from web.app import create_app
from web.cli import main


def tap2(*arguments: str, folder: Path | None = None, **environment: str) -> Result:
    data = {"TAP2_DATA": str(folder)} if folder else {}
    return CliRunner().invoke(main, list(arguments), env={**data, **environment})


def error_line(ran: Result) -> str:
    """The only line on stderr of a command that failed."""
    assert ran.exit_code == 1, ran.output
    (line,) = ran.stderr.splitlines()
    return line


def test_unreachable_database_is_named_with_its_setting():
    line = error_line(tap2("merchant", "list", TAP2_DATABASE_URL="postgresql+asyncpg://tap2@127.0.0.1:9/tap2"))
    assert "the database does not answer" in line
    assert "TAP2_DATABASE_URL" in line


def test_migration_of_an_unreachable_database_prints_one_line():
    line = error_line(tap2("db", "upgrade", TAP2_DATABASE_URL="postgresql+asyncpg://tap2@127.0.0.1:9/tap2"))
    assert "TAP2_DATABASE_URL" in line


def test_folder_that_cannot_be_created_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in error_line(tap2("merchant", "list", folder=tmp_path / "file" / "data"))


@pytest.mark.parametrize(
    "command",
    [
        "merchant list",
        "status",
        "audit verify",
        "tiers list",
        "decision show dec_x",
        "user list --merchant a",
    ],
)
def test_a_mistyped_folder_is_named_and_not_made(tmp_path: Path, command: str):
    folder = tmp_path / "dtaa"
    line = error_line(tap2(*command.split(), folder=folder))
    assert f"TAP2_DATA: there is no database in the folder “{folder}”" in line
    assert not folder.exists()


@pytest.mark.parametrize("is_database", [True, False])
def test_server_that_cannot_start_logs_the_reason(tmp_path: Path, capfd: pytest.CaptureFixture[str], is_database: bool):
    async def start(folder: Path) -> None:
        async with create_app(Settings(data=str(folder))).lifespan():
            raise AssertionError

    folder = tmp_path / "data"
    if is_database:
        folder.mkdir()
        (folder / "tap2.sqlite").write_text("not a database " * 500)
    else:
        folder.write_text("")
    with pytest.raises((OSError, DatabaseError, ExceptionGroup)):
        asyncio.run(start(folder))
    line = next(line for line in capfd.readouterr().err.splitlines() if "cannot start" in line)
    assert ("the database cannot be opened or upgraded" if is_database else f"{folder}: File exists") in line
    assert "TAP2_DATA" in line


def test_control_characters_of_arguments_do_not_reach_the_terminal(tmp_path: Path):
    assert tap2("db", "upgrade", folder=tmp_path).exit_code == 0
    line = error_line(tap2("keys", "create", "--kind", "secret", "--merchant", "a\n\x1b[2J\x9b", folder=tmp_path))
    assert "\\x0a\\x1b[2J\\x9b" in line


@pytest.mark.parametrize(
    "command",
    [
        ("events", "list", "--merchant", "a", "--after"),
        ("webhooks", "resend", "hook", "--merchant", "a", "--event"),
        ("replay", "obd", "log.csv", "--key", "a", "--limit"),
    ],
)
def test_numbers_that_are_too_large_are_refused(tmp_path: Path, command: tuple[str, ...]):
    ran = tap2(*command, "9" * 23, folder=tmp_path)
    assert ran.exit_code == 2
    assert command[-1] in ran.stderr


@pytest.mark.parametrize(
    "command", [("export", "decisions", "--out"), ("export", "verification", "--out"), ("customer", "export")]
)
def test_file_without_a_name_is_refused(tmp_path: Path, command: tuple[str, ...]):
    ran = tap2(*command, "", "--merchant", "a", folder=tmp_path)
    assert ran.exit_code == 2
    assert "must name a file" in ran.stderr


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("TAP2_WORKERS", "two", "TAP2_WORKERS: must be a whole number"),
        ("TAP2_PORT", "70000", "TAP2_PORT: must be a whole number <= 65535"),
        ("TAP2_LOG_LEVEL", "loud", "TAP2_LOG_LEVEL: must be one of debug, error, info, warning"),
        ("TAP2_PROT", "9000", "unknown setting TAP2_PROT"),
    ],
)
def test_wrong_setting_names_its_variable(variable: str, value: str, message: str):
    assert message in error_line(tap2("config", **{variable: value}))


def test_defect_prints_one_line_unless_debugging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def broken(_accounts: Accounts) -> None:
        raise RuntimeError("two\nlines") from sqlite3.Error("the cause")

    assert tap2("db", "upgrade", folder=tmp_path).exit_code == 0
    monkeypatch.setattr(Accounts, "merchants", broken)
    line = error_line(tap2("merchant", "list", folder=tmp_path))
    assert "unexpected RuntimeError" in line
    assert "two lines; TAP2_LOG_LEVEL=debug shows the traceback" in line
    debugged = tap2("merchant", "list", folder=tmp_path, TAP2_LOG_LEVEL="debug")
    assert "Traceback" in debugged.stderr
    assert "the cause" in debugged.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--country", "XX"), "--country: “XX” is not an ISO 3166-1 alpha-2 code such as DE"),
        (("--country", "uk"), "did you mean GB?"),
        (("--currency", "EURO"), "--currency: “EURO” is not an ISO 4217 code such as EUR"),
    ],
)
def test_merchant_with_an_unknown_code_is_refused(tmp_path: Path, options: tuple[str, ...], message: str):
    assert message in error_line(tap2("merchant", "add", "shop", *options, folder=tmp_path))


def test_codes_of_a_merchant_are_stored_in_capitals(tmp_path: Path):
    added = tap2("merchant", "add", "shop", "--country", "at", "--currency", "chf", folder=tmp_path)
    assert added.exit_code == 0, added.output
    listed = json.loads(tap2("merchant", "list", "--json", folder=tmp_path).stdout)
    assert {(row["country"], row["currency"]) for row in listed} == {("AT", "CHF")}


@pytest.mark.parametrize("slug", ["", " ", "a b", "a/b", "../x", "-x", "Bäckerei", "x" * 65])
def test_a_slug_fits_into_addresses(tmp_path: Path, slug: str):
    assert "slug: must be 1 to 64 letters" in error_line(
        tap2("merchant", "add", "--name", "Shop", "--", slug, folder=tmp_path)
    )
