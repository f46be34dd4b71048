"""A simulated shop continues with its policy during an outage, and reports afterwards: a small version."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.clients.offline_shop import outage
from tests.sdks import node


def test_every_checkout_of_an_outage_is_decided_taken_over_and_replayed(tmp_path: Path):
    if not node.NODE:
        pytest.skip("Node is missing")
    after = asyncio.run(outage(tmp_path, learned=200, checkouts=60, seed=3))
    assert (after.ordered, after.statuses, after.same) == (60, Counter({"recorded": 60}), 60)
    assert after.offline > 0
