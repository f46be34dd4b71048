"""Who may call the API: keys, what each kind may do, and how often."""

from __future__ import annotations

from typing import Any

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from litestar import Request

from engine.accounts.accounts import Access
from engine.model.errors import Forbidden
from engine.service import Engine
from web.http.problem_details import TooMany, Unauthorized

AnyRequest = Request[Any, Any, Any]


class PublicLimit:
    """How often one address may ask with a publishable key, which anybody can read in a page's source."""

    def __init__(self, rate: str) -> None:
        self._item: RateLimitItem = parse(rate)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def hit(self, key_id: str, address: str) -> None:
        if not self._limiter.hit(self._item, key_id, address):
            raise TooMany("too many requests from this address", retry_after=self._item.get_expiry())


def engine_of(request: AnyRequest) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


def access_of(request: AnyRequest) -> Access:
    """The caller of a public endpoint, by the key that was sent."""
    given = _authorization(request)
    access = engine_of(request).accounts.access(given[7:].strip()) if given[:7].lower() == "bearer " else None
    if access is None:
        raise Unauthorized("send `Authorization: Bearer <key>` with a key that is in force")
    if access.key.kind == "publishable":
        client = request.client
        request.app.state.public_limit.hit(access.key.id, client.host if client else "")
    return access


def _authorization(request: AnyRequest) -> str:
    """Read where it stands: to arrange all headers for look-ups takes longer than this one is worth."""
    for name, value in request.scope["headers"]:
        if name == b"authorization":
            return value.decode("latin-1")
    return ""


def check_merchant(access: Access, merchant_id: str | None, *, field: str = "merchant_id") -> None:
    """A `merchant_id` that is given must be the key's own."""
    if merchant_id is not None and merchant_id != access.merchant.slug:
        raise Forbidden("merchant_id is not the key's own merchant", field=field)


def configuring(request: AnyRequest) -> Access:
    """The caller of an endpoint that reads or changes configuration: secret keys only."""
    access = access_of(request)
    if not access.may_configure:
        raise Forbidden("a publishable key may only ask for decisions and report outcomes")
    return access
