"""Record a group of reported outcomes and their credit in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.kernel.experiments.measures import PAYMENTS, CandidateFees
from engine.learning.credit_settings import Learning
from engine.learning.outcome_effects import (
    AnswerHead,
    DecisionState,
    add_purchases,
    changes_credit,
    fold,
    read_answer,
)
from engine.metrics import hour_fold
from engine.model.experiment import Experiment
from engine.model.facts import UNAVAILABLE
from engine.model.outcome import MOST_OUTCOMES, EventKey, Source, largest_amount
from engine.model.placement import Placement
from engine.store import accounts, decisions, folds, outcomes, plans
from engine.store.decisions import DecisionRow
from engine.store.folds import Sums
from engine.store.offers import holds
from engine.store.outcomes import OutcomeRow

Status = Literal["recorded", "duplicate", "conflict", "unknown_decision", "invalid"]
WITHOUT_CANDIDATE = frozenset({"shown", "abandoned"})


class PlanHead(msgspec.Struct, frozen=True):
    """The part of a published plan that credit needs; its rules and lists may be long."""

    placement: Placement
    experiments: tuple[Experiment, ...] = ()
    candidates: tuple[CandidateFees, ...] = ()


class StoredOutcome(msgspec.Struct, frozen=True):
    """The stored outcome of an `event_id` that was sent again with other content."""

    decision_id: str | None
    type: str
    candidate_id: str | None
    amount: int | None
    currency: str | None


class Receipt(msgspec.Struct, frozen=True):
    """The status of one reported outcome; `stored` is the outcome that a `conflict` is with."""

    event_id: str
    status: Status
    message: str = ""
    stored: StoredOutcome | msgspec.UnsetType = msgspec.UNSET


class Reported(NamedTuple):
    """The decisions of a group of reports, with their outcomes so far."""

    rows: dict[str, DecisionRow]
    answers: dict[str, AnswerHead]
    outcomes: dict[str, list[OutcomeRow]]


class OutcomeProcessor:
    """Record outcomes once and assign their credit. Cache the learning settings of each plan version."""

    def __init__(self) -> None:
        self._learning: dict[tuple[int, str, int], Learning] = {}

    async def outcomes(self, connection: AsyncConnection, reports: Sequence[OutcomeRow], sums: Sums) -> list[Receipt]:
        """Insert new and valid outcomes; add their credit to `sums`; return one receipt per report, in order."""
        reported = await _reported(connection, reports)
        refusals = _refusals(reports, reported)
        placed = [_placed(report, reported.rows) for report in reports]
        sound = [row for row, refusal in zip(placed, refusals, strict=True) if refusal is None]
        new = _first_reports(sound, await outcomes.append_new(connection, sound))
        await self._add_credit(connection, list(new.values()), reported, sums)
        await _follow_offers(connection, new.values(), reported)
        repeated = [row for row in sound if new.get(row.key) is not row]
        stored = {**await outcomes.stored(connection, repeated), **new} if repeated else new
        return [refusal or _receipt(row, stored[row.key]) for row, refusal in zip(placed, refusals, strict=True)]

    async def retract(self, connection: AsyncConnection, rows: Sequence[OutcomeRow], sums: Sums) -> None:
        """Take outcomes out of the log, and their credit out of `sums`."""
        reported = await _reported(connection, rows)
        removed_keys = {row.key for row in rows}
        for decision_id in reported.rows:
            before = await self._state(connection, decision_id, reported)
            left = [event for event in before.outcomes if event.key not in removed_keys]
            _fold_again(before, left, sums)
            _measure_again(before, left, sums)
        add_purchases(sums, [row for row in rows if row.decision_id is None], sign=-1)
        await outcomes.remove(connection, rows)

    async def close(self, connection: AsyncConnection, rows: Sequence[DecisionRow], sums: Sums) -> None:
        """End the windows of decisions: outcomes that have not happened count as failures."""
        events = await outcomes.of_decisions(connection, [row.id for row in rows])
        for row in rows:
            learning = await self.learning(connection, row)
            state = DecisionState(row, learning, read_answer(row.answer), events.get(row.id, []), closed=False)
            fold(sums, state, sign=-1)
            fold(sums, state._replace(closed=True))
        await decisions.close(connection, rows)

    async def replace(self, connection: AsyncConnection, replaced: Sequence[DecisionRow], sums: Sums) -> None:
        """Stop waiting for outcomes of decisions that fallback answers replace, and count those answers instead."""
        events = await outcomes.of_decisions(connection, [row.id for row in replaced])
        keys = [(row.merchant_id, row.id) for row in replaced]
        stored = (await decisions.by_keys(connection, keys, lock=True)).values()
        for row, sign in (*((row, -1) for row in stored), *((row, 1) for row in replaced)):
            learning, closed = await self.learning(connection, row), row.closes_at is None
            state = DecisionState(row, learning, read_answer(row.answer), events.get(row.id, []), closed)
            hour_fold.add(sums, state, sign=sign)
            if sign < 0:
                fold(sums, state, sign=sign)

    async def erase(self, connection: AsyncConnection, rows: Sequence[DecisionRow], sums: Sums) -> list[DecisionRow]:
        """Take decisions with their outcomes out of `sums`, as if they had never been; the rows stay in the log.

        Return those that are still there: another process may erase the same customer.
        """
        events = await outcomes.of_decisions(connection, [row.id for row in rows])
        keys = [(row.merchant_id, row.id) for row in rows]
        stored = list((await decisions.by_keys(connection, keys, lock=True)).values())
        for row in stored:
            learning, closed = await self.learning(connection, row), row.closes_at is None
            state = DecisionState(row, learning, read_answer(row.answer), events.get(row.id, []), closed)
            hour_fold.add(sums, state, sign=-1)
            fold(sums, state, sign=-1)
        return stored

    async def learning(self, connection: AsyncConnection, row: DecisionRow) -> Learning:
        """Return the reward and credit of a decision's plan version."""
        key = (row.merchant_id, row.placement, row.plan_version)
        learning = self._learning.get(key)
        if learning is None:
            plan = await plans.get(connection, *key)
            if plan is None:
                raise LookupError(f"plan version {row.plan_version} of placement {row.placement} is gone")
            head = msgspec.json.decode(plan.document, type=PlanHead)
            currency = await accounts.currency_of(connection, row.merchant_id)
            learning = self._learning[key] = Learning.of(head.placement, currency, head.experiments, head.candidates)
        return learning

    async def _add_credit(
        self, connection: AsyncConnection, new: Sequence[OutcomeRow], reported: Reported, sums: Sums
    ) -> None:
        add_purchases(sums, [row for row in new if row.decision_id is None])
        by_decision: defaultdict[str, list[OutcomeRow]] = defaultdict(list)
        for row in new:
            if row.decision_id is not None:
                by_decision[row.decision_id].append(row)
        for decision_id, rows in sorted(by_decision.items()):
            before = await self._state(connection, decision_id, reported)
            after = sorted([*before.outcomes, *rows], key=_occurred_at)
            if any(changes_credit(before, row) for row in rows):
                _fold_again(before, after, sums)
            _measure_again(before, after, sums)

    async def _state(self, connection: AsyncConnection, decision_id: str, reported: Reported) -> DecisionState:
        row, answer = reported.rows[decision_id], reported.answers[decision_id]
        learning, stored = await self.learning(connection, row), reported.outcomes.get(decision_id, [])
        return DecisionState(row, learning, answer, stored, closed=row.closes_at is None)


