"""`tap2 customer import`: all lines are checked before any is stored, and a second import changes nothing."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from engine.service import open_engine
from engine.settings import Settings
from tests.shop import Shop
from web.cli import main

GOOD = [
    {"customer_id": "anna@example.com", "default_method": "card", "favorites": ["paypal"], "language": "de"},
    {"customer_id": "ben", "personalization_enabled": False, "categories": {"gift_wrap": True}},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with a merchant and its methods."""
    monkeypatch.setenv("TAP2_DATA", str(tmp_path))

    async def create_shop() -> None:
        engine = await open_engine(Settings(data=str(tmp_path)))
        merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
        await Shop(engine, merchant).add_placement()
        await engine.database.close()

    asyncio.run(create_shop())
    return tmp_path


def bring(folder: Path, content: str | list[Any], name: str = "preferences.jsonl") -> Result:
    text = content if isinstance(content, str) else "\n".join(map(json.dumps, content))
    (folder / name).write_text(text)
    return CliRunner().invoke(main, ["customer", "import", str(folder / name), "--merchant", "shop", "--json"])


def versions(folder: Path) -> int:
    with sqlite3.connect(folder / "tap2.sqlite") as database:
        return int(database.execute("SELECT count(*) FROM customer_setting_versions").fetchone()[0])


def stored_preferences(customer: str, folder: Path) -> Any:
    async def read() -> Any:
        engine = await open_engine(Settings(data=str(folder)))
        merchant = await engine.accounts.merchant("shop")
        result = await engine.preferences.get(merchant.id, customer)
        await engine.database.close()
        return result.preferences

    return asyncio.run(read())


def test_imported_preferences_take_effect_once(folder: Path):
    ran = bring(folder, GOOD)
    assert (ran.exit_code, json.loads(ran.stdout)) == (0, {"customers": 2, "changed": 2})
    anna = stored_preferences("anna@example.com", folder)
    assert (anna.default_method, anna.favorites, anna.language) == ("card", ("paypal",), "de")
    assert json.loads(bring(folder, GOOD).stdout) == {"customers": 2, "changed": 0}
    assert versions(folder) == 2


def test_csv_gives_the_same_preferences(folder: Path):
    text = "\ufeffcustomer_id,default_method,favorites,personalization_enabled\nanna,card,paypal klarna,\nben,,,FALSE\n"
    ran = bring(folder, text, "preferences.csv")
    assert (ran.exit_code, json.loads(ran.stdout)["changed"]) == (0, 2)
    assert stored_preferences("anna", folder).favorites == ("paypal", "klarna")
    assert stored_preferences("ben", folder).personalization_enabled is False


WRONG = {
    "an unknown method": ([*GOOD, {"customer_id": "eva", "default_method": "crad"}], "line 3: default_method"),
    "an unknown field": ([*GOOD, {"customer_id": "eva", "colour": "red"}], "line 3"),
    "a customer twice": ([*GOOD, GOOD[1]], "line 3: customer_id: is also in line 2"),
    "no customer": ([*GOOD, {"language": "de"}], "line 3"),
    "no JSON": (json.dumps(GOOD[0]) + "\n{", "line 2: is not JSON"),
    "a contradiction": ([{"customer_id": "eva", "default_method": "card", "excluded": ["card"]}], "line 1: excluded"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_invalid_line_is_named_and_nothing_is_stored(folder: Path, wrong: str):
    content, problem = WRONG[wrong]
    ran = bring(folder, content)
    assert ran.exit_code == 1
    assert problem in ran.stderr
    assert "anna@example.com" not in ran.stderr
    assert versions(folder) == 0


def test_a_row_of_csv_with_more_cells_than_columns_is_named(folder: Path):
    ran = bring(folder, "customer_id,language\nanna,de,fr\n", "preferences.csv")
    assert (ran.exit_code, "line 2: more cells" in ran.stderr) == (1, True)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("old.csv", "customer_id,language\nRen\xe9,fr\n".encode("latin-1"), "old.csv: is not UTF-8; save it as"),
        ("wide.csv", b"customer_id,language\n" + b"x" * 200_000 + b",fr\n", "wide.csv: is not CSV behind line 1"),
        ("nul.csv", b"customer_id,language\na\0b,fr\n", "line 2: customer_id: has a NUL character"),
        ("nul.jsonl", b'{"customer_id": "a\\u0000b"}', "line 1: customer_id: has a NUL character"),
        (
            "twice.jsonl",
            b'{"customer_id": "a", "theme": "dark", "theme": "light"}',
            "line 1: has the key 'theme' twice",
        ),
    ],
)
def test_refused_file_explains_the_correction(folder: Path, name: str, content: bytes, message: str):
    (folder / name).write_bytes(content)
    ran = CliRunner().invoke(main, ["customer", "import", str(folder / name), "--merchant", "shop"])
    assert ran.exit_code == 1
    assert message in ran.stderr
    assert versions(folder) == 0


def test_byte_order_mark_is_ignored(folder: Path):
    ran = bring(folder, "\ufeff" + json.dumps(GOOD[0]))
    assert ran.exit_code == 0, ran.output
    assert versions(folder) == 1


def test_an_empty_file_changes_nothing(folder: Path):
    assert json.loads(bring(folder, "\n").stdout) == {"customers": 0, "changed": 0}
