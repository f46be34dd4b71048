"""The documentation is complete and true: what it names exists, what exists is named, and its commands run."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import httpx
import prometheus_client
import pytest

import web.http.metrics
from benchmarks.verify import PARTS, TABLE_PAGES, TablePage
from engine.settings import Settings, describe
from tests.test_walls import MAY_IMPORT
from web.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text()
RUNNING = (ROOT / "docs" / "running.md").read_text()
COMMANDS = (ROOT / "docs" / "command-line.md").read_text()
INDEX = (ROOT / "docs" / "README.md").read_text()
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
GUIDES = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
WORDS_A_HEADING = 120
LISTS = ("## References", "## Decisions")
LINK = re.compile(r"\]\(([^)\s]+)\)")
WITHIN_SECONDS = 240


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands(group: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its full name."""
    if isinstance(group, click.Group):
        context = click.Context(group)
        for part in group.list_commands(context):
            command = group.get_command(context, part)
            assert command is not None
            yield from commands(command, f"{name} {part}")
    else:
        yield name, group


def options(command: click.Command) -> set[str]:
    return {option for parameter in command.params if isinstance(parameter, click.Option) for option in parameter.opts}


def variables_of_options() -> set[str]:
    """Return the environment variables that commands read their options from."""
    return {
        str(parameter.envvar)
        for _, command in commands(main, "tap2")
        for parameter in command.params
        if parameter.envvar
    }


