"""Offers and budgets at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from litestar import get
from litestar.di import NamedDependency

from engine.configuration.configuration import Configuration
from engine.kernel.plan import offers_of
from engine.model.offers.hold import OfferKey, OfferUses
from engine.model.timestamps import DAY
from engine.offers.budgets import BudgetBalance
from web.admin.offers.offer_texts import PLACEMENT
from web.admin.offers.offer_words import (
    alert_of,
    amount_text,
    cap_text,
    is_used_up,
    left_text,
    share_of,
    state_of,
    takes_off,
)
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page

DAYS = 30
"""How far back uses of offers are counted."""


@dataclass(frozen=True)
class OfferRow:
    """An offer at a glance; how often it was redeemed, and what that cost, in the last days."""

    href: str
    name: str
    takes_off: str
    budgets: Sequence[str]
    redeemed: str
    cost: str
    state: str
    state_kind: str


@dataclass(frozen=True)
class BudgetRow:
    """A budget at a glance; `share` is what is spent or held of its cap, None where customers have their own."""

    href: str
    name: str
    cap: str
    spent: str
    held: str
    left: str
    share: float | None
    state: str
    state_kind: str


@dataclass(frozen=True)
class OffersPage:
    """All offers in their order, with uses of the last `days`, and all budgets by id."""

    has_placement: bool
    days: int
    offers: Sequence[OfferRow]
    budgets: Sequence[BudgetRow]


@get("/offers")
async def offers_page(frame: NamedDependency[Frame]) -> Page:
    """Show the offers of all placements and what budgets have spent."""
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    budgets = await frame.engine.budgets.page(frame.merchant.id, now=frame.show.now)
    has_placement = configuration.find("placement", "", PLACEMENT) is not None
    rows = await offer_rows(frame, configuration, budgets)
    page = OffersPage(has_placement, DAYS, rows, [budget_row(frame, row) for row in budgets])
    return frame.page("offers/offers.html", page)


async def offer_rows(
    frame: Frame, configuration: Configuration, balances: Sequence[BudgetBalance], *, budget: str = ""
) -> list[OfferRow]:
    """Return the offers of all placements, or those that a budget pays for."""
    names = {document.id: document.name for document in configuration.documents("budget")}
    used_up = {row.budget.id for row in balances if is_used_up(row)}
    uses = await frame.engine.budgets.uses(frame.merchant.id, since=frame.show.now - DAYS * DAY)
    rows = []
    for placement in sorted(configuration.placements, key=lambda placement: placement.key):
        candidates = configuration.documents("candidate", placement.key)
        offers = offers_of(candidates)
        for candidate in sorted(candidates, key=lambda candidate: (candidate.position, candidate.id)):
            offer = offers.get(candidate.id)
            if offer is None or (budget and budget not in offer.budgets):
                continue
            state, kind = state_of(candidate, offer, frame.show.now, used_up)
            used = uses.get(OfferKey(placement.key, candidate.id), OfferUses())
            rows.append(
                OfferRow(
                    href=_address(frame, placement.key, candidate.id),
                    name=candidate.label,
                    takes_off=takes_off(offer, frame.show),
                    budgets=[names.get(id, id) for id in offer.budgets],
                    redeemed=f"{frame.show.number(used.redeemed)} of {frame.show.number(used.held)}",
                    cost=frame.show.money(used.cost, offer.currency),
                    state=state,
                    state_kind=kind,
                )
            )
    return rows


def _address(frame: Frame, placement: str, id: str) -> str:
    return (
        f"{frame.base}/offers/{id}"
        if placement == PLACEMENT
        else f"{frame.base}/placements/{placement}/candidates/{id}"
    )


def budget_row(frame: Frame, row: BudgetBalance) -> BudgetRow:
    """Return a budget at a glance."""
    budget, balance, share = row.budget, row.balance, share_of(row)
    state, kind = alert_of(share)
    return BudgetRow(
        href=f"{frame.base}/budgets/{budget.id}",
        name=budget.name,
        cap=cap_text(budget, frame.show),
        spent=amount_text(budget, frame.show, balance.spent, balance.spent_uses),
        held=amount_text(budget, frame.show, balance.held, balance.held_uses),
        left=left_text(row, frame.show),
        share=share,
        state=state,
        state_kind=kind,
    )


handlers = [offers_page]
