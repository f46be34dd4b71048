"""Forecasts: keep what a preview expected of a version, and compare it with the outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.kernel.experiments.overlay import held_back
from engine.kernel.plan import PlanDocument
from engine.learning.outcome_effects import read_answer
from engine.model.experiment import HOLDBACK_ID, NOT_PERSONALIZED
from engine.model.timestamps import DAY, MINUTE, first_id_of
from engine.previews.estimation.effect import Effect
from engine.previews.estimation.forecast import Earned, ForecastOutcome, outcome_of
from engine.previews.rewards import Valuation
from engine.store import decisions, outcomes, plans
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.releases import forecasts
from engine.store.releases.forecasts import ForecastRow
from engine.store.tables.columns import IdSpan

LONGEST_DAYS = 28
"""Days before and after publishing that are compared."""
MOST_DECISIONS = 10_000
MOST_AT_ONCE = 2_000
MOST_DUE = 5
EVERY_MS = DAY // 4

_values = msgspec.json.Decoder(dict[str, object]).decode


class Forecast(NamedTuple):
    """What a preview expected of a version, and the outcome so far; None before the first comparison."""

    placement: str
    version: int
    reward: str
    published_at: int
    expected: Effect
    outcome: ForecastOutcome | None
    is_final: bool


class ComparedPeriod(NamedTuple):
    """Decisions from `start` to `published_at` are compared with those from there to `end`, in epoch milliseconds."""

    start: int
    published_at: int
    end: int
    is_over: bool


class Forecasts:
    """Reads forecasts, and compares them with the log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, merchant_id: int, placement: str | None = None) -> list[Forecast]:
        """Return the forecasts of a merchant or of one placement, the newest version first."""
        async with self._database.read() as connection:
            return [_forecast(row) for row in await forecasts.of_merchant(connection, merchant_id, placement)]

    async def check_due(self) -> None:
        """Compare open forecasts with outcomes, each several times until its period is over."""
        now = now_ms()
        async with self._database.read() as connection:
            due = await forecasts.due(connection, checked_before=now - EVERY_MS, limit=MOST_DUE)
        for row in due:
            await self._check(row, now)

    async def _check(self, row: ForecastRow, now: int) -> None:
        effect = msgspec.json.decode(row.effect, type=Effect)
        text, is_over = "", True
        async with self._database.read() as connection:
            documents = await _documents(connection, row)
            if not effect.refused and documents:
                period = _period(row, documents[-1], await forecasts.next_published_at(connection, row), now)
                earned = await _earned(connection, row, documents[-1], period)
                outcome = outcome_of(effect, earned, has_holdback=_keeps_holdback(documents))
                text, is_over = msgspec.json.encode(outcome).decode(), period.is_over
        async with self._database.write() as connection:
            await forecasts.put_outcome(connection, row, text, checked_at=now, is_open=not is_over)


def count_correct(checked: Sequence[Forecast]) -> tuple[int, int]:
    """Return how many forecasts held, and of how many there is a verdict."""
    verdicts = [each.outcome.holds for each in checked if each.outcome and each.outcome.holds is not None]
    return sum(verdicts), len(verdicts)


def _forecast(row: ForecastRow) -> Forecast:
    expected = msgspec.json.decode(row.effect, type=Effect)
    outcome = msgspec.json.decode(row.outcome, type=ForecastOutcome) if row.outcome else None
    return Forecast(row.placement, row.version, row.reward, row.published_at, expected, outcome, not row.is_open)


async def _documents(connection: AsyncConnection, row: ForecastRow) -> list[PlanDocument]:
    """Return the plan of the version before, if there was one, and that of the version."""
    both = [await _document(connection, row, version) for version in (row.version - 1, row.version)]
    return [document for document in both if document is not None]


async def _document(connection: AsyncConnection, row: ForecastRow, version: int) -> PlanDocument | None:
    plan = await plans.get(connection, row.merchant_id, row.placement, version)
    return msgspec.json.decode(plan.document, type=PlanDocument) if plan is not None else None


def _keeps_holdback(documents: Sequence[PlanDocument]) -> bool:
    """Return whether there was a holdback before and after, whose answers the version left alone."""
    if len(documents) < 2 or not all(document.placement.holdback for document in documents):
        return False
    before, after = (held_back(document) for document in documents)
    return _by_id(before) == _by_id(after)


def _by_id(document: PlanDocument) -> tuple[object, ...]:
    """Return candidates and rules by id; their order is in their positions and priorities."""
    return {each.id: each for each in document.candidates}, {each.id: each for each in document.rules}


def _period(row: ForecastRow, document: PlanDocument, next_at: int | None, now: int) -> ComparedPeriod:
    end = row.published_at + LONGEST_DAYS * DAY
    if next_at is not None:
        end = min(end, next_at)
    is_over = now >= end + document.placement.window_minutes * MINUTE
    end = min(end, now)
    return ComparedPeriod(2 * row.published_at - end, row.published_at, end, is_over)


async def _earned(
    connection: AsyncConnection, row: ForecastRow, document: PlanDocument, period: ComparedPeriod
) -> list[Earned]:
    """Return what decisions before and after publishing earned, valued as the version values them."""
    valuations: dict[int, Valuation] = {}
    earned: list[Earned] = []
    for first, end in ((period.start, period.published_at), (period.published_at, period.end)):
        logged = await decisions.last_between(
            connection,
            row.merchant_id,
            row.placement,
            IdSpan(first_id_of(first), first_id_of(end)),
            limit=MOST_DECISIONS,
            only_closed=True,
        )
        for version in {each.plan_version for each in logged} - valuations.keys():
            deciding = await _document(connection, row, version)
            if deciding is not None:
                valuations[version] = Valuation(document, deciding)
        for start in range(0, len(logged), MOST_AT_ONCE):
            part = logged[start : start + MOST_AT_ONCE]
            events = await outcomes.of_decisions(connection, [each.id for each in part])
            is_after = first == period.published_at
            # Reading thousands of answers takes long enough to delay decisions.
            earned += await asyncio.to_thread(_earned_by_all, part, valuations, events, is_after=is_after)
    return earned


def _earned_by_all(
    rows: Sequence[DecisionRow],
    valuations: Mapping[int, Valuation],
    events: Mapping[str, Sequence[outcomes.OutcomeRow]],
    *,
    is_after: bool,
) -> list[Earned]:
    """Return what decisions earned, without those whose plan is no longer kept and without fallbacks."""
    valued = ((row, valuations[row.plan_version]) for row in rows if row.plan_version in valuations)
    earned = (_earned_by(row, value, events.get(row.id, []), is_after=is_after) for row, value in valued)
    return [each for each in earned if each is not None]


def _earned_by(
    row: DecisionRow, valuation: Valuation, events: Sequence[outcomes.OutcomeRow], *, is_after: bool
) -> Earned | None:
    """Return what a decision earned; None for a fallback, which obeys no version."""
    answer = read_answer(row.answer)
    if answer.fallback:
        return None
    is_held = any(each.id == HOLDBACK_ID and each.variant == NOT_PERSONALIZED for each in answer.experiments)
    # Most decisions earn nothing, and reading their facts costs most.
    reward = sum(valuation.earned(_values(row.facts), answer, events).values()) if events else 0.0
    return Earned(is_after, is_held, row.id if row.customer is None else row.customer, reward)
