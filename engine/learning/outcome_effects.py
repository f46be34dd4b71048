"""Turn the outcomes of a decision into changes of the stored sums: statistics, usage, observations and delays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

import bandits
from bandits.evidence.delay import bin_of
from bandits.evidence.tails import amount_bin
from engine.kernel.experiments.measures import PAYMENTS, measures_of, paid_order
from engine.kernel.experiments.units import unit_of
from engine.learning.credit_settings import EnrolmentHead, Learning
from engine.model.experiment import Unit
from engine.model.facts import PREFERRED, Facts
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.amounts import relative_amount
from engine.store.decisions import DecisionRow
from engine.store.experiments.exposures import MeasureCell, OutcomeCell
from engine.store.folds import (
    AMOUNTS,
    ARRIVALS,
    BOUGHT,
    DELAYS,
    MEASURES,
    MINUTES,
    OBSERVATIONS,
    STATISTICS,
    USAGE,
    WAITING,
    AmountCell,
    ArrivalCell,
    Cell,
    DelayCell,
    MinuteCell,
    Sums,
    UsageCell,
    WaitingCell,
)
from engine.store.observations import ObservationCell
from engine.store.outcomes import OutcomeRow

Credit = dict[str, bandits.Statistics]
SUCCESSES = ("converted",)
FAILURES = ("declined", "abandoned", "refunded")
CHOICES = ("selected", "redeemed", "converted")
CREDITS_BY_SHOWN = ("cascade", "shown")
NO_CHOICE = ""
"""The candidate of an observation in which none was chosen."""


class CandidateId(msgspec.Struct, frozen=True):
    """The part of a ranked or excluded candidate that credit needs."""

    id: str


class AnswerHead(msgspec.Struct, frozen=True):
    """The part of a logged answer that credit needs."""

    ranking: list[CandidateId]
    excluded: list[CandidateId]
    fallback: bool
    experiments: list[EnrolmentHead] = []


read_answer = msgspec.json.Decoder(AnswerHead, strict=False).decode


class DecisionState(NamedTuple):
    """A logged decision with its outcomes so far, in order of time; `closed` once its window has ended."""

    row: DecisionRow
    learning: Learning
    answer: AnswerHead
    outcomes: Sequence[OutcomeRow]
    closed: bool

    @property
    def ranking(self) -> list[str]:
        return [ranked.id for ranked in self.answer.ranking]


def counting(learning: Learning, outcomes: Sequence[OutcomeRow]) -> Sequence[OutcomeRow]:
    """Return the outcomes that learning uses: all that a server reported, and some of those of browsers.

    Anybody can report as a browser, so its word is a hint. It counts where the reward is `selected`, and `shown` also
    where the credit model is; a purchase (the merchant allows it, or it is not stored) until a server reports one.
    """
    if all(outcome.source == "server" for outcome in outcomes):
        return outcomes
    confirmed = any(outcome.source == "server" and outcome.type in PAYMENTS for outcome in outcomes)
    return [outcome for outcome in outcomes if outcome.source == "server" or _hint_counts(learning, outcome, confirmed)]


def _hint_counts(learning: Learning, outcome: OutcomeRow, confirmed: bool) -> bool:
    if not outcome.learns:
        return False
    if outcome.type in PAYMENTS:
        return not confirmed
    return learning.reward == "selected" or (outcome.type == "shown" and learning.credit == "shown")


def credit_of(learning: Learning, answer: AnswerHead, outcomes: Sequence[OutcomeRow], *, closed: bool) -> Credit:
    """Return the credit of a decision from all its outcomes, in order of time; a fallback gets none."""
    if answer.fallback or not (outcomes or closed):
        return {}
    counted = counting(learning, outcomes)
    events = [_event(outcome) for outcome in counted]
    if closed:
        events.append(bandits.Event("closed"))
    return bandits.credit(learning.credit, learning.reward, [ranked.id for ranked in answer.ranking], events)


def _event(outcome: OutcomeRow) -> bandits.Event:
    """Return an outcome as credit reads it: a purchase without a candidate ends the decision without a choice."""
    if outcome.candidate is None and outcome.type in PAYMENTS:
        return bandits.Event("abandoned")
    return bandits.Event(outcome.type, outcome.candidate)  # type: ignore[arg-type]


def changes_credit(state: DecisionState, outcome: OutcomeRow) -> bool:
    """Return whether a further outcome of a decision can change what `fold` adds for it.

    A report that a candidate was `shown`, the most frequent outcome, changes nothing where all offered candidates
    count as seen, the decision is still open, and no experiment measures it.
    """
    if state.closed or outcome.type != "shown" or state.learning.credit in CREDITS_BY_SHOWN:
        return True
    return state.learning.measures_shown(state.answer.experiments)


def fold(sums: Sums, state: DecisionState, *, sign: int = 1) -> None:
    """Add a decision to the sums, as its outcomes so far make it; with `sign` -1, subtract it.

    Subtracting the state before an outcome and adding that after it gives the same sums in any order of arrival. A
    decision that the customer's preferences steered counts for the customer and for experiments alone.
    """
    row, learning, answer, reported, closed = state
    learning = learning.of_answer(answer.experiments)
    state = state._replace(learning=learning, outcomes=counting(learning, state.outcomes))
    credit = credit_of(learning, answer, state.outcomes, closed=closed)
    if answer.experiments and reported:
        _add_to_units(sums, state, measured_outcomes(reported, state.outcomes), sign)
    if row.customer is not None:
        for candidate, counted in credit.items():
            _add_usage(sums, row, row.customer, candidate, counted, sign)
    if is_steered(row):
        return
    if not credit and not closed:
        candidates = credit_of(learning, answer, state.outcomes, closed=True)
        _add_pending(sums, row, learning, state.ranking, candidates, sign)
    if learning.choice:
        _add_choices(sums, row, learning, credit, sign)
    for candidate in credit:
        _add_credit(sums, state, candidate, credit[candidate], sign)
    if closed and credit:
        _add_delay(sums, state, credit, sign)


def _add_credit(sums: Sums, state: DecisionState, candidate: str, counted: bandits.Statistics, sign: int) -> None:
    """Add a candidate's trial and success to its statistics."""
    row, learning = state.row, state.learning
    amount = reported_amount(learning, candidate, state.outcomes) if counted.successes else None
    slot = learning.slot(state.ranking, candidate)
    cell = Cell(row.merchant_id, row.placement, learning.track, row.bucket, candidate, slot, _day(row))
    counts = (sign * int(counted.trials), sign * int(counted.successes))
    sums.add(STATISTICS, cell, *counts, sign * (amount is not None), sign * (amount or 0))
    if amount is not None and learning.counts_money:
        _add_amount(sums, state, candidate, amount, sign)
    sums.add(MINUTES, _minute_cell(row, learning, candidate), *counts, 0)
    if learning.contextual:
        observation = ObservationCell(row.merchant_id, row.placement, learning.track, row.id, candidate)
        sums.add(OBSERVATIONS, observation, *counts)


