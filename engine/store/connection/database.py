"""The two ways to the database: one connection that writes, many that read.

SQLite: WAL, `synchronous=FULL`, one writer that takes its lock at `BEGIN`, so no transaction fails half-way for
want of it. PostgreSQL: a pool for each.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, StaticPool, create_engine, event, text
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from engine.store.connection.customer_names import PLAIN, CustomerNames, name_customers
from engine.store.connection.file_turn import FileTurn
from engine.store.connection.inline import T, Work, run_through
from engine.store.connection.one_trip import ONE_TRIP

LOCK_WAIT_MS = 2_000
TURN_WAIT_SECONDS = 2.5
"""How long to wait for a lock, and before it for the writer's turn: callers get an answer within five seconds."""
CONNECT_SECONDS = 4
POOL_SIZE = 5
"""Of PostgreSQL; twice as many more while there is need."""
SQLITE_FILE = "tap2.sqlite"
PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA busy_timeout={LOCK_WAIT_MS}",
    "PRAGMA cache_size=-65536",
    "PRAGMA temp_store=MEMORY",
    # What is deleted is overwritten, however SQLite was built.
    "PRAGMA secure_delete=ON",
)


# A query of its own needs no transaction around it; leaving it out saves two trips to the driver's thread.
_EACH_QUERY_ALONE: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}


class Database:
    """PostgreSQL, and what both databases have in common."""

    is_sqlite = False

    def __init__(self, writer: AsyncEngine, reader: AsyncEngine, *, writes_off_path: int) -> None:
        self._writer = writer
        self._reader = reader
        # Few of the writers off the path of a decision ask for a connection at once: a hundred hold up no decision.
        self._off_path = asyncio.Semaphore(writes_off_path)
        self.names = PLAIN

    def name_customers(self, names: CustomerNames) -> None:
        """Store customers under these names, and read them back as hashes."""
        self.names = names
        for engine in self._engines():
            name_customers(engine.dialect, names)

    def _engines(self) -> list[Engine]:
        return [self._writer.sync_engine, self._reader.sync_engine]

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction; it is committed when the block ends well and rolled back otherwise."""
        async with acquired(self._off_path), self._writer.begin() as connection:
            yield connection

    async def write_through(self, work: Work[T]) -> T:
        """`write` for many statements, in one trip to a thread: `work` may wait for nothing but its connection."""
        async with self.write() as connection:
            return await work(connection)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for queries; each sees the moment at which it runs."""
        async with self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """For many queries that must see the same moment; holds up nobody."""
        async with self.read() as connection:
            await connection.execute(text("BEGIN" if self.is_sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ"))
            try:
                yield connection
            finally:
                await connection.execute(text("ROLLBACK"))

    async def transact(self, work: Work[T]) -> T:
        """`write` for the path of a decision: `work` may wait for nothing but its connection."""
        async with self._writer.begin() as connection:
            return await work(connection)

    async def look_up(self, work: Work[T]) -> T:
        """`read` for the path of a decision: look-ups by key alone."""
        async with self.read() as connection:
            return await work(connection)

    async def close(self) -> None:
        await self._writer.dispose()
        await self._reader.dispose()


class SqliteDatabase(Database):
    """SQLite: one writer at a time, in its own thread on the path of a decision; look-ups where they are asked for.

    Several processes on one machine may share the file.
    """

    is_sqlite = True

    def __init__(self, url: str) -> None:
        super().__init__(
            create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=60, connect_args=ONE_TRIP),
            create_async_engine(url, pool_size=4, max_overflow=4, connect_args=ONE_TRIP, **_EACH_QUERY_ALONE),
            writes_off_path=1,
        )
        plain = url.replace("+aiosqlite", "")
        own_thread: dict[str, Any] = {"connect_args": {"check_same_thread": False}}
        self._plain_writer = create_engine(plain, poolclass=StaticPool, **own_thread, **_EACH_QUERY_ALONE)
        self._plain_reader = create_engine(plain, poolclass=StaticPool, **_EACH_QUERY_ALONE)
        for engine in self._engines():
            _prepare(engine)
        lock_at_begin(self._writer.sync_engine)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        # Writers take turns here rather than at SQLite's lock, where waiting means sleeping and trying again.
        self._turn = asyncio.Lock()
        self._file_turn = FileTurn(Path(plain.removeprefix("sqlite:///")))

    def _engines(self) -> list[Engine]:
        return [*super()._engines(), self._plain_writer, self._plain_reader]

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        turn = self._file_turn.taken_in(self._thread)
        async with acquired(self._off_path, self._turn, turn), self._writer.begin() as connection:
            yield connection

    async def write_through(self, work: Work[T]) -> T:
        async with acquired(self._off_path):
            return await self.transact(work)

    async def transact(self, work: Work[T]) -> T:
        async with acquired(self._turn):
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    def _transact(self, work: Work[T]) -> T:
        with self._file_turn.taken(), self._plain_writer.connect() as connection, _transaction(connection):
            return run_through(work, connection)

    async def look_up(self, work: Work[T]) -> T:
        with self._plain_reader.connect() as connection:
            return run_through(work, connection)

    async def close(self) -> None:
        await super().close()
        self._thread.shutdown()
        self._plain_writer.dispose()
        self._plain_reader.dispose()
        self._file_turn.close()


@asynccontextmanager
async def acquired(*locks: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
    """Acquire locks in order; raise `TimeoutError` where the others take too long."""
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(TURN_WAIT_SECONDS):
            for lock in locks:
                await stack.enter_async_context(lock)
        yield


@contextmanager
def _transaction(connection: Connection) -> Iterator[None]:
    """A transaction by the driver alone: SQLAlchemy's takes 110 us more of a group's commit."""
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN IMMEDIATE")
    try:
        yield
        driver.execute("COMMIT")
    except BaseException:
        if driver.in_transaction:
            driver.execute("ROLLBACK")
        raise


def sqlite_url(folder: str) -> str:
    return f"sqlite+aiosqlite:///{Path(folder).resolve() / SQLITE_FILE}"


def open_database(url: str) -> Database:
    """`url` is an SQLAlchemy URL for aiosqlite or asyncpg."""
    if url.startswith("sqlite"):
        return SqliteDatabase(url)
    pool: dict[str, Any] = {
        "pool_size": POOL_SIZE,
        "max_overflow": 2 * POOL_SIZE,
        "pool_timeout": TURN_WAIT_SECONDS,
    }
    connect = {"timeout": CONNECT_SECONDS, "server_settings": {"lock_timeout": str(LOCK_WAIT_MS)}}
    writer = create_async_engine(url, connect_args=connect, **pool)
    reader = create_async_engine(url, connect_args=connect, **pool, **_EACH_QUERY_ALONE)
    for engine in (writer.sync_engine, reader.sync_engine):
        _leave_out_closed(engine)
    return Database(writer, reader, writes_off_path=POOL_SIZE)


def _leave_out_closed(engine: Engine) -> None:
    """Replace a pooled connection that the server has closed, which the driver notices by itself.

    A ping, as pools do it, would take two of the eight trips to the server of a group of decisions.
    """

    @event.listens_for(engine, "checkout")
    def check(connection: Any, _record: Any, _proxy: Any) -> None:
        if connection.driver_connection.is_closed():
            raise DisconnectionError


def _prepare(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(pragma)
        cursor.close()


def lock_at_begin(engine: Engine) -> None:
    """The driver would begin late and without the lock, and fail half-way where another process writes."""

    @event.listens_for(engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
