"""Look up what is known of a customer, for the pages: with a reason, which the audit log keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.clock import now_ms
from engine.customers.consents import ConsentInForce, Consents
from engine.customers.export import CustomerExport, Section
from engine.customers.preferences import CustomerPreferences, PreferencesInForce
from engine.decisions.customers import Hasher
from engine.model.actor import Actor
from engine.store import audit
from engine.store.audit import NewEntry
from engine.store.connection.database import Database


class KnownCustomer(NamedTuple):
    """The settings in force for a customer, and everything that an export has."""

    preferences: PreferencesInForce
    consent: ConsentInForce
    sections: Sequence[Section]


class CustomerLookUp:
    """Reads a customer for a person of the merchant's team."""

    def __init__(
        self,
        database: Database,
        hasher: Hasher,
        preferences: CustomerPreferences,
        consents: Consents,
        export: CustomerExport,
    ) -> None:
        self._database = database
        self._hasher = hasher
        self._preferences = preferences
        self._consents = consents
        self._export = export

    async def read(self, actor: Actor, customer_id: str, *, reason: str) -> KnownCustomer:
        """Return what is known; who looked, when and why is noted first. Customer and reason go with an erasure."""
        merchant_id = actor.merchant_id
        customer = self._hasher(merchant_id, customer_id)
        entry = NewEntry(actor, now_ms(), "looked up", "a customer", reason=reason, customer=customer)
        async with self._database.write() as connection:
            await audit.write(connection, entry)
        preferences = await self._preferences.get(merchant_id, customer_id)
        consent = await self._consents.get(merchant_id, customer_id)
        return KnownCustomer(preferences, consent, await self._export.sections(merchant_id, customer_id))