def _fold_again(before: DecisionState, outcomes: Sequence[OutcomeRow], sums: Sums) -> None:
    """Replace the credit of a decision with that of other outcomes."""
    fold(sums, before, sign=-1)
    fold(sums, before._replace(outcomes=outcomes))


def _measure_again(before: DecisionState, outcomes: Sequence[OutcomeRow], sums: Sums) -> None:
    """Replace what a decision adds to the metrics by what it adds with other outcomes."""
    hour_fold.add(sums, before, sign=-1)
    hour_fold.add(sums, before._replace(outcomes=outcomes))


async def _follow_offers(connection: AsyncConnection, new: Iterable[OutcomeRow], reported: Reported) -> None:
    """Write events for the offers that customers have seen, and end the holds of those whose payment was declined."""
    about_offers = {id for id, row in reported.rows.items() if UNAVAILABLE in row.facts}
    rows = [row for row in new if row.decision_id in about_offers]
    if shown := [row for row in rows if row.type == "shown"]:
        await holds.shown(connection, shown)
    if declined := [row for row in rows if row.type == "declined"]:
        await holds.decline(connection, declined)


async def close_due(
    connection: AsyncConnection, outcome_processor: OutcomeProcessor, sums: Sums, *, now: int, limit: int
) -> int:
    """End the windows that are over; return how many."""
    rows = await decisions.due(connection, now=now, limit=limit)
    if rows:
        await outcome_processor.close(connection, rows, sums)
        await folds.add(connection, sums)
    return len(rows)


