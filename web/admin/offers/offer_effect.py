"""What an offer added: customers who saw it beside held-back customers who would have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.offers.incrementality import ExtraAmount, OfferEffect, OfferEffects
from web.admin.offers.offer_texts import PLACEMENT
from web.admin.shell import saving
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page
from web.format import NOTHING, Show

DAYS, LIFT = 30, 0.1
VERDICTS = {
    "gains": ("Earns money", "good"),
    "loses": ("Loses money", "bad"),
    "unclear": ("Not clear yet", "info"),
    "too_few": ("Too few orders", "plain"),
}
SENTENCES = {
    "gains": "Orders that it adds bring in more than its discounts cost.",
    "loses": "It costs more than the orders that it adds bring in: it mostly pays customers who would buy anyway.",
    "unclear": "It may earn or lose money. More customers will tell.",
    "too_few": "Fewer than ten orders in a group do not tell anything yet.",
}


@dataclass(frozen=True)
class EffectView:
    """An offer's effect, in words; without a holdback there is nothing to compare, and `advice` says what to do."""

    name: str
    base: str
    days: int
    has_holdback: bool
    verdict: str
    verdict_kind: str
    sentence: str
    customers: str
    orders: str
    margin: str
    cost: str
    cost_per_order: str
    advice: str


@get("/offers/{id:str}/effect")
async def offer_effect(frame: NamedDependency[Frame], id: FromPath[str]) -> Page:
    """Show what an offer added in the last 30 days."""
    stored = await saving.read(frame, "candidate", PLACEMENT, id)
    engine, show = frame.engine, frame.show
    result = await engine.incrementality.effects(frame.merchant.id, PLACEMENT, days=DAYS, lift=LIFT, now=show.now)
    effect = next((each for each in result.effects if each.offer == id), None)
    view = view_of(stored.document.label, f"{frame.base}/offers/{id}", result, effect, show, frame.merchant.currency)
    return frame.form("offers/effect.html", "offers/_effect.html", view)


def view_of(
    name: str, base: str, result: OfferEffects, effect: OfferEffect | None, show: Show, currency: str
) -> EffectView:
    """Return an effect as the page shows it; `effect` is None for an offer that is not published yet."""
    effect = effect or OfferEffect("", 0, 0, "too_few", None, None, 0, (None, None, None))
    text, kind = VERDICTS[effect.verdict]
    cost, low, high = effect.cost_per_order
    per_order = show.money(round(cost), currency) if cost is not None else "not known, no order was added"
    if low is not None:
        least, most = (show.money(None if end is None else round(end), currency) for end in (low, high))
        per_order += f" (at least {least})" if high is None else f" ({least} to {most})"
    return EffectView(
        name=name,
        base=base,
        days=result.days,
        has_holdback=result.share > 0,
        verdict=text,
        verdict_kind=kind,
        sentence=SENTENCES[effect.verdict],
        customers=f"{show.count(effect.shown, 'customer')} saw it, {show.number(effect.held_back)} would have",
        orders=_range(effect.extra_orders, show.number),
        margin=_range(effect.extra_margin, lambda amount: show.money(round(amount), currency)),
        cost=show.money(effect.cost, currency),
        cost_per_order=per_order if effect.extra_orders is not None else NOTHING,
        advice=_advice(result, show),
    )


def _range(amount: ExtraAmount | None, text: Callable[[float], str]) -> str:
    return NOTHING if amount is None else f"{text(amount.value)} ({text(amount.low)} to {text(amount.high)})"


def _advice(result: OfferEffects, show: Show) -> str:
    """Return how many customers to hold back."""
    change = show.percent(result.lift, digits=0)
    if result.needed_share is None:
        return f"With as few customers, no holdback shows a change of orders by {change} within {result.days} days."
    share = show.percent(result.needed_share, digits=0 if result.needed_share >= 0.1 else 1)
    return f"Hold back {share} of customers to see a change of orders by {change} within {result.days} days."


handlers = [offer_effect]
