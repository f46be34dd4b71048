"""The erasure ledger: a file beside the database, so that a restored backup forgets again whom it had forgotten.

One line an erasure: time, merchant, and the customer's keyed hash. It is written, and reaches the disk, before anything
is deleted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

FILE = "erasures.jsonl"


class LedgerLine(NamedTuple):
    """An erasure that was asked for, at epoch ms; `suppress`: nothing may be stored about the customer afterwards."""

    requested_at: int
    merchant_id: int
    customer: str
    suppress: bool


_decode = msgspec.json.Decoder(LedgerLine).decode


class ErasureFile:
    """Appends erasures to the ledger, and reads all of them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def append(self, line: LedgerLine) -> None:
        """Write an erasure to the disk before it begins."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # The line break before it ends a line that a crash cut off.
            os.write(descriptor, b"\n" + msgspec.json.encode(line) + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            _sync_folder(self.path.parent)

    def lines(self) -> Iterator[LedgerLine]:
        """Yield all erasures. A line that a crash cut off is left out: its erasure had not begun."""
        if not self.path.exists():
            return
        for text in self.path.read_bytes().split(b"\n"):
            with suppress(msgspec.DecodeError):
                yield _decode(text)


def _sync_folder(folder: Path) -> None:
    """Let a new file's name reach the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
