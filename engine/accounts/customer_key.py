"""The secret that customer ids are hashed with: where it comes from, and that it is the database's."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from engine.model.errors import EngineError
from engine.store.connection.database import Database
from engine.store.customers import fingerprints

SHORTEST_KEY = 32
NAME, NEXT = "customer key", "next customer key"
"""Names of the fingerprint of the key that the database is under, and of a row that is there while it is renamed."""
FILE = "customer.key"
GIVE_UP = "To give up all pasts, run `tap2 db accept-customer-key`"


class UnusableKey(EngineError):
    """The customer key is too short, or it is not the one that the database is used with."""


class CustomerKeys(NamedTuple):
    """The secrets of an installation about customers: `first` hashes their ids, for ever.

    Each of `later` took the place of the one before it: hashes are stored encrypted with the last of them.
    """

    first: bytes
    later: tuple[bytes, ...] = ()

    @property
    def fingerprints(self) -> list[str]:
        """Return what a database is known by that is under each key in turn: 64 bits that no key can be guessed from.

        Each says which keys came before, so that keys in another order are other keys.
        """
        prints = [fingerprint(self.first)]
        for key in self.later:
            prints.append(hmac.digest(key, f"{NAME} after {prints[-1]}".encode(), "sha256")[:8].hex())
        return prints


def load_keys(setting: str, folder: Path, *, is_used: bool = False) -> CustomerKeys:
    """Return the customer keys: of the setting with commas between them, or of a file of mode 600, one a line.

    The latest key comes first. The file is made once. Raise `UnusableKey` for a key under 32 characters, and where the
    file is missing although the database `is_used` with one: nobody's past would be found again.
    """
    if setting:
        return _keys(setting.split(","), "TAP2_CUSTOMER_KEY")
    path = folder / FILE
    if not path.exists():
        if is_used:
            raise UnusableKey(
                f"{path} is missing, and the database is used with it: restore the file from the backup, or set "
                f"TAP2_CUSTOMER_KEY. {GIVE_UP}"
            )
        folder.mkdir(parents=True, exist_ok=True)
        _write_once(path, secrets.token_hex(32))
    return _keys(path.read_text().strip().splitlines() or [""], str(path))


def load_key(setting: str, folder: Path) -> bytes:
    """Return the key that hashes customers' ids; see `load_keys`."""
    return load_keys(setting, folder).first


def add_key(folder: Path) -> None:
    """Write a new key before those of the file."""
    path = folder / FILE
    draft = _draft(path, f"{secrets.token_hex(32)}\n{path.read_text().strip()}\n")
    draft.replace(path)
    _sync_folder(folder)


def _keys(texts: Sequence[str], source: str) -> CustomerKeys:
    *later, first = (text.strip() for text in texts)
    for key in (first, *later):
        if len(key) < SHORTEST_KEY:
            raise UnusableKey(
                f"{source} must have at least {SHORTEST_KEY} characters for each key; restore it from the backup"
            )
    return CustomerKeys(first.encode(), tuple(key.encode() for key in reversed(later)))


async def is_used(database: Database) -> bool:
    """Return whether the database belongs to a customer key, or contains anything under a customer's hash."""
    async with database.read() as connection:
        return await fingerprints.get(connection, NAME) is not None or await fingerprints.has_customers(connection)


def _write_once(path: Path, text: str) -> None:
    """Write the key file atomically; if two processes start together, the first file stays."""
    draft = _draft(path, text)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _draft(path: Path, text: str) -> Path:
    """Write a file beside another one, which only its owner may read, to the disk."""
    draft = path.with_suffix(f".{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync_folder(folder: Path) -> None:
    """Let a new file's name reach the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fingerprint(key: bytes) -> str:
    """Return 64 bits in hex by which the key can be compared, but not guessed."""
    return hmac.digest(key, NAME.encode(), "sha256")[:8].hex()


async def check_fingerprint(database: Database, keys: CustomerKeys) -> None:
    """Note the first key that the database is used with; raise `UnusableKey` for another one.

    Also before the first customer: of two machines with a key each, one would not find the other's customers. And
    while customers are being renamed for a new key: half of them would not be found.
    """
    prints = keys.fingerprints
    async with database.read() as connection:
        stored = await fingerprints.get(connection, NAME)
        is_renaming = await fingerprints.get(connection, NEXT) is not None
    if stored is None:
        async with database.write() as connection:
            await fingerprints.add(connection, NAME, prints[-1])
            stored = await fingerprints.get(connection, NAME)
    if is_renaming or stored in prints[:-1]:
        raise UnusableKey(
            "the database is not, or not wholly, under the newest customer key: run `tap2 keys rotate-customer`, which "
            "goes on where it was stopped, and then start the servers"
        )
    if stored != prints[-1]:
        raise UnusableKey(
            "TAP2_CUSTOMER_KEY or customer.key is not the key that the database is used with: use the same keys on "
            f"every machine, or restore them from the backup. {GIVE_UP}"
        )


async def accept_keys(database: Database, keys: CustomerKeys) -> None:
    """Note the keys as the database's; nobody's past is found any more if they are others."""
    async with database.write() as connection:
        await fingerprints.replace(connection, NAME, keys.fingerprints[-1])
        await fingerprints.remove(connection, NEXT)
