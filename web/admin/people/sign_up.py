"""Sign up, where the operator allows it: a confirmed address, then an account for a new merchant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import structlog
from babel.numbers import get_territory_currencies
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from engine.accounts.login_limits import sign_up_counters
from engine.accounts.team import Application
from engine.model.account import Identity, Invitation, MerchantDetails
from engine.model.errors import Conflict, FieldProblem, Forbidden, Invalid, NotFound, TooMany
from engine.model.mailing.mail import MailContent
from engine.service import Engine
from rules.language.codes import COUNTRIES, CURRENCIES
from web.admin.people.profile_page import timezone_names
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.forms import Form, Reader, sentence
from web.admin.shell.public_forms import (
    EXPIRED,
    Visitor,
    browser_of,
    form_page,
    has_form_token,
    let_in,
    network_address,
    wait_words,
)
from web.admin.shell.render import Page
from web.format import ENGLISH, viewer_locale
from web.http.metrics import PEOPLE
from web.http.middleware.base_path import browser_path

TEMPLATE = "people/sign_up.html"
PATH = "/admin/sign-up"
SHOWN = ("email", "name", "merchant", "country", "currency", "timezone")
CLOSED = "No new accounts can be opened on this server at the moment. Ask whoever runs it, or try again later."
Names = Sequence[tuple[str, str]]

log = structlog.get_logger()


@dataclass(frozen=True)
class SignUpPage:
    """One of three steps: type an address, look for the mail, fill in the form; the fourth is a link that is over.

    `confirmed` is the address that a mail was sent to, or that a provider vouches for: then `needs_password` is false.
    `provider` is the name of the provider to sign up with, empty for none. The options are (value, name).
    """

    frame: Visitor
    form: Form
    step: str
    confirmed: str = ""
    needs_password: bool = True
    provider: str = ""
    countries: Names = ()
    currencies: Names = ()
    timezones: Names = ()


@get("/sign-up", include_in_schema=False)
async def sign_up_page(request: AnyRequest) -> Page:
    """Ask for an address first where mails can be sent, else for everything."""
    engine = _open_engine(request)
    if engine.mail.mailer.is_set_up:
        return _page(request, "address", Form())
    return _page(request, "account", _likely(request))


@post("/sign-up", include_in_schema=False)
async def sign_up(request: AnyRequest) -> Response[Any]:
    """Send a link to an address, or open the account at once where no mail can be sent."""
    engine, values = _open_engine(request), await typed(request)
    form, by_mail = _form_of(values), engine.mail.mailer.is_set_up
    step = "address" if by_mail else "account"
    if not has_form_token(request, values):
        return _page(request, step, Form(form.values, {"form": EXPIRED}), status=403)
    try:
        mailbox = form.value("email") if by_mail else ""
        await engine.login_limits.count(sign_up_counters(network_address(request), mailbox))
        return await _send_link(request, form) if by_mail else await _open(request, form, values.get("password", ""))
    except TooMany as limit:
        return _page(request, step, Form(form.values, {"form": wait_words(limit.retry_after)}), status=429)


@get("/sign-up/{token:str}", include_in_schema=False)
async def confirmed_page(request: AnyRequest, token: FromPath[str]) -> Page:
    """Show the form behind a link; looking at it does not use the link."""
    try:
        confirmation = await _open_engine(request).team.confirmed(token)
    except Forbidden as refusal:
        return _page(request, "over", Form({}, {"form": refusal.detail}), status=403)
    return _page(request, "account", _likely(request, name=confirmation.name), confirmation)


@post("/sign-up/{token:str}", include_in_schema=False)
async def open_account(request: AnyRequest, token: FromPath[str]) -> Response[Any]:
    """Open the account of a confirmed address, and log its owner in."""
    engine, values = _open_engine(request), await typed(request)
    try:
        confirmation = await engine.team.confirmed(token)
        form = _form_of({**values, "email": confirmation.email})
        if not has_form_token(request, values):
            return _page(request, "account", Form(form.values, {"form": EXPIRED}), confirmation, status=403)
        return await _open(request, form, values.get("password", ""), token, confirmation)
    except Forbidden as refusal:
        return _page(request, "over", Form({}, {"form": refusal.detail}), status=403)


async def sign_up_with(request: AnyRequest, identity: Identity) -> Response[Any]:
    """Lead a person whom a provider vouches for to the form that opens an account; raise `Forbidden` or `TooMany`."""
    engine = _open_engine(request)
    await engine.login_limits.count(sign_up_counters(network_address(request), identity.email))
    try:
        token = await engine.team.confirm(identity.email, identity)
    except (Conflict, Invalid) as error:
        raise Forbidden(sentence(error.detail)) from error
    return Redirect(browser_path(f"{PATH}/{token}"), status_code=303)


async def _send_link(request: AnyRequest, form: Form) -> Page:
    """Send a link, or the way to the log-in where the address has an account: the page does not say which."""
    engine, email = _open_engine(request), form.value("email").strip()
    server = engine.settings.public_url
    try:
        token = await engine.team.confirm(email)
        content = MailContent(
            "Open your account",
            "You, or somebody who typed your address, asked for an account with Tap2 Personalize. To open it, follow "
            f"this link within an hour:\n\n{server}{PATH}/{token}\n\nIf it was not you, ignore this mail.",
        )
    except Invalid as error:
        return _page(request, "address", form.with_problems(error.problems), status=422)
    except Conflict:
        content = MailContent(
            "You have an account already",
            "You, or somebody who typed your address, asked for an account with Tap2 Personalize. You have one "
            f"already. Log in here:\n\n{server}/admin/login\n\nIf you forgot your password, an admin of your team can "
            "invite you again.",
        )
    if await engine.mail.mailer.send_at_once(email, content):
        problem = {"form": "The mail could not be sent. Check the address, or try again in a few minutes."}
        return _page(request, "address", Form(form.values, problem), status=503)
    return _page(request, "sent", form)


async def _open(
    request: AnyRequest, form: Form, password: str, token: str = "", confirmation: Invitation | None = None
) -> Response[Any]:
    """Open an account and log in; show the form again with what is wrong."""
    engine = _open_engine(request)
    try:
        merchant = _merchant_of(request, form)
        user = await engine.team.sign_up(form.value("email"), form.value("name"), password, merchant, token=token)
    except Invalid as error:
        return _page(request, "account", form.with_problems(error.problems), confirmation, status=422)
    except NotFound as error:
        log.error("nobody can sign up", cause=error.detail, setting="TAP2_SIGN_UP_TIER")
        again = Form(form.values, {"form": CLOSED})
        return _page(request, "account", again, confirmation, status=503)
    except Conflict as error:
        field = error.field if error.field == "email" and confirmation is None else "form"
        again = form.with_problems([FieldProblem(field or "form", error.detail)])
        return _page(request, "account", again, confirmation, status=409)
    PEOPLE.labels("signed_up").inc()
    session_token, _ = await engine.sessions.admit(user, browser=browser_of(request))
    return await let_in(request, session_token, browser_path("/admin/"))


def _merchant_of(request: AnyRequest, form: Form) -> Application:
    """Return the merchant of a form; raise `Invalid` with all that is wrong."""
    reader = Reader(form.values)
    reader.text("name", required="Enter the name that your colleagues use")
    name = reader.text("merchant", required="Enter the name of your shop or company")
    details = MerchantDetails(
        country=_chosen(reader, "country", country_names()),
        currency=_chosen(reader, "currency", currency_names()),
        timezone=_chosen(reader, "timezone", timezone_names()),
        locale=str(viewer_locale(request.headers.get("accept-language", ""))).replace("_", "-"),
    )
    reader.check()
    return Application(name, details, _open_engine(request).settings.sign_up_tier)


def _chosen(reader: Reader, name: str, options: Names) -> str:
    value = reader.text(name)
    if value not in dict(options):
        reader.problems.append(FieldProblem(name, "Choose one of the list"))
    return value


def _likely(request: AnyRequest, *, name: str = "") -> Form:
    """Return a form with a name, and the country and the currency that the browser's language suggests."""
    country = viewer_locale(request.headers.get("accept-language", "")).territory or ""
    if country not in COUNTRIES:
        return Form({"name": name})
    currency = next((code for code in get_territory_currencies(country) if code in CURRENCIES), "")
    return Form({"name": name, "country": country, "currency": currency})


