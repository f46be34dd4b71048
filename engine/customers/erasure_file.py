"""The erasure ledger: a file beside the database, so that a restored backup forgets again whom it had forgotten.

One line an erasure: time, merchant, and the customer's name in the database. It is written, and reaches the disk,
before anything is deleted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.accounts.customer_key import UnusableKey
from engine.store.connection.customer_names import HASH_DIGITS, PLAIN, CustomerNames

FILE = "erasures.jsonl"


class LedgerLine(NamedTuple):
    """An erasure that was asked for, at epoch ms; `suppress`: nothing may be stored about the customer afterwards."""

    requested_at: int
    merchant_id: int
    customer: str
    suppress: bool


_decode = msgspec.json.Decoder(LedgerLine).decode


class ErasureFile:
    """Appends erasures to the ledger, and reads all of them. Lines name customers as the database does."""

    def __init__(self, folder: Path, names: CustomerNames = PLAIN) -> None:
        self.path = folder / FILE
        self._names = names

    def append(self, line: LedgerLine) -> None:
        """Write an erasure to the disk before it begins."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # The line break before it ends a line that a crash cut off.
            os.write(descriptor, b"\n" + self._encoded(line) + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            _sync_folder(self.path.parent)

    def lines(self) -> Iterator[LedgerLine]:
        """Yield all erasures. A line that a crash cut off is left out: its erasure had not begun.

        Raise `UnusableKey` where the customer key is missing that a line names a customer under.
        """
        if not self.path.exists():
            return
        for text in self.path.read_bytes().split(b"\n"):
            with suppress(msgspec.DecodeError):
                line = _decode(text)
                customer = self._names.hash_of(line.customer)
                if len(customer) > HASH_DIGITS:
                    raise UnusableKey(
                        f"{self.path} names customers under a newer customer key: restore the newest customer.key or "
                        "TAP2_CUSTOMER_KEY, so that they are erased again"
                    )
                yield line._replace(customer=customer)

    def rename(self) -> None:
        """Name all customers under the latest key."""
        if not self.path.exists():
            return
        draft = self.path.with_suffix(".draft")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(b"".join(self._encoded(line) + b"\n" for line in self.lines()))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)
        _sync_folder(self.path.parent)

    def _encoded(self, line: LedgerLine) -> bytes:
        return msgspec.json.encode(line._replace(customer=self._names.stored(line.customer)))


def _sync_folder(folder: Path) -> None:
    """Let a new file's name reach the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
