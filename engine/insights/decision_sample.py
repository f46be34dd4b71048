"""A sample of a placement's complete decisions: the same share of every slice of a time, whatever the size of the log.

The time is cut into short slices, of which the newest decisions are read: twice as many of a slice with twice as many,
so that a mean of the sample is one of all decisions. What was read is kept for an hour.
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
SLICES = 500
"""About: slices are of whole minutes, because answers are counted by minute."""
SLICES_AT_ONCE = 20
"""Slices whose decisions are read with one connection."""
MOST_READ = 10_000
"""Decisions that are read at most, about; half as many at least, where there are more."""
MOST_KEPT = 8_000
"""Slices that are kept, of all placements together."""
GOLDEN_RATIO = (math.sqrt(5) - 1) / 2
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


class _Slice(NamedTuple):
    """A slice from `begin` on and before `end` (epoch milliseconds), of which `limit` decisions are read."""

    key: tuple[object, ...]
    begin: int
    end: int
    limit: int = 0

    @property
    def ids(self) -> IdSpan:
        return IdSpan(first_id_of(self.begin), first_id_of(self.end))


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
        self._cache: OrderedDict[tuple[object, ...], _KeptSlice] = OrderedDict()

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
            begin, width = end - days * DAY, -(-days * DAY // (SLICES * MINUTE)) * MINUTE
            answers = await rollups.answers_by_span(
                connection,
                merchant_id,
                placement,
                since_minute=begin // MINUTE,
                before_minute=end // MINUTE + 1,
                span_ms=width,
            )
        terms = _SampleTerms(active, _learning(active, currency), merchant_id)
        sampled = await self._slices_of(terms, width, answers)
        inside = [each for each in sampled if begin <= each.decided_at < end]
        inside.sort(key=lambda each: each.decided_at)
        return DecisionSample(days, begin, end, inside, sum(answers.values()), active.plan.ids)

    async def _slices_of(self, terms: _SampleTerms, width: int, answers: Mapping[int, int]) -> list[SampledDecision]:
        """Return decisions of slices that are `width` milliseconds long; `answers` by slice, counted from the epoch."""
        one_in = 1 << max(0, math.ceil(math.log2(max(1, sum(answers.values())) / MOST_READ)))
        sampled: list[SampledDecision] = []
        missing: list[_Slice] = []
        for number, count in answers.items():
            each = _Slice((*terms.key, number * width, width, one_in), number * width, (number + 1) * width)
            cached = self._cache.get(each.key)
            if cached is not None and cached.kept_until > now_ms():
                self._cache.move_to_end(each.key)
                sampled += cached.rows
            else:
                # Rounded up here and down there (Weyl), so that quiet slices count as much as they should.
                missing.append(each._replace(limit=int(count / one_in + number * GOLDEN_RATIO % 1)))
        for first in range(0, len(missing), SLICES_AT_ONCE):
            for each, rows in (await self._read(terms, missing[first : first + SLICES_AT_ONCE])).items():
                self._keep(terms, each, rows)
                sampled += rows
        return sampled

    async def _read(self, terms: _SampleTerms, slices: Sequence[_Slice]) -> dict[_Slice, Sequence[SampledDecision]]:
        merchant_id, placement = terms.merchant_id, terms.active.plan.placement.key
        async with self._database.read() as connection:
            logged = {
                each: await decisions.last_between(connection, merchant_id, placement, each.ids, limit=each.limit)
                for each in slices
                if each.limit
            }
            ids = [row.id for rows in logged.values() for row in rows]
            events = await outcomes.of_decisions(connection, ids) if ids else {}
        # Reading answers takes long enough to delay decisions.
        return await asyncio.to_thread(
            lambda: {each: terms.sampled_of(logged.get(each, ()), events) for each in slices}
        )

    def _keep(self, terms: _SampleTerms, read: _Slice, rows: Sequence[SampledDecision]) -> None:
        now = now_ms()
        is_complete = read.end + terms.learning.window_minutes * MINUTE < now
        self._cache[read.key] = _KeptSlice(rows, now + (KEPT_MS if is_complete else KEPT_WHILE_OPEN_MS))
        while len(self._cache) > MOST_KEPT:
            self._cache.popitem(last=False)


def _learning(active: Active, currency: str) -> Learning:
    """Return how choices are credited here; where a model learns from choices, those above a choice were seen."""
    placement = active.plan.placement
    if placement.credit == "choice":
        placement = msgspec.structs.replace(placement, credit="cascade")
    return Learning.of(placement, currency)


class _SampleTerms(NamedTuple):
    """The terms on which logged decisions of a placement are read."""

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