def is_steered(row: DecisionRow) -> bool:
    """Return whether the customer's own wishes decided the order: what was chosen then says nothing of merits."""
    return PREFERRED in row.facts


def _add_usage(
    sums: Sums, row: DecisionRow, customer: str, candidate: str, counted: bandits.Statistics, sign: int
) -> None:
    """Add a candidate's trial and success to those of the customer."""
    cell = UsageCell(row.merchant_id, customer, row.placement, candidate, _day(row))
    sums.add(USAGE, cell, sign * int(counted.trials), sign * int(counted.successes))


def _add_delay(sums: Sums, state: DecisionState, credit: Credit, sign: int) -> None:
    """Add the delay after which a closed decision was resolved, and that of each success."""
    row, learning = state.row, state.learning
    bin, succeeded = resolution(row, learning, credit, state.outcomes)
    delay = DelayCell(row.merchant_id, row.placement, learning.reward, bin, _day(row))
    sums.add(DELAYS, delay, sign * succeeded, sign * (not succeeded))
    for candidate, counted in credit.items():
        if counted.successes:
            arrival = ArrivalCell(row.merchant_id, row.placement, learning.reward, candidate, bin, _day(row))
            sums.add(ARRIVALS, arrival, sign)


def measured_outcomes(reported: Sequence[OutcomeRow], counted: Sequence[OutcomeRow]) -> Sequence[OutcomeRow]:
    """Return the outcomes that units are measured by: payments as they count, and all hints within the limits."""
    payments = {outcome.key for outcome in counted if outcome.type in PAYMENTS}
    return [each for each in reported if (each.key in payments if each.type in PAYMENTS else each.learns)]


