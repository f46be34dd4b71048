"""Dialects that one test's database leaves to the next, with all statements that they have compiled.

Each of the four engines of a database would compile each statement again, for a fifth of the processor time of a test.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Dialect, Engine, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from engine import migrate
from engine.store.connection import database

Kind = tuple[str, bool]
"""The driver, and whether each statement is a transaction of its own: what dialects differ in."""


class Dialects:
    """Those that no engine has at the moment, by their kind."""

    def __init__(self) -> None:
        self._free: dict[Kind, list[tuple[Dialect, Any]]] = defaultdict(list)
        self._taken: dict[Engine, Kind] = {}

    def creating(self, create: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that creates engines like `create`, which take a free dialect."""

        def create_with_dialect(url: str, **options: Any) -> Any:
            engine = create(url, **options)
            self._give(getattr(engine, "sync_engine", engine), "isolation_level" in options)
            return engine

        return create_with_dialect

    def _give(self, engine: Engine, alone: bool) -> None:
        kind = self._taken[engine] = engine.url.drivername, alone
        if self._free[kind]:
            engine.dialect, engine._compiled_cache = self._free[kind].pop()
            # The names of customers are those of a database.
            vars(engine.dialect).pop("customer_names", None)

    def take_back(self, engine: Engine) -> None:
        """Free the dialect of a closed engine, if it has ever connected: only then is the dialect complete."""
        kind = self._taken.pop(engine, None)
        if kind and getattr(engine.dialect, "server_version_info", None):
            self._free[kind].append((engine.dialect, engine._compiled_cache))


@contextmanager
def kept_dialects() -> Iterator[None]:
    """Let databases that are opened meanwhile take the dialects of those that were closed."""
    dialects, dispose = Dialects(), Engine.dispose

    def dispose_and_free(engine: Engine, close: bool = True) -> None:
        dispose(engine, close)
        dialects.take_back(engine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "dispose", dispose_and_free)
        patch.setattr(database, "create_engine", dialects.creating(create_engine))
        for module in (database, migrate):
            patch.setattr(module, "create_async_engine", dialects.creating(create_async_engine))
        yield
