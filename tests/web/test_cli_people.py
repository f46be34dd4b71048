"""`tap2 user`: what the pages Team and Profile do, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.web.people import PASSWORD
from web.cli import main

ADA, BEN = "ada@shop.example", "ben@shop.example"


class Shell:
    """Runs `tap2` on one folder."""

    def __init__(self, folder: Path) -> None:
        self._environment = {"TAP2_DATA": str(folder), "TAP2_PASSWORD": PASSWORD}

    def tap2(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments), env=self._environment)

    def json(self, *arguments: str) -> Any:
        result = self.tap2(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    shell.json("merchant", "add", "shop")
    shell.json("user", "add", ADA, "--merchant", "shop", "--name", "Ada")
    return shell


def test_people_are_listed_with_role_and_invitations(shell: Shell) -> None:
    link = shell.json("user", "invite", BEN, "--merchant", "shop", "--role", "editor", "--url", "https://tap2.example/")
    assert link["link"].startswith("https://tap2.example/admin/join/")
    ada, ben = shell.json("user", "list", "--merchant", "shop")
    assert (ada["email"], ada["role"], ada["last_seen"]) == (ADA, "admin", "never")
    assert (ben["email"], ben["role"]) == (BEN, "editor")
    assert ben["last_seen"].startswith("invited until 20")


def test_roles_change_and_people_are_removed(shell: Shell) -> None:
    shell.json("user", "add", BEN, "--merchant", "shop")
    assert shell.json("user", "role", BEN, "viewer")["role"] == "viewer"
    assert [each["role"] for each in shell.json("user", "list", "--merchant", "shop")] == ["admin", "viewer"]
    shell.json("user", "remove", BEN)
    assert [each["email"] for each in shell.json("user", "list", "--merchant", "shop")] == [ADA]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["ann@shop.example\r\nBcc: all@shop.example"], "email: must be an e-mail address"),
        ([BEN, "--name", "Ben\x1b[2J"], "name: must be one line"),
        ([BEN, "--name", "b" * 121], "name: must have at most 120 characters"),
    ],
)
def test_invalid_addresses_and_names_are_refused(shell: Shell, options: list[str], message: str) -> None:
    result = shell.tap2("user", "add", *options, "--merchant", "shop")
    assert result.exit_code == 1
    assert message in result.stderr
    assert [each["email"] for each in shell.json("user", "list", "--merchant", "shop")] == [ADA]


@pytest.mark.parametrize("command", [("role", ADA, "viewer"), ("remove", ADA)])
def test_last_admin_cannot_be_removed_with_the_command(shell: Shell, command: tuple[str, ...]) -> None:
    result = shell.tap2("user", *command)
    assert result.exit_code == 1
    assert "last admin" in result.stderr


def test_sessions_are_listed_and_ended(shell: Shell) -> None:
    assert shell.json("user", "sessions", ADA) == []
    assert shell.json("user", "sessions", ADA, "--end") == {"email": ADA, "ended": 0}


def test_unknown_person_ends_the_command_in_a_line(shell: Shell) -> None:
    result = shell.tap2("user", "sessions", "nobody@shop.example")
    assert result.exit_code == 1
    assert "no user" in result.stderr