async def _reported(connection: AsyncConnection, reports: Sequence[OutcomeRow]) -> Reported:
    """Lock and read the decisions of some reports: each has at most `MOST_OUTCOMES` outcomes of each source."""
    keys = {(report.merchant_id, report.decision_id) for report in reports if report.decision_id is not None}
    rows = await decisions.by_keys(connection, keys, lock=True)
    stored = await outcomes.of_decisions(connection, sorted(rows)) if rows else {}
    return Reported(rows, {row.id: read_answer(row.answer) for row in rows.values()}, stored)


def _refusals(reports: Sequence[OutcomeRow], reported: Reported) -> list[Receipt | None]:
    """Return for each report the receipt that refuses it, or None if it is valid."""
    limit = _OutcomeLimit(reported.outcomes)
    refusals = []
    for report in reports:
        refusal = _refusal(report, reported)
        if refusal is None and not limit.take(report):
            message = f"decision_id: the decision already has {MOST_OUTCOMES} outcomes, the most that are stored"
            refusal = Receipt(report.event_id, "invalid", message)
        refusals.append(refusal)
    return refusals


class _OutcomeLimit:
    """Count the outcomes of decisions by source, so that none gets more than `MOST_OUTCOMES`."""

    def __init__(self, stored: Mapping[str, Sequence[OutcomeRow]]) -> None:
        self._keys: defaultdict[tuple[str, Source], set[EventKey]] = defaultdict(set)
        for decision_id, rows in stored.items():
            for row in rows:
                self._keys[decision_id, row.source].add(row.key)

    def take(self, report: OutcomeRow) -> bool:
        """Return whether a report is a repetition or fits in, and count it."""
        if report.decision_id is None:
            return True
        keys = self._keys[report.decision_id, report.source]
        if report.key not in keys and len(keys) >= MOST_OUTCOMES:
            return False
        keys.add(report.key)
        return True


def _refusal(report: OutcomeRow, reported: Reported) -> Receipt | None:
    largest = largest_amount(report.currency)
    if report.amount is not None and report.amount > largest:
        return Receipt(report.event_id, "invalid", f"amount: must be at most {largest} minor units")
    if report.decision_id is None:
        return None
    row = reported.rows.get(report.decision_id)
    if row is None or row.merchant_id != report.merchant_id:
        return Receipt(report.event_id, "unknown_decision", "decision_id: there is no such decision")
    if report.source == "browser" and (row.closes_at is None or row.closes_at <= report.recorded_at):
        return Receipt(report.event_id, "invalid", "decision_id: the time for reports by browsers is over")
    if report.candidate is None:
        # A purchase without an offer names no candidate; those who are held back have none to name.
        if report.type in WITHOUT_CANDIDATE or (report.type in PAYMENTS and UNAVAILABLE in row.facts):
            return None
        return Receipt(report.event_id, "invalid", f"candidate_id: a {report.type} outcome names its candidate")
    answer = reported.answers[row.id]
    if not any(candidate.id == report.candidate for candidate in (*answer.ranking, *answer.excluded)):
        return Receipt(report.event_id, "invalid", "candidate_id: not a candidate of this decision")
    return None


def _first_reports(sound: Sequence[OutcomeRow], inserted: set[EventKey]) -> dict[EventKey, OutcomeRow]:
    """Return the reports that were inserted, by key: of several of the same event, the first."""
    first: dict[EventKey, OutcomeRow] = {}
    for report in sound:
        if report.key in inserted:
            first.setdefault(report.key, report)
    return first


def _placed(report: OutcomeRow, rows: Mapping[str, DecisionRow]) -> OutcomeRow:
    """Return the report with placement and customer of its decision."""
    row = rows.get(report.decision_id) if report.decision_id is not None else None
    if row is None:
        return report
    return msgspec.structs.replace(report, placement=row.placement, customer=row.customer)


def _receipt(report: OutcomeRow, stored: OutcomeRow) -> Receipt:
    if stored is report:
        return Receipt(report.event_id, "recorded")
    if stored.content == report.content:
        return Receipt(report.event_id, "duplicate")
    content = StoredOutcome(stored.decision_id, stored.type, stored.candidate, stored.amount, stored.currency)
    message = "event_id: another outcome is stored under this id; send this one with an id of its own"
    return Receipt(report.event_id, "conflict", message, content)


def _occurred_at(row: OutcomeRow) -> int:
    return row.occurred_at
