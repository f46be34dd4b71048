"""Column types: hex digits that are stored as bytes, and names of customers that are stored under a key."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from sqlalchemy import LargeBinary, Text
from sqlalchemy.types import TypeDecorator

from engine.store.connection.customer_names import CustomerNames, NamesCustomers

_ID = re.compile(r"dec_[0-9a-f]{32}")
_START_OF_ID = re.compile(r"dec_(?:[0-9a-f]{2}){6,16}")


class HexText(TypeDecorator[str]):
    """A prefix and hex digits, stored as the bytes of the digits: 16 for the 36 characters of a decision's id."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, prefix: str = "") -> None:
        super().__init__()
        self.prefix = prefix

    def process_bind_param(self, value: str | None, dialect: Any) -> bytes | None:
        return None if value is None else bytes.fromhex(value.removeprefix(self.prefix))

    def process_result_value(self, value: bytes | None, dialect: Any) -> str | None:
        return None if value is None else self.prefix + value.hex()


class NameText(NamesCustomers, TypeDecorator[str]):
    """A customer's hash, or a text that is none; the hash is stored under the latest key."""

    impl = Text
    cache_ok = True


class NamesInText(NameText):
    """JSON in which customers' hashes are strings."""

    cache_ok = True

    @staticmethod
    def stored(names: CustomerNames, value: Any) -> Any:
        return value if value is None else names.stored_within(value)

    @staticmethod
    def read(names: CustomerNames, value: Any) -> Any:
        return value if value is None else names.hashes_within(value)


class NameBytes(NamesCustomers, TypeDecorator[str]):
    """A customer's hash as 16 bytes, and one more for the number of the key that it is stored under."""

    impl = LargeBinary
    cache_ok = True

    @staticmethod
    def stored(names: CustomerNames, value: Any) -> Any:
        if isinstance(value, bytes):
            value = value.hex()
        return value if value is None else bytes.fromhex(names.stored(value))

    @staticmethod
    def read(names: CustomerNames, value: Any) -> Any:
        return value if value is None else names.hash_of(bytes(value).hex())


DECISION_PREFIX = "dec_"
LAST_ID = DECISION_PREFIX + 32 * "f"
"""An id that no decision has, after all others."""


class IdSpan(NamedTuple):
    """Ids of decisions, from the first on and before the last; both may be shorter than an id."""

    first: str
    last: str


def is_start_of_id(text: str) -> bool:
    """Return whether a text is the id of a decision, or its time at least, which comes before all ids that begin so."""
    return _START_OF_ID.fullmatch(text) is not None


def is_decision_id(text: str) -> bool:
    """Return whether a text that somebody sent may be the id of a decision."""
    return _ID.fullmatch(text) is not None
