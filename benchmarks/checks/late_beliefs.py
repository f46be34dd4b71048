"""Measure the error of beliefs while outcomes are pending, with and without counting pending decisions by age."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import bandits
from simulation.policies.evidence import EvidenceTally
from simulation.policies.fits import DelayRecords
from simulation.policies.learner import LearningOptions, ThompsonPolicy
from simulation.worlds import reporting
from simulation.worlds.world import Floats, SimulatedVisit, VisitOutcome

RATES = np.array((0.34, 0.22, 0.15, 0.10, 0.07))
ARMS = len(RATES)
MEAN, WINDOW, HORIZON, EVERY = 1_000, 4_000, 20_000, 1_000


class BeliefErrors(NamedTuple):
    """Ratios of posterior means to reference means, less 1: (seeds, moments), averaged over arms, after the first
    window.

    Arms shown in turn, against the means with all outcomes: `earlier_curve` with a delay curve from as many earlier
    visits, `current_curve` with one learned during the run, `pending_ignored` without pending decisions. Arms shown by
    Thompson sampling with a curve learned during the run: `thompson` against the means with all outcomes,
    `thompson_to_truth` against the true rates. `complete_to_truth` compares the means with all outcomes and the true
    rates: the bias of adaptive choice (Nie, Tian, Taylor and Zou, 2018) and of the prior, without delays.
    """

    earlier_curve: Floats
    current_curve: Floats
    pending_ignored: Floats
    thompson: Floats
    thompson_to_truth: Floats
    complete_to_truth: Floats


def belief_errors(seeds: int) -> BeliefErrors:
    return BeliefErrors(
        *np.array([[*_round_robin(seed), *_thompson(seed)] for seed in range(seeds)]).transpose(1, 0, 2)
    )


def _round_robin(seed: int) -> Floats:
    """Return the errors (3, moments) with arms shown in turn."""
    tally, delays, earlier = EvidenceTally(ARMS, 1, by_slot=False), DelayRecords(WINDOW), _earlier_curve(seed)

    def choose(number: int) -> int:
        tally.begin(number, (number % ARMS,))
        delays.start(number)
        return number % ARMS

    def update(outcome: VisitOutcome) -> None:
        tally.end(outcome, 0)
        delays.resolve(outcome)

    def compare(number: int, complete: Floats) -> list[float]:
        curves = (earlier, delays.curve(number), None)
        return [
            _over(_means(tally.evidence(_equal_weights(tally), np.ones(1), curve, number)), complete)
            for curve in curves
        ]

    return _walk(seed, choose, update, compare)


def _thompson(seed: int) -> Floats:
    """Return the errors (3, moments) with arms shown by Thompson sampling."""
    policy = ThompsonPolicy(LearningOptions(window=WINDOW), ARMS, 1, seed=seed)

    def compare(number: int, complete: Floats) -> list[float]:
        means = _means(policy.evidence(number))
        return [_over(means, complete), _over(means, RATES), _over(complete, RATES)]

    return _walk(seed, lambda number: policy.decide(SimulatedVisit(number))[0], policy.learn, compare)


def _walk(
    seed: int,
    choose: Callable[[int], int],
    update: Callable[[VisitOutcome], None],
    compare: Callable[[int, Floats], list[float]],
) -> Floats:
    """Compare at regular intervals with the means of an observer who knows every outcome at once."""
    rng, report = np.random.default_rng([seed, 1]), _reporting([seed, 2])
    complete = EvidenceTally(ARMS, 1, by_slot=False)
    pending: defaultdict[int, list[VisitOutcome]] = defaultdict(list)
    comparisons = []
    for number in range(HORIZON):
        for outcome in pending.pop(number, ()):
            update(outcome)
        if number % EVERY == 0 and number >= WINDOW:
            comparisons.append(
                compare(number, _means(complete.evidence(_equal_weights(complete), np.ones(1), None, number)))
            )
        arm = choose(number)
        outcome = report(
            VisitOutcome(SimulatedVisit(number), (arm,), (arm,) if rng.random() < RATES[arm] else (), number + 1)
        )
        complete.end(outcome, 0)
        pending[outcome.reported_at].append(outcome)
    return np.array(comparisons).T


def _earlier_curve(seed: int) -> bandits.DelayCurve:
    """Return the delay curve of as many earlier visits with all outcomes."""
    rng, report, delays = np.random.default_rng([seed, 3]), _reporting([seed, 4]), DelayRecords(WINDOW)
    for number in range(HORIZON):
        delays.start(number)
        delays.resolve(
            report(VisitOutcome(SimulatedVisit(number), (0,), (0,) if rng.random() < RATES.mean() else (), number + 1))
        )
    return delays.curve(HORIZON + 2 * WINDOW)


def _reporting(seed: list[int]) -> reporting.Reporting:
    return reporting.trickling(MEAN, WINDOW, np.random.default_rng(seed))


def _means(evidence: list[bandits.Evidence]) -> Floats:
    return np.array([bandits.mean(arm_evidence) for arm_evidence in evidence])


def _over(means: Floats, others: Floats) -> float:
    return float((means / others).mean() - 1)


def _equal_weights(tally: EvidenceTally) -> Floats:
    """Return equal weights for all days."""
    return np.ones((len(tally.days()), ARMS))
