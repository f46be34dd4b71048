"""What the contextual policy gains by knowing what candidates are like, and by counting what waits, in small."""

from pathlib import Path

import msgspec

from simulation.runner import run_all
from simulation.scenario import Trickling, read

SCENARIOS = Path(__file__).parent.parent.parent / "simulation" / "scenarios"


def regrets(name, *, world, **changes):
    """At the end, summed over the seeds: of the policy that is told more, and of the one that is not."""
    scenario = read((SCENARIOS / f"{name}.toml").read_text())
    few = msgspec.structs.replace(scenario, world=msgspec.structs.replace(scenario.world, **world), **changes)
    return [float(curve[:, -1].sum()) for curve in run_all(few, workers=1)]


def test_newcomers_cost_less_where_it_is_known_whom_they_are_like():
    told, not_told = regrets("kindred", world={"own": 0.1, "churn": 0.02, "spread": 1.5}, horizon=1_500, seeds=2)
    assert told < 0.8 * not_told


def test_late_successes_cost_far_less_where_open_decisions_count():
    told, not_told = regrets(
        "contextual_late",
        world={"arms": 4, "features": 3},
        horizon=1_500,
        seeds=1,
        telling=Trickling(mean=200, window=3_000),
    )
    assert told < 0.6 * not_told
