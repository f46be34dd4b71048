"""The secret that customer ids are hashed with: where it comes from, and that it is the database's."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from engine.model.errors import EngineError
from engine.store.connection.database import Database
from engine.store.customers import fingerprints

SHORTEST_KEY = 32
NAME = "customer key"
GIVE_UP = "To give up all pasts, run `tap2 db accept-customer-key`"


class UnusableKey(EngineError):
    """The customer key is too short, or it is not the one that the database is used with."""


def load_key(setting: str, folder: Path, *, is_used: bool = False) -> bytes:
    """Return the secret that customer ids are hashed with: the setting, or a file of mode 600 that is made once.

    Raise `UnusableKey` for one under 32 characters, and where the file is missing although the database `is_used`
    with a key: under another one nobody's past would be found again.
    """
    if setting:
        return _long_enough(setting, "TAP2_CUSTOMER_KEY")
    path = folder / "customer.key"
    if not path.exists():
        if is_used:
            raise UnusableKey(
                f"{path} is missing, and the database is used with it: restore the file from the backup, or set "
                f"TAP2_CUSTOMER_KEY. {GIVE_UP}"
            )
        folder.mkdir(parents=True, exist_ok=True)
        _write_once(path, secrets.token_hex(32))
    return _long_enough(path.read_text().strip(), str(path))


def _long_enough(key: str, source: str) -> bytes:
    if len(key) < SHORTEST_KEY:
        raise UnusableKey(f"{source} must have at least {SHORTEST_KEY} characters; restore it from the backup")
    return key.encode()


async def is_used(database: Database) -> bool:
    """Return whether the database belongs to a customer key, or contains anything under a customer's hash."""
    async with database.read() as connection:
        return await fingerprints.get(connection, NAME) is not None or await fingerprints.has_customers(connection)


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


def fingerprint(key: bytes) -> str:
    """Return 64 bits in hex by which the key can be compared, but not guessed."""
    return hmac.digest(key, NAME.encode(), "sha256")[:8].hex()


async def check_fingerprint(database: Database, key: bytes) -> None:
    """Note the first key that the database is used with; raise `UnusableKey` for another one.

    Also before the first customer: of two machines with a key each, one would not find the other's customers.
    """
    own = fingerprint(key)
    async with database.read() as connection:
        stored = await fingerprints.get(connection, NAME)
    if stored is None:
        async with database.write() as connection:
            await fingerprints.add(connection, NAME, own)
            stored = await fingerprints.get(connection, NAME)
    if stored != own:
        raise UnusableKey(
            "TAP2_CUSTOMER_KEY or customer.key is not the key that the database is used with: use the same key on "
            f"every machine, or restore it from the backup. {GIVE_UP}"
        )


async def accept_key(database: Database, key: bytes) -> None:
    """Note the key as the database's; nobody's past is found any more if it is another one."""
    async with database.write() as connection:
        await fingerprints.replace(connection, NAME, fingerprint(key))
