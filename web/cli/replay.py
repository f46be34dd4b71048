"""`tap2 replay`: play recorded data against a running server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import click
import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from evaluation.bandit_log import BadLog, LoggedRow, campaign_of, items_of, read_items, read_log
from evaluation.bandit_log_play import LogPlayer, ReplayResult, ReplayStopped
from evaluation.bandit_log_report import Rate, ReplayReport, caveat, report, verdict
from web.cli.common import as_json, show


@click.group()
def replay() -> None:
    """Play recorded data against a running server."""


@replay.command()
@click.argument("log", metavar="CSV", type=click.Path(path_type=Path))
@click.option("--items", type=click.Path(path_type=Path), help="The item_context file; by default the log's own items.")
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, envvar="TAP2_URL")
@click.option("--key", required=True, envvar="TAP2_KEY", help="A secret key; also read from TAP2_KEY.")
@click.option("--placement", help="The placement that learns; by default obd.<campaign>.")
@click.option("--limit", type=click.IntRange(1, 2**53), help="Only the first rows.")
@click.option("--at-once", type=click.IntRange(1, 64), default=16, show_default=True, help="Requests in flight.")
@as_json
def obd(log: Path, *, items: Path | None, placement: str | None, limit: int | None, json: bool, **server: Any) -> None:
    """Play a log of the Open Bandit Dataset by rejection.

    For every logged row the server is asked for a decision. The row counts when the answer has the logged item
    at the logged position; then the logged click is reported back, and the server learns from it.
    """
    target = placement or f"obd.{campaign_of(log)}"
    try:
        rows = read_log(log, limit=limit)
        catalogue = read_items(items) if items else items_of(rows)
        _check_items(rows, catalogue)
        fresh, played = asyncio.run(_run(Server(**server), rows, catalogue, target, quiet=json))
    except (BadLog, ReplayStopped) as error:
        raise click.ClickException(str(error)) from None
    result = report(
        rows, played.matched, fallbacks=played.fallbacks, seconds=played.seconds, latencies=played.latencies
    )
    if json:
        show(_document(result, target, fresh), json=True)
    else:
        _print(result, target, fresh)


class Server(NamedTuple):
    """The target of a replay: the server's address, a secret key, and how many requests are in flight."""

    url: str
    key: str
    at_once: int

    def client(self) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {self.key}"}
        limits = httpx.Limits(max_connections=self.at_once)
        try:
            return httpx.AsyncClient(base_url=self.url, headers=headers, limits=limits, timeout=30.0)
        except (httpx.InvalidURL, ValueError) as error:
            raise ReplayStopped(f"--url: {error}") from None


async def _run(
    server: Server, rows: Sequence[LoggedRow], items: Sequence[str], placement: str, *, quiet: bool
) -> tuple[bool, ReplayResult]:
    async with server.client() as http:
        player = LogPlayer(http, placement, at_once=server.at_once)
        fresh = await player.prepare(items)
        with _progress(quiet) as progress:
            task = progress.add_task("rows", total=len(rows))
            return fresh, await player.play(rows, lambda: progress.advance(task))


def _check_items(rows: Sequence[LoggedRow], items: Sequence[str]) -> None:
    strange = {row.item for row in rows} - set(items)
    if strange:
        raise BadLog(f"--items: item {min(strange)} of the log is not in it")


def _progress(quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=quiet)


def _document(result: ReplayReport, placement: str, fresh: bool) -> dict[str, object]:
    words = {"verdict": verdict(result), "caveat": caveat(result)}
    return {"placement": placement, "fresh": fresh, **asdict(result), **words}


def _print(result: ReplayReport, placement: str, fresh: bool) -> None:
    table = Table(show_header=False, title=f"Placement {placement}")
    table.add_column()
    table.add_column(justify="right")
    table.add_row("rows", f"{result.rows:,}")
    table.add_row("matches", f"{result.matches:,} ({result.matches / result.rows:.2%})")
    if result.fallbacks:
        table.add_row("answered by the fallback order", f"{result.fallbacks:,}")
    table.add_row("click rate of the log", _rate(result.logged))
    table.add_row("click rate learned", _rate(result.learned))
    table.add_row("decisions/s", f"{result.decisions_per_second:,.0f}")
    table.add_row("latency p50 / p95 / p99", f"{result.p50:.1f} / {result.p95:.1f} / {result.p99:.1f} ms")
    console = Console()
    console.print(table)
    console.print(verdict(result))
    console.print(caveat(result))
    if not fresh:
        console.print(f"{placement} had learned before; on rows that it has seen, its rate is too high.")


def _rate(rate: Rate | None) -> str:
    return "no match" if rate is None else f"{rate.value:.3%} (95% interval {rate.low:.3%} to {rate.high:.3%})"
