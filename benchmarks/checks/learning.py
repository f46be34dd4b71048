"""Compare the cost of learning with the textbook and other libraries, in worlds whose truth is known.

`python -m benchmarks.verify learning` keeps the table in docs/verification.md; `python -m benchmarks.checks.learning 3`
prints it for three seeds. Worlds and policies are the scenarios in simulation/scenarios/.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import peers_environment
from benchmarks.checks.late_beliefs import belief_errors
from benchmarks.process import ROOT
from simulation.runner import run_all
from simulation.scenario import read
from simulation.summary import average, ratio
from simulation.worlds.world import Floats

Row = tuple[str, str, str, str]
COLUMNS = ("world", "ours", "others", "goal")


class Peer(NamedTuple):
    """Another library's policy in `benchmarks/peers/`; `seeds` limits slow ones."""

    key: str
    name: str
    seeds: int


class ComparedWorld(NamedTuple):
    """A scenario, the product's policy in it, the measure, and the goal."""

    scenario: str
    what: str
    product_regrets: str
    goal: str
    others: tuple[str, ...] = ()
    peers: tuple[Peer, ...] = ()


BASELINES = ("textbook", "thompson outcomes only")
WORLDS = (
    ComparedWorld("churn", "candidates that come and go, outcomes at once (Chapelle and Li)", "thompson", "9,105 ± 7%"),
    ComparedWorld("churn_batches", "the same, outcomes a hundred visits at a time", "thompson", "11,550 ± 7%"),
    ComparedWorld(
        "ten_arms",
        "ten candidates, one slot",
        "thompson",
        "at most 1.1 x textbook",
        ("textbook",),
        (
            Peer("mabwiser_thompson", "MABWiser Thompson", 20),
            Peer("river_thompson", "river Thompson", 100),
            Peer("vw_squarecb", "Vowpal Wabbit squarecb", 20),
        ),
    ),
    ComparedWorld(
        "ten_arms",
        "the same, watching for jumps",
        "thompson that starts again",
        "at most 1.2 x textbook",
        ("textbook",),
    ),
    ComparedWorld("jumps", "three jumps", "thompson that starts again", "at most 0.4 x textbook", ("textbook",)),
    ComparedWorld(
        "contextual",
        "ten features, ten candidates, another world on each seed",
        "contextual",
        "at most 1.0 x river's LinUCB",
        ("thompson",),
        (
            Peer("river_linucb", "river LinUCB", 20),
            Peer("mabwiser_lints", "MABWiser LinTS", 10),
            Peer("vw_squarecb", "Vowpal Wabbit squarecb", 20),
        ),
    ),
    ComparedWorld(
        "kindred",
        "candidates of four kinds, forty newcomers among them",
        "knows the kinds",
        "less than without the kinds",
        ("contextual",),
    ),
    ComparedWorld(
        "contextual_late",
        "five features, successes 500 visits late on average",
        "open decisions count by their age",
        "less than by outcomes alone",
        ("outcomes only",),
    ),
    ComparedWorld(
        "position_based",
        "eight slots, seen less the further down",
        "thompson",
        "at most 40",
        ("textbook",),
        (Peer("vw_ccb_squarecb", "Vowpal Wabbit ccb squarecb", 10),),
    ),
    ComparedWorld(
        "cascade", "the first that pleases, of four in eight", "thompson", "at most 65", ("textbook", "kl_ucb")
    ),
    ComparedWorld("late", "outcomes 1,000 visits late", "thompson", "at most 1.0 x textbook", BASELINES),
    ComparedWorld("trickling", "successes 1,000 visits late on average", "thompson", "", BASELINES),
    ComparedWorld(
        "new_merchant", "a new merchant, 20 others known, 1,000 visits", "peers", "at most 0.35 x flat", ("flat",)
    ),
    ComparedWorld("unlike_merchant", "the same, unlike all others", "peers", "at most 1.5 x flat", ("flat",)),
    ComparedWorld(
        "shoppers",
        "the demo's shoppers",
        "each country, shrunk to all",
        "",
        ("all countries as one", "fixed", "uniform"),
    ),
)


