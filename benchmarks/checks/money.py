"""Check that money with a tail is learned: one large order, and carts that vary 3.5 times as much as their mean.

`python -m benchmarks.verify money`, two minutes. tests/bandits/ and tests/engine/ run small versions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bandits import Amounts, make_amount_draws
from bandits.evidence.tails import Bin, amount_bin, tail_begin, winsorised

Floats = NDArray[np.float64]
Figure = tuple[str, str, str]
Bins = dict[int, Bin]
NAMES = ("a", "b")
MEANS, TYPICAL, FLOOR, RATE = (6_000, 5_000), 5_500, 0.01, 0.3
BATCHES, VISITS = 200, 100
HELD_OUT = range(100, 200)


def add_amount(bins: Bins, amount: int) -> None:
    """Add an amount to its bin."""
    before = bins.get(amount_bin(amount), Bin(0, 0))
    bins[amount_bin(amount)] = Bin(before.count + 1, before.total + amount)


def cut_amounts(bins: tuple[Bins, ...]) -> list[Amounts]:
    """Return the evidence of each candidate, the tail cut."""
    return list(winsorised(dict(zip(NAMES, bins, strict=True)), tail_begin(bins)).values())


def first_chances(amounts: list[Amounts], tried: Floats, won: Floats, seed: int) -> Floats:
    """Return the chances of the first slot by draws of rates times draws of amounts."""
    rng = np.random.default_rng([seed, 31])
    rates = rng.beta(1 + won[:, None], 1 + np.maximum(tried - won, 0)[:, None], (2, 1024))
    values = rates * make_amount_draws(NAMES, amounts, seed=seed, typical=TYPICAL).draws
    chances: Floats = np.bincount(values.argmax(axis=0), minlength=2) / 1024
    return chances


def large_order(*, cut: bool) -> float:
    """Return by how much one order of 20,000 on the worse moves its chance, after 1,000 sales each of 60 and 50."""
    chances = []
    for extra in ([], [2_000_000]):
        orders, bins = ([MEANS[0]] * 1_000, [MEANS[1]] * 1_000 + extra), ({}, {})
        for of_candidate, paid in zip(bins, orders, strict=True):
            for amount in paid:
                add_amount(of_candidate, amount)
        plain = [Amounts(len(paid), sum(paid)) for paid in orders]
        won = np.array([len(paid) for paid in orders], float)
        chances.append(first_chances(cut_amounts(bins) if cut else plain, won / RATE, won, 1)[1])
    return float(chances[1] - chances[0])


def share_of_worse(seed: int, variation: float, *, cut: bool) -> float:
    """Return the share that the worse of two gets in the end; carts are lognormal, 20,000 visits."""
    rng, sigma = np.random.default_rng([seed, 9]), float(np.sqrt(np.log(1 + variation**2)))
    tried, won, totals, bins, shares = np.zeros(2), np.zeros(2), np.zeros(2), ({}, {}), []
    for batch in range(BATCHES):
        plain = [Amounts(count, total) for count, total in zip(won, totals, strict=True)]
        chances = first_chances(cut_amounts(bins) if cut else plain, tried, won, seed * 1_000 + batch)
        chances = chances * (1 - FLOOR) + FLOOR / 2
        shares.append(chances[1])
        for arm, shown in enumerate(rng.multinomial(VISITS, chances)):
            paid = np.exp(rng.normal(np.log(MEANS[arm]) - sigma**2 / 2, sigma, rng.binomial(shown, RATE)))
            tried[arm], won[arm], totals[arm] = tried[arm] + shown, won[arm] + len(paid), totals[arm] + paid.sum()
            for amount in paid:
                add_amount(bins[arm], int(amount))
    return float(np.mean(shares[-BATCHES // 10 :]))


def figures() -> list[Figure]:
    """Return the figures of `make verify`."""
    rows = [
        ("one order of 20,000 moves a chance by", "<= .1", f"{large_order(cut=True):.3f}"),
        ("the same without a cut", "", f"{large_order(cut=False):.3f}"),
    ]
    for variation in (0.5, 3.5):
        for cut in (True, False):
            seeds = HELD_OUT if cut else HELD_OUT[:40]
            shares = np.array([share_of_worse(seed, variation, cut=cut) for seed in seeds])
            what = f"lognormal carts of CV {variation}, {'tail cut' if cut else 'not cut'}, {len(seeds)} runs: stuck"
            measured = f"{(shares > 0.5).mean():.1%}, the worse gets {shares.mean():.1%}"
            rows.append((what, "<= 2%" if cut else "", measured))
    return rows
