"""Plays policies in worlds: many seeds, in parallel processes, each run a function of its seed alone."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import numpy as np

from simulation.build import make_policy, make_telling, make_world
from simulation.scenario import Scenario
from simulation.worlds.late import Telling
from simulation.worlds.world import Floats, Policy, Told, World

POINTS = 100
"""How many points a curve of regret has."""


def play(world: World, policy: Policy, tell: Telling, horizon: int) -> Floats:
    """The regret summed up over the visits, (horizon,). Nothing is told of candidates that have left since."""
    regrets = np.empty(horizon)
    waiting: defaultdict[int, list[Told]] = defaultdict(list)
    began: dict[int, int] = {}
    for number in range(horizon):
        visit = world.visit(number)
        began |= dict.fromkeys(visit.renewed, number)
        for told in waiting.pop(number, ()):
            if all(told.visit.number >= began.get(one, 0) for one in told.order):
                policy.learn(told)
        order = policy.decide(visit)
        regrets[number] = world.regret(visit, order)
        told = tell(Told(visit, order, world.successes(visit, order), number + 1))
        waiting[told.at].append(told)
    total: Floats = regrets.cumsum()
    return total


def run(scenario: Scenario, policy: int, seed: int) -> Floats:
    """The curve of one policy of a scenario on one seed: (POINTS,), or (horizon,) where that is shorter."""
    chosen, horizon = scenario.policies[policy], scenario.horizon
    world = make_world(scenario.world, horizon, np.random.default_rng([seed, 1]))
    tell = make_telling(scenario.telling, np.random.default_rng([seed, 2]))
    regrets = play(world, make_policy(chosen, world, seed), tell, horizon)
    return regrets[moments(horizon) - 1]


def moments(horizon: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """After how many visits the points of a curve are taken."""
    return np.unique(np.linspace(0, horizon, POINTS + 1).round().astype(np.int64)[1:])


def run_all(scenario: Scenario, *, workers: int, done: Callable[[], None] = lambda: None) -> list[Floats]:
    """The curves of each policy, (seeds, points) each. `done` is called after every run."""
    jobs = [(policy, seed) for seed in range(scenario.seeds) for policy in range(len(scenario.policies))]
    curves = [np.empty((scenario.seeds, len(moments(scenario.horizon)))) for _ in scenario.policies]
    for policy, seed, curve in _each(scenario, jobs, workers):
        curves[policy][seed] = curve
        done()
    return curves


def _each(scenario: Scenario, jobs: list[tuple[int, int]], workers: int) -> Iterator[tuple[int, int, Floats]]:
    if workers == 1:
        yield from ((policy, seed, run(scenario, policy, seed)) for policy, seed in jobs)
        return
    # Fresh processes: a fork of one that runs threads may wait for ever.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        runs = {pool.submit(run, scenario, policy, seed): (policy, seed) for policy, seed in jobs}
        try:
            for finished in as_completed(runs):
                yield *runs[finished], finished.result()
        finally:
            pool.shutdown(cancel_futures=True)
