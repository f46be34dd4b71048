"""Read the customer of a request: what they did before, what they said, and whether they refuse personalization."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from engine.clock import now_ms
from engine.decisions.customers import CustomerLoader
from engine.decisions.requests.scope import RequestScope
from engine.decisions.requests.settings_reader import SettingsReader
from engine.store.customers.usage import NO_CUSTOMER, UsageRow

log = structlog.get_logger()


class CustomerReader:
    """Reads customers on the path of every decision."""

    def __init__(self, loader: CustomerLoader, settings: SettingsReader) -> None:
        self._loader = loader
        self._settings = settings

    async def read(self, request: RequestScope) -> tuple[RequestScope, Sequence[UsageRow]]:
        """Return the request with what the customer said, and what the customer did before.

        If that cannot be read, return the request of nobody: a decision without a customer is better than a fallback.
        """
        try:
            return await self.load(request)
        except Exception as error:
            log.error("decided without a past", exc_info=error)
            return await self.load(request.anonymous)

    async def load(self, request: RequestScope) -> tuple[RequestScope, Sequence[UsageRow]]:
        """Return the same as `read`; raise if the customer cannot be read."""
        customer = NO_CUSTOMER
        if request.customer is not None:
            customer = await self._loader.load(request.merchant_id, request.customer)
        if customer.seen_day is not None:
            request = request._replace(seen_day=customer.seen_day)
        return self._settings.read(request, customer.sealed), customer.usage

    async def refuses(self, merchant_id: int, customer: str) -> bool:
        """Return whether nothing may be stored about a customer, a keyed hash; raise if that cannot be read."""
        request, _ = await self.load(RequestScope(merchant_id, customer, {}, now_ms()))
        return not request.personal
