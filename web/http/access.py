"""API keys of requests: which key was sent, and what it may do."""

from __future__ import annotations

import base64
import ipaddress
from collections import Counter

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.model.errors import Forbidden
from engine.model.timestamps import DAY
from engine.service import Engine
from web.http.problem_details import Unauthorized
from web.http.request_reading import AnyRequest

HINTS_A_DAY = 20
HINT_SHARE = 0.01
MOST_ADDRESSES = 200_000
SIGNALS = (b"sec-gpc", b"dnt")
"""Headers by which a browser refuses personalization with the value 1."""


class HintLimit:
    """Decides which reports of browsers learning may use: of one address, few a day, or a small share of a key's.

    Reports beyond it are stored but not learned from, so that one visitor cannot outweigh the others.
    """

    def __init__(self) -> None:
        self._day = 0
        self._of_key: Counter[str] = Counter()
        self._of_address: Counter[tuple[str, str]] = Counter()

    def allows(self, key_id: str, address: str) -> bool:
        """Count a report; return whether learning may use it."""
        today = now_ms() // DAY
        if today != self._day or len(self._of_address) >= MOST_ADDRESSES:
            self._day = today
            self._of_key.clear()
            self._of_address.clear()
        most = max(HINTS_A_DAY, HINT_SHARE * self._of_key[key_id])
        self._of_key[key_id] += 1
        if self._of_address[key_id, address] >= most:
            return False
        self._of_address[key_id, address] += 1
        return True


def address_of(request: AnyRequest) -> str:
    """Return the caller's address; of IPv6 the first 64 bits, because one visitor has all that begin so."""
    host = request.client.host if request.client else ""
    if ":" not in host:
        return host
    try:
        return str(ipaddress.ip_network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host


def engine_of(request: AnyRequest) -> Engine:
    """Return the engine of the app that serves the request."""
    engine: Engine = request.app.state.engine
    return engine


def access_of(request: AnyRequest) -> Access:
    """Return the key that was sent and its merchant; raise `Unauthorized`."""
    return _access(request, _bearer(request))


def access_by_either_header(request: AnyRequest) -> Access:
    """Return as `access_of`, also for a key in `X-API-Key`, which OpenFeature's protocol allows."""
    return _access(request, key_by_either_header(request))


def key_by_either_header(request: AnyRequest) -> str:
    """Return the text of the key in `X-API-Key` or `Authorization`, empty without one."""
    return _header(request, b"x-api-key").strip() or _bearer(request)


def access_by_basic(request: AnyRequest) -> Access:
    """Return as `access_of`, also for a key as the user of Basic authentication (RFC 7617), without a password."""
    header = _header(request, b"authorization")
    if header[:6].lower() != "basic ":
        return access_of(request)
    try:
        user = base64.b64decode(header[6:].strip(), validate=True).decode("latin-1").partition(":")[0]
    except ValueError:
        user = ""
    return _access(request, user)


def _bearer(request: AnyRequest) -> str:
    header = _header(request, b"authorization")
    return header[7:].strip() if header[:7].lower() == "bearer " else ""


def _access(request: AnyRequest, key: str) -> Access:
    access = engine_of(request).accounts.access(key) if key else None
    if access is None:
        raise Unauthorized("send `Authorization: Bearer <key>` with a key that is neither expired nor revoked")
    return access


def _header(request: AnyRequest, header: bytes) -> str:
    """Read a header from the raw scope: parsing all headers for one lookup costs more on the hot path."""
    for name, value in request.scope["headers"]:
        if name == header:
            return value.decode("latin-1")
    return ""


def check_merchant(access: Access, merchant_id: str | None, *, field: str = "merchant_id") -> None:
    """Raise `Forbidden` where a `merchant_id` is given that is not the key's own."""
    if merchant_id is not None and merchant_id != access.merchant.slug:
        raise Forbidden("merchant_id is not the key's own merchant", field=field)


def is_personal(request: AnyRequest, access: Access, *, requested: bool = True) -> bool:
    """Return whether a request may be personalized: the caller `requested` it, and the browser does not refuse.

    Global Privacy Control and Do Not Track refuse, unless the merchant ignores them.
    """
    if not requested:
        return False
    for name, value in request.scope["headers"]:
        # A proxy joins a header that is sent twice: `1, 1`.
        if name in SIGNALS and any(part.strip() == b"1" for part in value.split(b",")):
            return engine_of(request).settings_reader.policy(access.merchant.id).ignores_signals
    return True


def secret_access_of(request: AnyRequest) -> Access:
    """Return the caller of a configuration endpoint; raise `Forbidden` for a publishable key."""
    access = access_of(request)
    if not access.may_configure:
        raise Forbidden("a publishable key may only request decisions and report outcomes")
    return access
