"""Customers' hashes as the database has them: encrypted with the latest of the customer keys after the first.

An encrypted hash is 32 hex digits and the number of its key: one block of AES, so that a name stays a name. Outside of
the store a customer is always the hash, whatever key the database is under: see decision 0087.
"""

from __future__ import annotations

import hmac
import re
import threading
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from sqlalchemy import Dialect

HASH = re.compile(r"[0-9a-f]{32}")
_QUOTED_HASH, _QUOTED_NAME = re.compile(r'"([0-9a-f]{32})"'), re.compile(r'"([0-9a-f]{34})"')
HASH_DIGITS = 32
NUMBER_DIGITS = 2
MOST_KEYS = 255
_PURPOSE = b"customer names"


class _NameContexts(threading.local):
    """Contexts of a cipher serve one thread at a time."""

    def __init__(self) -> None:
        self.encryptors: dict[int, CipherContext] = {}
        self.decryptors: dict[int, CipherContext] = {}


class CustomerNames:
    """Translates between hashes and stored names; `keys` are the customer keys after the first, in their order.

    Without keys, stored names are the hashes. Texts that are no hashes, such as ids of decisions, stay as they are.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self.keys = tuple(keys)
        self.number = len(self.keys) + 1
        self._ciphers = {
            number: Cipher(algorithms.AES(hmac.digest(key, _PURPOSE, "sha256")), modes.ECB())  # noqa: S305  one block
            for number, key in enumerate(self.keys, start=2)
        }
        self._contexts = _NameContexts()

    def stored(self, name: str) -> str:
        """Return a hash as it is stored now; anything else as it is."""
        if not self.keys or len(name) != HASH_DIGITS or not HASH.fullmatch(name):
            return name
        encryptor = self._contexts.encryptors.get(self.number)
        if encryptor is None:
            encryptor = self._contexts.encryptors[self.number] = self._ciphers[self.number].encryptor()
        return f"{encryptor.update(bytes.fromhex(name)).hex()}{self.number:0{NUMBER_DIGITS}x}"

    def hash_of(self, stored: str) -> str:
        """Return the hash of a stored name, of any of the keys; a name under a key that is not there stays."""
        if len(stored) != HASH_DIGITS + NUMBER_DIGITS:
            return stored
        try:
            number, encrypted = int(stored[HASH_DIGITS:], 16), bytes.fromhex(stored[:HASH_DIGITS])
        except ValueError:
            return stored
        cipher = self._ciphers.get(number)
        if cipher is None:
            return stored
        decryptor = self._contexts.decryptors.get(number)
        if decryptor is None:
            decryptor = self._contexts.decryptors[number] = cipher.decryptor()
        return decryptor.update(encrypted).hex()

    def stored_within(self, text: str) -> str:
        """Return JSON with each hash that is a string as it is stored."""
        return _QUOTED_HASH.sub(lambda match: f'"{self.stored(match[1])}"', text) if self.keys else text

    def hashes_within(self, text: str) -> str:
        """Return JSON with the hash in place of each stored name that is a string."""
        return _QUOTED_NAME.sub(lambda match: f'"{self.hash_of(match[1])}"', text) if self.keys else text

    def renamed(self, stored: str) -> str:
        """Return a stored name, of any of the keys, as it is stored now."""
        return self.stored(self.hash_of(stored))


PLAIN = CustomerNames()


class NamesCustomers:
    """A type of columns that name customers, or units that may be customers: how values are stored and read.

    To be mixed into a `TypeDecorator` of SQLAlchemy, before it.
    """

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """Return a value as it is stored in the database of a dialect."""
        return self.stored(names_of(dialect), value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """Return a value that is stored in the database of a dialect, as it is outside."""
        return self.read(names_of(dialect), value)

    @staticmethod
    def stored(names: CustomerNames, value: Any) -> Any:
        """Return a value as it is stored."""
        return value if value is None else names.stored(value)

    @staticmethod
    def read(names: CustomerNames, value: Any) -> Any:
        """Return a value that is stored, with the hash of the customer."""
        return value if value is None else names.hash_of(value)


def name_customers(dialect: Dialect, names: CustomerNames) -> None:
    """Let columns of a database name customers so: of a database, types of columns are given the dialect alone."""
    dialect.customer_names = names  # type: ignore[attr-defined]


def names_of(dialect: Dialect) -> CustomerNames:
    """Return the names that customers have in a database; the hashes where nobody said."""
    names: CustomerNames = getattr(dialect, "customer_names", PLAIN)
    return names
