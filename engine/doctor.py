"""Examine an installation: folder, key, database, and settings that do not fit together. Nothing is changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from engine.accounts.customer_key import FILE, NAME, NEXT, UnusableKey, load_key, load_keys
from engine.accounts.master_keys import master_keys
from engine.clock import now_ms
from engine.data_folder import database_url, has_database, log_url
from engine.installation_keys import key_source
from engine.migrate import current_revision, newest_revision, runs_here
from engine.model.timestamps import DAY, rfc3339
from engine.settings import Settings
from engine.store.connection.database import CONNECT_SECONDS, POOL_SIZE, SQLITE_FILE
from engine.store.customers import data_keys, fingerprints
from engine.store.customers.data_keys import WrappedKey
from engine.store.limits import tiers
from engine.store.log import partitions

MASTER = "master key"
GIGABYTE = 10**9
LEAST_FREE = 1 * GIGABYTE
MOST_CONNECTIONS = 2 * 3 * POOL_SIZE
"""Of a process on PostgreSQL: readers and writers, each with twice as many more while there is need."""
SHARE_OF_CONNECTIONS = 0.8
"""Of PostgreSQL's, that this server may need: the rest is for people and backups."""
MOST_CLOCK_SECONDS = 5.0
MOST_REPLICA_SECONDS = 60
_REPLICA_DELAY = text(
    "SELECT CASE WHEN pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()"
    " THEN coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0) ELSE 0 END"
)
"""Zero if all that was received is applied: without new transactions, the time of the last is no delay."""
LOCKS_OF_A_PARTITION = 3
"""The table and its two indexes."""
QUERIES_OF_ALL_DAYS = 10
"""At the same time; without room for their locks, they fail."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class CheckResult(msgspec.Struct, frozen=True):
    """The result of one check: `remedy` is empty where nothing is to be done."""

    check: str
    state: Literal["ok", "warning", "error"]
    detail: str
    remedy: str = ""


async def examine(settings: Settings) -> list[CheckResult]:
    """Return the findings of all checks; those of the database are left out if it does not answer."""
    findings = [*_folder(settings), _key(settings), *_settings(settings)]
    url = make_url(database_url(settings))
    if not has_database(settings):
        return [*findings, CheckResult("database", "ok", "none yet; `tap2 serve` makes it")]
    findings += await _connected("database", "TAP2_DATABASE_URL", url, partial(_database, settings=settings))
    if settings.replica_url:
        findings += await _connected("read replica", "TAP2_REPLICA_URL", make_url(log_url(settings)), _replica)
    return findings


async def _connected(
    check: str, variable: str, url: URL, examined: Callable[[AsyncConnection, str], Awaitable[list[CheckResult]]]
) -> list[CheckResult]:
    """Return the findings in a database, or that it does not answer; `examined` gets its address without a password."""
    connect = {} if url.get_backend_name() == "sqlite" else {"timeout": CONNECT_SECONDS}
    engine = create_async_engine(url, connect_args=connect)
    shown = url.render_as_string(hide_password=True)
    try:
        async with engine.connect() as connection:
            return await examined(connection, shown)
    except (OSError, SQLAlchemyError) as error:
        reason = type(getattr(error, "orig", None) or error).__name__
        remedy = f"check the address, the name and the password in {variable}, and that the server runs"
        return [CheckResult(check, "error", f"{shown} does not answer ({reason})", remedy)]
    finally:
        await engine.dispose()


async def _replica(connection: AsyncConnection, shown: str) -> list[CheckResult]:
    """Return whether the read replica has this version's schema, and follows closely."""
    check = "read replica"
    revision = await connection.run_sync(current_revision)
    behind = float((await connection.execute(_REPLICA_DELAY)).scalar_one())
    if revision is None or revision < newest_revision():
        detail = f"the schema at {shown} is {revision or 'empty'}, this version needs {newest_revision()}"
        return [CheckResult(check, "error", detail, "set TAP2_REPLICA_URL to a replica of TAP2_DATABASE_URL")]
    detail = f"{shown}, {behind:,.0f} s behind"
    if behind > MOST_REPLICA_SECONDS:
        remedy = "previews lack the decisions since; look why the replica is late"
        return [CheckResult(check, "warning", detail, remedy)]
    return [CheckResult(check, "ok", detail)]


