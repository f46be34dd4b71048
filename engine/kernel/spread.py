"""How the floor is spread over candidates, and which of them are away. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import bandits
from bandits.evidence.outage import PROBES


class Spread(NamedTuple):
    """The floor of a beliefs version, and a mask (K,) of the candidates that are away, or None if none is."""

    floor: float
    away: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, ids: Sequence[str], away: Collection[str], floor: float) -> Spread:
        """Return the spread for candidates `ids`, of whom those in `away` are probed only."""
        mask = np.array([name in away for name in ids], np.bool_)
        return cls(floor, mask if mask.any() else None)

    def applied(self, candidates: bandits.Candidates, eligible: Sequence[int]) -> bandits.Candidates:
        """Return the eligible candidates with those away set aside: together they get PROBES of each drawn slot.

        The others keep the floor. Nothing changes if none or all of the eligible candidates are away.
        """
        if self.away is None:
            return candidates
        away = self.away[list(eligible)]
        if not away.any() or away.all():
            return candidates
        shares = np.where(away, PROBES / away.sum(), self.floor / len(away))
        return candidates._replace(floor=float(min(1.0, shares.sum())), shares=shares, away=away)
