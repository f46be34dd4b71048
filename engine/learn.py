"""From outcomes to statistics: what a decision's outcomes so far are worth, and the change that a new one makes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

import bandits
from engine.clock import DAY
from engine.placement import CreditModel, Placement, Reward
from engine.store.decisions import DecisionRow
from engine.store.folds import Cell, Sums, UsageCell
from engine.store.outcomes import OutcomeRow

Earned = dict[str, bandits.Statistics]
NOTHING = bandits.Statistics()


class Learning(msgspec.Struct, frozen=True):
    """What a plan version says about learning."""

    reward: Reward
    credit: CreditModel

    @classmethod
    def of(cls, placement: Placement) -> Learning:
        return cls(placement.reward, placement.credit)


class Named(msgspec.Struct, frozen=True):
    id: str


class AnswerHead(msgspec.Struct, frozen=True):
    """The part of a logged answer that credit needs."""

    ranking: list[Named]
    excluded: list[Named]
    fallback: bool


read_answer = msgspec.json.Decoder(AnswerHead).decode


def earned(learning: Learning, answer: AnswerHead, outcomes: Sequence[OutcomeRow], *, closed: bool) -> Earned:
    """The credit of one decision from all its outcomes, in order of time; a fallback earns nothing."""
    if answer.fallback or not (outcomes or closed):
        return {}
    events = [bandits.Event(outcome.type, outcome.candidate) for outcome in outcomes]  # type: ignore[arg-type]
    if closed:
        events.append(bandits.Event("closed"))
    return bandits.credit(learning.credit, learning.reward, [one.id for one in answer.ranking], events)


def add_difference(sums: Sums, row: DecisionRow, learning: Learning, before: Earned, after: Earned) -> None:
    """Add what the decision is worth now less what it was worth before."""
    for candidate in before.keys() | after.keys():
        change = after.get(candidate, NOTHING) - before.get(candidate, NOTHING)
        if change != NOTHING:
            cell = Cell(row.merchant_id, row.placement, learning.reward, row.bucket, candidate, row.decided_at // DAY)
            sums.add(cell, row.customer, change.trials, change.successes)


def add_purchases(sums: Sums, outcomes: Iterable[OutcomeRow]) -> None:
    """Purchases that no decision led to teach the customer's history alone."""
    for outcome in outcomes:
        if outcome.customer is not None and outcome.candidate is not None:
            cell = UsageCell(
                outcome.merchant_id,
                outcome.customer,
                outcome.placement,
                outcome.candidate,
                outcome.occurred_at // DAY,
            )
            sums.use(cell, 1, 1)
