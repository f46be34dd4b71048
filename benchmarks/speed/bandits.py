"""Measure the cost of the bandits in process: `python -m benchmarks.speed.bandits` prints medians of many rounds."""

from collections.abc import Callable
from statistics import median
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import bandits
from bandits import NO_PASTS, Candidates, Requests, Slots, Statistics
from bandits.drawing.slots import hashes_of
from bandits.drawing.weight_draws import make_weights
from bandits.posterior.logistic_update import Observations
from bandits.posterior.weight_posterior import WeightEvidence
from benchmarks import peers_environment

ROUNDS = 5_000
DRAWN = 3
FEATURES = 11


def p50(act: Callable[[], object]) -> float:
    """Return the median time of a call, in microseconds."""
    times = []
    for _ in range(ROUNDS):
        start = perf_counter_ns()
        act()
        times.append(perf_counter_ns() - start)
    return median(times) / 1000


def times(count: int) -> list[tuple[str, float]]:
    """Measure a whole answer for `count` candidates, three slots drawn, with a customer's history and without."""
    candidates, slots = _candidates(count), Slots(count, DRAWN)
    past = np.array([[np.arange(count) % 3 == 0, np.arange(count) % 4]], np.float64)
    contextual = _contextual(count)
    return [
        ("whole answer, with the customer's history", p50(lambda: _answer(candidates, slots, past))),
        ("whole answer, without", p50(lambda: _answer(candidates, slots, NO_PASTS))),
        (f"whole answer by {FEATURES} features of each candidate", p50(contextual)),
    ]


def figures() -> list[tuple[str, str, str]]:
    """Return the cost of a whole decision without cached results, beside other libraries."""
    goals = ("at most 10 us", "at most 10 us", "at most 15 us")
    product_costs = [(f"{name}, 8 candidates", goal, cost) for (name, cost), goal in zip(times(8), goals, strict=True)]
    product_costs.append(("whole answer, with the customer's history, 80 candidates", "at most 60 us", times(80)[0][1]))
    rows = [(f"decide in process, {what}", goal, f"{cost:.1f} us") for what, goal, cost in product_costs]
    if not peers_environment.is_there():
        return [*rows, ("decide in process, other libraries", "", peers_environment.ABSENT)]
    others = peers_environment.timings().items()
    return [*rows, *((f"decide in process, one of 8, {name}", "", f"{cost:.1f} us") for name, cost in others)]


def _candidates(count: int) -> Candidates:
    ids = [f"method_{index}" for index in range(count)]
    draws = bandits.make_draws(ids, [Statistics(200 + i, 40 + i) for i in range(count)], seed=1)
    return Candidates.of(ids, draws.rates, draws.means, 0.01)


def _answer(candidates: Candidates, slots: Slots, past: NDArray[np.float64]) -> bandits.Arrangement:
    return bandits.arrange(candidates, slots, Requests.of("dec_1", past, strength=bandits.CUSTOMER_STRENGTH))


def _contextual(count: int) -> Callable[[], object]:
    rng = np.random.default_rng(1)
    features = np.column_stack((np.ones((count, 1)), rng.standard_normal((count, FEATURES - 1))))
    ids = [f"method_{index}" for index in range(count)]
    observations = Observations(features, np.ones(count), np.array([1.0, 0.0] * (count // 2)))
    weights = make_weights(ids, WeightEvidence(FEATURES).updated(dict.fromkeys(ids, observations)), seed=1)
    hashes, slots = hashes_of(ids), Slots(count, DRAWN)
    return lambda: _answer(Candidates(*weights.score(features), hashes, 0.01), slots, NO_PASTS)


def main() -> None:
    few, many = times(8), times(80)
    table = Table("step, p50 in us", "8 candidates", "80 candidates", title="Bandits in process")
    for (name, small), (_, large) in zip(few, many, strict=True):
        table.add_row(name, f"{small:.1f}", f"{large:.1f}")
    console = Console()
    console.print(table)
    for what, goal, measured in figures():
        console.print(f"{what}: {measured}" + (f"  (goal: {goal})" if goal else ""))


if __name__ == "__main__":
    main()
