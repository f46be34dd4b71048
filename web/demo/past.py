"""Write the demo's past: a month of simulated shopping through the real engine, with its clock set back."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from numpy.random import default_rng

from engine.clock import now_ms, simulated_time
from engine.decisions.decide import DecisionAnswer
from engine.model.account import Merchant
from engine.model.outcome import OutcomeRow
from engine.model.timestamps import to_ms
from engine.service import SQLITE_FILE, Engine, open_engine
from engine.settings import Settings
from simulation.worlds.month import Month, TimedVisit
from simulation.worlds.shoppers import COUNTRIES
from web.demo import catalogue, seed
from web.demo.background import LOGIN_FILE, keep
from web.demo.story import STEPS

FOLDER = "demo-past"
"""Where the past is written; a start that was cut off leaves it, and the next one begins anew."""
DAILY_CHECKOUTS = 500
SEED = 30
HOURS_BETWEEN_JOBS = 12
SECONDS_BETWEEN_ACTIONS = 20
REFUNDED, REFUND_AFTER = 0.04, timedelta(days=3)

Progress = Callable[[int], None]
"""Called with the number of days that are written."""


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
        async with _engine(msgspec.structs.replace(settings, data=str(folder))) as engine:
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
        self._refunds: list[OutcomeRow] = []

    async def write_until(self, end: datetime, progress: Progress) -> None:
        """Write from the clock's time until `end`."""
        begin = self._begins
        while begin < end:
            until = min(begin + timedelta(hours=1), end.astimezone(begin.tzinfo))
            await self._take_steps(begin)
            await self._shop(begin, until)
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
        tasks = []
        for timed in visits:
            self._clock.now = timed.time
            tasks.append(asyncio.create_task(self._decide(timed)))
            # The task reads the clock before it first waits.
            await asyncio.sleep(0)
        answers = await asyncio.gather(*tasks)
        rows = [row for timed, answer in zip(visits, answers, strict=True) for row in self._outcomes(timed, answer)]
        self._clock.now = until
        rows += self._due_refunds()
        if rows:
            await self._engine.recorder.outcomes(rows)

    async def _decide(self, timed: TimedVisit) -> DecisionAnswer:
        visit = timed.visit
        (answer,) = await self._engine.decider.decide(
            self._merchant.id, [catalogue.PLACEMENT.key], visit.shopper.customer_id, visit.context
        )
        return answer

    def _outcomes(self, timed: TimedVisit, answer: DecisionAnswer) -> Sequence[OutcomeRow]:
        actions = self._month.reaction(timed, [candidate.id for candidate in answer.decision.ranking])
        rows, time = [], timed.time
        for action in actions:
            rows.append(self._outcome(timed, answer.decision.decision_id, action.type, action.method, time))
            time += timedelta(seconds=float(self._random.exponential(SECONDS_BETWEEN_ACTIONS)))
        if actions[-1].type == "converted" and self._random.random() < REFUNDED:
            refund = msgspec.structs.replace(rows[-1], type="refunded", event_id=f"past-{next(self._events)}")
            self._refunds.append(refund)
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

    def _due_refunds(self) -> list[OutcomeRow]:
        """Return the refunds that are due, dated to their time."""
        delay = REFUND_AFTER // timedelta(milliseconds=1)
        due = [row for row in self._refunds if row.occurred_at + delay <= now_ms()]
        self._refunds = self._refunds[len(due) :]
        return [msgspec.structs.replace(row, occurred_at=row.occurred_at + delay, recorded_at=now_ms()) for row in due]
