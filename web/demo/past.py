"""Write the demo's past: a month of simulated shopping through the real engine, with its clock set back."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from numpy.random import default_rng

from engine.clock import now_ms, simulated_time
from engine.decisions.requests.answers import DecisionAnswer, HeldAnswer
from engine.model.account import Merchant
from engine.model.offers.hold import Hold
from engine.model.outcome import OutcomeRow
from engine.model.timestamps import to_ms
from engine.service import SQLITE_FILE, Engine, open_engine
from engine.settings import Settings
from simulation.worlds.month import Month, TimedVisit
from simulation.worlds.shoppers import COUNTRIES
from web.demo import catalogue, seed
from web.demo.background import LOGIN_FILE, keep
from web.demo.past_offers import PastOffers
from web.demo.story import STEPS

FOLDER = "demo-past"
"""Where the past is written; a start that was cut off leaves it, and the next one begins anew."""
DAILY_CHECKOUTS = 450
SEED = 30
PATIENCE_MS = 60_000
HOURS_BETWEEN_JOBS = 24
SECONDS_BETWEEN_ACTIONS = 20
REFUNDED, REFUND_AFTER = 0.04, timedelta(days=3)

Progress = Callable[[int], None]
"""Called with the number of days that are written."""


class DueRefund(NamedTuple):
    """A purchase that will be refunded, and the hold that was redeemed for it."""

    outcome: OutcomeRow
    hold: Hold | None


class SimulatedClock:
    """The engine's time while the past is written, in epoch milliseconds."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def read(self) -> int:
        return to_ms(self.now)


def needs_past(settings: Settings) -> bool:
    """Return whether a demo is about to begin on an empty SQLite folder."""
    is_new = not Path(settings.data, SQLITE_FILE).exists()
    return settings.demo and settings.demo_days > 0 and not settings.database_url and is_new


async def write_past(settings: Settings, *, daily: int = DAILY_CHECKOUTS, progress: Progress) -> None:
    """Write a past of `settings.demo_days` days up to now; the data folder gets it as a whole or not at all."""
    folder = Path(settings.data, FOLDER)
    shutil.rmtree(folder, ignore_errors=True)
    end = datetime.now(UTC)
    clock = SimulatedClock(end - timedelta(days=settings.demo_days))
    with simulated_time(clock.read):
        # Decisions of an hour are made at once, so on a slow machine the last ones wait long.
        past = msgspec.structs.replace(settings, data=str(folder), decision_timeout_ms=PATIENCE_MS)
        async with _engine(past) as engine:
            merchant = await _seed(engine, folder)
            await _Writer(engine, merchant, clock, daily).write_until(end, progress)
    # The database comes last: what a start looks for is there once everything is.
    for path in sorted(folder.iterdir(), key=lambda path: path.name == SQLITE_FILE):
        path.replace(Path(settings.data, path.name))
    folder.rmdir()


@asynccontextmanager
async def _engine(settings: Settings) -> AsyncIterator[Engine]:
    engine = await open_engine(settings)
    try:
        await engine.start(with_jobs=False)
        yield engine
    finally:
        await engine.stop()


async def _seed(engine: Engine, folder: Path) -> Merchant:
    login = await seed.seed(engine)
    await seed.add_colleague(engine)
    keep(folder / LOGIN_FILE, login.password or "")
    return await engine.accounts.merchant(catalogue.SLUG)