def figures(most_seeds: int | None = None) -> list[Row]:
    """Return a row for each world; fewer seeds give a quick look."""
    regrets_by_scenario: dict[str, dict[str, Floats]] = {}
    rows = []
    for world in WORLDS:
        if world.scenario not in regrets_by_scenario:
            regrets_by_scenario[world.scenario] = _played(world.scenario, most_seeds)
        rows.append(_row(world, regrets_by_scenario[world.scenario], most_seeds))
    return [*rows, *_bias_rows(most_seeds or 100)]


def _played(name: str, most_seeds: int | None) -> dict[str, Floats]:
    """Return the final regrets (seeds,) of each policy."""
    scenario = read(_path(name).read_text())
    scenario = msgspec.structs.replace(scenario, seeds=min(scenario.seeds, most_seeds or scenario.seeds))
    curves = run_all(scenario, workers=os.cpu_count() or 1)
    return {title: curve[:, -1] for title, curve in zip(scenario.titles(), curves, strict=True)}


def _path(name: str) -> Path:
    return ROOT / "simulation" / "scenarios" / f"{name}.toml"


def _row(world: ComparedWorld, regrets: dict[str, Floats], most_seeds: int | None) -> Row:
    product_regrets = regrets[world.product_regrets]
    others = [_comparison(name, regrets[name], product_regrets) for name in world.others]
    others += [_peer(world, peer, product_regrets, most_seeds) for peer in world.peers]
    return f"{world.what} ({_seeds(product_regrets)})", _with_interval(product_regrets), "; ".join(others), world.goal


def _peer(world: ComparedWorld, peer: Peer, product_regrets: Floats, most_seeds: int | None) -> str:
    if not peers_environment.is_there():
        return f"{peer.name} {peers_environment.ABSENT}"
    seeds = min(peer.seeds, most_seeds or peer.seeds)
    name = peer.name if seeds == len(product_regrets) else f"{peer.name} ({seeds} seeds)"
    return _comparison(name, peers_environment.regrets(_path(world.scenario), peer.key, seeds), product_regrets)


def _comparison(name: str, other_regrets: Floats, product_regrets: Floats) -> str:
    """Return another policy's figure, and the product's relative to it, on the seeds that both played."""
    both = min(len(other_regrets), len(product_regrets))
    text = f"{name} {_with_interval(other_regrets)}"
    if both < 2:
        return text
    quotient, low, high = ratio(product_regrets[:both], other_regrets[:both])
    return f"{text}: ours is {quotient:.2f} x ({low:.2f} to {high:.2f})"


def _bias_rows(seeds: int) -> list[Row]:
    errors = belief_errors(seeds)
    moments = f"from the first closed window on ({seeds} seeds)"
    return [
        (
            "posterior means while successes are under way, against those once all is known, each candidate shown in "
            f"turn, {moments}",
            f"off by {_worst(errors.earlier_curve)} with delays known; {_worst(errors.current_curve)} where they are "
            f"learned on the way, at the end {_signed(errors.current_curve[:, -1])}",
            f"outcomes only: off by {_worst(errors.pending_ignored)}",
            "at most 1%",
        ),
        (
            f"the same, shown by Thompson sampling, {moments}",
            f"off by {_worst(errors.thompson)}, delays learned on the way",
            "",
            "at most 1%",
        ),
        (
            "the same visits, against the true rates, at the end",
            f"off by {_signed(errors.thompson_to_truth[:, -1])}",
            f"who knows at once what will come of each decision: {_signed(errors.complete_to_truth[:, -1])}",
            "",
        ),
    ]


def _worst(values: Floats) -> str:
    """Return the moment at which the seeds' mean is furthest off."""
    return f"{_signed(values[:, np.abs(values.mean(axis=0)).argmax()])} at worst"


def _signed(values: Floats) -> str:
    mean, _, high = average(values)
    return f"{mean:+.1%} ± {high - mean:.1%}"


def _with_interval(values: Floats) -> str:
    mean, _, high = average(values)
    return f"{mean:,.1f} ± {high - mean:,.1f}"


def _seeds(values: Floats) -> str:
    return f"{len(values)} seeds"


def main(most_seeds: int | None) -> None:
    table = Table(*COLUMNS, title="Learning: regret at the end, 95% intervals")
    for row in figures(most_seeds):
        table.add_row(*row)
    Console(width=180).print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
