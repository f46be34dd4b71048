"""What the outcomes of a decision add to the measures of its unit in an experiment. Pure.

Every decision is measured by the plan version that made it, so the sums can be computed again from the log at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from engine.kernel.offers.ledger import share_of
from engine.model.documents.metric import METRICS, PURCHASES
from engine.model.experiment import Experiment
from engine.model.outcome import OutcomeRow

Measured = tuple[int, int]
"""How often, and the amount: minor units of the merchant's currency, or milliseconds."""

PAYMENTS = ("converted", "refunded")
OF_DECISIONS = frozenset({"revenue", "margin", "checkout_time", "shown", "selected", "refunded", "redeemed"})
"""What the metrics of a placement are made of."""
NEEDS_SHOWN = frozenset({"shown", "checkout_time"})


class CandidateFees(msgspec.Struct, frozen=True):
    """The part of a candidate that margins need; `fee_fixed` is in minor units."""

    id: str
    fee_percent: float = 0.0
    fee_fixed: int = 0


class MeasureTerms(msgspec.Struct, frozen=True):
    """The measures of an experiment: `caps` are the largest amounts by measure, `fees` those of candidates."""

    names: frozenset[str]
    caps: Mapping[str, int] = {}
    margin_percent: float = 0.0
    fees: Mapping[str, CandidateFees] = {}

    @property
    def needs_shown(self) -> bool:
        """Return whether a report that something was shown can change a measure."""
        return not self.names.isdisjoint(NEEDS_SHOWN)


class PaidOrder(NamedTuple):
    """A purchase after refunds: its amount in minor units, and the candidate that led to it."""

    amount: int
    candidate: str | None


def terms_of(experiment: Experiment, margin_percent: float, candidates: Iterable[CandidateFees] = ()) -> MeasureTerms:
    """Return what is measured of the units of an experiment, in a plan with this margin and these candidates."""
    caps: dict[str, int] = {cap.metric: cap.amount for cap in experiment.status.caps}
    names = {METRICS[metric].measure for metric in experiment.measured} - {PURCHASES}
    # Guardrails may be added at any time, so capped revenue is always there.
    names |= {"revenue"} & caps.keys()
    return MeasureTerms(frozenset(names), caps, margin_percent, {each.id: each for each in candidates})


def order_terms(margin_percent: float, candidates: Iterable[CandidateFees] = ()) -> MeasureTerms:
    """Return what is measured of every decision, in a plan with this margin and these candidates."""
    return MeasureTerms(OF_DECISIONS, margin_percent=margin_percent, fees={each.id: each for each in candidates})


class _Payment(NamedTuple):
    """The last purchase of a decision; its amount before refunds and what they took off, in its own currency."""

    purchase: OutcomeRow
    total: int
    refunded: int
    is_undone: bool


def paid_order(outcomes: Sequence[OutcomeRow], currency: str) -> PaidOrder | None:
    """Return the purchase that was not wholly refunded, None where there was none.

    The last amount counts, less refunds in its currency; amounts in another currency than the merchant's count as 0.
    """
    payment = _payment_of(outcomes, currency)
    if payment is None or payment.is_undone:
        return None
    purchase, total, refunded, _ = payment
    return PaidOrder(max(0, total - refunded) if purchase.currency == currency else 0, purchase.candidate)


def discount_cost(outcomes: Sequence[OutcomeRow], currency: str) -> int:
    """Return what redeemed offers cost in this currency, in minor units.

    A refund gives back its share of each, as in the ledger of offers: of a purchase that was wholly refunded, all.
    """
    spent = [each.amount or 0 for each in outcomes if each.type == "redeemed" and each.currency == currency]
    payment = _payment_of(outcomes, currency) if spent else None
    if payment is not None and payment.is_undone:
        return 0
    if payment is None or not payment.refunded:
        return sum(spent)
    return sum(each - share_of(each, payment.refunded, payment.total) for each in spent)


def measures_of(
    terms: MeasureTerms, order: PaidOrder | None, outcomes: Sequence[OutcomeRow], currency: str
) -> dict[str, Measured]:
    """Return what a decision adds to each measure, nothing where that is nothing.

    `outcomes` are in order of time, `order` is what is left of its purchase.
    """
    amounts = dict(_amounts(terms, order, outcomes, currency))
    capped = {name: (1, min(amount, terms.caps.get(name, amount))) for name, amount in amounts.items()}
    types = {outcome.type for outcome in outcomes}
    return capped | dict.fromkeys(terms.names & types, (1, 0))


def measures_alone(terms: MeasureTerms, amount: int) -> dict[str, Measured]:
    """Return what a purchase without a decision adds to each measure; `amount` is what is left of it."""
    return measures_of(terms, PaidOrder(amount, None), (), "")


def checkout_time(outcomes: Sequence[OutcomeRow]) -> int | None:
    """Return the time in ms from the first `shown` to the first `converted`; None where it is not known."""
    shown = min((outcome.occurred_at for outcome in outcomes if outcome.type == "shown"), default=None)
    paid = min((outcome.occurred_at for outcome in outcomes if outcome.type == "converted"), default=None)
    return None if shown is None or paid is None or paid < shown else paid - shown


def margin_of(terms: MeasureTerms, order: PaidOrder, cost: int) -> int:
    """Return what the merchant keeps of an order after cost, fee and what its offers cost, in minor units."""
    fees = terms.fees.get(order.candidate or "", CandidateFees(""))
    fee = order.amount * fees.fee_percent / 100 + fees.fee_fixed
    return round(order.amount * terms.margin_percent / 100 - fee) - cost


def _payment_of(outcomes: Sequence[OutcomeRow], currency: str) -> _Payment | None:
    """Return what was paid and refunded, None without a purchase; a refund without an amount is of the whole."""
    purchases = [outcome for outcome in outcomes if outcome.type == "converted"]
    if not purchases:
        return None
    purchase = ([outcome for outcome in purchases if outcome.currency == currency] or purchases)[-1]
    refunds = [outcome for outcome in outcomes if outcome.type == "refunded"]
    total = purchase.amount or 0
    refunded = sum(refund.amount or 0 for refund in refunds if refund.currency == purchase.currency)
    is_undone = any(refund.amount is None for refund in refunds) or (bool(refunds) and refunded >= total)
    return _Payment(purchase, total, refunded, is_undone)


def _amounts(
    terms: MeasureTerms, order: PaidOrder | None, outcomes: Sequence[OutcomeRow], currency: str
) -> Iterator[tuple[str, int]]:
    """Yield the amounts that a decision adds to measures, without caps."""
    if order is not None and "revenue" in terms.names:
        yield "revenue", order.amount
    if order is not None and "margin" in terms.names:
        yield "margin", margin_of(terms, order, discount_cost(outcomes, currency))
    time = checkout_time(outcomes) if "checkout_time" in terms.names else None
    if time is not None:
        yield "checkout_time", time