def _add_to_units(sums: Sums, state: DecisionState, measured: Sequence[OutcomeRow], sign: int) -> None:
    """Add what was bought, and what else is measured, to the units of the experiments in which the decision counts."""
    row, learning = state.row, state.learning
    order = paid_order(state.outcomes, learning.currency)
    for enrolment in state.answer.experiments:
        unit = unit_of_row(row, learning.units.get(enrolment.id, "customer"))
        if enrolment.counted != "yes" or unit is None:
            continue
        cell = OutcomeCell(row.merchant_id, row.placement, enrolment.id, enrolment.phase, unit, _day(row))
        if order is not None:
            sums.add(BOUGHT, cell, sign, sign * order.amount)
        terms = learning.measures.get(enrolment.id)
        values = measures_of(terms, order, measured, learning.currency) if terms is not None else {}
        for name, (times, amount) in values.items():
            sums.add(MEASURES, MeasureCell(*cell[:-1], name, cell.day), sign * times, sign * amount)


def unit_of_row(row: DecisionRow, unit: Unit) -> str | None:
    """Return the unit of an experiment that a logged decision belongs to."""
    values = msgspec.json.decode(row.facts) if unit == "device" else {}
    return unit_of(unit, Facts(values, {}, row.customer), row.id)


def _add_choices(sums: Sums, row: DecisionRow, learning: Learning, credit: Credit, sign: int) -> None:
    """Add an observation for each candidate that was chosen, or for NO_CHOICE, if the decision is settled."""
    chosen = [name for name, counted in credit.items() if counted.successes]
    for candidate in chosen or [NO_CHOICE] * bool(credit):
        cell = ObservationCell(row.merchant_id, row.placement, learning.track, row.id, candidate)
        sums.add(OBSERVATIONS, cell, sign, sign * (candidate != NO_CHOICE))


def resolution(
    row: DecisionRow, learning: Learning, credit: Credit, outcomes: Sequence[OutcomeRow]
) -> tuple[int, bool]:
    """Return the bin of the delay after which a settled decision was resolved, and whether it succeeded."""
    succeeded = any(counted.successes for counted in credit.values())
    return bin_of(_delay(row, learning, counting(learning, outcomes), succeeded=succeeded)), succeeded


def add_pending(sums: Sums, entries: Iterable[tuple[DecisionRow, Learning, Sequence[str]]]) -> None:
    """Add new decisions without outcomes, with their rankings: the same as `fold` of each, without reading its answer.

    Decisions of a commit are mostly alike: minutes are counted first, and added to the sums once for each candidate.
    """
    minutes: Counter[tuple[MinuteCell, str]] = Counter()
    for row, learning, ranking in entries:
        if is_steered(row):
            continue
        candidates = bandits.unanswered(learning.credit, ranking)
        for cell in _waiting_cells(row, learning, ranking, candidates):
            sums.add(WAITING, cell, 1)
            minutes[_minute_cell(row, learning, ""), cell.candidates] += 1
    for (minute, candidates), times in minutes.items():
        for candidate in candidates.split("\n"):
            sums.add(MINUTES, minute._replace(candidate=candidate), 0, 0, times)


