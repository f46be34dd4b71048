"""When outcomes are told."""

from collections.abc import Callable

import numpy as np

from simulation.worlds.world import Told

Telling = Callable[[Told], Told]
"""From an outcome that could be told at once to what is told of it, and when."""


def at_once(told: Told) -> Told:
    return told


def in_batches(size: int) -> Telling:
    """After every `size` visits, what came of them."""
    return lambda told: told._replace(at=(told.visit.number // size + 1) * size)


def after(visits: int) -> Telling:
    """Every outcome, success or failure, so many visits late."""
    return lambda told: told._replace(at=told.at + visits)


def trickling(mean: float, window: int, rng: np.random.Generator) -> Telling:
    """Successes after an exponential time; that nothing came is known when the window closes.

    A success later than that is none.
    """

    def tell(told: Told) -> Told:
        delay = round(rng.exponential(mean))
        if told.successes and delay < window:
            return told._replace(at=told.at + delay)
        return told._replace(at=told.at + window, successes=())

    return tell
