"""The account of a merchant: what its tier allows, what is used of it this month, and the logo of its reports."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency

from engine.accounts.tiers import TierUse
from engine.model.errors import Conflict, Invalid, NotFound
from web.admin.shell.admission import AnyRequest
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page

ALMOST = 0.8
"""A share of a limit that is worth a warning."""


class LimitRow(NamedTuple):
    """Something that a tier limits: what is allowed, what is used, and a badge where that is nearly all."""

    name: str
    about: str
    allowed: str
    used: str = ""
    state: str = ""
    kind: str = ""


@dataclass(frozen=True)
class AccountPage:
    """The limits of this side, and its logo; `tier` is empty where the merchant has none.

    `logo` is a digest of the picture, empty where there is none, and `problem` why an upload was refused.
    """

    tier: str
    rows: Sequence[LimitRow]
    logo: str
    may_have_logo: bool
    problem: str = ""


@get("/account")
async def account_page(request: AnyRequest, frame: NamedDependency[Frame]) -> Page:
    """Show the limits and the logo."""
    return await _page(request, frame)


@get("/account/logo.png")
async def logo_file(frame: NamedDependency[Frame]) -> Response[bytes]:
    """Send the logo."""
    content = await frame.engine.logos.get(frame.merchant.id)
    if not content:
        raise NotFound("there is no logo", field="logo")
    return Response(content, media_type="image/png", headers={"Cache-Control": "no-store"})


@post("/account/logo", status_code=200)
async def save_logo(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Store a picture as the logo."""
    frame.must_administer()
    sent = (await request.form()).get("logo")
    try:
        await frame.engine.logos.replace(frame.actor, await sent.read() if isinstance(sent, UploadFile) else b"")
    except Invalid as error:
        return await _page(request, frame, problem=error.problems[0].message, status=422)
    except Conflict as error:
        return await _page(request, frame, problem=error.detail, status=409)
    return frame.go(f"{frame.base}/account", notice=Notice("The logo stands at the head of your reports now."))


@post("/account/logo/remove", status_code=200)
async def remove_logo(frame: NamedDependency[Frame]) -> Response[Any]:
    """Delete the logo."""
    frame.must_administer()
    await frame.engine.logos.remove(frame.actor)
    return frame.go(f"{frame.base}/account", notice=Notice("The logo is removed."))


async def _page(request: AnyRequest, frame: Frame, *, problem: str = "", status: int = 200) -> Page:
    use, limits = await frame.engine.tiers.use(frame.merchant), request.app.state.rate_limits
    most = use.tier.requests_an_hour
    requests = limits.requests_used(frame.merchant.id, most) if most is not None else 0
    content = await frame.engine.logos.get(frame.merchant.id)
    page = AccountPage(
        tier=frame.merchant.tier,
        rows=rows_of(frame, use, requests),
        logo=hashlib.sha256(content).hexdigest()[:12] if content else "",
        may_have_logo=use.tier.logo,
        problem=f"{problem[:1].upper()}{problem[1:]}." if problem else "",
    )
    return frame.page("settings/account.html", page, status=status)


def rows_of(frame: Frame, use: TierUse, requests: int) -> list[LimitRow]:
    """Return what a tier limits, each with what is used of it; `requests` are those that this process counts."""
    tier = use.tier
    return [
        _exports(frame, use),
        LimitRow("Reports by mail", "Scheduled reports.", _included(is_included=tier.scheduled_mail)),
        LimitRow("Logo", "Your logo at the head of reports.", _included(is_included=tier.logo)),
        _requests(frame, tier.requests_an_hour, requests),
    ]


def _exports(frame: Frame, use: TierUse) -> LimitRow:
    most, show = use.tier.exports_a_month, frame.show
    name, about = "Exports", "Reports, results of experiments and tables that you download."
    if most is None:
        return LimitRow(name, about, "No limit")
    state, kind = ("Used up", "bad") if use.exports >= most else ("Nearly used up", "warn")
    is_near = use.exports >= ALMOST * most
    used = f"{show.number(use.exports)} this month; the next one begins {show.day(use.month.end)}"
    allowed = f"{show.number(most)} a month"
    return LimitRow(name, about, allowed, used, state if is_near else "", kind if is_near else "")


def _requests(frame: Frame, most: int | None, used: int) -> LimitRow:
    name, show = "Requests", frame.show
    about = "Decisions and outcomes of all keys together. Answers carry what is left, in the header RateLimit."
    if most is None:
        return LimitRow(name, about, "No limit")
    state, kind = ("Used up", "bad") if used >= most else ("Nearly used up", "warn")
    is_near = used >= ALMOST * most
    # The limit refills evenly, and each process counts for itself.
    text = f"{show.number(used)} now, in the server process that shows this page; it falls evenly to 0 within an hour"
    return LimitRow(
        name, about, f"{show.number(most)} an hour", text, state if is_near else "", kind if is_near else ""
    )


def _included(*, is_included: bool) -> str:
    return "Included" if is_included else "Not included"


handlers = [account_page, logo_file, save_logo, remove_logo]
