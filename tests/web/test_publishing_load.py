"""A small version of the long check of publishing under load."""

from __future__ import annotations

from benchmarks.checks.publishing import run


def test_while_rules_are_published_every_answer_obeys_the_version_that_it_names():
    found = run(rules=40, publishes=6, quiet_seconds=0.05)
    assert len({answer.version for answer in found.answers}) >= 3
    assert found.disobeying == 0
    assert found.kept == 7
    assert max(found.publish_seconds) < 2
