"""The cases that clients of all languages check themselves against are what the engine says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.checks.offline_cases import FILE, document

STORED = json.loads(FILE.read_text())
MADE = json.loads(json.dumps(document()))


def comparable(setting: dict[str, Any]) -> dict[str, Any]:
    """Return a setting without what another processor computes with other last digits: fits of choices."""
    if not setting["name"].startswith("choices"):
        return setting
    plan = {**setting["plan"], "tables": sorted(setting["plan"]["tables"])}
    cases = [(case["id"], case["context"], case["answer"] is None) for case in setting["cases"]]
    return {"plan": plan, "cases": cases}


@pytest.mark.parametrize("number", range(len(STORED["settings"])))
def test_the_cases_are_made_by_the_kernel_of_today(number: int):
    assert len(MADE["settings"]) == len(STORED["settings"])
    assert comparable(MADE["settings"][number]) == comparable(STORED["settings"][number])
