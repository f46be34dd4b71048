"""The hourly purge by table: each table must be listed as deleted or kept."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, LargeBinary, Table, select

from benchmarks.process import ROOT
from engine import jobs
from engine.clock import now_ms
from engine.model.timestamps import DAY, HOUR, MINUTE, first_id_of
from engine.previews.previews import KEPT_DAYS
from engine.store import previews
from engine.store.connection import purging
from engine.store.connection.database import Database, open_database, sqlite_url
from engine.store.tables import metadata
from engine.store.tables.columns import HexText, NameBytes, NameText
from engine.store.team import people

pytestmark = pytest.mark.anyio

RETENTION = 100
AGES: dict[str, tuple[str, float]] = {
    "decision_times": ("hour", 30),
    "decisions": ("id", RETENTION),
    "customer_segments": ("last_id", RETENTION),
    "outcomes": ("decision_id", RETENTION),
    "lessons": ("decision_id", RETENTION),
    "usage": ("day", RETENTION),
    "tallies": ("minute", RETENTION),
    "rule_days": ("day", RETENTION),
    "field_days": ("day", RETENTION),
    "field_faults": ("day", RETENTION),
    "experiment_conversions": ("occurred_at", RETENTION),
    "experiment_exposures": ("exposed_at", RETENTION),
    "experiment_measures": ("day", RETENTION),
    "experiment_outcomes": ("day", RETENTION),
    "outbox": ("recorded_at", 30),
    "mails": ("created_at", 90),
    "metric_hours": ("hour", max(RETENTION, 185)),
    "minutes": ("minute", 2),
    "idempotent_answers": ("created_at", 2),
    "waiting": ("minute", 31),
}
"""The column that says how old a row is, and the days after which it goes."""

OTHERWISE = {
    "beliefs": "while a decision may name them",
    "log_dictionaries": "while a decision may name them",
    "previews": "for 90 days",
    "sessions": "until they end",
    "invitations": "until they expire",
    "login_attempts": "while they count",
    "webhook_deliveries": "with their events, after 30 days",
    "webhook_attempts": "with their deliveries",
    "customer_settings": "after inactivity",
    "customer_setting_versions": "after inactivity",
    "customer_aliases": "after inactivity",
    "customer_consents": "three years old, after inactivity",
}
"""Tables with a purge of their own."""

STAY = {
    "active_plans", "alert_recipients", "amounts", "arrivals", "budget_balances", "budget_caps",
    "audit", "audit_customers", "audit_heads", "availability",
    "candidate_colours",
    "consent_policies", "customer_segment_ends",
    "delays", "preference_defaults",
    "draft_changes", "drafts", "emergencies", "erasures", "privacy_requests",
    "experiment_changes", "experiment_looks", "experiment_measure_sums", "experiment_shares", "experiment_sums",
    "export_counts",
    "fits", "fold_starts", "forecasts", "holds",
    "identities", "keys", "ledger", "logos", "merchants", "metric_alarms", "offer_codes", "plans", "prediction_alarms",
    "recovery_codes", "refits", "report_schedules", "tiers",
    "resources", "retention_policies", "rule_fired", "second_factors", "statistics", "users", "webhook_endpoints",
    "fingerprints", "data_keys", "signing_keys", "schema_readers", "leases", "write_probes",
}  # fmt: skip


def aged(column: str, days: float) -> Any:
    """Return the value of a column for a row that is so many days old."""
    moment = now_ms() - round(days * DAY)
    match column:
        case "day":
            return moment // DAY
        case "hour":
            return moment // HOUR
        case "minute":
            return moment // MINUTE
        case "id" | "decision_id" | "last_id":
            return first_id_of(moment) + "0" * 20
        case _:
            return moment


def named(table: Table, name: str) -> Column[Any]:
    """Return a column by its name in the database; in Python some are called otherwise."""
    return next(column for column in table.columns if column.name == name)


def row_of(table: Table, number: int, **values: Any) -> dict[str, Any]:
    """Return a row whose numbers are 1 and whose texts say which row it is."""
    row: dict[str, Any] = {}
    for column in table.columns:
        is_own = column.name not in ("merchant_id", "seq")
        is_text = isinstance(column.type, NameText) or column.type.python_type is str
        row[column.name] = str(number) if is_text else 1 if is_own else None
        if isinstance(column.type, HexText | NameBytes):
            row[column.name] = f"{getattr(column.type, 'prefix', '')}{number:032x}"
        if isinstance(column.type, LargeBinary):
            row[column.name] = b"1"
    row |= {"merchant_id": 1} if "merchant_id" in row else {}
    for column in table.primary_key:
        if column.name in ("seq", "id") and column.type.python_type is int:
            row[column.name] = number
    return row | values


@pytest.fixture
async def database(tmp_path: Path, migrated_sqlite: Path) -> AsyncIterator[Database]:
    shutil.copy(migrated_sqlite, tmp_path / "tap2.sqlite")
    database = open_database(sqlite_url(str(tmp_path)))
    await add(database, metadata.tables["merchants"], row_of(metadata.tables["merchants"], 1))
    yield database
    await database.close()


async def add(database: Database, table: Table, *rows: dict[str, Any]) -> None:
    async with database.write() as connection:
        for row in rows:
            await connection.execute(table.insert().values({named(table, name): row[name] for name in row}))


async def count(database: Database, table: Table) -> int:
    async with database.read() as connection:
        return len((await connection.execute(select(table))).all())


def test_every_table_is_purged_or_stays_on_purpose():
    assert metadata.tables.keys() == AGES.keys() | OTHERWISE.keys() | STAY
    assert len(metadata.tables) == len(AGES) + len(OTHERWISE) + len(STAY)


@pytest.mark.parametrize("name", AGES)
async def test_rows_are_deleted_only_after_their_retention(database, name):
    table, (column, days) = metadata.tables[name], AGES[name]
    extra = {"trials": 0, "writer": 0} if name == "waiting" else {}
    ages = (days + 1.5, days + 400, days - 1.5, 0)
    rows = [row_of(table, number, **{column: aged(column, age)}, **extra) for number, age in enumerate(ages, 1)]
    await add(database, table, *rows)
    await jobs.purge(database, retention_days=RETENTION)
    async with database.read() as connection:
        left = sorted((await connection.execute(select(named(table, column)))).scalars())
    assert left == sorted(row[column] for row in rows[2:])


async def test_purchase_without_a_decision_has_its_own_retention(database):
    table = metadata.tables["outcomes"]
    ages = (RETENTION + 1, RETENTION - 1)
    rows = [
        row_of(table, number, decision_id=None, occurred_at=aged("occurred_at", age))
        for number, age in enumerate(ages, 1)
    ]
    await add(database, table, *rows)
    await jobs.purge(database, retention_days=RETENTION)
    assert await count(database, table) == 1


async def test_a_preview_counts_what_the_purge_deletes_and_deletes_nothing(database):
    for name in ("usage", "outcomes", "rule_days"):
        table, (column, days) = metadata.tables[name], AGES[name]
        rows = [
            row_of(table, n, **{column: aged(column, age)}) for n, age in enumerate((days - 1.5, days + 2, days + 9))
        ]
        await add(database, table, *rows)
    counted = {each.table: each.rows for each in await jobs.preview_retention(database, days=RETENTION)}
    assert counted == {"usage": 2, "outcomes": 2, "rule_days": 2}
    assert await jobs.preview_retention(database, days=10 * RETENTION) == []
    assert [await count(database, metadata.tables[name]) for name in counted] == [3, 3, 3]
    await jobs.purge(database, retention_days=RETENTION)
    assert [await count(database, metadata.tables[name]) for name in counted] == [1, 1, 1]
    assert await jobs.preview_retention(database, days=RETENTION) == []


async def test_minutes_that_outcomes_are_awaited_for_stay(database):
    table = metadata.tables["waiting"]
    await add(database, table, row_of(table, 1, minute=aged("minute", 300), trials=2))
    await jobs.purge(database, retention_days=RETENTION)
    assert await count(database, table) == 1


@pytest.mark.parametrize("name", ["statistics", "delays", "arrivals", "amounts", "experiment_sums", "rule_fired"])
async def test_sums_that_hold_no_customers_stay(database, name):
    table = metadata.tables[name]
    old = {"day": 1} if "day" in table.columns else {}
    await add(database, table, row_of(table, 1, **old))
    await jobs.purge(database, retention_days=RETENTION)
    assert await count(database, table) == 1


async def test_previews_have_their_own_retention(database):
    table = metadata.tables["previews"]
    ages = (KEPT_DAYS + 1, KEPT_DAYS - 1)
    await add(
        database,
        table,
        *(row_of(table, number, started_at=aged("started_at", age)) for number, age in enumerate(ages)),
    )
    async with database.write() as connection:
        await previews.purge(connection, before=now_ms() - KEPT_DAYS * DAY)
    assert await count(database, table) == 1


@pytest.mark.parametrize(
    ("name", "over", "open_"),
    [
        ("sessions", {"expires_at": 99, "last_seen_at": 99}, {"expires_at": 200, "last_seen_at": 99}),
        ("sessions", {"expires_at": 200, "last_seen_at": 50}, {"expires_at": 101, "last_seen_at": 51}),
        ("invitations", {"expires_at": 100}, {"expires_at": 101}),
        ("login_attempts", {"began_at": 40}, {"began_at": 41}),
    ],
)
async def test_expired_sessions_and_invitations_are_deleted(database, name, over, open_):
    await add(database, metadata.tables["users"], row_of(metadata.tables["users"], 1))
    table = metadata.tables[name]
    await add(database, table, row_of(table, 1, **over), row_of(table, 2, **open_))
    async with database.write() as connection:
        await people.purge(connection, now=100, seen_after=50, began_before=40)
    async with database.read() as connection:
        keys = (await connection.execute(select(next(iter(table.primary_key.columns))))).scalars().all()
    assert keys == ["2"]


def test_guide_lists_deleted_and_kept_tables():
    page = (ROOT / "docs" / "running.md").read_text()
    section = re.split(r"\n## ", page.partition("\n## Retention\n")[2])[0]
    gone, _, stays = " ".join(section.split()).lower().partition("keeps")
    for words in ("decisions", "outcomes", "usage", "exposures", "counts for charts", "ended sessions", "90 days"):
        assert words in gone, words
    for words in ("statistics", "sums of experiments", "plan versions", "audit log", "no customers"):
        assert words in stays, words


async def test_decisions_are_logged_while_much_is_purged(shop, monkeypatch):
    monkeypatch.setattr(purging, "PIECE", 10)
    monkeypatch.setattr(purging, "PIECES_OF_A_LOOK", 3)
    table = metadata.tables["usage"]
    old = [row_of(table, number, day=1) for number in range(1, 101)]
    await add(shop.engine.database, table, *old)
    purge = asyncio.create_task(jobs.purge(shop.engine.database, retention_days=RETENTION))
    while (left := await count(shop.engine.database, table)) == len(old):
        await asyncio.sleep(0)
    answer = await shop.decide()
    assert left > 0
    assert not answer.decision.fallback
    await purge
    assert await count(shop.engine.database, table) == 0
