"""How far off beliefs are while outcomes are under way, with decisions still open counted by their age and without."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import bandits
from simulation import late
from simulation.evidence import Tally
from simulation.fits import Delays
from simulation.world import Told, Visit

RATES = np.array((0.34, 0.22, 0.15, 0.10, 0.07))
MEAN, WINDOW, HORIZON, EVERY = 1_000, 4_000, 20_000, 1_000


class Off(NamedTuple):
    """Posterior means over what they are once all outcomes are known, less 1: (seeds, moments), all arms together.

    `by_age` with a delay curve from as many visits before; `cold` with one that is learned on the way.
    """

    by_age: NDArray[np.float64]
    cold: NDArray[np.float64]
    as_told: NDArray[np.float64]


def off(seeds: int) -> Off:
    """Each arm is shown in turn, so that nothing but the delay can bias what is known of it."""
    return Off(*np.array([_run(seed) for seed in range(seeds)]).transpose(1, 0, 2))


def _run(seed: int) -> list[list[float]]:
    luck, delays = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    tell, heard, before = late.trickling(MEAN, WINDOW, delays), Delays(WINDOW), _earlier(seed)
    seen, whole = (Tally(len(RATES), 1, by_slot=False) for _ in range(2))
    waiting: defaultdict[int, list[Told]] = defaultdict(list)
    found: list[list[float]] = [[], [], []]
    for number in range(HORIZON):
        for told in waiting.pop(number, ()):
            seen.end(told, 0)
            heard.heard(told)
            before.heard(told)
        if number % EVERY == 0 and number >= WINDOW:
            truth = _means(whole, None, number)
            for values, curve in zip(found, (before.curve(), heard.curve(), None), strict=True):
                values.append(float((_means(seen, curve, number) / truth).mean() - 1))
        arm = number % len(RATES)
        won = (arm,) if luck.random() < RATES[arm] else ()
        told = tell(Told(Visit(number), (arm,), won, number + 1))
        seen.begin(number, (arm,))
        whole.end(told, 0)
        waiting[told.at].append(told)
    return found


def _earlier(seed: int) -> Delays:
    """What came of as many visits before, all of it told."""
    rng, heard = np.random.default_rng([seed, 3]), Delays(WINDOW)
    tell = late.trickling(MEAN, WINDOW, rng)
    for number in range(HORIZON):
        heard.heard(tell(Told(Visit(number), (0,), (0,) if rng.random() < RATES.mean() else (), number + 1)))
    return heard


def _means(tally: Tally, curve: bandits.DelayCurve | None, now: int) -> NDArray[np.float64]:
    weights = np.ones((len(tally.days()), len(RATES)))
    return np.array([bandits.mean(known) for known in tally.evidence(weights, np.ones(1), curve, now)])
