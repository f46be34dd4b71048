"""Simulate what learning during an experiment does to the comparison of a bandit with a random order.

Six methods with constant rates, one shown to each customer. The control draws it at random, the variant learns. With
shared beliefs the variant profits from what the control finds out; the truth is what it earns alone, on as many
customers of its own. Each is paid the rate of what it shows, so that luck hides nothing; it learns from purchases.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.kernel.beliefs import ArmBelief, Knowledge
from engine.kernel.kernel import decide
from engine.kernel.plan import Plan, PlanDocument
from engine.learning.active import Active
from engine.model.experiment import Experiment, ExperimentStatus, LearningMode, Variant
from engine.model.facts import Facts
from engine.model.placement import Candidate, One, Placement, Split, Thompson
from engine.model.scope import counts_for
from engine.store.beliefs import Snapshot

Figure = tuple[str, str, str]
Floats = NDArray[np.float64]
RATES = {"card": 0.10, "paypal": 0.12, "klarna": 0.14, "ideal": 0.16, "sepa_debit": 0.18, "blik": 0.26}
RENEWED_EVERY = 50
CUSTOMERS = 1_000
CONTROL, LEARNER = Variant(id="control", name="At random", policy=Split()), Variant(id="learner", name="Learns")


class VariantRates(NamedTuple):
    """Customers and expected purchases by variant; "" without an experiment."""

    customers: dict[str, int]
    expected: dict[str, float]

    def rate(self, variant: str) -> float:
        """Return the share of a variant's customers who are expected to buy."""
        return self.expected[variant] / max(1, self.customers[variant])


class Market:
    """Customers who come to a placement one after another, and the sums of what they bought, by track."""

    def __init__(self, seed: int, learning: LearningMode | None = None) -> None:
        self._seed = seed
        self._rng = np.random.default_rng(seed)
        self._active = active_of(learning)
        self._sums: dict[str, dict[str, list[int]]] = {}
        self._version = 1_000_000 * seed
        # Alone, the learner has as many customers of its own between two renewals as in an experiment.
        self._renewed_every = RENEWED_EVERY if learning else RENEWED_EVERY // 2

    def run(self, customers: int) -> VariantRates:
        """Return what customers were shown; beliefs are renewed every 50 of them, 25 without an experiment."""
        counts = VariantRates(defaultdict(int), defaultdict(float))
        for number in range(customers):
            if number % self._renewed_every == 0:
                self._renew()
            self._serve(f"{self._seed}/{number}", counts)
        return counts

    def _serve(self, customer: str, counts: VariantRates) -> None:
        facts = Facts({}, {}, customer)
        deciding, assignments = self._active.pick(facts, customer)
        _, beliefs = deciding.for_facts({})
        shown = decide(deciding.plan, beliefs, facts, customer, expires_at="").ranking[0].id
        variant = assignments[0].variant if assignments else ""
        counts.customers[variant] += 1
        counts.expected[variant] += RATES[shown]
        cell = self._sums.setdefault(deciding.learning.track, {}).setdefault(shown, [0, 0])
        cell[0] += 1
        cell[1] += bool(self._rng.random() < RATES[shown])

    def _renew(self) -> None:
        for learner, stream in self._active.streams.items():
            teaching = [sums for track, sums in self._sums.items() if counts_for(track, learner)]
            arms = {}
            for method in RATES:
                cells = [sums[method] for sums in teaching if method in sums]
                arms[method] = ArmBelief(float(sum(cell[0] for cell in cells)), float(sum(cell[1] for cell in cells)))
            self._version += 1
            snapshot = Snapshot(1, "methods", self._version, learner, "", Knowledge(arms), self._version)
            stream.put(snapshot, stream.draw(snapshot))


def active_of(learning: LearningMode | None) -> Active:
    """Return a placement that learns, with an experiment against a random order where a way to learn is given."""
    status = ExperimentStatus(state="running", started_at=0, phase_started_at=0)
    experiments = (
        Experiment(id="e", name="E", variants=(CONTROL, LEARNER), learning=learning, status=status)
        if learning
        else None
    )
    document = PlanDocument(
        placement=Placement(key="methods", name="Methods", shape=One(), policy=Thompson(), credit="cascade"),
        candidates=tuple(Candidate(id=id, label=id, position=number) for number, id in enumerate(RATES)),
        experiments=(experiments,) if experiments else (),
    )
    return Active(Plan(document, version=1))


class Bias(NamedTuple):
    """The mean error of experiments, and its standard error."""

    mean: float
    error: float


def true_rates(runs: int, customers: int = CUSTOMERS) -> tuple[float, float]:
    """Return the true difference, and its standard error: the learner alone, less the mean of all methods."""
    rates = np.array([Market(100_000 + seed).run(customers // 2).rate("") for seed in range(runs)])
    return float(rates.mean() - np.mean(list(RATES.values()))), float(rates.std(ddof=1) / math.sqrt(runs))


def bias_of(learning: LearningMode, true_rates: tuple[float, float], runs: int, customers: int = CUSTOMERS) -> Bias:
    """Return the bias of the difference that experiments measure."""
    measured = np.array([
        counts.rate(LEARNER.id) - counts.rate(CONTROL.id)
        for counts in (Market(seed, learning).run(customers) for seed in range(runs))
    ])  # fmt: skip
    error = float(measured.std(ddof=1)) / math.sqrt(runs)
    return Bias(float(measured.mean()) - true_rates[0], math.hypot(error, true_rates[1]))


def figures(runs: int = 200) -> list[Figure]:
    """Return the bias of each way to learn."""
    real = true_rates(runs)
    rows = []
    goals: tuple[tuple[LearningMode, str], ...] = (("apart", "0 within two errors"), ("shared", "shown"))
    for learning, goal in goals:
        bias = bias_of(learning, real, runs)
        what = f"learning {learning}, a bandit against a random order, {runs:,} runs of {CUSTOMERS:,} customers: bias"
        rows.append((what, goal, f"{bias.mean:+.2%} ± {2 * bias.error:.2%} of a true {real[0]:+.2%}"))
    return rows
