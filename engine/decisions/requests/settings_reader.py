"""Read what customers and merchants said about personalization, as decisions need it."""

from __future__ import annotations

import msgspec
import structlog

from engine.accounts.data_keys import DataKeys, StoredSealer
from engine.decisions.requests.scope import RequestScope
from engine.model.documents.consent import NO_POLICY, PERSONALIZATION, ConsentPolicy, refused_purposes
from engine.model.documents.preferences import (
    NO_DEFAULTS,
    NO_SETTINGS,
    CustomerSettings,
    PreferenceDefaults,
    Preferences,
)
from engine.store.connection.database import Database
from engine.store.customers import consents, settings

log = structlog.get_logger()

PURPOSE = b"what customers said"
UNREADABLE = CustomerSettings(preferences=Preferences(personalization_enabled=False))
"""Stands for what cannot be decrypted: whoever may have refused is not personalized."""

_decode = msgspec.json.Decoder(CustomerSettings).decode
_encode = msgspec.json.Encoder().encode


class SettingsReader:
    """Decrypts customers' settings; keeps merchants' defaults and policies in memory, where `follow` renews them."""

    def __init__(self, database: Database, keys: DataKeys, customer_key: bytes) -> None:
        self._database = database
        self._sealer = StoredSealer(keys, customer_key, PURPOSE)
        self._defaults: dict[int, PreferenceDefaults] = {}
        self._policies: dict[int, ConsentPolicy] = {}

    async def follow(self) -> None:
        """Load the defaults and consent policies of all merchants."""
        async with self._database.read() as connection:
            self._defaults = await settings.all_defaults(connection)
            self._policies = await consents.policies(connection)

    def defaults(self, merchant_id: int) -> PreferenceDefaults:
        """Return a merchant's defaults."""
        return self._defaults.get(merchant_id, NO_DEFAULTS)

    def policy(self, merchant_id: int) -> ConsentPolicy:
        """Return what a merchant assumes of customers who said nothing."""
        return self._policies.get(merchant_id, NO_POLICY)

    def open(self, merchant_id: int, customer: str, sealed: str) -> CustomerSettings:
        """Return what a customer said."""
        if not sealed:
            return NO_SETTINGS
        text = self.open_text(merchant_id, customer, sealed)
        return UNREADABLE if text is None else _decode(text)

    def open_text(self, merchant_id: int, customer: str, sealed: str) -> str | None:
        """Return a text that was encrypted for a customer, or None, and log it, where it cannot be decrypted."""
        text = self._sealer.open(sealed, f"{merchant_id}:{customer}")
        if text is None:
            log.error("what a customer said is not readable", merchant=merchant_id)
        return text

    def seal(self, merchant_id: int, customer: str, settings: CustomerSettings) -> str:
        """Return what a customer said, encrypted for this customer."""
        return self.seal_text(merchant_id, customer, _encode(settings).decode())

    def seal_text(self, merchant_id: int, customer: str, text: str) -> str:
        """Return a text encrypted for a customer."""
        return self._sealer.seal(text, f"{merchant_id}:{customer}")

    def read(self, request: RequestScope, sealed: str) -> RequestScope:
        """Return the request with what its customer said, and whether it may be personalized."""
        if not (sealed or self._defaults or self._policies):
            return request
        settings = self.open(request.merchant_id, request.customer or "", sealed)
        policy = self.policy(request.merchant_id)
        refused = refused_purposes(settings.consents, policy)
        return request._replace(
            settings=settings,
            personal=request.personal and self._allows(request.merchant_id, settings, refused),
            refused=refused,
            prompts=policy.prompt and request.customer is not None and not settings.prompt_answered,
        )

    def _allows(self, merchant_id: int, settings: CustomerSettings, refused: frozenset[str]) -> bool:
        """Return whether personalization is allowed: each refusal counts, and then what the customer accepted."""
        own = (settings.preferences.personalization_enabled, settings.consents.get(PERSONALIZATION))
        if False in own or True in own:
            return False not in own
        return PERSONALIZATION not in refused and self.defaults(merchant_id).personalization_enabled is not False
