"""What a plan draws its answers to many decisions from: the kernel's draws, brought together. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import bandits
from engine.kernel.bounds import Bounds
from engine.kernel.kernel import Draw, depends_on_request, draw_of, eligible_of, randomness_key
from engine.kernel.plan import Plan
from engine.kernel.scores import AnyBeliefs
from engine.model.facts import Facts

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


class Room(NamedTuple):
    """What is left of a plan's candidates in some decisions; `offered` are the eligible ones by name."""

    plan: Plan
    bounds: Bounds
    eligible: tuple[int, ...]
    offered: tuple[str, ...]

    @classmethod
    def of(cls, plan: Plan, bounds: Bounds) -> Room:
        eligible = eligible_of(plan, bounds)
        return cls(plan, bounds, eligible, tuple(plan.ids[number] for number in eligible))


class Request(NamedTuple):
    """What one answer hangs on beside the room; `beliefs` as the room's plan makes them."""

    key: str
    facts: Facts
    beliefs: AnyBeliefs


class Drawing:
    """The draws of N requests in the same room, which holds somebody; candidates are counted among the offered."""

    def __init__(self, where: Room, requests: Sequence[Request]) -> None:
        draws = _draws(where, requests)
        self.offered = where.offered
        self.length, self.drawn = draws[0].length, draws[0].drawn
        self._hashes = draws[0].hashes
        self._randomness = [draw.randomness for draw in draws]
        self._answers = bandits.ArrangementBatch(
            bandits.chances_of_many([draw.slot_chances for draw in draws]),
            np.stack([draw.rest_scores for draw in draws]),
            length=self.length,
            drawn=self.drawn,
            pins=draws[0].pins,
        )

    def orders(self) -> Places:
        """The answers (N, length) that the randomness leads to."""
        seeds = np.array([bandits.seed_of(one) for one in self._randomness], np.uint64)[:, None, None]
        return self._answers.arrange(bandits.uniforms(seeds, self._hashes, self.drawn))

    def along(self, orders: Places) -> Iterator[Floats]:
        """The chances (N, K) in each slot, had `orders` (N, slots) filled those above it; -1 is who takes no part."""
        return self._answers.chances_along(orders)


def _draws(where: Room, requests: Sequence[Request]) -> list[Draw]:
    """A draw each; where it hangs on the beliefs alone, it is made once for all of the same beliefs."""
    made: dict[int, Draw] = {}
    draws = []
    for key, facts, beliefs in requests:
        own = depends_on_request(where.plan, beliefs, facts)
        draw = None if own else made.get(id(beliefs))
        if draw is None:
            draw = draw_of(where.plan, beliefs, facts, where.bounds, where.eligible, key)
            if not own:
                made[id(beliefs)] = draw
        else:
            draw = draw._replace(randomness=randomness_key(where.plan, facts, key))
        draws.append(draw)
    return draws
