"""Grow the log of a SQLite file by copies of its decisions, faster than the engine could decide.

A copy moves decisions by whole hours, around the end of the span. The sums of metrics are those of the copies, each
with its customers in other clusters, so that hours and clusters fill as other customers would fill them. Of outcomes
only purchases are copied. Other sums stay as they were.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from benchmarks.checks.metric_counts import NAMES
from engine.model.timestamps import HOUR
from engine.statistics.lift import CLUSTERS

SUMS = ", ".join(f"SUM({name}) AS {name}" for name in NAMES)
KEYS = "merchant_id, placement, dimension, {hour} AS hour, arm, {value} AS value, writer"


class Copies(NamedTuple):
    """The growth of a log: `shifts` times by hours, and each of these `rotations` times, at most 20, by clusters."""

    shifts: int
    rotations: int


class _Window(NamedTuple):
    """The epoch hours of a log."""

    first: int
    count: int


def multiply(path: Path, copies: Copies) -> None:
    """Replace a log by so many copies of itself; nothing else may have the file open."""
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000;")
    ends = connection.execute("SELECT MIN(hour), MAX(hour) FROM metric_hours").fetchone()
    window = _Window(ends[0], ends[1] - ends[0] + 1)
    _multiply_log(connection, window, copies)
    _multiply_sums(connection, window, copies)
    connection.commit()
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


def _multiply_log(connection: sqlite3.Connection, window: _Window, copies: Copies) -> None:
    def moved(id: bytes, number: int) -> bytes:
        time = int.from_bytes(id[:6]) + number % copies.shifts * HOUR
        time -= window.count * HOUR if time >= (window.first + window.count) * HOUR else 0
        return time.to_bytes(6) + id[6:14] + (int.from_bytes(id[14:]) ^ number).to_bytes(2)

    connection.create_function("moved", 2, moved, deterministic=True)
    connection.create_function("bytes_of", 1, lambda id: bytes.fromhex(id[4:]), deterministic=True)
    connection.executescript("""
        CREATE TEMP TABLE base AS SELECT * FROM decisions;
        CREATE TEMP TABLE bought AS SELECT outcomes.*, bytes_of(decision_id) AS id FROM outcomes
            WHERE type = 'converted';
        DROP INDEX ix_outcomes_decision;
    """)
    for number in range(1, copies.shifts * copies.rotations):
        connection.execute(
            "INSERT INTO decisions (merchant_id, id, placement, customer, plan_version, beliefs_version, dictionary, "
            "record) SELECT merchant_id, moved(id, ?1), placement, customer, plan_version, "
            "beliefs_version, dictionary, record FROM base",
            (number,),
        )
        connection.execute(
            "INSERT INTO outcomes (merchant_id, event_id, decision_id, placement, type, candidate, amount, currency, "
            "occurred_at, recorded_at) SELECT merchant_id, ?1 || '-' || event_id, "
            "'dec_' || lower(hex(moved(id, ?1))), placement, type, candidate, amount, currency, "
            "occurred_at + ?2, recorded_at + ?2 FROM bought",
            (number, number % copies.shifts * HOUR),
        )
    connection.execute("CREATE INDEX ix_outcomes_decision ON outcomes (decision_id)")


def _multiply_sums(connection: sqlite3.Connection, window: _Window, copies: Copies) -> None:
    moved = KEYS.format(hour=f"{window.first} + (hour - {window.first} + number) % {window.count}", value="value")
    rotated = f"CASE dimension WHEN 'cluster' THEN printf('%02d', (value + number) % {CLUSTERS}) ELSE value END"
    connection.executescript("CREATE TEMP TABLE numbers (number INTEGER)")
    connection.executemany("INSERT INTO numbers VALUES (?)", ((number,) for number in range(CLUSTERS)))
    columns = ", ".join(("merchant_id", "placement", "dimension", "hour", "arm", "value", "writer", *NAMES))
    connection.executescript(f"""
        CREATE TEMP TABLE shifted AS SELECT {moved}, {SUMS} FROM metric_hours CROSS JOIN numbers
            WHERE number < {copies.shifts} GROUP BY 1, 2, 3, 4, 5, 6, 7;
        DELETE FROM metric_hours;
        INSERT INTO metric_hours ({columns})
            SELECT {KEYS.format(hour="hour", value=rotated)}, {SUMS} FROM shifted CROSS JOIN numbers
            WHERE number < {copies.rotations} GROUP BY 1, 2, 3, 4, 5, 6, 7;
    """)
