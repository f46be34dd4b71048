"""Define the interface between worlds, policies and the runner."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Order = tuple[int, ...]


class SimulatedVisit(NamedTuple):
    """A visit at which an order is to be chosen. `number` counts from 0.

    `cell` names the cell of the context. `features` (d,), the first of them 1, are None in worlds without features.
    `renewed` are the arms whose candidate was replaced since the last visit. `kinds` (arms,) is the kind of each
    candidate, where the world has kinds.
    """

    number: int
    cell: str = ""
    features: Floats | None = None
    renewed: Order = ()
    kinds: Order = ()


class VisitOutcome(NamedTuple):
    """The outcome of a visit: the order shown and the arms that succeeded; reported just before visit `at`."""

    visit: SimulatedVisit
    order: Order
    successes: Order
    reported_at: int


class World(Protocol):
    """A world with its own random numbers, which do not depend on the choices, so that policies can be compared."""

    arms: int
    slots: int

    def visit(self, number: int) -> SimulatedVisit:
        """Return the next visit; called once for each number, in order."""
        ...

    def successes(self, visit: SimulatedVisit, order: Order) -> Order:
        """Return the arms that succeed if `order` (`slots` long) is shown at the current visit."""
        ...

    def regret(self, visit: SimulatedVisit, order: Order) -> float:
        """Return the expected loss of this order against the best one."""
        ...


class Policy(Protocol):
    def decide(self, visit: SimulatedVisit) -> Order:
        """Return the order to show, as long as the world has slots."""
        ...

    def learn(self, outcome: VisitOutcome) -> None:
        """Learn from the outcome of an earlier visit."""
        ...
