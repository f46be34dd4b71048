"""Add decisions and their outcomes to the sums of metrics by hour.

A decision counts in its own hour, once in every dimension: device, country, and so on. Two dimensions are never
crossed, so a read of any range is as cheap as its hours, whatever the traffic.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from bandits.evidence.delay import bin_of
from engine.kernel.experiments.measures import PaidOrder, discount_cost, measures_of, paid_order
from engine.learning.credit_settings import EnrolmentHead
from engine.learning.outcome_effects import DecisionState, counting, measured_outcomes
from engine.model.experiment import HOLDBACK_ID
from engine.model.outcome import OutcomeRow
from engine.model.standard_vocabulary import DEVICES
from engine.model.timestamps import HOUR
from engine.statistics.lift import CLUSTERS
from engine.statistics.metric_totals import MetricTotals
from engine.store.decisions import DecisionRow
from engine.store.folds import HOURS, Sums
from engine.store.metrics.hours import Dimension, HourCell

ARMED = ("", "cluster")
"""Dimensions whose sums are kept by arm of the holdback."""
BINS_OF_A_DELAY = 2
"""Bins of `bandits.evidence.delay` that are one here: half an octave."""

Counts = dict[str, int]


class _MetricFacts(msgspec.Struct, frozen=True):
    """The facts of a decision that metrics are split by."""

    device: object = msgspec.field(name="device.type", default="")
    country: object = msgspec.field(name="geo.country", default="")
    returning: object = msgspec.field(name="customer.returning", default=None)


class _MetricAnswer(msgspec.Struct, frozen=True):
    """The part of a new answer that metrics need."""

    fallback: bool
    experiments: list[EnrolmentHead] = []


_read_facts = msgspec.json.Decoder(_MetricFacts).decode
_read_answer = msgspec.json.Decoder(_MetricAnswer, strict=False).decode


class _Traits(NamedTuple):
    """The key of a decision in the sums; `first` is the candidate that came first, or empty."""

    merchant_id: int
    placement: str
    hour: int
    arm: str
    cluster: str
    device: str
    country: str
    visit: str
    first: str

    @classmethod
    def of(cls, row: DecisionRow, enrolments: Sequence[EnrolmentHead], first: str) -> _Traits:
        facts = _read_facts(row.facts)
        arm = next((each.variant for each in enrolments if each.id == HOLDBACK_ID), "")
        return cls(
            row.merchant_id,
            row.placement,
            row.decided_at // HOUR,
            arm,
            f"{int(row.customer[:8], 16) % CLUSTERS:02}" if arm and row.customer else "",
            facts.device if isinstance(facts.device, str) and facts.device in DEVICES else "",
            facts.country if isinstance(facts.country, str) and len(facts.country) == 2 else "",
            _visit(row, facts.returning),
            first,
        )

    def cell(self, dimension: Dimension, value: str) -> HourCell:
        """Return the key of a value's sums."""
        arm = self.arm if dimension in ARMED else ""
        return HourCell(self.merchant_id, self.placement, dimension, self.hour, arm, value)

    def cells(self) -> Iterator[HourCell]:
        """Yield the keys of the sums that a decision with all its outcomes counts in."""
        yield self.cell("", "")
        if self.cluster:
            yield self.cell("cluster", self.cluster)
        yield self.cell("device", self.device)
        yield self.cell("country", self.country)
        yield self.cell("visit", self.visit)


def add_new(sums: Sums, entries: Iterable[tuple[DecisionRow, Sequence[str]]]) -> None:
    """Add new decisions without outcomes, with their rankings: the same as `add` of each, counted first."""
    decisions: Counter[HourCell] = Counter()
    fallbacks: Counter[HourCell] = Counter()
    for row, ranking in entries:
        answer = _read_answer(row.answer)
        traits = _Traits.of(row, answer.experiments, ranking[0] if ranking else "")
        cells = list(traits.cells())
        if answer.fallback:
            fallbacks.update(cells)
        if traits.first:
            cells.append(traits.cell("candidate", traits.first))
        decisions.update(cells)
    for cell, times in decisions.items():
        sums.add(HOURS, cell, *MetricTotals(decisions=times, fallbacks=fallbacks[cell]))


