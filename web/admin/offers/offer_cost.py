"""What an offer would have cost in the last 30 days, asked of the log before it is shown to anybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from bandits.evaluation.intervals import wilson_interval
from engine.model.errors import Conflict
from engine.model.timestamps import DAY
from engine.previews.estimation.offer_cost import OfferCost
from engine.previews.previews import Period, Preview
from web.admin.offers.offer_texts import PLACEMENT, offer_of
from web.admin.shell import saving
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page
from web.format import Show

DAYS = 30
BOX = "offers/_offer_cost.html"
ENDS = {
    "failed": "The question could not be answered. Try again.",
    "cancelled": "The question was cancelled.",
    "interrupted": "The server stopped meanwhile. Ask again.",
}


@dataclass(frozen=True)
class CostBox:
    """The question and its answer: `verdict` first, then `details`; `running` while the log is read."""

    address: str
    running: bool
    share: float | None
    ended: str
    asked_at: int | None
    verdict: str
    details: list[str]


@dataclass(frozen=True)
class CostPage:
    """The answer on a page of its own, for browsers without scripts."""

    title: str
    base: str
    cost: CostBox


@get("/offers/{id:str}/cost")
async def cost_page(frame: NamedDependency[Frame], id: FromPath[str]) -> Page:
    """Show what an offer would have cost."""
    return frame.form("offers/offer_cost.html", BOX, await _page(frame, id))


@post("/offers/{id:str}/cost", status_code=200)
async def ask_cost(frame: NamedDependency[Frame], id: FromPath[str]) -> Response[Any]:
    """Ask the log of the last 30 days."""
    frame.must_draft()
    now, notice = frame.show.now, None
    try:
        await frame.engine.previews.start_offer(frame.actor, PLACEMENT, id, Period(now - DAYS * DAY, now))
    except Conflict as refusal:
        notice = Notice(f"{refusal.detail[:1].upper()}{refusal.detail[1:]}.")
    if frame.is_htmx and notice is None:
        return frame.page(BOX, await _page(frame, id))
    return frame.go(f"{frame.base}/offers/{id}/cost", notice=notice)


async def _page(frame: Frame, id: str) -> CostPage:
    stored = await saving.read(frame, "candidate", PLACEMENT, id)
    return CostPage(f"What {stored.document.label} would cost", f"{frame.base}/offers/{id}", await box_of(frame, id))


async def box_of(frame: Frame, id: str) -> CostBox:
    """Return the last answer for an offer; any page of this offer may include it."""
    stored = await saving.read(frame, "candidate", PLACEMENT, id)
    last = await frame.engine.previews.newest(frame.merchant.id, PLACEMENT, offer=id)
    cost = last.result.offer if last and last.result else None
    words: tuple[str, list[str]] = ("", [])
    if isinstance(cost, OfferCost) and last is not None and last.result is not None:
        share = await frame.engine.budgets.redeemed_share(frame.merchant.id, PLACEMENT, since=last.since)
        words = words_of(cost, last.result.read, share, offer_of(stored.document).currency, frame.show)
    return CostBox(
        address=f"{frame.base}/offers/{id}/cost",
        running=bool(last and last.running),
        share=last.done / last.total if last and last.total else None,
        ended=ENDS.get(last.state, "") if last else "",
        asked_at=_asked_at(last),
        verdict=words[0],
        details=words[1],
    )


def words_of(cost: OfferCost, read: int, share: tuple[int, int], currency: str, show: Show) -> tuple[str, list[str]]:
    """Return the answer in words; `share` is how many holds were redeemed, and of how many."""
    if not read:
        return "Cannot be known from the past", [f"No checkout asked for offers in the last {DAYS} days."]
    if not cost.decisions:
        text = f"None of {show.count(read, 'decision')} would have shown it."
        return "Nobody would have got it", [text, "Check its rules, its smallest cart, and its position in the order."]
    most = _between(cost, 1.0, 1.0, currency, show)
    customers = show.count(cost.customers, "customer")
    details = [
        f"It would have been shown in {show.number(cost.decisions)} of {show.count(read, 'decision')}, to {customers}.",
        f"If each customer used it once a day: {most}.",
    ]
    redeemed, held = share
    if held:
        low, high = wilson_interval(redeemed / held, held)
        used = _between(cost, low, high, currency, show, middle=redeemed / held)
        details.append(f"So far {show.percent(redeemed / held)} of shown offers are redeemed. At this rate: {used}.")
    details.append("Budgets and codes that would have run out are not counted: they can only lower the cost.")
    return f"At most {show.money(cost.most, currency)} in {DAYS} days", details


def _between(cost: OfferCost, low: float, high: float, currency: str, show: Show, *, middle: float = 1.0) -> str:
    """Return an amount with its interval, or why there is none."""
    text = show.money(round(cost.most * middle), currency)
    if cost.low is None or cost.high is None:
        return f"{text} (too few customers for an interval)"
    ends = (show.money(round(end * share), currency) for end, share in ((cost.low, low), (cost.high, high)))
    return f"{text} ({' to '.join(ends)})"


def _asked_at(last: Preview | None) -> int | None:
    return last.started_at if last and last.result else None


handlers = [cost_page, ask_cost]