def _folder(settings: Settings) -> Iterator[CheckResult]:
    folder = Path(settings.data)
    if not folder.exists():
        yield CheckResult("data folder", "ok", f"{folder} does not exist yet; `tap2 serve` makes it")
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield CheckResult("data folder", "error", f"{folder} cannot be written", "give it to the user of the server")
        return
    free = shutil.disk_usage(folder).free
    detail = f"{folder}, {free / GIGABYTE:,.1f} GB free"
    scarce = CheckResult("data folder", "warning", detail, "free at least 1 GB: without space nothing is acknowledged")
    yield scarce if free < LEAST_FREE else CheckResult("data folder", "ok", detail)
    readable = [
        name
        for name in (SQLITE_FILE, "customer.key", "master.key")
        if (folder / name).exists() and (folder / name).stat().st_mode & 0o077
    ]
    if readable:
        detail = f"others can read {' and '.join(readable)}"
        yield CheckResult("file permissions", "warning", detail, "start the server as the owner, which corrects them")


def _key(settings: Settings) -> CheckResult:
    path = Path(settings.data, "customer.key")
    if not settings.customer_key and not path.exists():
        return CheckResult(NAME, "ok", f"{path} does not exist yet; `tap2 serve` makes it for a new database")
    try:
        load_key(settings.customer_key, Path(settings.data))
    except (UnusableKey, OSError) as error:
        detail = error.detail if isinstance(error, UnusableKey) else f"{path} cannot be read"
        return CheckResult(NAME, "error", detail, "restore the key from the backup")
    return CheckResult(NAME, "ok", "from TAP2_CUSTOMER_KEY" if settings.customer_key else f"from {path}")


def _settings(settings: Settings) -> Iterator[CheckResult]:
    cores = os.cpu_count() or 1
    if settings.workers > cores:
        detail = f"{settings.workers} processes on {cores} cores"
        yield CheckResult(
            "TAP2_WORKERS", "warning", detail, f"set at most {cores}: more processes cost more and serve less"
        )
    if settings.host not in LOOPBACK and not settings.secure_cookies:
        remedy = "put a proxy with TLS in front, and set TAP2_SECURE_COOKIES=1"
        yield CheckResult("TLS", "warning", f"the server listens on {settings.host} for plain HTTP", remedy)


async def _database(connection: AsyncConnection, shown: str, *, settings: Settings) -> list[CheckResult]:
    is_sqlite = connection.dialect.name == "sqlite"
    version = "sqlite_version()" if is_sqlite else "current_setting('server_version')"
    name = "SQLite" if is_sqlite else "PostgreSQL"
    number = (await connection.execute(text(f"SELECT {version}"))).scalar_one()
    findings = [CheckResult("database", "ok", f"{name} {number} at {shown}")]
    revision = await connection.run_sync(current_revision)
    newest = newest_revision()
    is_newer = revision is not None and revision > newest
    if revision != newest and not (is_newer and await connection.run_sync(runs_here)):
        remedy = "run `tap2 db upgrade`; `tap2 serve` does so too"
        if is_newer:
            remedy = "install the version of Tap2 that the database was last used with, or a newer one"
        detail = f"the schema is {revision or 'empty'}, this version needs {newest}"
        return [*findings, CheckResult("schema", "error", detail, remedy)]
    findings += [CheckResult("schema", "ok", str(revision)), await _fingerprint(connection, settings)]
    if not any(finding.state == "error" for finding in findings):
        findings += [await _master_keys(connection, settings), await _signing_key(connection)]
        findings += await _sign_up(connection, settings)
    return findings if is_sqlite else [*findings, *await _postgres(connection, settings)]


async def _sign_up(connection: AsyncConnection, settings: Settings) -> list[CheckResult]:
    tier = settings.sign_up_tier
    if not settings.sign_up or not tier or tier in await tiers.all_tiers(connection):
        return []
    remedy = "add it with `tap2 tiers set`, or leave the setting empty: until then nobody can sign up"
    return [CheckResult("TAP2_SIGN_UP_TIER", "error", f"there is no tier “{tier}”", remedy)]


async def _fingerprint(connection: AsyncConnection, settings: Settings) -> CheckResult:
    check = "key of this database"
    stored = await fingerprints.get(connection, NAME)
    if stored is None:
        return CheckResult(check, "ok", "not noted yet; `tap2 serve` notes it")
    path = Path(settings.data, FILE)
    if not settings.customer_key and not path.exists():
        detail = f"{path} is missing, and the database was written with a key"
        return CheckResult(check, "error", detail, "restore the key from the backup")
    try:
        prints = load_keys(settings.customer_key, Path(settings.data)).fingerprints
    except UnusableKey as error:
        return CheckResult(check, "error", error.detail, "restore the key from the backup")
    if stored in prints[:-1] or await fingerprints.get(connection, NEXT) is not None:
        detail = "the database is not, or not wholly, under the newest customer key"
        remedy = "stop the servers and run `tap2 keys rotate-customer`, which goes on where it was stopped"
        return CheckResult(check, "error", detail, remedy)
    if stored != prints[-1]:
        remedy = "use the same keys on every machine, or restore them from the backup"
        return CheckResult(check, "error", "the database was written with another customer key", remedy)
    return CheckResult(check, "ok", f"fingerprint {stored}")


