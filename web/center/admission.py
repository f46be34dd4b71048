"""Who may come in: every request of the customer center passes here before its handler.

The link's secret stands in the fragment of the address, which browsers do not send. A form posts it once, and a cookie
takes its place, which only the center's own pages get.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from litestar import Request, Response
from litestar.datastructures import Cookie

from engine.clock import now_ms
from engine.customers.center_links import SESSION_MS, CenterVisit
from engine.model.account import Merchant
from engine.model.errors import EngineError
from engine.service import Engine
from web.center.languages import Language, preferred
from web.customer_links import CENTER
from web.format import by_preference
from web.http.access import engine_of
from web.http.middleware.base_path import browser_path

COOKIE = "tap2_center"
AnyRequest = Request[Any, Any, Any]


class Closed(EngineError):
    """The center is closed to this request: no link was followed, it has expired, or another site sent the form."""


@dataclass(frozen=True)
class Customer:
    """A request of a customer: what the cookie says, and the merchant's side."""

    engine: Engine
    visit: CenterVisit
    merchant: Merchant


async def enter(request: AnyRequest) -> Response[Any] | None:
    """Recognise the customer, and refuse forms that other sites send; raise `Closed`."""
    visit = visit_of(request)
    request.state.visit = visit
    if visit is None or visit.expires_at <= now_ms() or not is_from_own_page(request):
        raise Closed("no valid link was followed")
    request.app.state.rate_limits.spend_page(request)
    engine = engine_of(request)
    await request.app.state.turns.wait(visit.merchant_id)
    request.state.customer = Customer(engine, visit, await engine.accounts.side(visit.merchant_id))
    return None


def provide_customer(request: AnyRequest) -> Customer:
    """Return the customer that `enter` made."""
    customer: Customer = request.state.customer
    return customer


def visit_of(request: AnyRequest) -> CenterVisit | None:
    """Return the visit in the cookie, also one that has expired."""
    cookie = request.cookies.get(cookie_name(request))
    return engine_of(request).center_links.open("session", cookie) if cookie else None


def is_from_own_page(request: AnyRequest) -> bool:
    """Return whether a form comes from a page of this server. Browsers say so (Fetch Metadata, else Origin)."""
    if request.method in ("GET", "HEAD"):
        return True
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site == "same-origin"
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def cookie_name(request: AnyRequest) -> str:
    """Return the name in the browser. With `__Secure-` the browser refuses the cookie without TLS."""
    return f"__Secure-{COOKIE}" if engine_of(request).settings.secure_cookies else COOKIE


def cookie(request: AnyRequest, session: str) -> Cookie:
    """Return the cookie of a session, or one that ends it where the text is empty."""
    return Cookie(
        key=cookie_name(request),
        value=session,
        path=browser_path(CENTER),
        max_age=SESSION_MS // 1000 if session else 0,
        httponly=True,
        secure=engine_of(request).settings.secure_cookies,
        samesite="strict",
    )


def language_of(request: AnyRequest, *languages: str | None) -> Language:
    """Return the language of a page: the one in its address, else the first of `languages`, else the browser's."""
    requested = request.query_params.get("language")
    return preferred((requested, *languages, *by_preference(request.headers.get("accept-language", ""))))