class _Writer:
    """Lets shoppers check out, people work and jobs run in simulated time."""

    def __init__(self, engine: Engine, merchant: Merchant, clock: SimulatedClock, daily: int) -> None:
        self._engine = engine
        self._merchant = merchant
        self._clock = clock
        self._begins = clock.now.astimezone(ZoneInfo(catalogue.TIMEZONE))
        self._random = default_rng(SEED)
        self._month = Month(self._begins, daily=daily, random=self._random)
        self._steps = list(STEPS)
        self._events = count(1)
        self._refunds: list[DueRefund] = []
        self._offers = PastOffers(engine, merchant.id)

    async def write_until(self, end: datetime, progress: Progress) -> None:
        """Write from the clock's time until `end`."""
        begin = self._begins
        while begin < end:
            until = min(begin + timedelta(hours=1), end.astimezone(begin.tzinfo))
            await self._take_steps(begin)
            await self._shop(begin, until)
            await self._engine.holds.expire_due(now=now_ms())
            if until.hour % HOURS_BETWEEN_JOBS == 0 or until == end:
                await self._engine.run_jobs()
                progress(self._month.day(until))
            begin = until

    async def _take_steps(self, time: datetime) -> None:
        while self._steps and (self._steps[0].day, self._steps[0].hour) <= (self._month.day(time), time.hour):
            self._clock.now = time
            await self._steps.pop(0).run(self._engine, self._merchant.id)

    async def _shop(self, begin: datetime, until: datetime) -> None:
        visits = list(self._month.visits(begin, until))
        tasks, offer_tasks = [], []
        for timed in visits:
            self._clock.now = timed.time
            tasks.append(asyncio.create_task(self._decide(timed)))
            offer_tasks.append(asyncio.create_task(self._offers.ask(timed.visit)))
            # The tasks read the clock before they first wait.
            await asyncio.sleep(0)
        answers, offers = await asyncio.gather(*tasks), await asyncio.gather(*offer_tasks)
        rows: list[OutcomeRow] = []
        for timed, answer, held in zip(visits, answers, offers, strict=True):
            rows += await self._outcomes(timed, answer, held)
        self._clock.now = until
        rows += await self._due_refunds()
        if rows:
            await self._engine.recorder.outcomes(rows)

    async def _decide(self, timed: TimedVisit) -> DecisionAnswer:
        visit = timed.visit
        (answer,) = await self._engine.decider.decide(
            self._merchant.id, [catalogue.PLACEMENT.key], visit.shopper.customer_id, visit.context
        )
        return answer

    async def _outcomes(
        self, timed: TimedVisit, answer: DecisionAnswer, held: HeldAnswer | None
    ) -> Sequence[OutcomeRow]:
        methods = [candidate.id for candidate in answer.decision.ranking]
        offer = held.holds[0].offer if held is not None and held.holds else None
        actions, redeems = self._month.reaction_to_offer(timed, methods, offer)
        rows, time = [], timed.time
        for action in actions:
            rows.append(self._outcome(timed, answer.decision.decision_id, action.type, action.method, time))
            time += timedelta(seconds=float(self._random.exponential(SECONDS_BETWEEN_ACTIONS)))
        bought = actions[-1].type == "converted"
        redeemed = await self._offers.redeem(timed, held) if held is not None and redeems else None
        if bought and self._random.random() < REFUNDED:
            refund = msgspec.structs.replace(rows[-1], type="refunded", event_id=f"past-{next(self._events)}")
            self._refunds.append(DueRefund(refund, redeemed))
        if held is not None:
            rows += self._offers.outcomes(timed, held, bought=bought, redeems=redeems)
        return rows

    def _outcome(
        self, timed: TimedVisit, decision_id: str, type: str, method: str | None, time: datetime
    ) -> OutcomeRow:
        has_amount = type == "converted"
        return OutcomeRow(
            self._merchant.id,
            f"past-{next(self._events)}",
            decision_id,
            None,
            "",
            type,
            method,
            timed.visit.total if has_amount else None,
            COUNTRIES[timed.visit.shopper.country].currency if has_amount else None,
            to_ms(time),
            to_ms(time),
        )

    async def _due_refunds(self) -> list[OutcomeRow]:
        """Give back the offers of refunds that are due; return the refunds, dated to their time."""
        delay = REFUND_AFTER // timedelta(milliseconds=1)
        bought_until = now_ms() - delay
        due = [refund for refund in self._refunds if refund.outcome.occurred_at <= bought_until]
        self._refunds = [refund for refund in self._refunds if refund.outcome.occurred_at > bought_until]
        rows = []
        for outcome, hold in due:
            occurred_at = outcome.occurred_at + delay
            rows.append(msgspec.structs.replace(outcome, occurred_at=occurred_at, recorded_at=now_ms()))
            if hold is not None:
                await self._offers.refund(hold, now=occurred_at)
        return rows
