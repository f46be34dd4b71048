"""What the bandits cost in process: `python -m benchmarks.bench_bandits` prints the median of many rounds."""

from collections.abc import Callable
from statistics import median
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import bandits
from bandits import Race, Statistics

ROUNDS = 5_000
DRAWN = 3


def p50(act: Callable[[], object]) -> float:
    """The median time of one call, in microseconds."""
    times = []
    for _ in range(ROUNDS):
        start = perf_counter_ns()
        act()
        times.append(perf_counter_ns() - start)
    return median(times) / 1000


def times(count: int) -> list[tuple[str, float]]:
    """Each step for `count` candidates, then all of it with a customer's history and without."""
    ids = [f"method_{index}" for index in range(count)]
    draws = bandits.make_draws(ids, [Statistics(200 + i, 40 + i) for i in range(count)], seed=1)
    hashes = np.array([bandits.candidate_hash(one) for one in ids], np.uint64)
    successes = np.arange(count, dtype=np.float32) % 3 == 0
    trials = np.arange(count, dtype=np.float32) % 4
    kept, seed = Race(draws.rates, 0.01), bandits.seed_of("dec_1")

    def answer(race: Race) -> bandits.Arrangement:
        u = bandits.uniforms(bandits.seed_of("dec_1"), hashes, DRAWN)
        return bandits.arrange(race.chances, draws.means, u, length=count, drawn=DRAWN)

    def blended() -> NDArray[np.float32]:
        return bandits.blend(draws.rates, successes, trials)

    u = bandits.uniforms(seed, hashes, DRAWN)
    return [
        ("uniforms, 3 slots", p50(lambda: bandits.uniforms(seed, hashes, DRAWN))),
        ("blend", p50(blended)),
        ("chances, first slot, fresh", p50(lambda: Race(draws.rates, 0.01).chances())),
        ("chances, third slot, fresh", p50(lambda: Race(draws.rates, 0.01).chances((0, 1)))),
        ("chances, kept race", p50(lambda: kept.chances((0, 1)))),
        (
            "arrange, kept race",
            p50(lambda: bandits.arrange(kept.chances, draws.means, u, length=count, drawn=3)),
        ),
        ("whole answer, with the customer's history", p50(lambda: answer(Race(blended(), 0.01)))),
        ("whole answer, kept race", p50(lambda: answer(kept))),
    ]


def main() -> None:
    few, many = times(8), times(80)
    table = Table("step, p50 in us", "8 candidates", "80 candidates", title="Bandits in process")
    for (name, small), (_, large) in zip(few, many, strict=True):
        table.add_row(name, f"{small:.1f}", f"{large:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
