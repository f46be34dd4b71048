"""The master keys that data keys are wrapped with. The first one wraps, all of them unwrap."""

from __future__ import annotations

import hmac
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.accounts.customer_key import SHORTEST_KEY, UnusableKey
from engine.accounts.key_command import NAME as COMMAND
from engine.accounts.key_command import keys_of_command
from engine.accounts.sealing import NONCE_BYTES
from engine.model.errors import Conflict
from engine.store.customers.data_keys import WrappedKey

FILE = "master.key"
DATA, SIGNING = "", "signing "
"""Kinds of keys that are wrapped. A key cannot be unwrapped as one of another kind."""


class KeySource(NamedTuple):
    """The sources of keys: `setting` with commas between keys, else what `command` prints, else a file in `folder`."""

    setting: str
    command: str
    folder: Path


class MasterKeys:
    """Wraps and unwraps data keys. The secrets are read again by `read` when a file may have changed."""

    def __init__(self, read: Callable[[], list[bytes]]) -> None:
        self._read = read
        self.reload()

    def reload(self) -> None:
        """Read the secrets again."""
        self._ciphers = {_fingerprint(secret): AESGCM(_derived(secret, "wrap data keys")) for secret in self._read()}

    @property
    def fingerprints(self) -> list[str]:
        """Return the fingerprints of the keys; the first is that of the key which wraps."""
        return list(self._ciphers)

    @property
    def are_of_the_customer_key(self) -> bool:
        """Return whether the only master key is the one that comes from the customer key."""
        return len(self._ciphers) == 1

    def wrap(self, id: int, created_at: int, key: bytes, *, kind: str = DATA) -> WrappedKey:
        """Return a data key, or a key of another kind, encrypted with the first master key."""
        master, cipher = next(iter(self._ciphers.items()))
        nonce = secrets.token_bytes(NONCE_BYTES)
        wrapped = nonce + cipher.encrypt(nonce, key, f"{kind}{id}".encode())
        return WrappedKey(id, created_at, master, b64encode(wrapped).decode())

    def unwrap(self, row: WrappedKey, *, kind: str = DATA) -> bytes:
        """Return a key; raise `UnusableKey` if its master key is missing."""
        cipher, raw = self._ciphers.get(row.master), b64decode(row.wrapped)
        try:
            if cipher is not None:
                return cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], f"{kind}{row.id}".encode())
        except InvalidTag:
            pass
        raise UnusableKey(
            f"the master key {row.master} of {kind or 'data '}key {row.id} is missing: restore {FILE} from the backup, "
            f"or add the key to TAP2_MASTER_KEY or to what {COMMAND} prints"
        )


def master_keys(source: KeySource, customer_key: bytes) -> MasterKeys:
    """Return the keys of a source, and after them one that comes from the customer key."""

    def read() -> list[bytes]:
        if source.command:
            texts = keys_of_command(source.command)
        else:
            texts = source.setting.split(",") if source.setting else _lines(source.folder / FILE)
        for key in texts:
            if len(key) < SHORTEST_KEY:
                raise UnusableKey(f"each key of {FILE} or TAP2_MASTER_KEY must have at least {SHORTEST_KEY} characters")
        return [*(key.encode() for key in texts), _derived(customer_key, "master key")]

    return MasterKeys(read)


def add_master_key(source: KeySource, *, keys_are_settings: bool) -> None:
    """Write a new key before those of the file. Raise `Conflict` if the keys of this installation are settings."""
    if source.command:
        raise Conflict(
            f"keys come from {COMMAND} here: let it print a new key before the others, and run "
            "`tap2 keys rotate --no-new`"
        )
    if keys_are_settings:
        raise Conflict(
            "keys are settings here: put a new key before the others in TAP2_MASTER_KEY, with a comma between them, "
            "restart the servers, and run `tap2 keys rotate --no-new`"
        )
    folder, path = source.folder, source.folder / FILE
    text = "\n".join([secrets.token_hex(32), *_lines(path)]) + "\n"
    draft = path.with_suffix(f".{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def _derived(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, purpose.encode(), "sha256")


def _fingerprint(secret: bytes) -> str:
    return _derived(secret, "fingerprint")[:8].hex()
