"""How far off beliefs are while outcomes are under way, with decisions still open counted by their age and without."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import bandits
from simulation.policies.evidence import EvidenceTally
from simulation.policies.fits import DelayRecords
from simulation.policies.learner import LearningOptions, Thompson
from simulation.worlds import reporting
from simulation.worlds.world import Floats, SimulatedVisit, VisitOutcome

RATES = np.array((0.34, 0.22, 0.15, 0.10, 0.07))
ARMS = len(RATES)
MEAN, WINDOW, HORIZON, EVERY = 1_000, 4_000, 20_000, 1_000


class Off(NamedTuple):
    """Posterior means over others of the same visits, less 1: (seeds, moments), all arms together, from the moment on
    at which the first window closes.

    Each arm shown in turn, over what they are once all outcomes are known: `known` with a delay curve from as many
    visits before, `learned` with one that is learned on the way, `as_told` with open decisions left out. Shown by
    Thompson sampling, with a curve learned on the way: `chosen` over what they are once all is known, `from_truth` over
    the true rates, `whole_from_truth` what they are once all is known over the true rates: the bias that comes of
    choosing by what was seen (Nie, Tian, Taylor and Zou, 2018), and of the prior, with no delay in it.
    """

    known: Floats
    learned: Floats
    as_told: Floats
    chosen: Floats
    from_truth: Floats
    whole_from_truth: Floats


def off(seeds: int) -> Off:
    return Off(*np.array([[*_in_turn(seed), *_chosen(seed)] for seed in range(seeds)]).transpose(1, 0, 2))


def _in_turn(seed: int) -> Floats:
    """(3, moments)"""
    seen, delays, before = EvidenceTally(ARMS, 1, by_slot=False), DelayRecords(WINDOW), _earlier(seed)

    def choose(number: int) -> int:
        seen.begin(number, (number % ARMS,))
        delays.start(number)
        return number % ARMS

    def update(outcome: VisitOutcome) -> None:
        seen.end(outcome, 0)
        delays.resolve(outcome)

    def compare(number: int, whole: Floats) -> list[float]:
        curves = (before, delays.curve(number), None)
        return [_over(_means(seen.evidence(_whole(seen), np.ones(1), curve, number)), whole) for curve in curves]

    return _walk(seed, choose, update, compare)


def _chosen(seed: int) -> Floats:
    """(3, moments)"""
    policy = Thompson(LearningOptions(window=WINDOW), ARMS, 1, seed=seed)

    def compare(number: int, whole: Floats) -> list[float]:
        means = _means(policy.evidence(number))
        return [_over(means, whole), _over(means, RATES), _over(whole, RATES)]

    return _walk(seed, lambda number: policy.decide(SimulatedVisit(number))[0], policy.learn, compare)


def _walk(
    seed: int,
    choose: Callable[[int], int],
    update: Callable[[VisitOutcome], None],
    compare: Callable[[int, Floats], list[float]],
) -> Floats:
    """Compares, now and then, with the means of somebody who knows at once what will come of every decision."""
    luck, report = np.random.default_rng([seed, 1]), _telling([seed, 2])
    whole = EvidenceTally(ARMS, 1, by_slot=False)
    waiting: defaultdict[int, list[VisitOutcome]] = defaultdict(list)
    found = []
    for number in range(HORIZON):
        for outcome in waiting.pop(number, ()):
            update(outcome)
        if number % EVERY == 0 and number >= WINDOW:
            found.append(compare(number, _means(whole.evidence(_whole(whole), np.ones(1), None, number))))
        arm = choose(number)
        outcome = report(
            VisitOutcome(SimulatedVisit(number), (arm,), (arm,) if luck.random() < RATES[arm] else (), number + 1)
        )
        whole.end(outcome, 0)
        waiting[outcome.reported_at].append(outcome)
    return np.array(found).T


def _earlier(seed: int) -> bandits.DelayCurve:
    """What came of as many visits before, all of it told."""
    luck, report, delays = np.random.default_rng([seed, 3]), _telling([seed, 4]), DelayRecords(WINDOW)
    for number in range(HORIZON):
        delays.start(number)
        delays.resolve(
            report(VisitOutcome(SimulatedVisit(number), (0,), (0,) if luck.random() < RATES.mean() else (), number + 1))
        )
    return delays.curve(HORIZON + 2 * WINDOW)


def _telling(seed: list[int]) -> reporting.Telling:
    return reporting.trickling(MEAN, WINDOW, np.random.default_rng(seed))


def _means(known: list[bandits.Evidence]) -> Floats:
    return np.array([bandits.mean(one) for one in known])


def _over(means: Floats, others: Floats) -> float:
    return float((means / others).mean() - 1)


def _whole(tally: EvidenceTally) -> Floats:
    """All days count."""
    return np.ones((len(tally.days()), ARMS))