def code(page: str) -> str:
    """The code in a page: fenced, indented or between backticks."""
    fenced = re.findall(r"^```\w*\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    rest = re.sub(r"^```\w*\n.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)
    return "\n".join([*fenced, *re.findall(r"^    .*", rest, re.MULTILINE), *re.findall(r"`([^`\n]+)`", rest)])


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


NOT_PROSE = r"^```.*?^```|^<!-- (\w+) -->.*?^<!-- /\1 -->|^    .*?$|^\|.*?$"


def words_by_heading(page: str) -> dict[str, int]:
    """Count the words below each heading, without code, tables and what benchmarks write."""
    prose = re.sub(NOT_PROSE, "", page, flags=re.DOTALL | re.MULTILINE)
    parts = re.split(r"^(#+ .*)$", prose, flags=re.MULTILINE)[1:]
    return {title: len(text.split()) for title, text in zip(parts[::2], parts[1::2], strict=True)}


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_sections_are_short(page):
    counts = words_by_heading(page.read_text())
    assert {title: count for title, count in counts.items() if count > WORDS_A_HEADING and title not in LISTS} == {}


@pytest.mark.parametrize("part", PARTS)
def test_every_check_has_a_marker_for_its_table(part):
    text = TABLE_PAGES.get(part, TablePage()).page.read_text()
    assert (text.count(f"<!-- {part} -->"), text.count(f"<!-- /{part} -->")) == (1, 1)


# Settings and metrics


def test_every_setting_is_documented_with_its_default_and_no_other_is():
    reports = dict(re.findall(r"^\| `(TAP2_\w+)` \| (?:`(.*?)`)? *\|", RUNNING, re.MULTILINE))
    own = {item["variable"]: str(item["default"]) for item in describe(Settings())}
    assert reports == {name: value.lower() if value in ("True", "False") else value for name, value in own.items()}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_variable_that_is_named_is_read(page):
    learned = {item["variable"] for item in describe(Settings())} | variables_of_options()
    assert set(re.findall(r"TAP2_[A-Z_]*[A-Z]", page.read_text())) <= learned


def test_every_metric_is_documented_and_no_other_is():
    assert web.http.metrics.DECISIONS
    own = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in prometheus_client.REGISTRY.collect()
        if family.name.startswith("tap2_")
    }
    assert set(re.findall(r"^\| `(tap2_\w+)` \|", RUNNING, re.MULTILINE)) == own


# Commands


def test_the_command_line_is_documented_with_all_options():
    rows = re.findall(r"^\| `(tap2 [a-z -]+[a-z])[A-Z_ ]*` \| (.*?) \|", COMMANDS, re.MULTILINE)
    reports = {name: set(re.findall(r"`(--[a-z-]+)`", given)) for name, given in rows}
    assert reports == {name: options(command) for name, command in commands(main, "tap2")}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_is_named_exists(page):
    learned = [name for name, _ in commands(main, "tap2")]
    for named in re.findall(r"\btap2((?: [a-z]+(?:-[a-z]+)*)+)", code(page.read_text())):
        words = f"tap2{named}"
        assert any(f"{words} ".startswith(f"{command} ") or command.startswith(f"{words} ") for command in learned), (
            words
        )


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_that_is_named_exists(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", code(page.read_text()))) <= targets


# Links and the index


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    for link in LINK.findall(page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_index():
    linked = {(ROOT / "docs" / link.partition("#")[0]).resolve() for link in LINK.findall(INDEX)}
    assert set(PAGES) - {ROOT / "docs" / "README.md"} <= linked


def test_decisions_are_numbered_in_one_row_and_indexed_by_their_titles():
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    for path in DECISIONS:
        text = path.read_text()
        number, title = text.splitlines()[0].removeprefix("# ").split(" ", 1)
        assert path.name.startswith(f"{number}-")
        assert f"- [{number}](decisions/{path.name}) {title}\n" in INDEX
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


def test_readme_draws_the_tested_import_rules():
    rows = dict(re.findall(r"^\| `(\w+)/` \|.*\| (.*) \|$", README, re.MULTILINE))
    reports = {room: set(re.findall(r"`(\w+)`", rows[room])) for room in MAY_IMPORT}
    assert reports == {room: allowed - {room} for room, allowed in MAY_IMPORT.items()}


def test_the_changelog_begins_with_this_version():
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert version
    assert newest
    assert newest[1] == version[1]


# The first decision


def shell(page: str) -> str:
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE))


@contextmanager
def empty_server(folder: Path) -> Iterator[str]:
    """Start the server of `TAP2_DEMO=0 make run` in `folder`, without its setup; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / ".venv").symlink_to(sys.prefix)
    environment = {**clean_environment(), "TAP2_PORT": str(port)}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([".venv/bin/tap2", "serve"], cwd=folder, env=environment, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(WITHIN_SECONDS)


def clean_environment() -> dict[str, str]:
    """Return an environment without settings of the caller, and with this folder's code."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TAP2_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    began = time.monotonic()
    while True:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert server.poll() is None, "the server did not start"
        assert time.monotonic() - began < WITHIN_SECONDS, "the server did not start in time"
        time.sleep(0.1)


@pytest.mark.skipif(not shutil.which("openssl"), reason="the example stands for a key management service by OpenSSL")
def test_the_example_of_a_command_for_the_master_key_works(tmp_path):
    ran = subprocess.run(
        ["bash", "-c", "set -euo pipefail\n" + shell((ROOT / "docs/security.md").read_text())],
        cwd=tmp_path,
        env={**clean_environment(), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=WITHIN_SECONDS,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"master key\W+ok\W+fingerprint", ran.stdout)
    assert not (tmp_path / "data" / "master.key").exists()


@pytest.mark.skipif(not shutil.which("curl"), reason="the README's commands need curl")
def test_readme_leads_to_a_first_decision_and_its_backup(tmp_path):
    with empty_server(tmp_path) as url:
        script = "set -euo pipefail\n" + shell(README).replace("http://127.0.0.1:8000", url) + "\n" + shell(RUNNING)
        ran = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={**clean_environment(), "TAP2_PASSWORD": "a password of the docs"},
            capture_output=True,
            text=True,
            timeout=WITHIN_SECONDS,
        )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    documents = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith('{"')]
    decision = next(document for document in documents if "decision_id" in document)
    assert not decision["fallback"]
    assert {item["id"] for item in decision["ranking"]} == {"card", "paypal"}
    assert {item["id"]: item["reason"] for item in decision["excluded"]} == {
        "klarna": "hidden by rule “No Klarna for large carts”",
        "ideal": "not offered in DE",
    }
    assert documents[-1]["results"][0]["status"] == "recorded"
    assert re.search(r"same\W+true", ran.stdout)
    assert (tmp_path / "backup.sqlite").stat().st_size > 0
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert events == ["ready", "stopped"]
