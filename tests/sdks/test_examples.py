"""What the pages about the clients say runs as it stands, and so do the example shops."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.process import ROOT
from tests.sdks import node
from tests.serving import Side

GUIDE = ROOT / "docs" / "sdks.md"
PYTHON = ROOT / "sdks" / "python"

PATIENT = {
    'os.environ["TAP2_KEY"]': 'os.environ["TAP2_KEY"], timeout=20.0',
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
    text = program.replace('"http://127.0.0.1:8000"', repr(side.server.url))
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
    found = [side.client.get(f"/v1/decisions/{item['decision_id']}?explain=true").json()["outcomes"] for item in items]
    return [outcome["event_id"] for each in found for outcome in each]


def test_the_guides_curl_decides_and_reports(side: Side):
    (program,) = blocks(GUIDE, "sh")
    assert '"status":"recorded"' in run(side, ["bash", "-e"], program)
    assert outcomes(side) == ["order-1"]


def test_the_guides_javascript_decides_and_reports(package: Path, side: Side):
    (program,) = blocks(GUIDE, "js")
    assert "status: 'recorded'" in run(side, [node.NODE, "--input-type=module"], program, package)
    assert outcomes(side) == ["order-2"]


def test_the_guides_python_decides_and_reports(side: Side):
    (program,) = blocks(GUIDE, "python")
    assert "'status': 'recorded'" in run(side, [sys.executable, "-"], program)
    assert outcomes(side) == ["order-3"]


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


@pytest.mark.parametrize("language", ["javascript", "python"])
def test_an_example_shop_sells_with_and_without_a_server(request: pytest.FixtureRequest, side: Side, language: str):
    if language == "javascript":
        command, folder = [node.NODE, "examples/checkout.mjs"], request.getfixturevalue("package")
    else:
        command, folder = [sys.executable, "examples/checkout.py"], PYTHON
    with shop(command, folder, environment(side)) as client:
        pages = (client.get("/").text for _ in range(20))  # until the server answers in time
        decision = next(filter(None, (re.search(r'value="(dec_\w+)"', page) for page in pages)))
        for _ in range(2):
            page = client.get("/pay", params={"decision": decision[1], "method": "card"}).text
        assert "Feedback: duplicate" in page
    with shop(command, folder, {**environment(side), "TAP2_URL": "http://127.0.0.1:1"}) as client:
        assert "The shop's own order." in client.get("/").text
        assert "Feedback: unknown_decision" in client.get("/pay").text
