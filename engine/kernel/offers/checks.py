"""Whether offers and budgets make sense, with every problem beside its field. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.kernel.offers.offer_table import window_of
from engine.model.documents.names import problem_with_name
from engine.model.documents.offer import Offer, OfferBudget, Pacing, Percentage
from engine.model.errors import FieldProblem
from engine.model.timestamps import ms_of
from rules.language.codes import CURRENCIES
from rules.language.values import WORDS

SMALLEST_PERCENT = 0.01


def problems_of_offer(offer: Offer, budgets: Mapping[str, OfferBudget]) -> Iterator[FieldProblem]:
    """Yield the problems of a candidate's offer, given the merchant's budgets by id."""
    yield from _currency(offer.currency, "offer/currency")
    if isinstance(offer.benefit, Percentage):
        yield from _percent(offer.benefit.percent)
    for locale, text in offer.texts.items():
        problem = problem_with_name(text.title)
        if problem:
            yield FieldProblem(f"offer/texts/{locale}/title", problem)
    for number, id in enumerate(offer.budgets):
        budget = budgets.get(id)
        if budget is None:
            yield FieldProblem(f"offer/budgets/{number}", f"there is no budget “{id}”")
        elif budget.currency != offer.currency:
            yield FieldProblem(
                f"offer/budgets/{number}", f"budget “{id}” is in {budget.currency}, not {offer.currency}"
            )
    if len(set(offer.budgets)) < len(offer.budgets):
        yield FieldProblem("offer/budgets", "must not repeat a budget")
    if all(budget.amount is None for id in offer.budgets if (budget := budgets.get(id)) is not None):
        yield FieldProblem("offer/budgets", "must name a budget with an amount, or the offer could cost any sum")
    if offer.codes != "fixed" and offer.code:
        yield FieldProblem("offer/code", "must be empty where each customer gets another code")
    yield from _window(offer, "offer", "must be after the start, or the offer is never shown")


def problems_of_code(offer: Offer, others: Mapping[str, Offer]) -> Iterator[FieldProblem]:
    """Yield a problem where a code that is the same for everybody leads to another offer at the same time."""
    if not offer.code:
        return
    for id, other in others.items():
        if other.code.lower() == offer.code.lower() and _overlap(offer, other):
            yield FieldProblem("offer/code", f"leads to the offer “{id}” at the same time: use another code or window")
            return


def _overlap(offer: Offer, other: Offer) -> bool:
    (begin, end), (other_begin, other_end) = window_of(offer), window_of(other)
    return begin < other_end and other_begin < end


def _percent(percent: float) -> Iterator[FieldProblem]:
    if percent < SMALLEST_PERCENT or abs(percent * 100 % 1 - 0.5) < 0.5 - 1e-6:
        yield FieldProblem("offer/benefit/percent", f"must be at least {SMALLEST_PERCENT}, with at most two decimals")


def _window(window: Offer | Pacing, field: str, empty: str) -> Iterator[FieldProblem]:
    moments = {name: ms_of(text) for name in ("starts_at", "ends_at") if (text := getattr(window, name))}
    for name, moment in moments.items():
        if moment is None:
            yield FieldProblem(f"{field}/{name}", f"must be {WORDS['datetime']}")
    begin, end = moments.get("starts_at"), moments.get("ends_at")
    if begin is not None and end is not None and begin >= end:
        yield FieldProblem(f"{field}/ends_at", empty)


def problems_of_budget(budget: OfferBudget, before: OfferBudget | None) -> Iterator[FieldProblem]:
    """Yield the problems of a budget, given what it was before."""
    yield from _currency(budget.currency, "currency")
    if budget.amount is None and budget.uses is None:
        yield FieldProblem("amount", "must be set where uses is not, or nothing is capped")
    if budget.pacing is not None:
        yield from _window(budget.pacing, "pacing", "must be after the start, or there is nothing to spread")
        if budget.amount is None or budget.scope != "everybody":
            yield FieldProblem("pacing", "needs an amount that all customers share: uses have no price")
    for name in ("currency", "period", "scope") if before is not None else ():
        if getattr(budget, name) != getattr(before, name):
            yield FieldProblem(name, "cannot change: what was spent is counted by it; make another budget")


def _currency(currency: str, field: str) -> Iterator[FieldProblem]:
    if currency not in CURRENCIES:
        yield FieldProblem(field, f"must be {WORDS['currency']}")
