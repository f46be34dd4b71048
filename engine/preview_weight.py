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

LARGEST_WEIGHT = 100.0
"""What the past did less than a hundredth as often as the draft would counts as never done: single customers would
decide all."""


class LoggedSlot(msgspec.Struct, frozen=True):
    """A candidate in its slot, with the chance that it had of it."""

    id: str
    chance: float


class Drawing(NamedTuple):
    """What a policy draws an answer from, and the candidates' names as `draw` counts them."""

    draw: Draw
    offered: tuple[str, ...]


class Weighed(NamedTuple):
    """One decision's share in the estimate; rewards in the unit of the placement's reward.

    `weight`: the draft's chance of what was logged over the logged one, of mean 1. `logged`: what was earned.
    `least` and `most`: what counts for the draft, already weighted; they differ where somebody took, beyond what the
    past can tell, what the draft takes away: none or all of them take something else. `open`: the part of `most` that
    stands there. `unseen`: the chance of something that was never offered, where nobody took any.
    """

    weight: float
    logged: float
    least: float
    most: float
    open: float
    unseen: float


def weigh(
    ranking: Sequence[LoggedSlot], rewards: Mapping[str, float], before: Drawing, draft: Drawing | None
) -> Weighed:
    """`rewards` by candidate; `draft` is None where it leaves no candidate."""
    whole = sum(rewards.values())
    if draft is None:
        return Weighed(1.0, whole, 0.0, 0.0, 0.0, 0.0)
    walk = _Walk(ranking, rewards, before, draft)
    walk.down()
    return Weighed(walk.mass, whole, walk.least, walk.most, walk.open, walk.unseen)


class _Walk:
    """Down a logged ranking, slot by slot, under the chances of then and of the draft.

    `_weight` is that of the slots so far, `_lost` what the draft put by now where the past never was. Their sum is 1
    on average at any slot, also at the one where the customer stops.
    """

    def __init__(
        self, ranking: Sequence[LoggedSlot], rewards: Mapping[str, float], before: Drawing, draft: Drawing
    ) -> None:
        then = {name: place for place, name in enumerate(before.offered)}
        now = {name: place for place, name in enumerate(draft.offered)}
        self._ranking, self._rewards, self._before, self._draft = ranking, rewards, before.draw, draft.draw
        self._then = [then.get(one.id) for one in ranking]
        self._now = [now.get(one.id) for one in ranking]
        self._known = None if before.offered == draft.offered else [then.get(name, -1) for name in draft.offered]
        self._strange = [place for place, known in enumerate(self._known or ()) if known < 0]
        self._later = sum(rewards.values())
        # Of those that a short answer leaves out nobody knows which.
        shows_all = draft.draw.length == len(draft.offered)
        self._later_kept = sum(r for name, r in rewards.items() if name in now) if shows_all else 0.0
        self._weight, self._lost = 1.0, 0.0
        self._stopped: float | None = None
        self.least = self.most = self.open = self.unseen = 0.0

    @property
    def mass(self) -> float:
        return self._weight + self._lost if self._stopped is None else self._stopped

    def down(self) -> None:
        longer = self._draft.length > len(self._ranking)
        both = zip(self._before.along(self._then), self._draft.along(self._now), strict=False)
        # The logged answer may be longer than the draft's, or part from it: then there is nothing more to compare.
        for slot, (old, new) in enumerate(both):
            one, place = self._ranking[slot], self._now[slot]
            rare = self._leave(old, new)
            gone = place is None or rare[place]
            self._weight *= 0.0 if place is None or gone else float(new[place]) / one.chance
            self._take(one, kept=place is not None)
            if not self._weight or not (self._later or (self._stopped is None and (longer or self._learns(slot)))):
                break
        else:
            if longer and self._stopped is None:
                self.unseen += self._weight

    def _learns(self, slot: int) -> bool:
        """Whether, where nothing is earned, the slots behind this one say anything."""
        return slot + 1 < self._before.drawn or bool(self._strange)

    def _leave(self, old: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whom the draft puts into this slot, given those above, though the past hardly ever did."""
        # Behind the last of then stands the chance of who was not offered: none.
        was = old if self._known is None else np.append(old, 0.0)[self._known]
        rare: NDArray[np.bool_] = self._weight * new > LARGEST_WEIGHT * was
        if rare.any():
            gone = self._weight * float(new[rare].sum())
            self._lost += gone
            self.least += gone * self._later_kept
            self.most += gone * self._later
            self.open += gone * self._later
            if self._stopped is None and self._strange:
                self.unseen += self._weight * float(new[self._strange].sum())
        return rare

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
