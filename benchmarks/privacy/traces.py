"""Search what a server leaves on the disk, and what its tables say."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from sqlalchemy import select

from engine.store.connection.database import Database
from engine.store.tables import metadata

PIECE = 1 << 24
PROOFS = frozenset({"erasures", "customer_settings", "customer_setting_versions"})
"""Tables with the proof of an erasure, and with the refusal that it leaves."""


def count_words(folder: Path, words: Iterable[str | bytes]) -> tuple[int, int]:
    """Return how often words occur in all files below a folder, and the bytes of these.

    Tables, indexes, free pages, write-ahead logs, backups and logs alike, as the disk has them.
    """
    needles = [word.encode() if isinstance(word, str) else word for word in words]
    overlap, count, size = max(map(len, needles)) - 1, 0, 0
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            before = b""
            while piece := file.read(PIECE):
                size += len(piece)
                # What the last piece's end alone contains was counted with it.
                count += sum((before + piece).count(needle) - before.count(needle) for needle in needles)
                before = (before + piece)[-overlap:]
    return count, size


async def contents(database: Database) -> dict[str, list[str]]:
    """Return the rows of every table, as sorted texts."""
    async with database.read() as connection:
        return {
            name: sorted(str(tuple(row)) for row in await connection.execute(select(table)))
            for name, table in metadata.tables.items()
        }


def rows_naming(tables: dict[str, list[str]], hashes: Collection[str], *, leaving_out: Collection[str] = ()) -> int:
    """Return how many rows contain a keyed hash, also inside JSON."""
    count = 0
    for name, rows in tables.items():
        if name not in leaving_out:
            text = "\n".join(rows)
            count += sum(text.count(hash) for hash in hashes)
    return count