async def _master_keys(connection: AsyncConnection, settings: Settings) -> CheckResult:
    """Return whether the master keys of this machine open all data keys; the customer key must be the database's."""
    if not await data_keys.count(connection):
        return CheckResult(MASTER, "ok", "no data keys yet; `tap2 serve` makes them")
    folder = Path(settings.data)
    try:
        masters = master_keys(key_source(settings), load_key(settings.customer_key, folder)).fingerprints
    except UnusableKey as error:
        remedy = "mend the command" if settings.master_key_command else "restore the key from the backup"
        return CheckResult(MASTER, "error", error.detail, remedy)
    if missing := await _under_others(connection, masters):
        detail = f"the key with the fingerprint {missing[0].master} is missing"
        remedy = "restore master.key from the backup, or add it to TAP2_MASTER_KEY or what its command prints"
        return CheckResult(MASTER, "error", detail, remedy)
    if await _under_others(connection, masters[:1]):
        detail = "keys are under an older key"
        return CheckResult(MASTER, "warning", detail, "run `tap2 keys rotate`, which goes on where it was stopped")
    return CheckResult(MASTER, "ok", f"fingerprint {masters[0]}")


async def _signing_key(connection: AsyncConnection) -> CheckResult:
    """Return what signs tokens and links, which an operator checks after a leak and after a restore."""
    made = await data_keys.signing(connection, after=0)
    detail = f"number {made[-1].id}, made {rfc3339(made[-1].created_at)}" if made else "the customer key signs"
    return CheckResult("signing key", "ok", detail)


async def _under_others(connection: AsyncConnection, masters: Sequence[str]) -> list[WrappedKey]:
    """Return a key of each table that is under none of these master keys."""
    tables = data_keys.TABLES
    return [row for table in tables for row in await data_keys.under_others(connection, masters, limit=1, table=table)]


async def _postgres(connection: AsyncConnection, settings: Settings) -> list[CheckResult]:
    """Return findings about connections, durability and clocks of PostgreSQL."""
    findings = [_connections(int(await _setting(connection, "max_connections")), settings.workers)]
    findings += await _partitions(connection)
    for name in ("fsync", "synchronous_commit"):
        if await _setting(connection, name) == "off":
            detail = f"{name} is off, so a crash loses what was acknowledged"
            findings.append(CheckResult("durability", "error", detail, f"set {name} to on"))
    query = text("SELECT extract(epoch FROM clock_timestamp()) * 1000")
    apart = abs(float((await connection.execute(query)).scalar_one()) - now_ms()) / 1000
    detail = f"{apart:.1f} s from PostgreSQL's"
    if apart <= MOST_CLOCK_SECONDS:
        return [*findings, CheckResult("clock", "ok", detail)]
    return [*findings, CheckResult("clock", "warning", detail, "synchronize the clocks of the machines (NTP)")]


async def _partitions(connection: AsyncConnection) -> list[CheckResult]:
    """Return whether the next days have partitions, and whether PostgreSQL has room for the locks of all."""
    stored = await partitions.stored(connection)
    last = rfc3339((stored[-1].end - 1) * DAY)[:10] if stored else "none"
    days = CheckResult("partitions", "ok", f"{len(stored)}, the last day is {last}")
    if not stored or stored[-1].end <= now_ms() // DAY + 1:
        remedy = "let the server's role create tables in its schema; after an upgrade, wait for the hourly job"
        days = CheckResult("partitions", "warning", f"{days.detail}: decisions of tomorrow cannot be dropped", remedy)
    most, connections = [
        int(await _setting(connection, name)) for name in ("max_locks_per_transaction", "max_connections")
    ]
    needed = LOCKS_OF_A_PARTITION * len(stored) * QUERIES_OF_ALL_DAYS
    if needed <= most * connections:
        return [days]
    detail = f"{QUERIES_OF_ALL_DAYS} queries of all days need {needed:,} locks, and there are {most * connections:,}"
    remedy = f"set max_locks_per_transaction to {-(-needed // connections)}"
    return [days, CheckResult("locks", "warning", detail, remedy)]


def _connections(most: int, workers: int) -> CheckResult:
    needed = workers * MOST_CONNECTIONS
    detail = f"this server may open {needed} of PostgreSQL's {most}"
    if needed <= SHARE_OF_CONNECTIONS * most:
        return CheckResult("connections", "ok", detail)
    return CheckResult("connections", "warning", detail, "raise max_connections, and count those of all machines")


async def _setting(connection: AsyncConnection, name: str) -> str:
    query = text("SELECT current_setting(:name)")
    return str((await connection.execute(query, {"name": name})).scalar_one())
