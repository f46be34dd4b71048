"""Model the reporting of outcomes: when a policy learns the outcome of a visit."""

from collections.abc import Callable

import numpy as np

from simulation.worlds.world import VisitOutcome

Reporting = Callable[[VisitOutcome], VisitOutcome]
"""Maps the outcome of a visit to the outcome that is reported, and its time."""


def at_once(outcome: VisitOutcome) -> VisitOutcome:
    return outcome


def in_batches(size: int) -> Reporting:
    """Report outcomes together, after every `size` visits."""
    return lambda outcome: outcome._replace(reported_at=(outcome.visit.number // size + 1) * size)


def after(visits: int) -> Reporting:
    """Report every outcome, success or failure, that many visits late."""
    return lambda outcome: outcome._replace(reported_at=outcome.reported_at + visits)


def trickling(mean: float, window: int, rng: np.random.Generator) -> Reporting:
    """Report successes after an exponential time, and failures when the window closes.

    A success that would be later than the window counts as a failure.
    """

    def report(outcome: VisitOutcome) -> VisitOutcome:
        delay = round(rng.exponential(mean))
        if outcome.successes and delay < window:
            return outcome._replace(reported_at=outcome.reported_at + delay)
        return outcome._replace(reported_at=outcome.reported_at + window, successes=())

    return report
