"""What was chosen among what was offered: the observations that a choice model learns from.

An observation is an order as it stood on the page, pinned candidates and all, what decides who is offered (its
stratum), and the slot that was chosen, or none. Equal observations are one row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]

NO_CANDIDATE = -1
"""Fills an order behind its last candidate."""

EFFECT_STARTS = (1, 2, 3, 4, 5, 8)
"""The slots (from 0) from which on an effect of its own holds; the first slot has none. Far down, where little is
chosen, neighbours share one."""

EFFECTS = len(EFFECT_STARTS)

MOST_STRATA = 50
"""Strata beyond that share the common outside option."""

MOST_OWN = 240
"""Utilities of candidates in strata of their own: 30 strata of eight candidates. Later strata share the common ones."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which number of a vector of parameters is whose: the EFFECTS of slots, the outside option that all strata have in
    common, the utility of each candidate, how far the outside option of each stratum lies from the common one, and, for
    the strata in `own`, how far the utility of each candidate there does."""

    candidates: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return self.first_own + len(self.own) * len(self.candidates)

    @property
    def utilities(self) -> slice:
        return slice(EFFECTS + 1, EFFECTS + 1 + len(self.candidates))

    @property
    def deviations(self) -> slice:
        return slice(EFFECTS + 1 + len(self.candidates), self.first_own)

    @property
    def first_own(self) -> int:
        return EFFECTS + 1 + len(self.candidates) + len(self.strata)

    def own_start(self, stratum: str) -> int | None:
        """Return the number of the first candidate's deviation in a stratum; None where it has none."""
        if stratum not in self.own:
            return None
        return self.first_own + self.own.index(stratum) * len(self.candidates)

    def with_more(self, other: "Layout") -> "Layout":
        """Return the layout with those that are new behind the others of their kind, in the order of their names.

        Strata beyond MOST_STRATA are left out; they have a utility of their own as long as there is room.
        """
        candidates = (*self.candidates, *sorted({*other.candidates} - {*self.candidates}))
        room = max(0, MOST_STRATA - len(self.strata))
        strata = (*self.strata, *sorted({*other.strata} - {*self.strata})[:room])
        most = max(len(self.own), MOST_OWN // max(1, len(candidates)))
        return Layout(candidates, strata, strata[:most])

    def positions_in(self, other: "Layout") -> Numbers:
        """Return for each parameter its number in another layout that has them all, (size,)."""
        candidate_numbers = {name: number for number, name in enumerate(other.candidates, other.utilities.start)}
        stratum_numbers = {name: number for number, name in enumerate(other.strata, other.deviations.start)}
        positions = [
            *range(EFFECTS + 1),
            *(candidate_numbers[name] for name in self.candidates),
            *(stratum_numbers[name] for name in self.strata),
        ]
        for stratum in self.own:
            start = other.own_start(stratum)
            if start is None:
                raise ValueError(f"the other layout has no utilities of {stratum}")
            positions += [start - other.utilities.start + candidate_numbers[name] for name in self.candidates]
        return np.array(positions, np.intp)


class ChoiceObservation(NamedTuple):
    """One observation. `chosen` are slots (from 0), empty for none; each of several counts in equal parts.

    `weight` may be negative: the observation is taken back. `offsets` (slots), where not empty, are what is known
    beforehand to be added to the utilities for this customer, such as a favourite; `shares` (slots), where not empty,
    say of an observation that is still open how many of the choices of each would be known by now, 0 to 1.
    """

    order: tuple[str, ...]
    stratum: str
    chosen: tuple[int, ...] = ()
    weight: float = 1.0
    offsets: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ChoiceTable:
    """N different observations: `order` (N, L), numbers of candidates, NOBODY behind the last; `stratum` (N,), numbers
    of strata, NOBODY for the common one; `picked` (N, L + 1), how often each slot was chosen, and none, which is last;
    `offsets` and `shares` (N, L), as in `Seen`.

    `picked` may hold differences to what was told before: the log-likelihood is linear in it.
    """

    layout: Layout
    order: Numbers
    stratum: Numbers
    picked: Floats
    offsets: Floats
    shares: Floats

    @classmethod
    def of(cls, layout: Layout, order: Numbers, stratum: Numbers, picked: Floats) -> "ChoiceTable":
        """Return settled observations without offsets."""
        return cls(layout, order, stratum, picked, np.zeros(order.shape), np.ones(order.shape))

    @property
    def totals(self) -> Floats:
        totals: Floats = self.picked.sum(axis=1)
        return totals

    def where(self, chosen: NDArray[np.bool_]) -> "ChoiceTable":
        """Return some of the rows."""
        rows = (self.order, self.stratum, self.picked, self.offsets, self.shares)
        return ChoiceTable(self.layout, *(values[chosen] for values in rows))  # type: ignore[arg-type]


NOTHING = ChoiceTable.of(Layout(), np.zeros((0, 1), np.intp), np.zeros(0, np.intp), np.zeros((0, 2)))
"""No observation."""


class _ObservationKey(NamedTuple):
    """The key that equal observations share."""

    order: tuple[str, ...]
    stratum: str
    offsets: tuple[float, ...]
    shares: tuple[float, ...]


def aggregate(observations: Sequence[ChoiceObservation]) -> ChoiceTable:
    """Return observations with equal ones as one row; the same whatever their order.

    Sums of weights that are whole numbers, or binary fractions, are exact.
    """
    width = max((len(choice.order) for choice in observations), default=1)
    sums: dict[_ObservationKey, list[float]] = {}
    for choice in observations:
        picked = sums.setdefault(
            _ObservationKey(choice.order, choice.stratum, choice.offsets, choice.shares), [0.0] * (width + 1)
        )
        for slot in choice.chosen or (width,):
            picked[slot] += choice.weight / max(1, len(choice.chosen))
    keys = sorted(sums)
    candidates, strata = {name for key in keys for name in key.order}, {key.stratum for key in keys}
    layout = Layout(tuple(sorted(candidates)), tuple(sorted(strata)))
    return _table(layout, keys, np.array([sums[key] for key in keys]).reshape(-1, width + 1))


def _table(layout: Layout, keys: Sequence[_ObservationKey], picked: Floats) -> ChoiceTable:
    width = picked.shape[1] - 1
    candidate_numbers = {name: number for number, name in enumerate(layout.candidates)}
    stratum_numbers = {name: number for number, name in enumerate(layout.strata)}
    order = np.full((len(keys), width), NO_CANDIDATE, np.intp)
    offsets, shares = np.zeros((len(keys), width)), np.ones((len(keys), width))
    for row, key in enumerate(keys):
        order[row, : len(key.order)] = [candidate_numbers[name] for name in key.order]
        offsets[row, : len(key.offsets)] = key.offsets
        shares[row, : len(key.shares)] = key.shares
    stratum = np.array([stratum_numbers[key.stratum] for key in keys], np.intp)
    return ChoiceTable(layout, order, stratum, picked, offsets, shares)