def add(sums: Sums, state: DecisionState, *, sign: int = 1) -> None:
    """Add a decision with its outcomes so far to the sums; with `sign` -1, subtract it."""
    ranking = state.ranking
    traits = _Traits.of(state.row, state.answer.experiments, ranking[0] if ranking else "")
    counted = counting(state.learning, state.outcomes)
    measured = measured_outcomes(state.outcomes, counted)
    currency = state.learning.currency
    order = paid_order(counted, currency)
    values = measures_of(state.learning.order_terms, order, measured, currency)
    totals = MetricTotals(
        decisions=1,
        fallbacks=int(state.answer.fallback),
        converted=int(order is not None),
        cost=discount_cost(measured, currency),
        timed=int("checkout_time" in values),
        time_ms=values.get("checkout_time", (0, 0))[1],
        revenue=values.get("revenue", (0, 0))[1],
        margin=values.get("margin", (0, 0))[1],
        **{name: int(name in values) for name in ("shown", "selected", "refunded", "redeemed")},
    )
    _add_all(sums, traits, totals, sign)
    _add_candidates(sums, traits, measured, order, totals, sign)
    _add_purchase(sums, traits, counted, totals, sign)


def _add_all(sums: Sums, traits: _Traits, totals: MetricTotals, sign: int) -> None:
    signed = [sign * value for value in totals]
    for cell in traits.cells():
        sums.add(HOURS, cell, *signed)


def _add_candidates(
    sums: Sums,
    traits: _Traits,
    measured: Sequence[OutcomeRow],
    order: PaidOrder | None,
    totals: MetricTotals,
    sign: int,
) -> None:
    """Add the decision to the candidate that came first, and each outcome to its own."""
    counts: defaultdict[str, Counts] = defaultdict(dict)
    if traits.first:
        counts[traits.first]["decisions"] = 1
    for outcome in measured:
        if outcome.candidate and outcome.type in ("shown", "selected", "refunded", "redeemed"):
            counts[outcome.candidate][outcome.type] = 1
    if order is not None and order.candidate:
        counts[order.candidate] |= {"converted": 1, "revenue": totals.revenue, "margin": totals.margin}
    if totals.cost:
        redeemed = next(each.candidate for each in measured if each.type == "redeemed")
        counts[redeemed or ""]["cost"] = totals.cost
    for candidate, own in counts.items():
        values = MetricTotals(**own)
        sums.add(HOURS, traits.cell("candidate", candidate), *(sign * value for value in values))


def _add_purchase(sums: Sums, traits: _Traits, counted: Sequence[OutcomeRow], totals: MetricTotals, sign: int) -> None:
    """Add a purchase to its currency and to the bin of its time."""
    priced = [each.currency for each in counted if each.type == "converted" and each.currency]
    for currency in priced[-1:]:
        own = paid_order(counted, currency)
        if own is not None:
            values = MetricTotals(converted=1, revenue=own.amount)
            sums.add(HOURS, traits.cell("currency", currency), *(sign * value for value in values))
    if totals.timed:
        values = MetricTotals(timed=1, time_ms=totals.time_ms)
        bin = bin_of(totals.time_ms) // BINS_OF_A_DELAY
        sums.add(HOURS, traits.cell("delay", f"{bin:02}"), *(sign * value for value in values))


def _visit(row: DecisionRow, returning: object) -> str:
    """Return whether a customer is new: as the checkout says, else whether the engine knows earlier choices."""
    if isinstance(returning, bool):
        return "returning" if returning else "new"
    if row.customer is None:
        return "guest"
    return "new" if row.history == "{}" else "returning"
