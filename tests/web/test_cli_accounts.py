"""`tap2 merchant`, `user`, `keys`, `config`, `db`: what an operator sees of right and wrong commands, on SQLite."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from engine.settings import Settings
from web.cli import SOURCES, main

ROOT = Path(__file__).parents[2]

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a merchant and a person."""
    path = tmp_path_factory.mktemp("accounts")
    assert tap2(path, "merchant", "add", "shop", "--name", "The Shop", "--timezone", "Europe/Vienna").exit_code == 0
    assert tap2(path, "user", "add", "Ann@Example.com", "--merchant", "shop", "--password", PASSWORD).exit_code == 0
    return path


def tap2(folder: Path, *arguments: str, **more: Any) -> Result:
    return CliRunner().invoke(main, list(arguments), env={"TAP2_DATA": str(folder), "COLUMNS": "200"}, **more)


def printed(folder: Path, *arguments: str) -> Any:
    done = tap2(folder, *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def refused(folder: Path, *arguments: str) -> str:
    done = tap2(folder, *arguments)
    assert done.exit_code in (1, 2), done.output
    assert "Traceback" not in done.output
    return done.stderr.strip().splitlines()[-1]


def test_a_merchant_has_a_live_and_a_test_side(folder: Path) -> None:
    rows = printed(folder, "merchant", "list")
    shop = [row for row in rows if row["slug"] == "shop"]
    assert [(row["mode"], row["name"], row["timezone"]) for row in shop] == [
        ("live", "The Shop", "Europe/Vienna"), ("test", "The Shop", "Europe/Vienna"),
    ]  # fmt: skip


def test_lists_are_tables_for_people(folder: Path) -> None:
    done = tap2(folder, "merchant", "list")
    assert "Merchants" in done.stdout
    assert "The Shop" in done.stdout


@pytest.mark.parametrize(("arguments", "message"), [
    (("merchant", "add", "shop"), "shop"),
    (("merchant", "add", "mars", "--timezone", "Mars/Olympus"), "there is no timezone “Mars/Olympus”"),
    (("merchant", "add", "x", "--country", "Germany"), "--country: “Germany” is not an ISO 3166-1 alpha-2 code"),
    (("merchant", "add", "x", "--currency", "€"), "--currency: “€” is not an ISO 4217 code"),
    (("merchant", "add"), "Missing argument 'SLUG'"),
    (("merchant", "purchases", "nobody", "5"), "nobody"),
    (("merchant", "purchases", "shop", "--", "-5"), "is not in the range x>=0"),
    (("user", "add", "x@example.com", "--merchant", "nobody", "--password", PASSWORD), "nobody"),
    (("user", "add", "x@example.com", "--merchant", "shop", "--password", "short"), "password: must have at least 12"),
    (("user", "add", "x@example.com", "--merchant", "shop", "--password", "passwordpassword"), "too easy to guess"),
    (("user", "add", "ann@example.com", "--merchant", "shop", "--password", PASSWORD), "ann@example.com"),
    (("user", "add", "x@example.com", "--merchant", "shop", "--role", "king", "--password", PASSWORD), "'king' is not"),
    (("user", "password", "nobody@example.com", "--password", PASSWORD), "nobody@example.com"),
    (("keys", "create", "--merchant", "nobody", "--kind", "secret"), "nobody"),
    (("keys", "create", "--merchant", "shop", "--kind", "golden"), "'golden' is not one of"),
    (("keys", "create", "--merchant", "shop", "--kind", "secret", "--person", "x@y.z"), "there is no user “x@y.z”"),
    (("nonsense",), "No such command 'nonsense'"),
])  # fmt: skip
def test_invalid_command_prints_one_line_with_the_mistake(
    folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert message in refused(folder, *arguments)


def test_a_name_is_the_slug_unless_given(folder: Path) -> None:
    assert printed(folder, "merchant", "add", "second") == {
        "slug": "second", "name": "second", "sides": ["live", "test"],
    }  # fmt: skip


@pytest.mark.parametrize(("options", "side"), [((), "live"), (("--test",), "test")])
def test_browsers_can_be_allowed_to_report_purchases(folder: Path, options: tuple[str, ...], side: str) -> None:
    done = printed(folder, "merchant", "purchases", "shop", "5000", *options)
    assert done == {"merchant": "shop", "side": side, "limit": 5_000}


@pytest.mark.parametrize("role", ["viewer", "editor", "publisher", "admin"])
def test_a_person_is_added_with_a_role(folder: Path, role: str) -> None:
    email = f"{role}@example.com"
    done = printed(folder, "user", "add", email, "--merchant", "shop", "--role", role, "--password", PASSWORD)
    assert done == {"email": email, "merchant": "shop", "role": role}


def test_password_is_prompted_twice_unless_given(folder: Path) -> None:
    typed = f"{PASSWORD}\n{PASSWORD}\n"
    done = tap2(folder, "user", "add", "typed@example.com", "--merchant", "shop", input=typed)
    assert done.exit_code == 0, done.output
    assert PASSWORD not in done.output
    other = tap2(folder, "user", "add", "other@example.com", "--merchant", "shop", input=f"{PASSWORD}\nother\n\n")
    assert other.exit_code != 0


def test_a_password_is_changed(folder: Path) -> None:
    new = "battery horse staple correct"
    assert printed(folder, "user", "password", "ann@example.com", "--password", new) == {
        "email": "ann@example.com", "changed": True,
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "mode", "prefix"), [
    ("secret", "live", "sk_live_"), ("secret", "test", "sk_test_"), ("publishable", "live", "pk_live_"),
    ("publishable", "test", "pk_test_"),
])  # fmt: skip
def test_a_key_is_shown_once_with_its_kind_and_side(folder: Path, kind: str, mode: str, prefix: str) -> None:
    done = printed(folder, "keys", "create", "--merchant", "shop", "--kind", kind, "--mode", mode)
    assert (done["kind"], done["mode"], done["merchant"]) == (kind, mode, "shop")
    assert done["key"].startswith(prefix)
    assert done["id"]


def test_a_key_may_act_for_a_person(folder: Path) -> None:
    done = printed(folder, "keys", "create", "--merchant", "shop", "--kind", "secret", "--person", " Ann@example.com ")
    assert done["key"].startswith("sk_live_")


def test_settings_are_listed_with_their_variables(folder: Path) -> None:
    rows = printed(folder, "config")
    assert {row["variable"] for row in rows} == {f"TAP2_{name.upper()}" for name in Settings.__struct_fields__}
    [data] = [row for row in rows if row["variable"] == "TAP2_DATA"]
    assert data["value"] == str(folder)


def test_a_command_does_not_wait_for_the_web_framework() -> None:
    code = "import sys; from web.cli import main; main(['merchant', '--help'], standalone_mode=False); "
    done = subprocess.run(
        [sys.executable, "-c", code + "print([name for name in ('litestar', 'numba') if name in sys.modules])"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_names_every_command() -> None:
    text = CliRunner().invoke(main, ["--help"]).stdout
    for name in SOURCES:
        assert f"\n  {name} " in text


@pytest.mark.parametrize("command", ["merchant", "user", "keys", "db", "rules", "decision", "outcomes", "evaluate"])
def test_every_group_explains_itself(command: str) -> None:
    done = CliRunner().invoke(main, [command, "--help"])
    assert done.exit_code == 0
    assert "Commands:" in done.stdout
