"""Logging in with an OpenID provider, where the settings name one."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote

import msgspec
from litestar import Response, get
from litestar.response import Redirect

from engine.accounts.identities import UnknownPerson
from engine.accounts.login_limits import address_counters
from engine.model.account import Identity
from engine.model.errors import CodeNeeded, Forbidden, NotFound, TooMany
from engine.service import Engine
from web.admin.people.sign_up import sign_up_with
from web.admin.shell.admission import AnyRequest, cookies_of
from web.admin.shell.public_forms import (
    ask_for_code,
    browser_of,
    count_login,
    let_in,
    login_form,
    network_address,
    too_often,
)
from web.http.middleware.base_path import server_address
from web.http.openid import ENDED, LoginAttempt, OpenIDProvider
from web.http.sessions import ATTEMPT

CALLBACK = "/admin/login/provider/callback"
ATTEMPT_SECONDS = 600


@get("/login/provider", include_in_schema=False)
async def begin(request: AnyRequest) -> Response[Any]:
    """Go to the provider. What must come back with the person waits in a cookie."""
    redirect_uri = f"{server_address(request)}{CALLBACK}"
    try:
        address, attempt = await _provider(request).begin(redirect_uri, request.query_params.get("next", ""))
    except Forbidden as refusal:
        return _refused(request, refusal)
    response = Redirect(address, status_code=303)
    value = quote(msgspec.json.encode(attempt).decode())
    response.set_cookie(cookies_of(request).make(ATTEMPT, value, seconds=ATTEMPT_SECONDS))
    return response


@get("/login/provider/callback", include_in_schema=False)
async def finish(request: AnyRequest) -> Response[Any]:
    """Log in whom the provider vouches for, if they are in a team or invited to one; others may sign up."""
    engine: Engine = request.app.state.engine
    counters = address_counters(network_address(request))
    try:
        await engine.login_limits.count(counters)
        attempt = _attempt(request)
        identity = await _provider(request).finish(attempt, request.query_params)
        response = await _admit(request, identity, attempt.next)
        await engine.login_limits.uncount(counters)
    except CodeNeeded as needed:
        response = ask_for_code(request, needed.challenge, attempt.next)
    except TooMany as limit:
        response = login_form(request, too_often(limit.retry_after), status=429)
    except Forbidden as refusal:
        response = _refused(request, refusal)
    response.set_cookie(cookies_of(request).expired(ATTEMPT))
    return response


async def _admit(request: AnyRequest, identity: Identity, address: str) -> Response[Any]:
    """Log somebody in, or lead a person without a team to the form that opens an account."""
    engine: Engine = request.app.state.engine
    try:
        user = await engine.identities.person_of(identity)
    except UnknownPerson:
        if not engine.settings.sign_up:
            raise
        return await sign_up_with(request, identity)
    token, _ = await engine.sessions.admit(user, browser=browser_of(request))
    return await let_in(request, token, address)


def _provider(request: AnyRequest) -> OpenIDProvider:
    provider: OpenIDProvider | None = request.app.state.openid
    if provider is None:
        raise NotFound("there is no log-in provider")
    return provider


def _attempt(request: AnyRequest) -> LoginAttempt:
    """Return the log-in that this browser began; an attempt counts once, as its cookie is deleted."""
    cookie = request.cookies.get(cookies_of(request).name(ATTEMPT), "")
    try:
        return msgspec.json.decode(unquote(cookie), type=LoginAttempt)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Forbidden(ENDED) from None


def _refused(request: AnyRequest, refusal: Forbidden) -> Response[Any]:
    count_login("refused")
    return login_form(request, refusal.detail, status=403)


outside = [begin, finish]
