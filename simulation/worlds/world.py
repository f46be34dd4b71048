"""What worlds, policies and the runner say to each other."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Order = tuple[int, ...]


class Visit(NamedTuple):
    """One time that something is to be chosen. `number` counts from 0.

    `cell` names the cell of the context; `features` (d,), the first of them 1, where the world has any; `renewed` are
    candidates that left since the last visit and whose places others took; `kinds` (arms,) is what each is like, where
    the world tells.
    """

    number: int
    cell: str = ""
    features: Floats | None = None
    renewed: Order = ()
    kinds: Order = ()


class Told(NamedTuple):
    """What came of a visit: the order that was shown, and who in it succeeded; told just before visit `at`."""

    visit: Visit
    order: Order
    successes: Order
    at: int


class World(Protocol):
    """One world with luck of its own, which does not depend on what is chosen: all policies meet the same."""

    arms: int
    slots: int

    def visit(self, number: int) -> Visit:
        """The next visit; asked for once each, in order."""
        ...

    def successes(self, visit: Visit, order: Order) -> Order:
        """Who succeeds when `order`, `slots` long, is shown on the visit just made."""
        ...

    def regret(self, visit: Visit, order: Order) -> float:
        """How much less than the best order this one is expected to earn."""
        ...


class Policy(Protocol):
    def decide(self, visit: Visit) -> Order:
        """The order to show, as long as the world has slots."""
        ...

    def learn(self, told: Told) -> None:
        """What came of an earlier visit."""
        ...
