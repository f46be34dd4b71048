"""Client keys: GrowthBook's SDKs and streams of events have theirs in the address, so it must be publishable."""

from __future__ import annotations

from engine.accounts.accounts import Access
from engine.model.errors import Forbidden, NotFound
from web.http.access import engine_of
from web.http.rate_limits import admit
from web.http.request_reading import AnyRequest

CLIENT_KEY = "client_key"


async def admitted_client(request: AnyRequest, client_key: str) -> Access:
    """Return the publishable key of an address, with one decision counted; raise `NotFound`, `Forbidden`, `TooMany`."""
    access = engine_of(request).accounts.access(client_key)
    if access is None:
        raise NotFound("there is no such client key, or it has expired or is revoked", field=CLIENT_KEY)
    if access.key.kind != "publishable":
        message = "a secret key must not stand in an address; revoke it, and use a publishable key"
        raise Forbidden(message, field=CLIENT_KEY)
    await admit(request, access, "decisions")
    return access
