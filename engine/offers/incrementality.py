"""What offers add: customers who saw an offer beside held-back customers who would have seen it.

A decision about a held-back customer logs the offers that would have been shown (`WITHHELD`). A customer counts for
the offers of the first answer that showed or withheld any, with all purchases from then on. Later answers differ
between the groups: who redeemed an offer may be shown another one instead, and held-back customers redeem none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from bandits.experiments.incrementality import CustomerTotals, OfferVerdict, holdback_share, incremental_effect
from engine.kernel.experiments.measures import paid_order
from engine.learning.live import Live
from engine.learning.outcome_effects import read_answer
from engine.model.errors import NotFound
from engine.model.experiment import HOLDBACK_ID, NOT_PERSONALIZED
from engine.model.facts import WITHHELD
from engine.model.timestamps import DAY, MINUTE, first_id_of
from engine.store import accounts, decisions, outcomes
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.offers import holds
from engine.store.outcomes import OutcomeRow
from engine.store.tables.columns import IdSpan

CHUNK, MOST = 2_000, 200_000
"""Decisions that are read at once, and in all: the newest ones."""

_read_facts = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_withheld = msgspec.json.Decoder(list[str]).decode


class CustomerAnswer(NamedTuple):
    """An answer to a customer: the offers that it shows or withholds, and what came of it, in minor units."""

    customer: str
    is_held_back: bool
    offers: tuple[str, ...]
    orders: int
    margin: float
    cost: int


class ExtraAmount(msgspec.Struct, frozen=True):
    """How much more, over all customers who saw an offer, with the ends of the 95% interval."""

    value: float
    low: float
    high: float


class OfferEffect(msgspec.Struct, frozen=True):
    """What an offer added, in minor units; `verdict` is about the margin after its cost.

    `cost_per_order` is null without an extra order, its ends where the interval has none. Without enough customers in
    both groups there are no amounts.
    """

    offer: str
    shown: int
    held_back: int
    verdict: OfferVerdict
    extra_orders: ExtraAmount | None
    extra_margin: ExtraAmount | None
    cost: int
    cost_per_order: tuple[float | None, float | None, float | None]


class OfferEffects(msgspec.Struct, frozen=True):
    """The effects of a placement's offers in the last days.

    `needed_share` of customers should be held back to see a relative change of orders by `lift` with as many customers;
    null where no share would do, or where nobody ordered yet.
    """

    days: int
    share: float
    lift: float
    needed_share: float | None
    effects: list[OfferEffect]


class Incrementality:
    """Reads the log of decisions about offers."""

    def __init__(self, database: Database, live: Live) -> None:
        self._database = database
        self._live = live

    async def effects(self, merchant_id: int, placement: str, *, days: int, lift: float, now: int) -> OfferEffects:
        """Return what each offer added, from decisions whose time for outcomes is over; raise `NotFound`."""
        active = self._live.get(merchant_id, placement)
        if active is None:
            raise NotFound("there is no such placement", field="placement")
        setup = active.plan.placement
        async with self._database.read() as connection:
            currency = await accounts.currency_of(connection, merchant_id)
            period = LogPeriod(merchant_id, placement, now - days * DAY, now - setup.window_minutes * MINUTE)
            answers = await _answers(connection, period, currency, setup.margin_percent)
        share = setup.holdback.share if setup.holdback is not None else 0.0
        return await asyncio.to_thread(_effects, answers, tuple(active.plan.offers), days, share, lift)


class LogPeriod(NamedTuple):
    """A part of the log of a placement, from `begin` until before `end` (epoch ms)."""

    merchant_id: int
    placement: str
    begin: int
    end: int


async def _answers(
    connection: AsyncConnection, period: LogPeriod, currency: str, margin_percent: float
) -> list[CustomerAnswer]:
    """Return the answers of a period to customers who may be held back, the oldest first."""
    costs = await holds.redeemed(connection, period.merchant_id, period.placement, since=period.begin)
    terms = LogTerms(currency, margin_percent, costs)
    answers: list[CustomerAnswer] = []
    before = first_id_of(period.end)
    for _ in range(MOST // CHUNK):
        rows = await decisions.last_between(
            connection,
            period.merchant_id,
            period.placement,
            IdSpan(first_id_of(period.begin), before),
            limit=CHUNK,
        )
        events = await outcomes.of_decisions(connection, [row.id for row in rows])
        # Reading thousands of answers takes long enough to delay decisions.
        answers += await asyncio.to_thread(_read_answers, rows, events, terms)
        if len(rows) < CHUNK:
            break
        before = rows[-1].id
    answers.reverse()
    return answers


class LogTerms(NamedTuple):
    """The terms of margins: the currency, the margin, and what redeemed offers cost by decision."""

    currency: str
    margin_percent: float
    costs: Mapping[str, int]


def _read_answers(
    rows: Sequence[DecisionRow], events: Mapping[str, Sequence[OutcomeRow]], terms: LogTerms
) -> list[CustomerAnswer]:
    answers = (_answer(row, events.get(row.id, ()), terms) for row in rows)
    return [answer for answer in answers if answer is not None]


def _answer(row: DecisionRow, events: Sequence[OutcomeRow], terms: LogTerms) -> CustomerAnswer | None:
    """Return a logged answer; None for a guest, and where nobody was held back yet."""
    answer = read_answer(row.answer)
    groups = {enrolment.id: enrolment.variant for enrolment in answer.experiments}
    if row.customer is None or HOLDBACK_ID not in groups:
        return None
    cost = terms.costs.get(row.id, 0)
    order = paid_order(events, terms.currency)
    orders, revenue = (1, order.amount) if order is not None else (0, 0)
    margin = revenue * terms.margin_percent / 100 - cost
    if groups[HOLDBACK_ID] != NOT_PERSONALIZED:
        return CustomerAnswer(row.customer, False, tuple(ranked.id for ranked in answer.ranking), orders, margin, cost)
    withheld = _read_facts(row.facts).get(WITHHELD)
    offers = tuple(_read_withheld(withheld)) if withheld is not None else ()
    return CustomerAnswer(row.customer, True, offers, orders, margin, cost)


def _effects(
    answers: Sequence[CustomerAnswer], offers: Sequence[str], days: int, share: float, lift: float
) -> OfferEffects:
    groups = group_by_offer(answers, offers)
    base = _base_rate(answers)
    customers = max((group.held_back.size + group.shown.size for group in groups.values()), default=0)
    needed = holdback_share(base, lift * base, customers) if base and customers else None
    return OfferEffects(days, share, lift, needed, [_effect(offer, group) for offer, group in groups.items()])


def _base_rate(answers: Iterable[CustomerAnswer]) -> float:
    """Return the share of customers who order: of those who are held back, or of all where none is."""
    orders: dict[bool, dict[str, int]] = {True: {}, False: {}}
    for answer in answers:
        group = orders[answer.is_held_back]
        group[answer.customer] = group.get(answer.customer, 0) + answer.orders
    counts = orders[True] or orders[False]
    return sum(1 for count in counts.values() if count) / len(counts) if counts else 0.0


class OfferGroups(NamedTuple):
    """Customers who would have seen an offer, those who did, and what the latter cost in all."""

    held_back: CustomerTotals
    shown: CustomerTotals
    cost: int


def group_by_offer(answers: Iterable[CustomerAnswer], offers: Sequence[str]) -> dict[str, OfferGroups]:
    """Add up what customers bought from their first answer with offers on, for each offer of that answer."""
    sums: dict[str, Mapping[bool, dict[str, list[Any]]]] = {offer: {True: {}, False: {}} for offer in offers}
    first: dict[tuple[bool, str], Sequence[str]] = {}
    for answer in answers:
        customer = (answer.is_held_back, answer.customer)
        if answer.offers:
            first.setdefault(customer, [offer for offer in answer.offers if offer in sums])
        for offer in first.get(customer, ()):
            total = sums[offer][answer.is_held_back].setdefault(answer.customer, [0, 0.0, 0])
            total[0] += answer.orders
            total[1] += answer.margin
            total[2] += answer.cost
    return {offer: OfferGroups(*_groups(group)) for offer, group in sums.items()}


def _groups(group: Mapping[bool, Mapping[str, Sequence[Any]]]) -> Iterator[Any]:
    for is_held_back in (True, False):
        totals = np.array(list(group[is_held_back].values()), np.float64).reshape(-1, 3)
        yield CustomerTotals(totals[:, 0], totals[:, 1])
    yield sum(total[2] for total in group[False].values())


def _effect(offer: str, group: OfferGroups) -> OfferEffect:
    held_back, shown, cost = group
    effect = incremental_effect(held_back, shown, cost=cost / shown.size if shown.size else 0.0)
    if effect is None:
        return OfferEffect(offer, shown.size, held_back.size, "too_few", None, None, cost, (None, None, None))
    orders, margin = (
        ExtraAmount(*(shown.size * part for part in (each.value, each.low, each.high)))
        for each in (effect.orders, effect.margin)
    )
    return OfferEffect(offer, shown.size, held_back.size, effect.verdict, orders, margin, cost, effect.cost_per_order)
