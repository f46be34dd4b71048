"""Read what customers and merchants said about personalization, as decisions need it."""

from __future__ import annotations

import msgspec
import structlog

from engine.accounts.sealing import Sealer
from engine.decisions.requests.scope import RequestScope
from engine.model.documents.preferences import (
    NO_DEFAULTS,
    NO_SETTINGS,
    CustomerSettings,
    PreferenceDefaults,
    Preferences,
)
from engine.store.connection.database import Database
from engine.store.customers import settings

log = structlog.get_logger()

PURPOSE = b"what customers said"
UNREADABLE = CustomerSettings(preferences=Preferences(personalization_enabled=False))
"""Stands for what cannot be decrypted: whoever may have refused is not personalized."""

_decode = msgspec.json.Decoder(CustomerSettings).decode
_encode = msgspec.json.Encoder().encode


class SettingsReader:
    """Decrypts customers' settings; keeps the merchants' defaults in memory, where `follow` renews them."""

    def __init__(self, database: Database, customer_key: bytes) -> None:
        self._database = database
        self._sealer = Sealer(customer_key, PURPOSE)
        self._defaults: dict[int, PreferenceDefaults] = {}

    async def follow(self) -> None:
        """Load the defaults of all merchants."""
        async with self._database.read() as connection:
            self._defaults = await settings.all_defaults(connection)

    def defaults(self, merchant_id: int) -> PreferenceDefaults:
        """Return a merchant's defaults."""
        return self._defaults.get(merchant_id, NO_DEFAULTS)

    def open(self, merchant_id: int, customer: str, sealed: str) -> CustomerSettings:
        """Return what a customer said."""
        if not sealed:
            return NO_SETTINGS
        text = self._sealer.open(sealed, f"{merchant_id}:{customer}")
        if text is None:
            log.error("settings of a customer not readable", merchant=merchant_id)
            return UNREADABLE
        return _decode(text)

    def seal(self, merchant_id: int, customer: str, said: CustomerSettings) -> str:
        """Return what a customer said, encrypted for this customer."""
        return self._sealer.seal(_encode(said).decode(), f"{merchant_id}:{customer}")

    def read(self, request: RequestScope, sealed: str) -> RequestScope:
        """Return the request with what its customer said, and whether it may be personalized."""
        said = self.open(request.merchant_id, request.customer or "", sealed)
        own = said.preferences.personalization_enabled
        enabled = self.defaults(request.merchant_id).personalization_enabled if own is None else own
        return request._replace(settings=said, personal=request.personal and enabled is not False)
