"""Worlds, the runner and the policies that ours is compared with."""

from pathlib import Path
from typing import ClassVar

import msgspec
import numpy as np
import pytest

from simulation.policies.plain import KlUcb, Textbook
from simulation.runner import play, run_all
from simulation.scenario import Scenario, read
from simulation.worlds.slots import Cascade, Positions
from simulation.worlds.world import Told, Visit

ROOT = Path(__file__).parent.parent.parent
SCENARIOS = sorted((ROOT / "simulation" / "scenarios").glob("*.toml"))


def scenario(name: str, **changes: object) -> Scenario:
    text = (ROOT / "simulation" / "scenarios" / f"{name}.toml").read_text()
    return msgspec.structs.replace(read(text), **changes)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_example_is_played(path):
    few = msgspec.structs.replace(read(path.read_text()), horizon=120, seeds=1)
    for curve in run_all(few, workers=1):
        assert curve.shape == (1, 100)
        assert 0 <= curve[0, 0] <= curve[0, -1] < 120


def test_a_run_is_a_function_of_its_seed():
    few = scenario("ten_arms", horizon=500, seeds=2)
    once, again = run_all(few, workers=1), run_all(few, workers=2)
    for one, other in zip(once, again, strict=True):
        assert (one == other).all()
    assert (once[0][0] != once[0][1]).any()


def test_all_policies_meet_the_same_luck_whatever_they_show():
    def world() -> Positions:
        return Positions((0.5, 0.5, 0.5), (1.0, 0.5, 0.2), 200, np.random.default_rng(1))

    one, other = world(), world()
    for number in range(200):
        visit = one.visit(number)
        first = {arm: arm in one.successes(visit, (arm, 1 - arm, 2)) for arm in (0, 1)}
        assert first == {arm: arm in other.successes(other.visit(number), (arm, 2, 1 - arm)) for arm in (0, 1)}


def test_regret_is_nothing_for_the_best_order_and_more_for_a_worse_one():
    rates = (0.3, 0.2, 0.1)
    for world in (
        Positions(rates, (1.0, 0.5, 0.2), 10, np.random.default_rng(1)),
        Cascade(rates, 2, 10, np.random.default_rng(1)),
    ):
        best, worse = (0, 1, 2)[: world.slots], (2, 1, 0)[: world.slots]
        assert world.regret(Visit(0), best) == pytest.approx(0)
        assert world.regret(Visit(0), worse) > 0.01


def test_who_left_is_forgotten_and_outcomes_that_came_too_late_are_not_the_newcomers():
    class Renewing:
        arms, slots = 2, 1

        def visit(self, number):
            return Visit(number, renewed=(0,) if number == 5 else ())

        def successes(self, visit, order):
            return ()

        def regret(self, visit, order):
            return 0.0

    class Listening:
        heard: ClassVar[list[Told]] = []

        def decide(self, visit):
            return (0,)

        def learn(self, told):
            self.heard.append(told)

    play(Renewing(), Listening(), lambda told: told._replace(at=told.visit.number + 3), 10)
    assert [told.visit.number for told in Listening.heard] == [0, 1, 5, 6]


# The peers in the house.


def test_upper_bounds_try_every_candidate_first():
    policy, shown = KlUcb(4, 1), []
    for number in range(4):
        order = policy.decide(Visit(number))
        policy.learn(Told(Visit(number), order, (), number + 1))
        shown += order
    assert sorted(shown) == [0, 1, 2, 3]


def test_the_textbook_blames_nobody_below_the_one_that_was_chosen():
    policy = Textbook(3, 3, np.random.default_rng(1))
    for number in range(200):
        policy.learn(Told(Visit(number), (0, 1, 2), (1,), number + 1))
    orders = [policy.decide(Visit(300))[0] for _ in range(50)]
    assert orders.count(1) > 45
    # Never seen: as likely to be good as at first, where candidate 0 is known to be bad.
    places = [policy.decide(Visit(301)).index(2) - policy.decide(Visit(301)).index(0) for _ in range(50)]
    assert sum(places) < 0
