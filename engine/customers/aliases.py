"""Link an anonymous id to the customer who logged in: in one direction, and never two known customers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.customers.changes import Changer, CustomerKey, change_settings
from engine.customers.consents import append_consent
from engine.decisions.customers import Hasher
from engine.decisions.requests.settings_reader import SettingsReader
from engine.model.documents.consent import PERSONALIZATION, ConsentRecord
from engine.model.documents.joined_settings import joined
from engine.model.documents.preferences import CustomerSettings
from engine.model.errors import Conflict, invalid
from engine.model.timestamps import DAY
from engine.store.connection.database import Database
from engine.store.customers import aliases, settings, visits
from engine.store.customers.aliases import StoredAlias
from engine.store.customers.visits import SeenCustomer

AT_LOG_IN = Changer("server", "log-in")


class LinkedAlias(NamedTuple):
    """An alias, linked at epoch ms; `is_new`: this call linked it."""

    linked_at: int
    is_new: bool


class Aliases:
    """Links anonymous ids to customers.

    Decisions for the customer read what the anonymous id did along with their own past. What was said under it becomes
    the customer's word, each time that a link is repeated after a change.
    """

    def __init__(self, database: Database, reader: SettingsReader, hasher: Hasher) -> None:
        self._database = database
        self._reader = reader
        self._hasher = hasher

    async def link(self, merchant_id: int, customer_id: str, anonymous_id: str) -> LinkedAlias:
        """Link an anonymous id to a customer; raise `Conflict` where it is a customer, or another one's, already."""
        if not anonymous_id.strip():
            raise invalid("anonymous_id", "must not be blank")
        customer, alias = (
            CustomerKey(merchant_id, self._hasher(merchant_id, id)) for id in (customer_id, anonymous_id)
        )
        if customer == alias:
            raise invalid("anonymous_id", "must not be the customer's own id")
        async with self._database.write() as connection:
            # In one order, so that two links of the same ids wait for each other instead of forever.
            for key in sorted((customer, alias)):
                await settings.lock(connection, *key)
            stored = await aliases.around(connection, merchant_id, customer.customer, alias.customer)
            before = _checked(stored, customer.customer, alias.customer)
            version = await self._join(connection, customer, alias, since=before.joined_version if before else -1)
            now = now_ms()
            linked_at = before.linked_at if before else now
            # A log-in is a visit under both ids.
            await visits.note(connection, [SeenCustomer(*key, now // DAY) for key in (customer, alias)])
            await aliases.put(
                connection, merchant_id, StoredAlias(alias.customer, customer.customer, linked_at, version)
            )
        return LinkedAlias(linked_at, before is None)

    async def _join(self, connection: AsyncConnection, customer: CustomerKey, alias: CustomerKey, *, since: int) -> int:
        """Make what was said under an alias after a version the customer's; return the alias's newest version.

        Who refused personalization as a known customer refuses it under the alias too.
        """
        version, sealed = await settings.get(connection, *alias)
        of_alias = self._reader.open(*alias, sealed)
        own = self._reader.open(*customer, (await settings.get(connection, *customer)).sealed)
        if version > since and sealed:
            stored = await change_settings(
                connection, self._reader, customer, lambda own: joined(own, of_alias), AT_LOG_IN
            )
            added = _added(own.consents, stored.settings.consents)
            if added:
                record = ConsentRecord(purposes=added, method="save", served_at="log-in")
                await append_consent(connection, self._reader, customer, record, stored, AT_LOG_IN)
            own = stored.settings
        if _refuses(own) and not _refuses(of_alias):
            refusal = msgspec.structs.replace(of_alias.preferences, personalization_enabled=False)
            refused = msgspec.structs.replace(of_alias, preferences=refusal)
            version = (await change_settings(connection, self._reader, alias, lambda _: refused, AT_LOG_IN)).version
        return version


def _checked(stored: Sequence[StoredAlias], customer: str, alias: str) -> StoredAlias | None:
    """Return the link if it is there already; raise `Conflict` if it would join two known customers."""
    for each in stored:
        if each.alias == customer:
            raise Conflict("is an anonymous id that was linked to another customer", field="customer_id")
        if each.customer == alias:
            raise Conflict("is a known customer: other ids were linked to it", field="anonymous_id")
        if each.alias == alias and each.customer != customer:
            raise Conflict("was linked to another customer", field="anonymous_id")
    return next((each for each in stored if each.alias == alias), None)


def _added(before: dict[str, bool], after: dict[str, bool]) -> dict[str, bool]:
    return {purpose: accepts for purpose, accepts in after.items() if before.get(purpose) is not accepts}


def _refuses(settings: CustomerSettings) -> bool:
    return False in (settings.preferences.personalization_enabled, settings.consents.get(PERSONALIZATION))
