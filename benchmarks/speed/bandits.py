"""Measure the cost of the bandits in process: `python -m benchmarks.speed.bandits` prints medians of many rounds."""

from collections.abc import Callable
from statistics import median
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import bandits
from bandits import Statistics, WinProbabilities
from bandits.drawing.weight_draws import make_weights
from bandits.posterior.logistic_update import Observations
from bandits.posterior.weight_posterior import WeightEvidence
from benchmarks import peers_environment

ROUNDS = 5_000
DRAWN = 3
FEATURES = 11
IDS = [f"method_{index}" for index in range(8)]
HASHES = np.array([bandits.candidate_hash(name) for name in IDS], np.uint64)


def p50(act: Callable[[], object]) -> float:
    """Return the median time of a call, in microseconds."""
    times = []
    for _ in range(ROUNDS):
        start = perf_counter_ns()
        act()
        times.append(perf_counter_ns() - start)
    return median(times) / 1000


def times(count: int) -> list[tuple[str, float]]:
    """Measure each step for `count` candidates, then all steps with a customer's history and without."""
    ids = [f"method_{index}" for index in range(count)]
    draws = bandits.make_draws(ids, [Statistics(200 + i, 40 + i) for i in range(count)], seed=1)
    hashes = np.array([bandits.candidate_hash(name) for name in ids], np.uint64)
    successes = np.arange(count, dtype=np.float32) % 3 == 0
    trials = np.arange(count, dtype=np.float32) % 4
    kept, seed = WinProbabilities(draws.rates, 0.01), bandits.seed_of("dec_1")

    def answer(win_probabilities: WinProbabilities) -> bandits.Arrangement:
        u = bandits.uniforms(bandits.seed_of("dec_1"), hashes, DRAWN)
        return bandits.arrange(win_probabilities.chances, draws.means, u, length=count, drawn=DRAWN)

    def blended() -> NDArray[np.float32]:
        return bandits.blend(draws.rates, successes, trials)

    u = bandits.uniforms(seed, hashes, DRAWN)
    return [
        ("uniforms, 3 slots", p50(lambda: bandits.uniforms(seed, hashes, DRAWN))),
        ("blend", p50(blended)),
        ("chances, first slot, fresh", p50(lambda: WinProbabilities(draws.rates, 0.01).chances())),
        ("chances, third slot, fresh", p50(lambda: WinProbabilities(draws.rates, 0.01).chances((0, 1)))),
        ("chances, kept race", p50(lambda: kept.chances((0, 1)))),
        (
            "arrange, kept race",
            p50(lambda: bandits.arrange(kept.chances, draws.means, u, length=count, drawn=3)),
        ),
        ("whole answer, with the customer's history", p50(lambda: answer(WinProbabilities(blended(), 0.01)))),
        ("whole answer, kept race", p50(lambda: answer(kept))),
    ]


def figures() -> list[tuple[str, str, str]]:
    """Return the cost of a whole decision without cached results, beside other libraries."""
    draws = bandits.make_draws(IDS, [Statistics(200 + i, 40 + i) for i in range(len(IDS))], seed=1)
    product_costs = [
        ("an order of 8 with its chances", "at most 40 us", p50(lambda: _order(draws.rates, draws.means))),
        ("the same by 11 features of each candidate", "at most 60 us", p50(_contextual())),
    ]
    rows = [(f"decide in process, {what}", goal, f"{cost:.1f} us") for what, goal, cost in product_costs]
    if not peers_environment.is_there():
        return [*rows, ("decide in process, other libraries", "", peers_environment.ABSENT)]
    others = peers_environment.timings().items()
    return [*rows, *((f"decide in process, one of 8, {name}", "", f"{cost:.1f} us") for name, cost in others)]


def _order(scores: NDArray[np.float32], means: NDArray[np.float64]) -> bandits.Arrangement:
    u = bandits.uniforms(bandits.seed_of("dec_1"), HASHES, DRAWN)
    return bandits.arrange(WinProbabilities(scores, 0.01).chances, means, u, length=len(IDS), drawn=DRAWN)


def _contextual() -> Callable[[], object]:
    rng = np.random.default_rng(1)
    features = np.column_stack((np.ones((8, 1)), rng.standard_normal((8, FEATURES - 1))))
    observations = Observations(features, np.ones(8), np.array([1.0, 0.0] * 4))
    weights = make_weights(IDS, WeightEvidence(FEATURES).updated(dict.fromkeys(IDS, observations)), seed=1)
    return lambda: _order(weights.scores(features), weights.rates(features))


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
