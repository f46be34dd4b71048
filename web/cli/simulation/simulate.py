"""`tap2 simulate`: policies in a world whose truth is known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from simulation.errors import BadScenario
from simulation.runner import moments, run_all
from simulation.scenario import SimulationScenario, kind_of, read
from simulation.summary import average, quantiles
from simulation.worlds.world import Floats
from web.cli.common import NewFile, as_json, show
from web.cli.simulation.simulate_chart import NoAssets, page

BARS = " ▁▂▃▄▅▆▇█"
WIDTH = 12


@click.command()
@click.argument("scenario", metavar="SCENARIO", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--seeds", type=click.IntRange(1, 10_000), help="Runs of each policy; by default the scenario's.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes; by default one for each processor.")
@click.option("--chart", type=NewFile(), help="Write the curves as an HTML page.")
@as_json
def simulate(scenario: Path, *, seeds: int | None, workers: int | None, chart: Path | None, json: bool) -> None:
    """Play the policies of a scenario (a TOML file) in its world, and print the regret of each.

    Regret is how much less than the best choice a policy is expected to have earned. On each seed all policies meet the
    same visits with the same luck.
    """
    played = _read(scenario, seeds)
    with _progress(quiet=json) as progress:
        task = progress.add_task("runs", total=played.seeds * len(played.policies))
        curves = run_all(played, workers=workers or os.cpu_count() or 1, done=lambda: progress.advance(task))
    if chart:
        _write(chart, played, curves)
    if json:
        show(_document(played, curves), json=True)
    else:
        Console().print(_table(played, curves))


def _read(path: Path, seeds: int | None) -> SimulationScenario:
    try:
        scenario = read(path.read_text())
    except (BadScenario, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path.name}: {error}") from None
    return msgspec.structs.replace(scenario, seeds=seeds) if seeds else scenario


def _progress(*, quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=quiet)


def _write(chart: Path, scenario: SimulationScenario, curves: Sequence[Floats]) -> None:
    try:
        chart.write_text(page(scenario, curves))
    except (NoAssets, OSError) as error:
        raise click.ClickException(f"--chart: {error}") from None


def _document(scenario: SimulationScenario, curves: Sequence[Floats]) -> dict[str, object]:
    return {
        "scenario": scenario.name,
        "horizon": scenario.horizon,
        "seeds": scenario.seeds,
        "visits": moments(scenario.horizon).tolist(),
        "policies": [
            {
                "name": name,
                "regret": average(curve[:, -1])._asdict(),
                "regrets": curve[:, -1].tolist(),
                "curve": curve.mean(axis=0).tolist(),
            }
            for name, curve in zip(scenario.titles(), curves, strict=True)
        ],
    }


def _table(scenario: SimulationScenario, curves: Sequence[Floats]) -> Table:
    size = f"{scenario.horizon:,} visits, {scenario.seeds} {'seed' if scenario.seeds == 1 else 'seeds'}"
    table = Table(title=f"{scenario.name} ({kind_of(scenario.world)}, {size})")
    table.add_column("policy", overflow="fold")
    for name in ("regret", "95% interval", "90% of seeds", "a visit"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("over time", no_wrap=True)
    highest = max(float(curve.mean(axis=0)[-1]) for curve in curves)
    for name, curve in zip(scenario.titles(), curves, strict=True):
        mean, low, high = average(curve[:, -1])
        least, most = quantiles(curve[:, -1])
        figures = (f"{mean:,.1f}", f"{low:,.1f}–{high:,.1f}", f"{least:,.1f}–{most:,.1f}")
        table.add_row(name, *figures, f"{mean / scenario.horizon:.4f}", _bars(curve.mean(axis=0), highest))
    return table


def _bars(curve: Floats, highest: float) -> str:
    """Draw the curve in block characters, on a scale that all policies share."""
    indexes = [round((index + 1) * len(curve) / WIDTH) - 1 for index in range(WIDTH)]
    steps = len(BARS) - 1
    heights = (curve[max(index, 0)] / highest if highest > 0 else 0.0 for index in indexes)
    return "".join(BARS[min(steps, max(0, round(steps * float(height))))] for height in heights)
