"""What logged answers tell about a draft: how much each counts, and what it leaves open.

A customer's choice is taken to depend on what stands in its slot and above (the cascade of reward-interaction IPS,
McInerney et al., 2020), so only the slots down to the choice are weighed. Where the draft leaves what the past has
ever done, an answer is followed no further. Formulas and reasons stand in docs/preview.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.previews.estimation.drawing import Drawing, Floats, Places

Flags = NDArray[np.bool_]
LARGEST_WEIGHT = 100.0
"""What the past did less than a hundredth as often as the draft would counts as never done: single customers would
decide all."""


class Logged(NamedTuple):
    """N logged answers slot by slot, (N, L): who stood there, as places among those offered then and among the draft's
    (-1: not among them), the chance that they had of it, and what they earned."""

    places_then: Places
    places_now: Places
    chances: Floats
    rewards: Floats


class Weighed(NamedTuple):
    """The shares of N decisions in the estimate, (N,) each; rewards in the unit of the placement's reward.

    `weight`: the draft's chance of what was logged over the logged one, of mean 1. `logged`: what was earned.
    `least` and `most`: what counts for the draft, already weighted; they differ where somebody took, beyond what the
    past can tell, what the draft takes away: none or all of them take something else. `open`: the part of `most` that
    stands there. `unseen`: the chance of something that was never offered, where nobody took any.
    """

    weight: Floats
    logged: Floats
    least: Floats
    most: Floats
    open: Floats
    unseen: Floats


def weigh(logged: Logged, before: Drawing | None, draft: Drawing | None) -> Weighed:
    """A drawing is None where its plan leaves no candidate."""
    whole, nothing = logged.rewards.sum(axis=1), np.zeros(len(logged.rewards))
    if before is None or draft is None:
        unseen = np.full(len(whole), float(before is None and draft is not None))
        return Weighed(nothing + 1.0, whole, nothing, nothing, nothing, unseen)
    walk = _Walk(logged, before, draft)
    walk.down()
    return Weighed(walk.mass, whole, walk.least, walk.most, walk.open, walk.unseen)


class _Walk:
    """Down the logged rankings, slot by slot, under the chances of then and of the draft.

    `_weight` is that of the slots so far, `_lost` what the draft put by now where the past never was. Their sum is 1
    on average at any slot, also at the one where the customer stops. `_goes_on` says which answers are followed still.
    """

    def __init__(self, logged: Logged, before: Drawing, draft: Drawing) -> None:
        self._logged, self._before, self._draft = logged, before, draft
        then = {name: place for place, name in enumerate(before.offered)}
        self._known = [then.get(name, -1) for name in draft.offered]
        self._strange = [place for place, known in enumerate(self._known) if known < 0]
        count, slots = logged.places_now.shape
        self._rows = np.arange(count)
        self._longer = draft.length > slots
        # Of those that a short answer leaves out nobody knows which.
        shows_all = draft.length == len(draft.offered)
        self._kept = logged.rewards * ((logged.places_now >= 0) & shows_all)
        self._later, self._later_kept = logged.rewards.sum(axis=1), self._kept.sum(axis=1)
        self._weight, self._lost = np.ones(count), np.zeros(count)
        self._goes_on = np.ones(count, np.bool_)
        self._stopped = np.full(count, np.nan)
        self.least, self.most, self.open, self.unseen = (np.zeros(count) for _ in range(4))

    @property
    def mass(self) -> Floats:
        return np.where(self._waits, self._weight + self._lost, self._stopped)

    @property
    def _waits(self) -> Flags:
        """Whose customer has taken nothing so far."""
        waits: Flags = np.isnan(self._stopped)
        return waits

    def down(self) -> None:
        both = zip(
            self._before.along(self._logged.places_then), self._draft.along(self._logged.places_now), strict=False
        )
        # The logged answer may be longer than the draft's: then there is nothing more to compare.
        for slot, (old, new) in enumerate(both):
            rare = self._leave(old, new)
            self._step(slot, new, rare)
            self._take(slot)
            self._goes_on &= self._tells(slot, old)
            if not self._goes_on.any():
                return
        if self._longer:
            self.unseen += self._weight * (self._goes_on & self._waits)

    def _leave(self, old: Floats, new: Floats) -> Flags:
        """Whom the draft puts into this slot, given those above, though the past hardly ever did."""
        # Behind the last of then stands the chance of who was not offered: none.
        was = np.column_stack((old, np.zeros(len(old))))[:, self._known]
        weight = self._weight * self._goes_on
        rare: Flags = weight[:, None] * new > LARGEST_WEIGHT * was
        gone = weight * np.where(rare, new, 0.0).sum(axis=1)
        self._lost += gone
        self.least += gone * self._later_kept
        self.most += gone * self._later
        self.open += gone * self._later
        if self._strange:
            self.unseen += weight * new[:, self._strange].sum(axis=1) * (rare.any(axis=1) & self._waits)
        return rare

    def _step(self, slot: int, new: Floats, rare: Flags) -> None:
        place = self._logged.places_now[:, slot]
        stays = (place >= 0) & ~rare[self._rows, place]
        ratio = np.where(stays, new[self._rows, place], 0.0) / self._logged.chances[:, slot]
        self._weight = np.where(self._goes_on, self._weight * ratio, self._weight)

    def _take(self, slot: int) -> None:
        reward = self._logged.rewards[:, slot] * self._goes_on
        self.least += self._weight * reward
        self.most += self._weight * reward
        self._later -= reward
        self._later_kept -= self._kept[:, slot] * self._goes_on
        self._stopped = np.where((reward != 0) & self._waits, self._weight + self._lost, self._stopped)

    def _tells(self, slot: int, old: Floats) -> Flags:
        """Whose slots behind this one say anything: also where nothing is earned, as long as nothing was taken."""
        then = self._logged.places_then[:, slot]
        learns = self._longer or slot + 1 < self._before.drawn or bool(self._strange)
        tells = (self._later != 0) | (self._waits & learns)
        # An answer that the plan of then could not have given has no chances to compare with.
        given = (then >= 0) & (old[self._rows, then] > 0)
        going: Flags = (self._weight != 0) & tells & given
        return going
