"""Customers: their keyed hash, and what is known of them, loaded for many requests at once."""

from __future__ import annotations

import asyncio
import hmac

from engine.decisions.batch_loader import BatchLoader, LookUps
from engine.model.errors import invalid
from engine.store.customers.usage import StoredCustomer, customers_of
from rules.sent.sent_values import composed


def canonical_id(customer_id: str) -> str:
    """Return a customer's id without spaces around it, in Unicode's composed form; raise `Invalid` for a blank one."""
    text = composed(customer_id.strip())
    if not text:
        raise invalid("customer_id", "must not be blank")
    return text


class Hasher:
    """Hash merchant and customer id with HMAC-SHA256 to 128 bits in hex; nothing else sees the plain id.

    Spaces around an id and its Unicode form (composed or not) make no other customer.
    """

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod="sha256")

    def __call__(self, merchant_id: int, customer_id: str) -> str:
        # `hmac.digest` would give up the interpreter, and wait for it while a commit computes.
        keyed = self._keyed.copy()
        keyed.update(f"{merchant_id}:{canonical_id(customer_id)}".encode())
        return keyed.hexdigest()[:32]


class CustomerLoader:
    """Load customers in batches: one query serves all that are requested while the previous query ran."""

    def __init__(self, database: LookUps) -> None:
        self._loader: BatchLoader[tuple[int, str], StoredCustomer] = BatchLoader(database, customers_of, StoredCustomer)

    def load(self, merchant_id: int, customer: str) -> asyncio.Future[StoredCustomer]:
        """Return a future of what is known of a customer."""
        return self._loader.load((merchant_id, customer))
