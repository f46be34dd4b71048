"""Measure what a choice model learns where rules, limits and rankings choose the audience, beside trials.

`python -m benchmarks.choice.check 20 100` prints the table for the seeds 100 to 119; further words choose worlds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.choice.policies import ByChoice, ByTrials
from benchmarks.choice.worlds import Cascade, Group, OneOfAll, Policy, World, play

FIRST_SEED = 100
SMALL, LARGE = (0.45, 0.40, 0.20, 0.35), (0.15, 0.14, 0.10, 0.12)
MANY = (0.9, 0.8, 0.4, 0.7)
ALL4 = (0, 1, 2, 3)
SLOTS = (1.0, 0.7, 0.5, 0.4, 0.3)


def ruled(rates: tuple[float, ...], offered: tuple[int, ...] = ALL4, wrong: int = 2, **rule: object) -> World:
    """Customers as in `limits`; a rule holds for a fifth of the carts, whose customers buy by `rates`."""
    group = Group(0.2, offered, Cascade(rates, 0.8), **rule)  # type: ignore[arg-type]
    return World((Group(0.8, ALL4, Cascade(SMALL, 0.8)), group), 4, 4, 160, 374, wrong=wrong)


def plain(customers: Cascade | OneOfAll, candidates: int, slots: int, batches: int, visits: int) -> World:
    return World((Group(1.0, tuple(range(candidates)), customers),), candidates, slots, batches, visits)


TEN = (0.34, 0.22, 0.15, 0.10, 0.07, 0.05, 0.04, 0.03, 0.025, 0.02)
EIGHT = (0.25, 0.2, 0.18, 0.15, 0.12, 0.1, 0.08, 0.05)
WORLDS: dict[str, World] = {
    "limits": World(
        (Group(0.5, ALL4, Cascade(SMALL, 0.8)), Group(0.5, (0, 1, 2), Cascade(LARGE, 0.8))), 4, 4, 160, 374, wrong=2),
    "limits, world 1, three candidates": World(
        (Group(0.5, (0, 1, 2), Cascade((0.60, 0.58, 0.50))), Group(0.5, (0, 1), Cascade((0.20, 0.19, 0.0)))),
        3, 3, 100, 400, wrong=2),
    "limits, world 1, one slot": World(
        (Group(0.5, (0, 1, 2), Cascade((0.60, 0.58, 0.50))), Group(0.5, (0, 1), Cascade((0.20, 0.19, 0.0)))),
        3, 1, 100, 400, wrong=2),
    "exclude the worst from poor carts": ruled(LARGE, (0, 1, 3)),
    "exclude the best from rich carts": ruled(MANY, (1, 2, 3), wrong=-1),
    "require two on rich carts": ruled(MANY, (2, 3), wrong=2),
    "pin the worst first on rich carts": ruled(MANY, pins={0: 2}),
    "pin the worst first on poor carts": ruled(LARGE, pins={0: 2}),
    "boost the worst x 4 on rich carts": ruled(MANY, boosts={2: 4.0}),
    "patience .5": plain(Cascade((0.12, 0.11, 0.10, 0.09), 0.5), 4, 4, 75, 500),
    "patience .88": plain(Cascade((0.12, 0.11, 0.10, 0.09), 0.88), 4, 4, 120, 500),
    "one of five": plain(OneOfAll((5, 4, 0.5, 0.3, 0.2), SLOTS, 1.5), 5, 5, 160, 250),
    "one of five, even": plain(OneOfAll((1.2, 1.1, 1.0, 0.9, 0.8), SLOTS, 3.0), 5, 5, 160, 250),
    "one of five, low": plain(OneOfAll((0.1, 0.08, 0.05, 0.03, 0.02), SLOTS, 3.0), 5, 5, 160, 250),
    "stationary, ten, one slot": plain(Cascade(TEN), 10, 1, 200, 100),
    "stationary, ten at a tenth, one slot": plain(Cascade(tuple(rate / 10 for rate in TEN)), 10, 1, 200, 200),
    "stationary, first that pleases, four in eight": plain(Cascade(EIGHT), 8, 4, 200, 100),
    "stationary, all of four, patient": plain(Cascade(SMALL), 4, 4, 200, 100),
}  # fmt: skip


def held_out(seed: int) -> World:
    """Return a world drawn at random, on which nothing was chosen: rates, customers, a rule on part of them."""
    rng = np.random.default_rng([seed, 99])
    count = int(rng.integers(3, 7))
    rates = rng.uniform(0.05, 0.5, count)
    share, other = float(rng.uniform(0.2, 0.5)), np.clip(rates * rng.uniform(0.3, 1.8), 0, 0.95)
    all_numbers, target = tuple(range(count)), int(rng.integers(count))
    slots, patience = rng.uniform(0.4, 0.9) ** np.arange(count), float(rng.uniform(0.4, 1.0))
    cascades, rule_kind = rng.random() < 0.5, int(rng.integers(4))

    def customers(values: NDArray[np.float64]) -> Cascade | OneOfAll:
        if cascades:
            return Cascade(tuple(values), patience)
        return OneOfAll(tuple(values / (1 - values)), tuple(slots), 1.0)

    offered = tuple(number for number in all_numbers if number != target) if rule_kind == 0 else all_numbers
    pins = {0: target} if rule_kind == 1 else {}
    boosts = {target: 4.0} if rule_kind == 2 else {}
    group = Group(share, offered, customers(other), pins, boosts)
    return World((Group(1 - share, all_numbers, customers(rates)), group), count, count, 160, 250)


HELD_OUT = "held out: another world on each seed"
POLICIES: dict[str, Callable[[World, int], Policy]] = {"trials": ByTrials, "choice": ByChoice}
COLUMNS = ("world", "goal", "trials by candidate (`cascade`)", "`choice`")
GOAL = "at most 2 lost per 1,000; the wrong candidate first in at most 5%"


def measure(name: str, seeds: range, make: Callable[[World, int], Policy]) -> str:
    """Play a world on each seed; return visits lost per 1,000 in the last quarter, and regret over all visits."""
    worlds = {seed: held_out(seed) if name == HELD_OUT else WORLDS[name] for seed in seeds}
    world = worlds[seeds[0]]
    last = world.batches // 4
    outcomes = [play(worlds[seed], make, seed) for seed in seeds]
    lost = np.array([outcome.lost[-last:].mean() for outcome in outcomes]) * 1000
    regret = np.array([outcome.lost.sum() for outcome in outcomes]) * world.visits * world.groups[0].share
    error = lost.std(ddof=1) / len(lost) ** 0.5
    wrong = np.mean([outcome.wrong[-last:].mean() for outcome in outcomes])
    return f"{lost.mean():.2f} ± {error:.2f} lost, wrong first {wrong:.1%}, regret {regret.mean():.0f}"


def figures() -> list[tuple[str, ...]]:
    """Return the table of docs/verification.md: twenty seeds a world."""
    seeds = range(FIRST_SEED, FIRST_SEED + 20)
    return [
        (name, GOAL, *(measure(name, seeds, policy) for policy in POLICIES.values())) for name in (*WORLDS, HELD_OUT)
    ]


def main() -> None:
    """Print some worlds: `python -m benchmarks.choice.check SEEDS FIRST [WORD ...]`."""
    count, first = int(sys.argv[1]), int(sys.argv[2])
    for name in (*WORLDS, HELD_OUT):
        if len(sys.argv) < 4 or any(word in name for word in sys.argv[3:]):
            for policy, make in POLICIES.items():
                print(f"{name:46} {policy}: {measure(name, range(first, first + count), make)}", flush=True)


if __name__ == "__main__":
    main()
