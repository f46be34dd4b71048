"""Delay curves by candidate: one that is paid after two days is not judged by those that are paid within minutes.

Each candidate has a curve of its own, shrunk to the mean shape of the others. The shape weighs as many successes as
make the candidates' delays likeliest (a Dirichlet-multinomial model; compare `bandits.posterior.hierarchy`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bandits.evidence.delay import EDGES, NOT_YET, DelayCurve, Floats, PendingCount
from bandits.posterior.beta import log_gamma

STRENGTHS = (1.0, 2.0, 5.0, 12.0, 30.0, 75.0, 200.0)
"""The numbers of successes that the others' shape may weigh as much as."""

FEWEST = 2
"""With so many candidates that have successes the strength is fitted; before, it is the weakest."""


@dataclass(frozen=True, slots=True)
class Delays:
    """One candidate's successes by bin of delay, of closed decisions, and its pending decisions."""

    successes: Sequence[float] = ()
    pending: Sequence[PendingCount] = ()


def curves_by_candidate(
    delays: Mapping[str, Delays], failures: Sequence[int] = (), *, window_ms: int
) -> dict[str, DelayCurve]:
    """Return the delay curve of each candidate; `failures` by bin are those of all candidates together."""
    counts = {name: _counts(own) for name, own in delays.items()}
    shapes = {name: _shape_of_others(name, counts) for name in counts}
    strength = fit_strength(counts, shapes)
    return {
        name: DelayCurve(
            (_padded(delays[name].successes) + strength * shapes[name]).tolist(),
            failures,
            window_ms=window_ms,
            pending=delays[name].pending,
        )
        for name in counts
    }


def fit_strength(counts: Mapping[str, Floats], shapes: Mapping[str, Floats]) -> float:
    """Return the strength of STRENGTHS under which the delays are likeliest, given the shapes of the others."""
    names = [name for name in counts if counts[name].sum() > 0 and shapes[name].sum() > 0]
    if len(names) < FEWEST:
        return STRENGTHS[0]
    # A bin that the others never had is not impossible.
    total = sum(float(own.sum()) for own in counts.values())
    expected = {name: (total * shapes[name] + 0.5 / len(EDGES)) / (total + 0.5) for name in names}
    gains = [sum(_likelihood(strength * expected[name], counts[name]) for name in names) for strength in STRENGTHS]
    return STRENGTHS[int(np.argmax(gains))]


def _counts(delays: Delays) -> Floats:
    """Return all successes by bin; of pending decisions only quick ones, which suffices to compare candidates."""
    counts = _padded(delays.successes)
    for row in delays.pending:
        if row.delay != NOT_YET:
            counts[row.delay] += row.successes
    return counts


def _shape_of_others(name: str, counts: Mapping[str, Floats]) -> Floats:
    """Return the mean share of each bin among the successes of the others; zeros if they have none."""
    shares = [own / own.sum() for other, own in counts.items() if other != name and own.sum() > 0]
    return np.mean(shares, axis=0) if shares else np.zeros(len(EDGES))


def _likelihood(weights: Floats, counts: Floats) -> float:
    strength = weights.sum()
    whole = log_gamma(strength + counts.sum()) - log_gamma(strength)
    return float((log_gamma(weights + counts) - log_gamma(weights)).sum() - whole)


def _padded(counts: Sequence[float]) -> Floats:
    return np.array([*counts, *[0.0] * (len(EDGES) - len(counts))], np.float64)
