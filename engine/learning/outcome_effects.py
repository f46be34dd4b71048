"""From outcomes to statistics: what a decision's outcomes so far are worth, and the change that a new one makes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

import bandits
from bandits.evidence.delay import bin_of
from engine.model.placement import Contextual, CreditModel, Placement, Reward
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.evidence import waiting_step
from engine.store.decisions import DecisionRow
from engine.store.folds import (
    DELAYS,
    OBSERVATIONS,
    STATISTICS,
    USAGE,
    WAITING,
    Cell,
    DelayCell,
    Sums,
    UsageCell,
    WaitingCell,
)
from engine.store.observations import ObservationCell
from engine.store.outcomes import OutcomeRow

Earned = dict[str, bandits.Statistics]
SUCCESSES = ("converted",)
FAILURES = ("declined", "abandoned", "refunded")
CHOICES = ("selected", "redeemed", "converted")


class Learning(msgspec.Struct, frozen=True):
    """What a plan version says about learning, and the currency that amounts are counted in."""

    reward: Reward
    credit: CreditModel
    window_minutes: int
    currency: str
    contextual: bool

    @classmethod
    def of(cls, placement: Placement, currency: str = "") -> Learning:
        contextual = isinstance(placement.policy, Contextual)
        return cls(placement.reward, placement.credit, placement.window_minutes, currency, contextual)

    def slot(self, ranking: Sequence[str], candidate: str) -> int:
        """Where credit depends on the slot, the one that the candidate stood in, from 1; otherwise 0."""
        return ranking.index(candidate) + 1 if self.credit == "position" else 0

    def minute(self, decided_at: int) -> int:
        """The step that a decision waits in."""
        step = waiting_step(self.window_minutes)
        return decided_at // MINUTE // step * step


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


def fold(
    sums: Sums,
    row: DecisionRow,
    learning: Learning,
    answer: AnswerHead,
    outcomes: Sequence[OutcomeRow],
    *,
    closed: bool,
    sign: int = 1,
) -> None:
    """Add (or with `sign` -1, take back) all that a decision is worth to the folds, from its outcomes so far.

    Taking back what was and adding what is ends at the same sums in whatever order outcomes arrive.
    """
    ranking = [one.id for one in answer.ranking]
    credit = earned(learning, answer, outcomes, closed=closed)
    if not credit and not closed:
        _wait(sums, row, learning, ranking, earned(learning, answer, outcomes, closed=True), sign)
    for candidate, worth in credit.items():
        amounts = _amounts(learning, candidate, outcomes) if worth.successes else (0, 0)
        slot = learning.slot(ranking, candidate)
        cell = Cell(row.merchant_id, row.placement, learning.reward, row.bucket, candidate, slot, _day(row))
        counts = (int(worth.trials), int(worth.successes))
        sums.add(STATISTICS, cell, *(sign * value for value in (*counts, *amounts)))
        if learning.contextual:
            observation = ObservationCell(row.merchant_id, row.placement, learning.reward, row.id, candidate)
            sums.add(OBSERVATIONS, observation, *(sign * count for count in counts))
        if row.customer is not None:
            use = UsageCell(row.merchant_id, row.customer, row.placement, candidate, _day(row))
            sums.add(USAGE, use, *(sign * count for count in counts))
    if closed and credit:
        bin, won = resolution(row, learning, credit, outcomes)
        sums.add(DELAYS, DelayCell(row.merchant_id, row.placement, learning.reward, bin, _day(row)),
                 sign * won, sign * (not won))  # fmt: skip


def resolution(
    row: DecisionRow, learning: Learning, credit: Earned, outcomes: Sequence[OutcomeRow]
) -> tuple[int, bool]:
    """The delay (its bin) after which it was known what a settled decision earned, and whether any success did."""
    won = any(worth.successes for worth in credit.values())
    return bin_of(_delay(row, learning, outcomes, won=won)), won


def wait(sums: Sums, row: DecisionRow, learning: Learning, ranking: Sequence[str]) -> None:
    """A new decision, of which nothing is known yet: what `fold` adds for it, without reading its answer again."""
    _wait(sums, row, learning, ranking, bandits.unanswered(learning.credit, ranking), 1)


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
            sums.add(USAGE, cell, 1, 1)


def _day(row: DecisionRow) -> int:
    return row.decided_at // DAY


def _wait(
    sums: Sums, row: DecisionRow, learning: Learning, ranking: Sequence[str], candidates: Iterable[str], sign: int
) -> None:
    place, minute = (row.merchant_id, row.placement, learning.reward, row.bucket), learning.minute(row.decided_at)
    for candidate in candidates:
        sums.add(WAITING, WaitingCell(*place, candidate, learning.slot(ranking, candidate), minute), sign)


def _amounts(learning: Learning, candidate: str, outcomes: Sequence[OutcomeRow]) -> tuple[int, int]:
    """1 and the amount of a success, where it is known in the merchant's currency; otherwise nothing."""
    told = [one for one in outcomes if one.candidate == candidate and one.amount is not None and one.type in SUCCESSES]
    if not told or told[-1].currency != learning.currency:
        return 0, 0
    return 1, told[-1].amount or 0


def _delay(row: DecisionRow, learning: Learning, outcomes: Sequence[OutcomeRow], *, won: bool) -> int:
    """How long it took until the fate of a decision was known, in ms: a failure that nobody reports, the window."""
    if won:
        wanted = CHOICES if learning.reward == "selected" else SUCCESSES
        known_at = min((one.occurred_at for one in outcomes if one.type in wanted), default=row.decided_at)
    elif any(one.type in FAILURES for one in outcomes):
        known_at = max(one.occurred_at for one in outcomes)
    else:
        return learning.window_minutes * MINUTE
    return max(0, known_at - row.decided_at)
