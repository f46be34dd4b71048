"""Test worlds, the runner and the baseline policies."""

from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np
import pytest

from simulation.policies.baselines import KlUcbPolicy, TextbookPolicy
from simulation.runner import play, run_all
from simulation.scenario import SimulationScenario, read
from simulation.worlds.slots import Cascade, Positions
from simulation.worlds.world import SimulatedVisit, VisitOutcome

ROOT = Path(__file__).parent.parent.parent
SCENARIOS = sorted((ROOT / "simulation" / "scenarios").glob("*.toml"))


def scenario(name: str, **changes: object) -> SimulationScenario:
    text = (ROOT / "simulation" / "scenarios" / f"{name}.toml").read_text()
    return msgspec.structs.replace(read(text), **changes)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_example_is_played(path):
    small = msgspec.structs.replace(read(path.read_text()), horizon=120, seeds=1)
    for curve in run_all(small, workers=1):
        assert curve.shape == (1, 100)
        assert 0 <= curve[0, 0] <= curve[0, -1] < 120


def test_a_run_is_a_function_of_its_seed():
    small = scenario("ten_arms", horizon=500, seeds=2)
    once, again = run_all(small, workers=1), run_all(small, workers=2)
    for first, second in zip(once, again, strict=True):
        assert (first == second).all()
    assert (once[0][0] != once[0][1]).any()


def test_all_policies_use_the_same_random_numbers():
    def world() -> Positions:
        return Positions((0.5, 0.5, 0.5), (1.0, 0.5, 0.2), 200, np.random.default_rng(1))

    first_world, second_world = world(), world()
    for number in range(200):
        visit = first_world.visit(number)
        successes = {arm: arm in first_world.successes(visit, (arm, 1 - arm, 2)) for arm in (0, 1)}
        assert successes == {
            arm: arm in second_world.successes(second_world.visit(number), (arm, 2, 1 - arm)) for arm in (0, 1)
        }


def test_regret_is_zero_only_for_the_best_order():
    rates = (0.3, 0.2, 0.1)
    for world in (
        Positions(rates, (1.0, 0.5, 0.2), 10, np.random.default_rng(1)),
        Cascade(rates, 2, 10, np.random.default_rng(1)),
    ):
        best, worse = (0, 1, 2)[: world.slots], (2, 1, 0)[: world.slots]
        assert world.regret(SimulatedVisit(0), best) == pytest.approx(0)
        assert world.regret(SimulatedVisit(0), worse) > 0.01


def test_late_outcomes_of_a_replaced_candidate_are_dropped():
    class RenewingWorld:
        arms, slots = 2, 1

        def visit(self, number):
            return SimulatedVisit(number, renewed=(0,) if number == 5 else ())

        def successes(self, visit, order):
            return ()

        def regret(self, visit, order):
            return 0.0

    class RecordingPolicy:
        outcomes: ClassVar[list[VisitOutcome]] = []

        def decide(self, visit):
            return (0,)

        def learn(self, outcome):
            self.outcomes.append(outcome)

    play(RenewingWorld(), RecordingPolicy(), lambda outcome: outcome._replace(reported_at=outcome.visit.number + 3), 10)
    assert [outcome.visit.number for outcome in RecordingPolicy.outcomes] == [0, 1, 5, 6]


# Baseline policies.


def test_upper_bounds_try_every_candidate_first():
    policy, shown = KlUcbPolicy(4, 1), []
    for number in range(4):
        order = policy.decide(SimulatedVisit(number))
        policy.learn(VisitOutcome(SimulatedVisit(number), order, (), number + 1))
        shown += order
    assert sorted(shown) == [0, 1, 2, 3]


def test_cascade_ignores_candidates_below_the_selection():
    policy = TextbookPolicy(3, 3, np.random.default_rng(1))
    for number in range(200):
        policy.learn(VisitOutcome(SimulatedVisit(number), (0, 1, 2), (1,), number + 1))
    orders = [policy.decide(SimulatedVisit(300))[0] for _ in range(50)]
    assert orders.count(1) > 45
    # Candidate 2 was never seen and keeps its prior, but candidate 0 is known to be bad.
    positions = [
        policy.decide(SimulatedVisit(301)).index(2) - policy.decide(SimulatedVisit(301)).index(0) for _ in range(50)
    ]
    assert sum(positions) < 0
