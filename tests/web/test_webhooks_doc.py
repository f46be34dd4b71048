"""docs/webhooks.md says what happens: its table is made from the code, and its receivers verify our messages."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest

from benchmarks.event_types import PAGE, table
from benchmarks.process import ROOT
from engine.clock import now_ms
from engine.model.events.webhook import Fault
from engine.webhooks.signatures import new_secret, signed_headers
from tests.serving import Side

TEXT = PAGE.read_text()
BODY = b'{"type":"arm.jumped","timestamp":"2026-11-21T09:30:00.000Z","data":{"placement":"a","candidate_id":"b"}}'


def block(language: str) -> str:
    [example] = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return str(example)


@pytest.fixture
def message() -> dict[str, Any]:
    secret = new_secret()
    return {"secret": secret, "headers": signed_headers([secret], id="evt_1", timestamp=now_ms() // 1000, body=BODY)}


def test_the_table_of_events_is_made_from_the_code():
    assert TEXT.split("<!-- events -->\n")[1].split("\n<!-- /events -->")[0] == table(), (
        "run python -m benchmarks.event_types"
    )


def test_every_fault_is_explained():
    named = set(re.findall(r"^\| `(\w+)` \|", TEXT.split("## Faults")[1], re.MULTILINE))
    assert named == set(get_args(Fault)) - {""}


def test_python_receiver_verifies_signatures(message: dict[str, Any], capsys: pytest.CaptureFixture[str]):
    code: dict[str, Any] = {}
    exec(block("python"), code)
    assert code["handle"](message["secret"], message["headers"], BODY) == 204
    assert "arm.jumped" in capsys.readouterr().out
    assert code["handle"](message["secret"], message["headers"], BODY + b" ") == 400


def test_javascript_receiver_verifies_signatures(message: dict[str, Any], tmp_path: Path):
    package = ROOT / "node_modules" / "standardwebhooks"
    if not shutil.which("node") or not package.is_dir():
        pytest.skip("Node or the package standardwebhooks is missing: npm ci")
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / "receiver.mjs").write_text(block("javascript"))
    (tmp_path / "try.mjs").write_text(
        "import { handle } from './receiver.mjs';\n"
        "const { secret, headers, body } = JSON.parse(process.env.MESSAGE);\n"
        "console.log(handle(secret, headers, body), handle(secret, headers, body + ' '));\n"
    )
    environment = {**os.environ, "MESSAGE": json.dumps({**message, "body": BODY.decode()})}
    run = subprocess.run(["node", "try.mjs"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "204 400"
    assert run.stdout.startswith("arm.jumped")


def test_the_request_of_the_page_makes_an_endpoint(side: Side):
    text = re.search(r"--json '(.*?)'", block("sh"), re.DOTALL)
    assert text
    made = side.client.post("/v1/webhooks", json=json.loads(text[1]))
    assert (made.status_code, made.json()["secret"][:6]) == (201, "whsec_")
