"""`tap2 evaluate`: what another policy would have earned, from a log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from math import isnan
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bandits.evaluation.estimators import Estimate
from engine.data_folder import log_reader
from engine.insights.evaluation import Alternative, Evaluation, Evenly, First, InOrder
from engine.insights.evaluation import evaluate as evaluate_log
from engine.model.timestamps import to_ms
from engine.previews.forecasts import Forecast, count_correct
from engine.service import Engine
from evaluation.bandit_log import BadLog, read_item_features, read_log, read_posteriors
from evaluation.bandit_log_estimates import chances_of, estimates, log_of
from web.cli.common import as_json, show, with_engine

A_FILE = click.Path(path_type=Path)
A_DAY = click.DateTime(["%Y-%m-%d"])
FIRST = "first:"


@click.group(invoke_without_command=True)
@click.option("--forecasts", is_flag=True, help="Show how often previews were right about published versions.")
@click.option("--merchant", help="The merchant's slug, for --forecasts.")
@click.option("--mode", type=click.Choice(["live", "test"]), default="live", show_default=True)
@as_json
@click.pass_context
def evaluate(context: click.Context, *, forecasts: bool, merchant: str | None, mode: str, json: bool) -> None:
    """Estimate from a log what another policy would have earned."""
    if context.invoked_subcommand is not None:
        if forecasts:
            raise click.UsageError("--forecasts goes without a command")
        return
    if not forecasts:
        click.echo(context.get_help())
        return
    if merchant is None:
        raise click.UsageError("--forecasts needs --merchant")
    _show_forecasts(merchant, mode, json=json)


@evaluate.command("log")
@click.argument("placement")
@click.option("--merchant", required=True, help="The merchant's slug.")
@click.option("--mode", type=click.Choice(["live", "test"]), default="live", show_default=True)
@click.option("--policy", default="order", show_default=True, help="order, even, or first:CANDIDATE.")
@click.option("--from", "since", type=A_DAY, help="The first day, in UTC; by default 28 days before --to.")
@click.option("--to", "until", type=A_DAY, help="The last day, in UTC; by default today.")
@as_json
def log(*, placement: str, merchant: str, mode: str, policy: str, json: bool, **days: datetime | None) -> None:
    """Evaluate another policy on the log of a placement.

    The policy fills the slots that were drawn: in the merchant's own order, evenly, or with one candidate first.
    """
    alternative = _alternative(policy)
    since, until = _period(days["since"], days["until"])

    async def work(engine: Engine) -> Evaluation:
        side = await engine.accounts.merchant(merchant, mode)
        async with log_reader(engine.settings, engine.database) as reader:
            return await evaluate_log(reader, side.id, placement, alternative, since=since, until=until)

    evaluation = with_engine(work)
    rows = {
        "logged policy": evaluation.logged,
        "IPS": evaluation.ips,
        "SNIPS": evaluation.snips,
        "reward-interaction IPS": evaluation.by_slot,
        "difference": evaluation.difference,
    }
    counts = {
        "placement": placement,
        "policy": policy,
        "decisions": evaluation.decisions,
        "left_out": evaluation.left_out,
        "deciding": evaluation.deciding,
    }
    _show(rows, counts, json=json, title=f"Successes a decision, policy {policy}")


@evaluate.command("obd")
@click.argument("csv", metavar="CSV", type=A_FILE)
@click.option("--items", type=A_FILE, required=True, help="The item_context file.")
@click.option("--posteriors", type=A_FILE, required=True, help="CSV of item_id, alpha, beta: what is evaluated.")
@click.option("--truth", "actual_log", type=A_FILE, help="A log of the evaluated policy itself, to compare with.")
@as_json
def obd(csv: Path, *, items: Path, posteriors: Path, actual_log: Path | None, json: bool) -> None:
    """Evaluate Thompson sampling on a log of the Open Bandit Dataset."""
    try:
        features = read_item_features(items)
        logged = log_of(read_log(csv), features)
        rows = estimates(logged, chances_of(read_posteriors(posteriors), list(features)))
        rate = _click_rate(actual_log) if actual_log else None
    except BadLog as error:
        raise click.ClickException(str(error)) from None
    counts = {"log": csv.name, "rows": len(logged.item)} | ({} if rate is None else {"truth": rate})
    _show(rows, counts, json=json, title="Clicks a row", actual=rate)


def _show_forecasts(merchant: str, mode: str, *, json: bool) -> None:
    """Print what previews expected of published versions and what came, and how often both agree."""

    async def work(engine: Engine) -> list[Forecast]:
        side = await engine.accounts.merchant(merchant, mode)
        return await engine.forecasts.of(side.id)

    forecasts = with_engine(work)
    right, judged = count_correct(forecasts)
    rows = [_forecast_row(forecast) for forecast in forecasts]
    if json:
        show({"right": right, "judged": judged, "forecasts": rows}, json=True)
        return
    show(rows, json=False, title=f"Forecasts: {right} of {judged} agree with the actual change")


def _forecast_row(forecast: Forecast) -> dict[str, Any]:
    expected, outcome = forecast.expected, forecast.outcome
    is_judged = outcome is not None and outcome.holds is not None
    return {
        "placement": forecast.placement,
        "version": forecast.version,
        "reward": forecast.reward,
        "expected": None if expected.refused else [round(expected.low, 5), round(expected.high, 5)],
        "came": [round(outcome.low, 5), round(outcome.high, 5)] if outcome and is_judged else None,
        "against": outcome.against if outcome and is_judged else None,
        "holds": outcome.holds if outcome else None,
        "final": forecast.is_final,
    }


def _period(first: datetime | None, last: datetime | None) -> tuple[int, int]:
    """Return the first millisecond of the first day and that after the last day, or after now."""
    end = last.replace(tzinfo=UTC) + timedelta(days=1) if last else datetime.now(UTC) + timedelta(seconds=1)
    start = first.replace(tzinfo=UTC) if first else end - timedelta(days=29 if last else 28)
    return to_ms(start), to_ms(end)


def _alternative(policy: str) -> Alternative:
    if policy.startswith(FIRST) and len(policy) > len(FIRST):
        return First(policy.removeprefix(FIRST))
    alternatives: dict[str, Alternative] = {"order": InOrder(), "even": Evenly()}
    if policy not in alternatives:
        raise click.BadParameter("must be order, even, or first: and a candidate's id", param_hint="--policy")
    return alternatives[policy]


def _click_rate(path: Path) -> float:
    rows = read_log(path)
    return sum(row.clicked for row in rows) / len(rows)


def _show(
    rows: Mapping[str, Estimate], counts: Mapping[str, Any], *, json: bool, title: str, actual: float | None = None
) -> None:
    if json:
        show({**counts, "estimates": {name: _as_numbers(estimate) for name, estimate in rows.items()}}, json=True)
        return
    console = Console()
    console.print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in counts.items()))
    console.print(_table(rows, title, actual))
    for name, estimate in rows.items():
        if estimate.refused:
            console.print(f"{name} is refused: {estimate.refused}.")


def _as_numbers(estimate: Estimate) -> dict[str, Any]:
    """Return the fields for JSON, which has no NaN."""
    return {name: None if value != value else value for name, value in asdict(estimate).items()}


def _table(rows: Mapping[str, Estimate], title: str, actual: float | None) -> Table:
    table = Table(title=title)
    for name in ("", "value", "95% interval", "effective sample", "largest weight", "mean weight"):
        table.add_column(name, justify="right" if name else "left")
    if actual:
        table.add_column("relative error", justify="right")
    for name, estimate in rows.items():
        interval = "none" if isnan(estimate.low) else f"{estimate.low:.4g} to {estimate.high:.4g}"
        value, interval = ("refused", "") if estimate.refused else (f"{estimate.value:.4g}", interval)
        error = [] if not actual else ["" if estimate.refused else f"{abs(estimate.value - actual) / actual:.3f}"]
        weights = (f"{estimate.effective_sample:,.0f}", f"{estimate.largest_weight:.3g}", f"{estimate.mean_weight:.3f}")
        table.add_row(name, value, interval, *weights, *error)
    return table
