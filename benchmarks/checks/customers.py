"""Check intervals if customers come back: whether 95% intervals hold the truth at 1, 5, 20 and 50 visits a customer.

`python -m benchmarks.verify customers`, a quarter of an hour. tests/bandits/ and tests/engine/ run small versions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.evaluation.clusters import Clusters
from bandits.evaluation.estimators import Estimate, effect, snips
from bandits.evaluation.paired import paired_difference
from benchmarks.checks.previews import Setting, cover, describe_share

Figure = tuple[str, str, str]
Floats = NDArray[np.float64]
VISITS = (1, 5, 20, 50)
DECISIONS, LOGS = 6_000, 1_000
LOGGED = np.array([0.5, 0.3, 0.2])
OTHER = np.array([0.2, 0.3, 0.5])
RATES = np.array([0.10, 0.15, 0.20])
CONCENTRATION = 2.0
"""The rates of single customers are Beta distributed, with this sum of parameters: they differ a lot."""
LEAST_DRAFTS = 100


class CustomerLog(NamedTuple):
    """Weights of another policy, rewards and customers, (n,) each."""

    weights: Floats
    rewards: Floats
    customers: NDArray[np.intp]


def draw_log(visits: int, rng: np.random.Generator, *, sticky: bool) -> CustomerLog:
    """Draw a log in which each customer has own rates; `sticky`: and always gets the same arm, as under `split`.

    The numbers of visits are geometric, so some customers come far more often than others.
    """
    count = DECISIONS // visits
    customers = np.repeat(np.arange(count), rng.geometric(1 / visits, count))
    rates = rng.beta(CONCENTRATION * RATES, CONCENTRATION * (1 - RATES), (count, len(RATES)))
    if sticky:
        arms = rng.choice(len(RATES), count, p=LOGGED)[customers]
    else:
        arms = rng.choice(len(RATES), len(customers), p=LOGGED)
    rewards = (rng.random(len(customers)) < rates[customers, arms]).astype(np.float64)
    return CustomerLog((OTHER / LOGGED)[arms], rewards, customers)


def _preview(log: CustomerLog) -> Estimate:
    clusters = Clusters.of(log.customers, log.weights)
    return paired_difference(log.weights, log.rewards, log.weights * log.rewards, clusters=clusters)


EFFECT, VALUE = float((OTHER - LOGGED) @ RATES), float(OTHER @ RATES)
METHODS: dict[str, tuple[Callable[[CustomerLog], Estimate], float]] = {
    "evaluate, values": (lambda log: snips(log.weights, log.rewards, clusters=log.customers), VALUE),
    "evaluate, differences": (lambda log: effect(log.weights, log.rewards, clusters=log.customers), EFFECT),
    "preview": (_preview, EFFECT),
}


def coverage(method: str, visits: int, *, sticky: bool, seeds: range) -> float:
    """Return the share of logs that are not refused whose interval holds the truth."""
    estimator, true_value = METHODS[method]
    estimates = [estimator(draw_log(visits, np.random.default_rng([seed, visits]), sticky=sticky)) for seed in seeds]
    return float(
        np.mean([estimate.low <= true_value <= estimate.high for estimate in estimates if not estimate.refused])
    )


def preview_coverage(visits: int, *, least: int, decisions: int = 10_000) -> list[bool]:
    """Return by draft whether a preview of the kernel's own decisions holds the true effect."""
    held: list[bool] = []
    seed = 100
    while len(held) < least:
        held.extend(cover(Setting(decisions, methods=4, drawn=4, visits=visits, drafts=40), seed).whole)
        seed += 1
    return held


def figures() -> list[Figure]:
    """Return the figures of `make verify`."""
    seeds, lines = range(100, 100 + LOGS), []
    for method in METHODS:
        for sticky, drawn in ((False, "each decision drawn"), (True, "always the same arm (`split`)")):
            shares = [f"{coverage(method, visits, sticky=sticky, seeds=seeds):.1%}" for visits in VISITS]
            lines.append((f"{method}, {drawn}: 95% intervals that hold the truth", "93 to 97%", ", ".join(shares)))
    held = [describe_share(preview_coverage(visits, least=LEAST_DRAFTS)) for visits in VISITS]
    kernel = "preview, decisions of the kernel with lasting favourites, 4 methods, all slots drawn"
    return [*lines, (kernel, "93 to 97%", ", ".join(held))]
