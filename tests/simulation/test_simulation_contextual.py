"""Test on small runs what the contextual policy gains by kinds of candidates and by pending visits."""

from pathlib import Path

import msgspec
import pytest

from simulation.runner import run_all
from simulation.scenario import TricklingSpec, read

pytestmark = pytest.mark.long
SCENARIOS = Path(__file__).parent.parent.parent / "simulation" / "scenarios"


def regrets(name, *, world, **changes):
    """Return the final regret summed over the seeds: with the additional information, and without it."""
    scenario = read((SCENARIOS / f"{name}.toml").read_text())
    small = msgspec.structs.replace(scenario, world=msgspec.structs.replace(scenario.world, **world), **changes)
    return [float(curve[:, -1].sum()) for curve in run_all(small, workers=1)]


@pytest.mark.long
def test_new_candidates_cost_less_with_known_attributes():
    with_kinds, without_kinds = regrets(
        "kindred", world={"own": 0.1, "churn": 0.02, "spread": 1.5}, horizon=1_500, seeds=2
    )
    assert with_kinds < 0.8 * without_kinds


@pytest.mark.long
def test_late_successes_cost_less_if_pending_decisions_count():
    with_kinds, without_kinds = regrets(
        "contextual_late",
        world={"arms": 4, "features": 3},
        horizon=1_500,
        seeds=1,
        reporting=TricklingSpec(mean=200, window=3_000),
    )
    assert with_kinds < 0.6 * without_kinds
