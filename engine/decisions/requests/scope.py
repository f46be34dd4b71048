"""A request for a decision: who asks for whom, and the facts that are made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.intake.context import Reading
from engine.kernel.experiments.plans import NOTHING_GIVEN
from engine.kernel.offers.availability import OfferContext
from engine.kernel.offers.quote import Cart
from engine.kernel.plan import Plan
from engine.model.documents.preferences import (
    NO_SETTINGS,
    CustomerSettings,
    preferred_methods,
    refused_methods,
)
from engine.model.experiment import GivenChance
from engine.model.facts import PREFERRED, REFUSED, Facts, derive
from engine.model.standard_vocabulary import CUSTOMER_ID
from engine.model.timestamps import DAY, rfc3339
from engine.store.customers.usage import UsageRow, history

METHODS = "payment_methods"
"""The placement whose candidates customers have preferences about."""


class RequestScope(NamedTuple):
    """The merchant, the customer by keyed hash, the request's context, and the time (epoch ms).

    `settings` are what the customer said. Not `personal`: personalization is refused, so that nothing is stored.
    Facts for `refused` purposes are not read. `prompts`: the customer should be asked for consent. `seen_day`: the day
    of the last visit that is noted with the settings, None where there are none.
    """

    merchant_id: int
    customer: str | None
    context: Mapping[str, Any]
    now: int
    settings: CustomerSettings = NO_SETTINGS
    personal: bool = True
    refused: frozenset[str] = frozenset()
    prompts: bool = False
    seen_day: int | None = None

    @property
    def anonymous(self) -> RequestScope:
        """Return the request without its customer."""
        return self._replace(customer=None, settings=NO_SETTINGS, refused=frozenset(), seen_day=None)


class CustomerPast(NamedTuple):
    """A customer's usage, and the experiment variants that are already settled."""

    usage: Sequence[UsageRow] = ()
    settled_variants: Mapping[str, GivenChance] = NOTHING_GIVEN


def read_facts(plan: Plan, request: RequestScope) -> Reading:
    """Return the facts of a request, without those for purposes that are refused."""
    reading = plan.intake.read(request.context)
    for name in plan.intake.names_for(request.refused) if request.refused else ():
        reading.values.pop(name, None)
    return reading


def facts_of(
    plan: Plan, values: dict[str, Any], request: RequestScope, usage: Sequence[UsageRow], weights: Sequence[float]
) -> Facts:
    """Return the facts of a request: `values`, completed in place, and the customer's usage."""
    past = history(usage, plan.placement.key, today=request.now // DAY, weight=weights) if usage else {}
    derive(values, past, now=rfc3339(request.now))
    if request.customer and plan.reads_customer:
        values[CUSTOMER_ID] = request.customer
    add_preferences(values, plan, request)
    return Facts(values, past, request.customer)


def add_preferences(values: dict[str, Any], plan: Plan, request: RequestScope) -> None:
    """Add what the customer wants first and does not want to the facts, so that it is logged and replayed.

    Whoever refuses personalization gets the merchant's own order, without what they do not want.
    """
    if request.settings is NO_SETTINGS or plan.placement.key != METHODS:
        return
    preferences = request.settings.preferences
    if request.personal and (preferred := preferred_methods(preferences)):
        values[PREFERRED] = preferred
    if refused := refused_methods(preferences):
        values[REFUSED] = refused


def cart_facts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts about the cart."""
    return {name: value for name, value in values.items() if name.startswith("cart.")}


def offer_context_of(plan: Plan, request: RequestScope, values: Mapping[str, Any]) -> OfferContext:
    """Return the customer and the cart of a request for offers; `values` are the request's facts."""
    currency = plan.document.currency
    return OfferContext(request.merchant_id, request.customer or "", Cart.of(values), request.now, currency)
