"""Play policies in worlds: many seeds, in parallel processes, each run a function of its seed alone."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import numpy as np

from simulation.build import make_policy, make_reporting, make_world
from simulation.scenario import SimulationScenario
from simulation.worlds.reporting import Reporting
from simulation.worlds.world import Floats, Policy, VisitOutcome, World

POINTS = 100
"""The number of points of a regret curve."""


def play(world: World, policy: Policy, report: Reporting, horizon: int) -> Floats:
    """Return the cumulative regret after each visit, (horizon,). Outcomes of candidates that have left are dropped."""
    regrets = np.empty(horizon)
    pending: defaultdict[int, list[VisitOutcome]] = defaultdict(list)
    started: dict[int, int] = {}
    for number in range(horizon):
        visit = world.visit(number)
        started |= dict.fromkeys(visit.renewed, number)
        for outcome in pending.pop(number, ()):
            if all(outcome.visit.number >= started.get(arm, 0) for arm in outcome.order):
                policy.learn(outcome)
        order = policy.decide(visit)
        regrets[number] = world.regret(visit, order)
        outcome = report(VisitOutcome(visit, order, world.successes(visit, order), number + 1))
        pending[outcome.reported_at].append(outcome)
    total: Floats = regrets.cumsum()
    return total


def run(scenario: SimulationScenario, policy: int, seed: int) -> Floats:
    """Return the regret curve of one policy of a scenario for one seed: (POINTS,), or (horizon,) if that is shorter."""
    chosen, horizon = scenario.policies[policy], scenario.horizon
    world = make_world(scenario.world, horizon, np.random.default_rng([seed, 1]))
    report = make_reporting(scenario.reporting, np.random.default_rng([seed, 2]))
    regrets = play(world, make_policy(chosen, world, seed), report, horizon)
    return regrets[moments(horizon) - 1]


def moments(horizon: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the numbers of visits at which the points of a curve are taken."""
    visits = np.unique(np.linspace(0, horizon, POINTS + 1).round().astype(np.int64))
    return visits[visits > 0]


def run_all(scenario: SimulationScenario, *, workers: int, done: Callable[[], None] = lambda: None) -> list[Floats]:
    """Return the curves of each policy, (seeds, points) each; `done` is called after every run."""
    jobs = [(policy, seed) for seed in range(scenario.seeds) for policy in range(len(scenario.policies))]
    curves = [np.empty((scenario.seeds, len(moments(scenario.horizon)))) for _ in scenario.policies]
    for policy, seed, curve in _each(scenario, jobs, workers):
        curves[policy][seed] = curve
        done()
    return curves


def _each(scenario: SimulationScenario, jobs: list[tuple[int, int]], workers: int) -> Iterator[tuple[int, int, Floats]]:
    if workers == 1:
        yield from ((policy, seed, run(scenario, policy, seed)) for policy, seed in jobs)
        return
    # Spawn instead of fork: forking a process with threads can deadlock.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        runs = {pool.submit(run, scenario, policy, seed): (policy, seed) for policy, seed in jobs}
        try:
            for finished in as_completed(runs):
                yield *runs[finished], finished.result()
        finally:
            pool.shutdown(cancel_futures=True)