def add_purchases(sums: Sums, outcomes: Iterable[OutcomeRow], *, sign: int = 1) -> None:
    """Add purchases that no decision led to, or subtract them: they count for the customer's history only."""
    for outcome in outcomes:
        if outcome.customer is not None and outcome.candidate is not None:
            cell = UsageCell(
                outcome.merchant_id,
                outcome.customer,
                outcome.placement,
                outcome.candidate,
                outcome.occurred_at // DAY,
            )
            sums.add(USAGE, cell, sign, sign)


def _day(row: DecisionRow) -> int:
    return row.decided_at // DAY


def _add_pending(
    sums: Sums, row: DecisionRow, learning: Learning, ranking: Sequence[str], candidates: Collection[str], sign: int
) -> None:
    for cell in _waiting_cells(row, learning, ranking, candidates):
        sums.add(WAITING, cell, sign)
    for candidate in candidates:
        sums.add(MINUTES, _minute_cell(row, learning, candidate), 0, 0, sign)


def _waiting_cells(
    row: DecisionRow, learning: Learning, ranking: Sequence[str], candidates: Collection[str]
) -> list[WaitingCell]:
    """Return the cells of a decision's pending trials: one for all candidates, or one for each slot."""
    scope = (row.merchant_id, row.placement, learning.track, row.bucket)
    minute = learning.minute(row.decided_at)
    if learning.credit == "position":
        return [WaitingCell(*scope, name, learning.slot(ranking, name), minute) for name in candidates]
    return [WaitingCell(*scope, "\n".join(sorted(candidates)), 0, minute)] if candidates else []


def _minute_cell(row: DecisionRow, learning: Learning, candidate: str) -> MinuteCell:
    return MinuteCell(row.merchant_id, row.placement, learning.reward, candidate, row.decided_at // MINUTE)


def reported_amount(learning: Learning, candidate: str, outcomes: Sequence[OutcomeRow]) -> int | None:
    """Return the amount of a success in minor units if it is known in the merchant's currency.

    If several amounts were reported, the last one counts.
    """
    priced = [
        outcome
        for outcome in outcomes
        if outcome.candidate == candidate and outcome.amount is not None and outcome.type in SUCCESSES
    ]
    return priced[-1].amount if priced and priced[-1].currency == learning.currency else None


class CartFacts(msgspec.Struct, frozen=True):
    """The part of a decision's facts that an amount is compared with."""

    total: object = msgspec.field(name="cart.total", default=None)
    currency: object = msgspec.field(name="cart.currency", default=None)


_read_cart = msgspec.json.Decoder(CartFacts).decode


def _add_amount(sums: Sums, state: DecisionState, candidate: str, amount: int, sign: int) -> None:
    """Add an amount to its bin: as a share of the cart, if its total was known, because its size is no merit."""
    row, learning, cart = state.row, state.learning, _read_cart(state.row.facts)
    is_own = cart.currency is None or cart.currency == learning.currency
    share = relative_amount(amount, cart.total) if is_own else None
    value = amount if share is None else share
    scope = (row.merchant_id, row.placement, learning.track, row.bucket, candidate)
    sums.add(AMOUNTS, AmountCell(*scope, int(share is not None), amount_bin(value), _day(row)), sign, sign * value)


def _delay(row: DecisionRow, learning: Learning, outcomes: Sequence[OutcomeRow], *, succeeded: bool) -> int:
    """Return the time in ms until a decision was resolved: by its first success, or by its last failure.

    A failure that nobody reports takes the whole window.
    """
    if succeeded:
        types = CHOICES if learning.reward == "selected" else SUCCESSES
        resolved_at = min((event.occurred_at for event in outcomes if event.type in types), default=row.decided_at)
    elif any(event.type in FAILURES for event in outcomes):
        resolved_at = max(event.occurred_at for event in outcomes)
    else:
        return learning.window_minutes * MINUTE
    return max(0, resolved_at - row.decided_at)
