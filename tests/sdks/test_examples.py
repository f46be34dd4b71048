"""The code on the pages about the clients runs unchanged, and so do the example shops."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from benchmarks.clients.quick_start import example, languages
from benchmarks.process import ROOT, free_port
from tests.sdks import node
from tests.sdks.php import PACKAGE, needs_php
from tests.sdks.php import PHP as PHP_COMMAND
from tests.serving import Side

GUIDE = ROOT / "docs" / "quick-start.md"
PYTHON = ROOT / "sdks" / "python"
PHP = f"<?php require '{PACKAGE}/autoload.php';\n"

PATIENT = {
    'os.environ["TAP2_KEY"]': 'os.environ["TAP2_KEY"], timeout=20.0',
    "getenv('TAP2_KEY'), // sk_...": "getenv('TAP2_KEY'), timeout: 20.0,",
    "getenv('TAP2_KEY'), $fallback": "getenv('TAP2_KEY'), $fallback, 20.0",
    "key: process.env.TAP2_KEY,": "key: process.env.TAP2_KEY, timeoutMs: 20_000,",
}
"""On a loaded machine, 800 ms may be over before the server answers."""


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def environment(side: Side) -> dict[str, str]:
    own = {"TAP2_URL": side.server.url, "TAP2_KEY": side.key, "PORT": "0", "PYTHONPATH": str(PYTHON / "src")}
    return {**os.environ, **own}


def run(side: Side, command: Sequence[str], program: str, folder: Path = ROOT) -> str:
    """Run a program that reads from its input, with the server's address and a key; return what it prints."""
    text = program.replace("http://127.0.0.1:8000", side.server.url)
    for key, patient in PATIENT.items():
        text = text.replace(key, patient)
    done = subprocess.run(
        command, input=text, cwd=folder, env=environment(side), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def outcomes(side: Side) -> list[str]:
    """The events of the merchant's decisions."""
    items = side.client.get("/v1/decisions").json()["items"]
    outcomes = [
        side.client.get(f"/v1/decisions/{item['decision_id']}?explain=true").json()["outcomes"] for item in items
    ]
    return [outcome["event_id"] for each in outcomes for outcome in each]


def test_the_guides_curl_decides_and_reports(side: Side):
    (program,) = blocks(GUIDE, "sh")
    assert '"status":"recorded"' in run(side, ["bash", "-e"], program)
    assert outcomes(side) == ["order-1"]


def test_the_timed_quick_start_runs_each_language_of_the_guide():
    timed = {language.fence: example(language.fence) for language in languages(ROOT)}
    assert set(re.findall(r"^### .*\n\n```(\w+)", GUIDE.read_text(), re.MULTILINE)) == timed.keys()
    assert all("order-" in code for code in timed.values())


def test_the_guides_javascript_decides_and_reports(package: Path, side: Side):
    (program,) = blocks(GUIDE, "js")
    assert "status: 'recorded'" in run(side, [node.NODE, "--input-type=module"], program, package)
    assert outcomes(side) == ["order-2"]


def test_the_guides_python_decides_and_reports(side: Side):
    (program,) = blocks(GUIDE, "python")
    assert "'status': 'recorded'" in run(side, [sys.executable, "-"], program)
    assert outcomes(side) == ["order-3"]


@needs_php
def test_the_guides_php_decides_and_reports(side: Side):
    (program,) = blocks(GUIDE, "php")
    assert "[status] => recorded" in run(side, [PHP_COMMAND], PHP + program)
    assert outcomes(side) == ["order-4"]


@needs_php
def test_the_readme_for_php_decides_and_reports(side: Side):
    first, later, own_client = blocks(PACKAGE / "README.md", "php")
    assert "Card" in run(side, [PHP_COMMAND], PHP + first + later)
    assert outcomes(side) == ["order-4711"]
    assert "syntax" not in run(side, [PHP_COMMAND, "-l"], PHP + own_client).replace("No syntax errors", "")


def test_the_readme_for_javascript_decides_and_reports(package: Path, side: Side):
    (program,) = blocks(package / "README.md", "js")
    assert "false" in run(side, [node.NODE, "--input-type=module"], program, package)
    assert outcomes(side) == ["order-4711"]


@pytest.mark.parametrize("number", [0, 1])
def test_the_readme_for_python_decides_and_reports(side: Side, number: int):
    run(side, [sys.executable, "-"], blocks(PYTHON / "README.md", "python")[number])
    assert len(outcomes(side)) == 1


@contextmanager
def shop(command: Sequence[str], folder: Path, variables: dict[str, str]) -> Iterator[httpx.Client]:
    with subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            with httpx.Client(base_url=process.stdout.readline().strip(), timeout=20) as client:
                yield client
        finally:
            process.terminate()


@contextmanager
def php_shop(variables: dict[str, str]) -> Iterator[httpx.Client]:
    address = f"127.0.0.1:{free_port()}"
    command = [PHP_COMMAND, "-S", address, "examples/checkout.php"]
    with subprocess.Popen(command, cwd=PACKAGE, env=variables, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert "started" in process.stderr.readline()
            with httpx.Client(base_url=f"http://{address}", timeout=20) as client:
                yield client
        finally:
            process.terminate()


Shop = Callable[[dict[str, str]], AbstractContextManager[httpx.Client]]


@pytest.fixture(params=["javascript", "python", pytest.param("php", marks=needs_php)])
def opened(request: pytest.FixtureRequest) -> Shop:
    """Opens the example shop of a language."""
    if request.param == "php":
        return php_shop
    if request.param == "javascript":
        return partial(shop, [node.NODE, "examples/checkout.mjs"], request.getfixturevalue("package"))
    return partial(shop, [sys.executable, "examples/checkout.py"], PYTHON)


def test_an_example_shop_sells_with_and_without_a_server(opened: Shop, side: Side):
    with opened(environment(side)) as client:
        pages = (client.get("/").text for _ in range(20))  # until the server answers in time
        decision = next(filter(None, (re.search(r'value="(dec_\w+)"', page) for page in pages)))
        for _ in range(2):
            page = client.get("/pay", params={"decision": decision[1], "method": "card"}).text
        assert "Feedback: duplicate" in page
    with opened({**environment(side), "TAP2_URL": "http://127.0.0.1:1"}) as client:
        assert "The shop's own order." in client.get("/").text
        assert "Feedback: unknown_decision" in client.get("/pay").text
