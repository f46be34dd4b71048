"""What every page needs to know: who looks at it, at which merchant's side, and how they read figures.

The side stands in the address, `/admin/live/...` or `/admin/test/...`, so that a form can only change the side that it
was opened on. A cookie remembers the side that was looked at last, for addresses that name none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from litestar import Request, Response
from litestar.datastructures import Cookie
from litestar.response import Redirect

from engine.accounts.sessions import Visit
from engine.clock import now_ms
from engine.model.account import Merchant, Mode, Session, User
from engine.model.actor import Actor
from engine.model.errors import Forbidden
from engine.service import Engine
from rules import Wording
from web.admin.shell.navigation import navigation_items
from web.admin.shell.render import Page, html, names_of, render
from web.format import Show, viewer_locale
from web.http.middleware.base_path import browser_path
from web.http.sessions import Cookies

LAST_SIDE = "tap2_mode"
SIDES: tuple[Mode, ...] = ("live", "test")
THEME = "tap2_theme"
NOTICE = "tap2_notice"
THEMES = ("light", "dark", "system")
A_YEAR = 365 * 24 * 3600


class Notice(msgspec.Struct, frozen=True):
    """A message that the next page shows once; `undo` is the address that takes the change back."""

    text: str
    undo: str = ""


@dataclass(frozen=True)
class Frame:
    """One request of a logged-in person."""

    engine: Engine
    user: User
    session: Session
    merchant: Merchant
    csrf: str
    theme: str
    path: str
    locale: str
    notice: Notice | None
    is_htmx: bool
    cookies: Cookies
    last_side: str

    @cached_property
    def show(self) -> Show:
        """Return the formats of figures and times for this person."""
        return Show(
            locale=viewer_locale(self.user.locale or self.locale, self.merchant.locale),
            timezone=self.user.timezone or self.merchant.timezone,
            now=now_ms(),
        )

    @property
    def actor(self) -> Actor:
        """Return the merchant with the person's e-mail address, which the audit log names."""
        return Actor(self.merchant.id, self.user.email)

    @property
    def wording(self) -> Wording:
        """Return how sentences of rules show amounts and countries to this person."""
        return Wording(currency=self.merchant.currency, money=self.show.money, country=self.show.country)

    @property
    def may_edit(self) -> bool:
        """Return whether this person may change what is in force: editors on test, publishers on both."""
        allowed = ("publisher", "admin") if self.merchant.mode == "live" else ("editor", "publisher", "admin")
        return self.user.role in allowed

    @property
    def may_draft(self) -> bool:
        """Return whether this person may change drafts: everybody but viewers."""
        return self.user.role != "viewer"

    @property
    def may_change(self) -> bool:
        """Return whether this person may change what decides: in a draft where changes are reviewed, else at once."""
        return self.may_draft if self.merchant.review else self.may_edit

    @property
    def may_administer(self) -> bool:
        """Return whether this person may manage people and keys."""
        return self.user.role == "admin"

    @property
    def base(self) -> str:
        """Return where the addresses of this side's pages begin."""
        return base_of(self.merchant.mode)

    @property
    def sides(self) -> list[tuple[str, str]]:
        """Return this page's address on each side, by the side."""
        page = self.path.removeprefix(self.base) if self.path.startswith(f"{self.base}/") else "/"
        return [(side, f"{base_of(side)}{page}") for side in SIDES]

    @property
    def section(self) -> str:
        """Return the name of the navigation's entry that this page belongs to."""
        path = self.path.partition("?")[0].removeprefix(self.base)
        path = "/offers" if path.startswith(("/budgets", "/ledger")) else path
        items = [item for item in navigation_items() if item.href != "/" or path in ("", "/")]
        fitting = [item for item in items if f"{path}/".startswith(f"{item.href.rstrip('/')}/")]
        return max(fitting, key=lambda item: len(item.href)).name if fitting else ""

    def must_edit(self) -> None:
        """Raise `Forbidden` where this person may only look."""
        if not self.may_edit:
            raise Forbidden("Your role can view this but not change it. Ask an admin of your team.")

    def must_change(self) -> None:
        """Raise `Forbidden` where this person may not change what decides."""
        if not self.may_change:
            raise Forbidden("Your role can view this but not change it. Ask an admin of your team.")

    def must_draft(self) -> None:
        """Raise `Forbidden` where this person may not change drafts."""
        if not self.may_draft:
            raise Forbidden("Your role can view this but not change it. Ask an admin of your team.")

    def must_administer(self) -> None:
        """Raise `Forbidden` where this person is not an admin."""
        if not self.may_administer:
            raise Forbidden("Only an admin may do this. Ask an admin of your team.")

    def page(self, template: str, context: Any, *, status: int = 200) -> Page:
        """Render a page or a fragment. A notice that was shown is cleared."""
        text = render(template, frame=self, show=self.show, **names_of(context))
        response = html(text, status=status)
        if self.is_htmx:
            return response
        if self.notice:
            response.set_cookie(self.cookies.expired(NOTICE))
        if self.last_side != self.merchant.mode:
            response.set_cookie(self.cookies.make(LAST_SIDE, self.merchant.mode, seconds=A_YEAR))
        return response

    def form(self, page_template: str, part_template: str, context: Any, *, status: int = 200) -> Page:
        """Render a sent form: the part that htmx swaps in, else the whole page."""
        return self.page(part_template if self.is_htmx else page_template, context, status=status)

    def go(self, address: str, *, notice: Notice | None = None) -> Response[Any]:
        """Go on to another page, which then shows the notice."""
        response: Response[Any]
        if self.is_htmx:
            response = Response("", status_code=200, headers={"HX-Redirect": address})
        else:
            response = Redirect(address, status_code=303)
        if notice:
            response.set_cookie(keep_notice(self.cookies, notice))
        return response


