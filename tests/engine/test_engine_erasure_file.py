"""The erasure ledger keeps every line that reached the disk, for its owner alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from engine.customers.erasure_file import ErasureFile, LedgerLine

ANNA = LedgerLine(1, 7, "a" * 32, suppress=True)
BEN = LedgerLine(2, 7, "b" * 32, suppress=False)


@pytest.fixture
def file(tmp_path: Path) -> ErasureFile:
    return ErasureFile(tmp_path / "data")


def test_missing_file_has_no_lines(file: ErasureFile) -> None:
    assert list(file.lines()) == []


def test_lines_are_read_in_order(file: ErasureFile) -> None:
    for line in (ANNA, BEN, ANNA):
        file.append(line)
    assert list(file.lines()) == [ANNA, BEN, ANNA]


def test_a_line_that_a_crash_cut_off_is_left_out(file: ErasureFile) -> None:
    file.append(ANNA)
    with file.path.open("ab") as ledger:
        ledger.write(b"[3,7,")
    assert list(file.lines()) == [ANNA]
    file.append(BEN)
    assert list(file.lines()) == [ANNA, BEN]


def test_file_is_private(file: ErasureFile) -> None:
    file.append(ANNA)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_file_contains_only_hashes(file: ErasureFile) -> None:
    file.append(ANNA)
    assert file.path.read_text().strip() == f'[1,7,"{"a" * 32}",true]'
