"""Customers: their keyed hash, and what is known of them, loaded for many requests at once."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
from pathlib import Path

from engine.decisions.batch_loader import BatchLoader, LookUps
from engine.model.errors import EngineError
from engine.store import folds
from engine.store.connection.database import Database
from engine.store.customers.usage import StoredCustomer, customers_of

SHORTEST_KEY = 32


class UnusableKey(EngineError):
    """The customer key is too short, or it is missing although the database contains customers' histories."""


def load_key(setting: str, folder: Path, *, has_customers: bool = False) -> bytes:
    """Return the secret that customer ids are hashed with: the setting, or a file of mode 600 that is made once.

    Raise `UnusableKey` for one under 32 characters, and where the file is missing although the database
    `has_customers`: under a new key nobody's past would be found again.
    """
    if setting:
        return _long_enough(setting, "TAP2_CUSTOMER_KEY")
    path = folder / "customer.key"
    if not path.exists():
        if has_customers:
            raise UnusableKey(
                f"{path} is missing, and the database holds customers' pasts: restore the file from the backup, or set "
                f"TAP2_CUSTOMER_KEY. To give up all pasts, write {SHORTEST_KEY} or more random characters into the file"
            )
        folder.mkdir(parents=True, exist_ok=True)
        _write_once(path, secrets.token_hex(32))
    return _long_enough(path.read_text().strip(), str(path))


def _long_enough(key: str, source: str) -> bytes:
    if len(key) < SHORTEST_KEY:
        raise UnusableKey(f"{source} must have at least {SHORTEST_KEY} characters; restore it from the backup")
    return key.encode()


async def has_customers(database: Database) -> bool:
    """Return whether the database contains anything under a customer's hash."""
    async with database.read() as connection:
        return await folds.has_usage(connection)


def _write_once(path: Path, text: str) -> None:
    """Write the key file atomically; if two processes start together, the first file stays."""
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
    """Hash merchant and customer id with HMAC-SHA256 to 128 bits in hex; nothing else sees the plain id."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, merchant_id: int, customer_id: str) -> str:
        return hmac.digest(self._key, f"{merchant_id}:{customer_id}".encode(), "sha256")[:16].hex()


class CustomerLoader:
    """Load customers in batches: one query serves all that are requested while the previous query ran."""

    def __init__(self, database: LookUps) -> None:
        self._loader: BatchLoader[tuple[int, str], StoredCustomer] = BatchLoader(database, customers_of, StoredCustomer)

    def load(self, merchant_id: int, customer: str) -> asyncio.Future[StoredCustomer]:
        """Return a future of what is known of a customer."""
        return self._loader.load((merchant_id, customer))