def frame_of(request: Request[Any, Any, Any], engine: Engine, visit: Visit, cookies: Cookies) -> Frame:
    """Make the frame of a request by someone who is logged in."""
    request_cookies = request.cookies
    last_side = request_cookies.get(cookies.name(LAST_SIDE), "")
    return Frame(
        engine=engine,
        user=visit.user,
        session=visit.session,
        merchant=_merchant(visit, side_of(request.url.path) or last_side),
        csrf=visit.session.csrf,
        theme=chosen_theme(request_cookies.get(cookies.name(THEME))),
        path=address_of(request),
        locale=request.headers.get("accept-language", ""),
        notice=_read_notice(request_cookies.get(cookies.name(NOTICE))),
        is_htmx=request.headers.get("hx-request") == "true",
        cookies=cookies,
        last_side=last_side,
    )


def chosen_theme(cookie: str | None) -> str:
    """Return the theme in the cookie, else the system's."""
    return cookie if cookie in THEMES else "system"


def keep_notice(cookies: Cookies, notice: Notice) -> Cookie:
    """Make the cookie that carries a notice to the next page."""
    return cookies.make(NOTICE, quote(msgspec.json.encode(notice).decode()), seconds=60)


def path_of(side: str) -> str:
    """Return where the paths of a side's pages begin."""
    return f"/admin/{side}"


def base_of(side: str) -> str:
    """Return where the addresses of a side's pages begin."""
    return browser_path(path_of(side))


def side_of(path: str) -> str:
    """Return the side that a path names, or an empty text."""
    return next((side for side in SIDES if f"{path}/".startswith(f"{path_of(side)}/")), "")


def _merchant(visit: Visit, mode: str) -> Merchant:
    by_mode = {merchant.mode: merchant for merchant in visit.merchants}
    return by_mode.get("test" if mode == "test" else "live") or visit.merchants[0]


def address_of(request: Request[Any, Any, Any]) -> str:
    """Return the address of a request, with its query."""
    page, query = browser_path(request.url.path), request.url.query
    return f"{page}?{query}" if query else page


def _read_notice(cookie: str | None) -> Notice | None:
    if not cookie:
        return None
    try:
        return msgspec.json.decode(unquote(cookie), type=Notice)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
