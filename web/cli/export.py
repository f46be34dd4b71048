"""`tap2 export`: the log as open data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

import click

from engine.data_folder import log_reader
from engine.insights.verification_export import ExportedDecisions, export_for_verification
from engine.model.timestamps import to_ms
from engine.service import Engine
from web.cli.common import NewFile, as_json, show, with_engine

A_DAY = click.DateTime(["%Y-%m-%d"])
DAYS = 28
Command = Callable[..., Any]


@click.group()
def export() -> None:
    """Write the log as open data."""


def of_a_log(file: str) -> Callable[[Command], Command]:
    """Add the options that say which part of a log is written; `file` is the default of --out."""
    options = [
        click.option("--merchant", required=True, help="The merchant's slug."),
        click.option("--mode", type=click.Choice(["live", "test"]), default="live", show_default=True),
        click.option("--placement", help="The key of a placement; by default all."),
        click.option("--from", "since", type=A_DAY, help="The first day, in UTC; by default 28 days before --to."),
        click.option("--to", "until", type=A_DAY, help="The last day, in UTC; by default today."),
        click.option("--out", type=NewFile(), default=file, show_default=True),
        as_json,
    ]
    return lambda command: reduce(lambda decorated, option: option(decorated), reversed(options), command)


@export.command("decisions")
@of_a_log("decisions.parquet")
def export_decision_log(
    *,
    merchant: str,
    mode: str,
    placement: str | None,
    out: Path,
    json: bool,
    **days: datetime | None,
) -> None:
    """Write decisions with their outcomes as Parquet, for DuckDB, pandas, Spark and off-policy tools.

    Customers are keyed hashes. docs/data-export.md describes each column.
    """
    # Arrow starts a thread and takes 50 MB, which a server that shares this command line must not pay for.
    from engine.insights.log_export import ExportedLog, export_decisions

    begin, end = _span(days["since"], days["until"])

    async def work(engine: Engine) -> ExportedLog:
        side = await engine.accounts.merchant(merchant, mode)
        async with log_reader(engine.settings, engine.database) as log:
            return await export_decisions(log, side.id, out, begin=begin, end=end, placement=placement)

    exported = with_engine(work)
    show({"file": str(out), **exported._asdict()}, json=json)


@export.command("verification")
@of_a_log("decisions.ndjson")
def export_verification(
    *,
    merchant: str,
    mode: str,
    placement: str | None,
    out: Path,
    json: bool,
    **days: datetime | None,
) -> None:
    """Write decisions with what they were drawn from, for the verifier in sdks/verifier/.

    The file has no facts, and customers are keyed hashes. docs/verifier.md describes each line.
    """
    begin, end = _span(days["since"], days["until"])

    async def work(engine: Engine) -> ExportedDecisions:
        side = await engine.accounts.merchant(merchant, mode)
        async with log_reader(engine.settings, engine.database) as log:
            return await export_for_verification(log, side.id, out, begin=begin, end=end, placement=placement)

    exported = with_engine(work)
    show({"file": str(out), **exported._asdict()}, json=json)


def _span(since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """Return the instants between which whole days in UTC lie, in epoch milliseconds."""
    last = (until or datetime.now(UTC)).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    first = since.replace(tzinfo=UTC) if since else last - timedelta(days=DAYS - 1)
    if first > last:
        raise click.UsageError("--from must not be after --to")
    return to_ms(first), to_ms(last + timedelta(days=1))
