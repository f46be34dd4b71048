"""Check what the mutation check changes, and what it leaves alone."""

from __future__ import annotations

from itertools import islice

import pytest

from benchmarks.checks.mutation import MODULES, mutants_of, nearest_tests
from benchmarks.process import ROOT

SOURCE = """
class Row(NamedTuple, frozen=True):
    age: Annotated[int, Meta(ge=0)]

def choose(rows: list[int]) -> int:
    log.info("chose", count=1)
    rows.sort()
    return min(rows) if rows and 3 < 4 else 0
"""


def test_each_operator_number_and_statement_changes_once():
    changes = [mutant.change for mutant in mutants_of("m.py", SOURCE)]
    assert sorted(changes) == sorted(
        [
            "`rows.sort()` -> `pass`",
            "`min(rows) if rows and 3 < 4 else 0` -> `min(rows) if not (rows and 3 < 4) else 0`",
            "`min(rows)` -> `max(rows)`",
            "`rows and 3 < 4` -> `rows or 3 < 4`",
            "`3 < 4` -> `3 <= 4`",
            "`3` -> `4`",
            "`4` -> `5`",
            "`0` -> `1`",
        ]
    )


@pytest.mark.long
def test_every_checked_module_has_tests_and_mutants():
    for path in MODULES:
        assert nearest_tests(path), path
        mutants = mutants_of(path, (ROOT / path).read_text())
        assert len(list(islice(mutants, 21))) > 20, path
