"""How the floor is spread over candidates, and which of them are suspended. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
from bandits.evidence.outage import PROBES


class ProbeShares(msgspec.Struct, frozen=True):
    """The floor of a beliefs version as a multiple of the policy's, and the shares of it by candidate."""

    multiple: float
    shares: dict[str, float]


class Spread(NamedTuple):
    """The floor of a beliefs version.

    `suspended` (K,) is a mask of the suspended candidates, or None if none is; `shares` (K,) say how the floor is
    divided, evenly if None.
    """

    floor: float
    suspended: NDArray[np.bool_] | None = None
    shares: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls, ids: Sequence[str], suspended: Collection[str], floor: float, probes: ProbeShares | None = None
    ) -> Spread:
        """Return the spread for candidates `ids`, of whom those in `suspended` are probed only.

        A candidate that `probes` lack, such as one that is new, gets an average share.
        """
        mask = np.array([name in suspended for name in ids], np.bool_)
        suspended_rows = mask if mask.any() else None
        if probes is None or not ids:
            return cls(floor, suspended_rows)
        shares = np.array([probes.shares.get(name, 1 / len(ids)) for name in ids], np.float64)
        return cls(min(1.0, floor * probes.multiple), suspended_rows, shares)

    def applied(self, candidates: bandits.Candidates, eligible: Sequence[int]) -> bandits.Candidates:
        """Return the eligible candidates with their shares of the floor, and the suspended ones set aside.

        Suspended candidates share PROBES of each drawn slot; the others keep the floor. If all are suspended, none is
        set aside.
        """
        rows = list(eligible)
        shares = None if self.shares is None else self.shares[rows]
        suspended = np.zeros(len(rows), np.bool_) if self.suspended is None else self.suspended[rows]
        if not suspended.any() or suspended.all():
            return candidates if shares is None else candidates._replace(shares=shares)
        even = np.full(len(rows), self.floor / len(rows)) if shares is None else self.floor * shares / shares.sum()
        divided = np.where(suspended, PROBES / suspended.sum(), even)
        return candidates._replace(floor=float(min(1.0, divided.sum())), shares=divided, suspended=suspended)
