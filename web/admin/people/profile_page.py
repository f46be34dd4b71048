"""The own profile: name, how figures and times are written, password, and where one is logged in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from babel import Locale
from litestar import Response, get, post
from litestar.di import NamedDependency

from engine.accounts.second_factor import SecondFactorState
from engine.model.account import Session
from engine.model.errors import Invalid, invalid
from rules import timezones
from web.admin.people.browsers import browser_name
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.forms import Form, Reader
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.public_forms import network_address
from web.admin.shell.render import Page
from web.http.metrics import PEOPLE
from web.http.middleware.base_path import browser_path

PROFILE = "/admin/profile"
TEMPLATE = "people/profile.html"
LOCALES = (
    "cs-CZ", "da-DK", "de-AT", "de-CH", "de-DE", "el-GR", "en-GB", "en-IE", "en-US", "es-ES", "fi-FI", "fr-BE", "fr-CH",
    "fr-FR", "hu-HU", "it-IT", "ja-JP", "nb-NO", "nl-BE", "nl-NL", "pl-PL", "pt-BR", "pt-PT", "ro-RO", "sv-SE", "tr-TR",
)  # fmt: skip


@dataclass(frozen=True)
class SessionRow:
    """A browser that is logged in."""

    browser: str
    began_at: int
    seen_at: int
    is_this: bool


@dataclass(frozen=True)
class ProfilePage:
    """The forms of the profile; `locales` and `timezones` are (value, name)."""

    profile: Form
    password: Form
    factor: Form
    second_factor: SecondFactorState
    sessions: Sequence[SessionRow]
    locales: Sequence[tuple[str, str]]
    timezones: Sequence[tuple[str, str]]


@get("/profile")
async def profile_page(frame: NamedDependency[Frame]) -> Page:
    """Show the profile."""
    return await profile_with(frame)


@post("/profile", status_code=200)
async def save_profile(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Save name, language and time zone."""
    reader = Reader(await typed(request))
    name = reader.text("name", required="Enter the name that your colleagues use")
    try:
        reader.check()
        if (locale := reader.text("locale")) and locale not in LOCALES:
            raise invalid("locale", "choose one of the list")
        await frame.engine.team.set_profile(frame.user, name=name, locale=locale, timezone=reader.text("timezone"))
    except Invalid as error:
        return await profile_with(frame, profile=Form(reader.values).with_problems(error.problems), status=422)
    PEOPLE.labels("profile").inc()
    return frame.go(browser_path(PROFILE), notice=Notice("Your profile is saved."))


@post("/profile/password", status_code=200)
async def change_password(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Change the own password and log out everywhere else."""
    values, user = await typed(request), frame.user
    try:
        await frame.engine.sessions.confirm(user, values.get("old", ""), address=network_address(request), field="old")
        await frame.engine.team.set_password(
            user.email, values.get("password", ""), actor_name=user.email, keep_hash=frame.session.token_hash
        )
    except Invalid as error:
        return await profile_with(frame, password=Form({}).with_problems(error.problems), status=422)
    PEOPLE.labels("password").inc()
    return frame.go(
        browser_path(PROFILE), notice=Notice("Your password is changed. You are logged out everywhere else.")
    )


@post("/profile/end-sessions", status_code=200)
async def end_other_sessions(frame: NamedDependency[Frame]) -> Response[Any]:
    """Log out every other browser of this person."""
    user = frame.user
    ended = await frame.engine.team.end_sessions(
        user.slug, user.email, actor_name=user.email, keep_hash=frame.session.token_hash
    )
    PEOPLE.labels("sessions_ended").inc()
    return frame.go(browser_path(PROFILE), notice=Notice(f"{frame.show.count(ended, 'other session')} ended."))


async def profile_with(
    frame: Frame,
    *,
    profile: Form | None = None,
    password: Form | None = None,
    factor: Form | None = None,
    status: int = 200,
) -> Page:
    """Return the page with the forms as they were sent."""
    user = frame.user
    saved = Form({"name": user.name, "locale": user.locale, "timezone": user.timezone})
    page = ProfilePage(
        profile=profile or saved,
        password=password or Form(),
        factor=factor or Form(),
        second_factor=await frame.engine.second_factors.state(user),
        sessions=[_row(session, frame.session) for session in await frame.engine.sessions.all_of(user)],
        locales=(("", "Browser language"), *_locale_names()),
        timezones=(("", f"Merchant's time zone ({frame.merchant.timezone})"), *timezone_names()),
    )
    return frame.page(TEMPLATE, page, status=status)


def _row(session: Session, this: Session) -> SessionRow:
    is_this = session.token_hash == this.token_hash
    return SessionRow(browser_name(session.browser), session.created_at, session.last_seen_at, is_this)


@lru_cache(maxsize=1)
def _locale_names() -> tuple[tuple[str, str], ...]:
    names = ((tag, Locale.parse(tag, sep="-").get_display_name("en") or tag) for tag in LOCALES)
    return tuple(sorted(names, key=lambda pair: pair[1]))


@lru_cache(maxsize=1)
def timezone_names() -> tuple[tuple[str, str], ...]:
    """Return time zones with their names, UTC first."""
    names = sorted(name for name in timezones() if "/" in name and not name.startswith("Etc/"))
    return tuple((name, name.replace("_", " ")) for name in ("UTC", *names))


handlers = [profile_page, save_profile, change_password, end_other_sessions]
