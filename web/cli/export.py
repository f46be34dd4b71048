"""`tap2 export`: the log as open data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from engine.model.timestamps import to_ms
from engine.service import Engine
from web.cli.common import as_json, show, with_engine

A_DAY = click.DateTime(["%Y-%m-%d"])
DAYS = 28


@click.group()
def export() -> None:
    """Write the log as open data."""


@export.command("decisions")
@click.option("--merchant", required=True, help="The merchant's slug.")
@click.option("--mode", type=click.Choice(["live", "test"]), default="live", show_default=True)
@click.option("--placement", help="The key of a placement; by default all.")
@click.option("--from", "since", type=A_DAY, help="The first day, in UTC; by default 28 days before --to.")
@click.option("--to", "until", type=A_DAY, help="The last day, in UTC; by default today.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default="decisions.parquet", show_default=True)
@as_json
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
        return await export_decisions(engine.database, side.id, out, begin=begin, end=end, placement=placement)

    exported = with_engine(work)
    show({"file": str(out), **exported._asdict()}, json=json)


def _span(since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """Return the instants between which whole days in UTC lie, in epoch milliseconds."""
    last = (until or datetime.now(UTC)).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    first = since.replace(tzinfo=UTC) if since else last - timedelta(days=DAYS - 1)
    if first > last:
        raise click.UsageError("--from must not be after --to")
    return to_ms(first), to_ms(last + timedelta(days=1))
