"""A small version of the long check of publishing under load."""

from __future__ import annotations

import pytest

from benchmarks.checks.publishing import run


@pytest.mark.long
def test_every_answer_follows_its_named_version_during_publishing():
    result = run(rules=40, publishes=6, quiet_seconds=0.05)
    assert len({answer.version for answer in result.answers}) >= 3
    assert result.disobeying == 0
    assert result.kept == 7
    assert max(result.publish_seconds) < 2
