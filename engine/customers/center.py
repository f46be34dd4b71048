"""The customer center: what a customer sees and does there, for themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.customers.center_links import CenterVisit
from engine.customers.changes import Changer
from engine.customers.consents import ConsentInForce, Consents, StoredConsent
from engine.customers.export import Section
from engine.customers.preferences import CustomerPreferences, PreferencesInForce, PreferenceVersion
from engine.customers.rights import AnsweredErasure, CustomerRights
from engine.model.actor import Actor
from engine.model.documents.consent import PERSONALIZATION, ConsentNotice, ConsentPolicy, ConsentRecord
from engine.model.documents.preferences import PreferenceChange

CUSTOMER = Changer("customer", "the customer, in the customer center")
SERVED_AT = "customer center"
MOST_CHANGES = 20


class OwnData(NamedTuple):
    """The center's data: what is in force and assumed, what was said before (newest first), what is stored."""

    preferences: PreferencesInForce
    consent: ConsentInForce
    policy: ConsentPolicy
    details: Mapping[str, Sequence[str]]
    consents: Sequence[StoredConsent]
    versions: Sequence[PreferenceVersion]
    sections: Sequence[Section]


class CustomerCenter:
    """Reads and changes what a visit's customer may. Each act is the customer's in histories, register and audit."""

    def __init__(self, preferences: CustomerPreferences, consents: Consents, rights: CustomerRights) -> None:
        self._preferences = preferences
        self._consents = consents
        self._rights = rights

    async def read(self, visit: CenterVisit) -> OwnData:
        """Return everything that the customer sees."""
        merchant_id, customer_id = visit.merchant_id, visit.customer_id
        versions = await self._preferences.versions(merchant_id, customer_id, limit=MOST_CHANGES)
        consents = await self._consents.history(merchant_id, customer_id, limit=MOST_CHANGES)
        consent_versions = {consent.version for consent in consents}
        return OwnData(
            await self._preferences.get(merchant_id, customer_id),
            await self._consents.get(merchant_id, customer_id),
            self._consents.policy(merchant_id),
            await self._consents.details(merchant_id),
            consents,
            # A consent is a version of the settings too.
            [version for version in versions if version.version not in consent_versions],
            await self._rights.sections(merchant_id, customer_id),
        )

    def methods(self, visit: CenterVisit) -> dict[str, str]:
        """Return the payment methods that the customer can have preferences about: labels by id."""
        return self._preferences.methods(visit.merchant_id)

    async def save_purposes(self, visit: CenterVisit, purposes: Mapping[str, bool], notice: ConsentNotice) -> None:
        """Store which purposes the customer accepts; raise `Invalid` for unknown ones.

        Whoever accepts personalization takes back an earlier refusal of it among the preferences.
        """
        record = ConsentRecord(purposes=dict(purposes), method="save", notice=notice, served_at=SERVED_AT)
        await self._consents.record(visit.merchant_id, visit.customer_id, record, CUSTOMER)
        if purposes.get(PERSONALIZATION):
            await self.save_preferences(visit, PreferenceChange(personalization_enabled=True))

    async def save_preferences(self, visit: CenterVisit, change: PreferenceChange) -> None:
        """Merge a change into the preferences; raise `Invalid` for methods that are not there or contradict."""
        await self._preferences.change(visit.merchant_id, visit.customer_id, change, CUSTOMER)

    async def opt_out(self, visit: CenterVisit, notice: ConsentNotice) -> None:
        """Refuse every purpose, and note it as an answered request."""
        record = ConsentRecord(method="reject", notice=notice, served_at=SERVED_AT)
        await self._consents.record(visit.merchant_id, visit.customer_id, record, CUSTOMER)
        await self._rights.note_restriction(_actor(visit), visit.customer_id, check=_check(visit))

    async def export(self, visit: CenterVisit) -> Sequence[Section]:
        """Return everything that is stored, and note it as an answered request."""
        return await self._rights.export(_actor(visit), visit.customer_id, check=_check(visit))

    async def erase(self, visit: CenterVisit) -> AnsweredErasure:
        """Erase the customer for good; nothing is stored about them afterwards until they opt in."""
        return await self._rights.erase(_actor(visit), visit.customer_id, check=_check(visit))


def _actor(visit: CenterVisit) -> Actor:
    return Actor(visit.merchant_id, CUSTOMER.name, on_behalf_of="")


def _check(visit: CenterVisit) -> str:
    return f"link by {visit.made_by}"
