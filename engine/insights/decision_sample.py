"""A sample of a placement's complete decisions, spread evenly over a time, whatever the size of the log.

The time is cut into slices, of which the newest decisions are read. Slices begin at other times of day from day to
day, so that the sample is not of one hour. What was read is kept for an hour.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from engine.clock import now_ms
from engine.kernel.experiments.measures import paid_order
from engine.learning.active import Active
from engine.learning.credit_settings import Learning
from engine.learning.live import Live
from engine.learning.outcome_effects import AnswerHead, CandidateId, credit_of
from engine.model.errors import NotFound
from engine.model.experiment import HOLDBACK_ID, NOT_PERSONALIZED
from engine.model.facts import History
from engine.model.outcome import OutcomeRow
from engine.model.placement import Ranking
from engine.model.timestamps import DAY, MINUTE, first_id_of
from engine.statistics.like_for_like import SampledDecision
from engine.store import accounts, decisions, outcomes, rollups
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.tables.columns import IdSpan

SPANS = (1, 7, 30, 90)
"""Days that a sample may go back; a younger placement has the shortest that covers it."""
SLICES = 62
"""No divisor of any number of days, so that slices end at all times of day."""
A_SLICE, MOST_A_SLICE = 100, 800
"""Decisions that are read of a slice; more, while a young placement has few slices."""
MOST_KEPT = 1_000
"""Slices that are kept, of all placements together."""
SAME = 1e-6
"""Chances that are closer are equal."""
KEPT_MS, KEPT_WHILE_OPEN_MS = 60 * MINUTE, MINUTE


class RankedHead(CandidateId, frozen=True):
    """The part of a ranked candidate that tells how likely it came first; see `Ranked`."""

    confidence: float = 0.0
    chance: float = 0.0


class LoggedHead(AnswerHead, frozen=True):
    """The part of a logged answer that is sampled."""

    ranking: list[RankedHead]  # type: ignore[assignment]
    rules: tuple[str, ...] = ()


class DecisionSample(NamedTuple):
    """The sampled decisions of `total` ones from `begin` on and before `end` (epoch milliseconds).

    `days` are those that were asked for, or fewer, where the placement is younger. `candidates` are all of today.
    """

    days: int
    begin: int
    end: int
    decisions: Sequence[SampledDecision]
    total: int
    candidates: tuple[str, ...]


class _KeptSlice(NamedTuple):
    rows: Sequence[SampledDecision]
    kept_until: int


_read_head = msgspec.json.Decoder(LoggedHead, strict=False).decode
_read_history = msgspec.json.Decoder(History).decode


class SampleReader:
    """Reads samples of decisions, and keeps what was read."""

    def __init__(self, database: Database, live: Live) -> None:
        self._database = database
        self._live = live
        self._slices: OrderedDict[tuple[object, ...], _KeptSlice] = OrderedDict()

    async def of(self, merchant_id: int, placement: str, *, days: int, back: int = 0) -> DecisionSample:
        """Return a sample of the last `days` days, or of as many days before those, `back` times. Raise `NotFound`."""
        active = self._live.get(merchant_id, placement)
        if active is None:
            raise NotFound(f"there is no placement “{placement}”", field="placement")
        now = now_ms()
        async with self._database.read() as connection:
            currency = await accounts.currency_of(connection, merchant_id)
            first = await rollups.first_minute(connection, merchant_id, placement)
            age = now - first * MINUTE if first is not None else 0
            days = min((span for span in SPANS if age <= span * DAY < days * DAY), default=days) if not back else days
            end = now - back * days * DAY
            begin, width = end - days * DAY, days * DAY // SLICES
            limit = _most_a_slice(min(age, days * DAY) // width + 1)
            total = await rollups.answers(
                connection, merchant_id, placement, since_minute=begin // MINUTE, before_minute=end // MINUTE + 1
            )
        terms = _SampleTerms(active, _learning(active, currency), merchant_id)
        sampled: list[SampledDecision] = []
        for number in range(begin // width, end // width + 1):
            sampled += await self._slice(terms, number * width, (number + 1) * width, limit)
        inside = [each for each in sampled if begin <= each.decided_at < end]
        inside.sort(key=lambda each: each.decided_at)
        return DecisionSample(days, begin, end, inside, total, active.plan.ids)

    async def _slice(self, terms: _SampleTerms, begin: int, end: int, limit: int) -> Sequence[SampledDecision]:
        now, key = now_ms(), (*terms.key, begin, end, limit)
        kept = self._slices.get(key)
        if kept is not None and kept.kept_until > now:
            self._slices.move_to_end(key)
            return kept.rows
        async with self._database.read() as connection:
            logged = await decisions.last_between(
                connection,
                terms.merchant_id,
                terms.active.plan.placement.key,
                IdSpan(first_id_of(begin), first_id_of(end)),
                limit=limit,
            )
            events = await outcomes.of_decisions(connection, [row.id for row in logged]) if logged else {}
        # Reading answers takes long enough to delay decisions.
        rows = await asyncio.to_thread(terms.sampled_of, logged, events) if logged else []
        is_complete = end + terms.learning.window_minutes * MINUTE < now
        self._slices[key] = _KeptSlice(rows, now + (KEPT_MS if is_complete else KEPT_WHILE_OPEN_MS))
        while len(self._slices) > MOST_KEPT:
            self._slices.popitem(last=False)
        return rows


def _most_a_slice(slices: int) -> int:
    """Return how many decisions are read of each of so many slices; in steps, so that few are read again."""
    return min(MOST_A_SLICE, A_SLICE << int(math.log2(max(1, SLICES // slices))))


def _learning(active: Active, currency: str) -> Learning:
    """Return how choices are credited here; where a model learns from choices, those above a choice were seen."""
    placement = active.plan.placement
    if placement.credit == "choice":
        placement = msgspec.structs.replace(placement, credit="cascade")
    return Learning.of(placement, currency)


class _SampleTerms(NamedTuple):
    """How logged decisions of a placement are read."""

    active: Active
    learning: Learning
    merchant_id: int

    @property
    def key(self) -> tuple[object, ...]:
        """Return what the sampled decisions depend on."""
        placement, learning = self.active.plan.placement, self.learning
        return (
            self.merchant_id,
            placement.key,
            learning.reward,
            learning.credit,
            learning.currency,
            self.active.plan.ids,
        )

    def sampled_of(
        self, rows: Sequence[DecisionRow], events: Mapping[str, Sequence[OutcomeRow]]
    ) -> list[SampledDecision]:
        """Return the decisions whose window has ended, without fallbacks."""
        read = (self._decision(row, events.get(row.id, ())) for row in rows if row.closes_at is None)
        return [each for each in read if each is not None]

    def _decision(self, row: DecisionRow, events: Sequence[OutcomeRow]) -> SampledDecision | None:
        answer = _read_head(row.answer)
        if answer.fallback:
            return None
        credit = credit_of(self.learning, answer, events, closed=True)
        order = paid_order(events, self.learning.currency)
        groups = {enrolment.id: enrolment.variant for enrolment in answer.experiments}
        return SampledDecision(
            row.decided_at,
            row.bucket,
            row.id if row.customer is None else row.customer,
            self._offered(answer),
            frozenset(answer.rules),
            _favourite(row.history),
            {name: bool(counted.successes) for name, counted in credit.items() if counted.trials},
            order is not None,
            order.amount if order else 0,
            groups[HOLDBACK_ID] == NOT_PERSONALIZED if HOLDBACK_ID in groups else None,
            _greedy(answer.ranking),
        )

    def _offered(self, answer: AnswerHead) -> frozenset[str]:
        ranked = {candidate.id for candidate in answer.ranking}
        if isinstance(self.active.plan.placement.shape, Ranking):
            return frozenset(ranked)
        return frozenset(ranked | ({*self.active.plan.ids} - {candidate.id for candidate in answer.excluded}))


def _greedy(ranking: Sequence[RankedHead]) -> float:
    """Return the inverse chance of the first candidate if it was the likeliest, 0 if not, 1 if it was not drawn."""
    chances = [ranked.confidence for ranked in ranking]
    if not chances or abs(ranking[0].chance - chances[0]) > SAME or abs(sum(chances) - 1) > SAME:
        return 1.0
    return 1 / chances[0] if chances[0] >= max(chances) else 0.0


def _favourite(history: str) -> str:
    """Return the candidate that the customer had chosen most; empty if none was chosen."""
    if history == "{}":
        return ""
    successes = {name: past.successes for name, past in _read_history(history).items()}
    most = max(successes, key=successes.__getitem__, default="")
    return most if successes.get(most) else ""
