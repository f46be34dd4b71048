"""The account of a merchant: its tier, what the tier allows, and what is used of it this month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from litestar import get
from litestar.di import NamedDependency

from engine.accounts.tiers import TierUse
from web.admin.shell.frame import Frame
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
    """The limits of this side; `tier` is empty where the merchant has none."""

    tier: str
    rows: Sequence[LimitRow]


@get("/account")
async def account_page(frame: NamedDependency[Frame]) -> Page:
    """Show the limits."""
    use = await frame.engine.tiers.use(frame.merchant)
    return frame.page("settings/account.html", AccountPage(frame.merchant.tier, rows_of(frame, use)))


def rows_of(frame: Frame, use: TierUse) -> list[LimitRow]:
    """Return what a tier limits, each with what is used of it."""
    tier, show = use.tier, frame.show
    requests = "Decisions and outcomes of all keys together. Answers carry what is left, in the header RateLimit."
    per_hour = "No limit" if tier.requests_an_hour is None else f"{show.number(tier.requests_an_hour)} an hour"
    return [
        _exports(frame, use),
        LimitRow("Reports by mail", "Scheduled reports.", _included(is_included=tier.scheduled_mail)),
        LimitRow("Requests", requests, per_hour),
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


def _included(*, is_included: bool) -> str:
    return "Included" if is_included else "Not included"


handlers = [account_page]
