"""Customers: the keyed hash that stands for them everywhere, and their usage, loaded for many requests at once."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
from functools import partial
from pathlib import Path

from engine.store import folds
from engine.store.connection.database import Database
from engine.store.folds import UsageRow

SHORTEST_KEY = 32


def load_key(setting: str, folder: Path) -> bytes:
    """The secret that customer ids are hashed with: the setting, or a file of mode 600 that is made once."""
    if setting:
        if len(setting) < SHORTEST_KEY:
            raise ValueError(f"TAP2_CUSTOMER_KEY must have at least {SHORTEST_KEY} characters")
        return setting.encode()
    path = folder / "customer.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write_once(path, secrets.token_hex(32))
    return path.read_text().strip().encode()


def _write_once(path: Path, text: str) -> None:
    """Two processes that start together must agree on one key: the file appears whole, and the first stays."""
    draft = path.with_suffix(f".{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


class Hasher:
    """HMAC-SHA256 of merchant and customer id, 128 bits in hex; the plain id goes no further than this."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, merchant_id: int, customer_id: str) -> str:
        return hmac.digest(self._key, f"{merchant_id}:{customer_id}".encode(), "sha256")[:16].hex()


Waiting = dict[tuple[int, str], list[asyncio.Future[list[UsageRow]]]]


class UsageLoader:
    """Loads the usage of all customers that are asked for while the last query runs in one next query."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked: Waiting = {}
        self._task: asyncio.Task[None] | None = None

    def load(self, merchant_id: int, customer: str) -> asyncio.Future[list[UsageRow]]:
        # One future a request: a request that gives up cancels what it waits for, and nobody else's.
        future: asyncio.Future[list[UsageRow]] = asyncio.get_running_loop().create_future()
        self._asked.setdefault((merchant_id, customer), []).append(future)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="usage loader")
        return future

    async def _run(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                usage = await self._database.look_up(partial(folds.usage_of, customers=asked))
            except Exception as error:
                _refuse(asked, error)
                continue
            for key, futures in asked.items():
                for future in futures:
                    if not future.done():
                        future.set_result(usage.get(key, []))
        self._task = None


def _refuse(asked: Waiting, error: Exception) -> None:
    for futures in asked.values():
        for future in futures:
            if not future.done():
                future.set_exception(error)
