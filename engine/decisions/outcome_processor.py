"""What a group of reported outcomes does to the database, inside the transaction that records it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.learning.outcome_effects import AnswerHead, Learning, add_purchases, fold, read_answer
from engine.model.placement import Placement
from engine.store import accounts, decisions, folds, outcomes, plans
from engine.store.decisions import DecisionRow
from engine.store.folds import Sums
from engine.store.outcomes import OutcomeRow

Status = Literal["recorded", "duplicate", "unknown_decision", "invalid"]
NAMES_NOBODY = frozenset({"shown", "abandoned"})


class PlanHead(msgspec.Struct, frozen=True):
    """The part of a published plan that credit needs; its rules and lists may be long."""

    placement: Placement


class Receipt(msgspec.Struct, frozen=True):
    """What became of one reported outcome."""

    event_id: str
    status: Status
    message: str = ""


class OutcomeProcessor:
    """Records outcomes once and hands out their credit. Remembers what each plan version says about learning."""

    def __init__(self) -> None:
        self._learning: dict[tuple[int, str, int], Learning] = {}

    async def outcomes(self, connection: AsyncConnection, reports: Sequence[OutcomeRow], sums: Sums) -> list[Receipt]:
        """Insert what is new and sound; add its credit to `sums`; one receipt a report, in their order."""
        ids = {report.decision_id for report in reports if report.decision_id is not None}
        rows = await decisions.by_ids(connection, ids, lock=True) if ids else {}
        answers = {row.id: read_answer(row.answer) for row in rows.values()}
        verdicts = [_verdict(report, rows, answers) for report in reports]
        sound = [_placed(report, rows) for report, verdict in zip(reports, verdicts, strict=True) if verdict is None]
        fresh = await outcomes.append_new(connection, sound)
        await self._hand_out(connection, sound, fresh, rows, answers, sums)
        return _receipts(reports, verdicts, fresh)

    async def close(self, connection: AsyncConnection, rows: Sequence[DecisionRow], sums: Sums) -> None:
        """End the windows of decisions: what did not happen by now counts as not happening."""
        events = await outcomes.of_decisions(connection, [row.id for row in rows])
        for row in rows:
            learning = await self.learning(connection, row)
            answer, mine = read_answer(row.answer), events.get(row.id, [])
            fold(sums, row, learning, answer, mine, closed=False, sign=-1)
            fold(sums, row, learning, answer, mine, closed=True)
        await decisions.close(connection, [row.id for row in rows])

    async def forget(self, connection: AsyncConnection, ids: Sequence[str], sums: Sums) -> None:
        """Decisions that another answer takes the place of: nothing waits for them any more."""
        events = await outcomes.of_decisions(connection, ids)
        for row in (await decisions.by_ids(connection, ids, lock=True)).values():
            learning = await self.learning(connection, row)
            closed = row.closes_at is None
            fold(sums, row, learning, read_answer(row.answer), events.get(row.id, []), closed=closed, sign=-1)

    async def learning(self, connection: AsyncConnection, row: DecisionRow) -> Learning:
        """The reward and credit of the plan version that a decision was made by."""
        key = (row.merchant_id, row.placement, row.plan_version)
        learning = self._learning.get(key)
        if learning is None:
            plan = await plans.get(connection, *key)
            if plan is None:
                raise LookupError(f"plan version {row.plan_version} of placement {row.placement} is gone")
            head = msgspec.json.decode(plan.document, type=PlanHead)
            currency = await accounts.currency_of(connection, row.merchant_id)
            learning = self._learning[key] = Learning.of(head.placement, currency)
        return learning

    async def _hand_out(
        self,
        connection: AsyncConnection,
        sound: Sequence[OutcomeRow],
        fresh: set[tuple[int, str]],
        rows: dict[str, DecisionRow],
        answers: dict[str, AnswerHead],
        sums: Sums,
    ) -> None:
        new = _told_first(sound, fresh)
        add_purchases(sums, [report for report in new if report.decision_id is None])
        touched = sorted({report.decision_id for report in new if report.decision_id is not None})
        events = await outcomes.of_decisions(connection, touched) if touched else {}
        for decision_id in touched:
            row, answer = rows[decision_id], answers[decision_id]
            learning = await self.learning(connection, row)
            closed = row.closes_at is None
            old = [e for e in events[decision_id] if (e.merchant_id, e.event_id) not in fresh]
            fold(sums, row, learning, answer, old, closed=closed, sign=-1)
            fold(sums, row, learning, answer, events[decision_id], closed=closed)


async def close_due(
    connection: AsyncConnection, outcome_processor: OutcomeProcessor, sums: Sums, *, now: int, limit: int
) -> int:
    """End the windows that are over; returns how many."""
    rows = await decisions.due(connection, now=now, limit=limit)
    if rows:
        await outcome_processor.close(connection, rows, sums)
        await folds.add(connection, sums)
    return len(rows)


def _verdict(report: OutcomeRow, rows: dict[str, DecisionRow], answers: dict[str, AnswerHead]) -> Receipt | None:
    """A receipt that refuses the report, or None where it is sound."""
    if report.decision_id is None:
        return None
    row = rows.get(report.decision_id)
    if row is None or row.merchant_id != report.merchant_id:
        return Receipt(report.event_id, "unknown_decision", "decision_id: there is no such decision")
    if report.candidate is None:
        if report.type in NAMES_NOBODY:
            return None
        return Receipt(report.event_id, "invalid", f"candidate_id: a {report.type} outcome names its candidate")
    answer = answers[row.id]
    if not any(candidate.id == report.candidate for candidate in (*answer.ranking, *answer.excluded)):
        return Receipt(report.event_id, "invalid", "candidate_id: not a candidate of this decision")
    return None


def _told_first(sound: Sequence[OutcomeRow], fresh: set[tuple[int, str]]) -> list[OutcomeRow]:
    """The reports that were inserted: of several of the same event, the first."""
    first: dict[tuple[int, str], OutcomeRow] = {}
    for report in sound:
        first.setdefault((report.merchant_id, report.event_id), report)
    return [report for key, report in first.items() if key in fresh]


def _placed(report: OutcomeRow, rows: dict[str, DecisionRow]) -> OutcomeRow:
    if report.decision_id is None:
        return report
    row = rows[report.decision_id]
    return msgspec.structs.replace(report, placement=row.placement, customer=row.customer)


def _receipts(
    reports: Sequence[OutcomeRow], verdicts: Sequence[Receipt | None], fresh: set[tuple[int, str]]
) -> list[Receipt]:
    left = set(fresh)
    receipts = []
    for report, verdict in zip(reports, verdicts, strict=True):
        key = (report.merchant_id, report.event_id)
        if verdict is None:
            verdict = Receipt(report.event_id, "recorded" if key in left else "duplicate")
            left.discard(key)
        receipts.append(verdict)
    return receipts
