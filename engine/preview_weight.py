"""What one logged answer tells about a draft: how much it counts, and what it leaves open.

A customer's choice is taken to depend on what stands in its slot and above (the cascade of reward-interaction IPS,
McInerney et al., 2020), so only the slots down to the choice are weighed. Where the draft leaves what the past has
ever done, the answer is followed no further. Formulas and reasons stand in docs/preview.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.kernel import Draw

TINY = 1e-12


class LoggedSlot(msgspec.Struct, frozen=True):
    """A candidate in its slot, with the chance that it had of it."""

    id: str
    chance: float


class Before(NamedTuple):
    """What the logged policy could do: its first `drawn` slots but for the `pinned` were open to all `offered`."""

    drawn: int
    pinned: frozenset[str]
    offered: frozenset[str]


class Weighed(NamedTuple):
    """One decision's share in the estimate; rewards in the unit of the placement's reward.

    `weight`: the draft's chance of what was logged over the logged one, of mean 1. `logged`: what was earned.
    `least` and `most`: what counts for the draft, already weighted; they differ where somebody took, further down than
    the past can tell, what the draft takes away: none or all of them take something else. `open`: the part of `most`
    that stands there. `unseen`: the chance of an answer with something that was never offered, where nobody took any.
    """

    weight: float
    logged: float
    least: float
    most: float
    open: float
    unseen: float


def weigh(
    ranking: Sequence[LoggedSlot],
    rewards: Mapping[str, float],
    before: Before,
    draw: Draw | None,
    offered: Sequence[str],
) -> Weighed:
    """`rewards` by candidate; `offered` are the draft's candidates as `draw` counts them, which is None without any."""
    whole = sum(rewards.values())
    if draw is None:
        return Weighed(1.0, whole, 0.0, 0.0, 0.0, 0.0)
    walk = _Walk(ranking, rewards, before, draw, offered)
    walk.down()
    return Weighed(walk.mass, whole, walk.least, walk.most, walk.open, walk.unseen)


class _Walk:
    """Down a logged ranking, slot by slot, under the chances of the draft.

    `_weight` is that of the slots so far, `_lost` what the draft put by now where the past never was. Their sum is 1
    on average at any slot, also at the one where the customer stops.
    """

    def __init__(
        self,
        ranking: Sequence[LoggedSlot],
        rewards: Mapping[str, float],
        before: Before,
        draw: Draw,
        offered: Sequence[str],
    ) -> None:
        places = {name: place for place, name in enumerate(offered)}
        self._ranking, self._rewards, self._before, self._draw = ranking, rewards, before, draw
        self._order = [places.get(one.id) for one in ranking]
        self._strange = [place for place, name in enumerate(offered) if name not in before.offered]
        self._later = sum(rewards.values())
        # Of those that a short answer leaves out nobody knows which.
        shows_all = draw.length == len(offered)
        self._later_kept = sum(r for name, r in rewards.items() if name in places) if shows_all else 0.0
        self._weight, self._lost = 1.0, 0.0
        self._stopped: float | None = None
        self.least = self.most = self.open = self.unseen = 0.0

    @property
    def mass(self) -> float:
        return self._weight + self._lost if self._stopped is None else self._stopped

    def down(self) -> None:
        longer = self._draw.length > len(self._ranking)
        # The logged answer may be longer than the draft's, or part from it: then there is nothing more to compare.
        for slot, at in enumerate(self._draw.along(self._order)):
            one, place = self._ranking[slot], self._order[slot]
            chance = 0.0 if place is None else float(at[place])
            self._leave(slot, one, chance, at)
            self._weight *= chance / one.chance
            self._take(one, kept=place is not None)
            if not self._later and not (self._stopped is None and (longer or self._may_learn(slot + 1))):
                return
        if longer and self._stopped is None:
            self.unseen += self._weight

    def _may_learn(self, slot: int) -> bool:
        """Whether, where nothing is earned, the slots from here on say anything."""
        return slot < self._before.drawn or bool(self._strange)

    def _leave(self, slot: int, one: LoggedSlot, chance: float, at: NDArray[np.float64]) -> None:
        """What the draft puts into this slot, given those above, that was never there."""
        unseen = float(at[self._strange].sum()) if self._strange else 0.0
        open_to_all = slot < self._before.drawn and one.id not in self._before.pinned
        gone = self._weight * (unseen if open_to_all else 1.0 - chance)
        if gone <= TINY:
            return
        self._lost += gone
        self.least += gone * self._later_kept
        self.most += gone * self._later
        self.open += gone * self._later
        if self._stopped is None:
            self.unseen += self._weight * unseen

    def _take(self, one: LoggedSlot, *, kept: bool) -> None:
        reward = self._rewards.get(one.id)
        if not reward:
            return
        self.least += self._weight * reward
        self.most += self._weight * reward
        self._later -= reward
        self._later_kept -= reward if kept else 0.0
        if self._stopped is None:
            self._stopped = self._weight + self._lost