@cache
def country_names() -> Names:
    """Return countries by their English names."""
    names = ((code, str(ENGLISH.territories.get(code, code))) for code in COUNTRIES)
    return tuple(sorted(names, key=lambda pair: pair[1]))


@cache
def currency_names() -> Names:
    """Return currencies by their codes."""
    return tuple((code, f"{code}, {ENGLISH.currencies.get(code, code)}") for code in sorted(CURRENCIES))


def _form_of(values: dict[str, str]) -> Form:
    return Form({name: values.get(name, "")[:200] for name in SHOWN})


def _page(
    request: AnyRequest, step: str, form: Form, confirmation: Invitation | None = None, *, status: int = 200
) -> Page:
    settings = _open_engine(request).settings
    return form_page(
        request,
        TEMPLATE,
        form,
        status=status,
        step=step,
        confirmed=confirmation.email if confirmation else "",
        needs_password=confirmation is None or confirmation.identity is None,
        provider=settings.oidc_name if settings.oidc_issuer and confirmation is None else "",
        countries=country_names(),
        currencies=currency_names(),
        timezones=timezone_names(),
    )


def _open_engine(request: AnyRequest) -> Engine:
    """Return the engine; raise `NotFound` where the operator has not opened sign-up."""
    engine: Engine = request.app.state.engine
    if not engine.settings.sign_up:
        raise NotFound("there is no sign-up")
    return engine


outside = [sign_up_page, sign_up, confirmed_page, open_account]
