"""One beliefs version as the kernel reads it: frozen draws, and cached win probabilities. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
from engine.kernel.amounts import Amounts, make_amounts, weighted
from engine.kernel.contextual_beliefs import ContextualState
from engine.model.placement import Placement

MOST_CACHED_DRAWS = 2**21
"""Draws that the caches of a beliefs version may hold: 256 entries for eight candidates, 8 MiB."""

Eligible = tuple[int, ...]


class EligibleDraws:
    """Draws (K, M), means (K,) and hashes (K,) of one set of eligible candidates.

    `amounts` (K,) are expected amounts of a success, or None if amounts are not learned.
    """

    def __init__(
        self, draws: bandits.Draws, amounts: Amounts | None, hashes: NDArray[np.uint64], eligible: Eligible
    ) -> None:
        whole = len(eligible) == len(hashes)
        rows = list(eligible)
        self.rates = draws.rates if whole else np.ascontiguousarray(draws.rates[rows])
        self.means = draws.means if whole else draws.means[rows]
        self.hashes = hashes if whole else hashes[rows]
        self.amounts = amounts.amount_draws.means[rows] if amounts else None
        self._amount_draws = amounts.amount_draws.draws[rows] if amounts and amounts.counts else None

    def times_amounts(self, rates: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return draws (K, M) of what a trial brings in if the reward is revenue, otherwise the rates as they are."""
        return rates if self._amount_draws is None else rates * self._amount_draws

    def expected(self, means: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what a trial is expected to bring in, (K,), given mean rates."""
        return means if self._amount_draws is None or self.amounts is None else means * self.amounts


class Beliefs:
    """One version of the beliefs of a bucket, drawn once.

    The caches are not state: what they hold comes out the same each time.
    """

    def __init__(
        self,
        *,
        version: int,
        bucket: str,
        draws: bandits.Draws,
        amounts: Amounts | None,
        hashes: NDArray[np.uint64],
        floor: float,
        customer_strength: float,
    ) -> None:
        self.version = version
        self.bucket = bucket
        self.floor = floor
        self.customer_strength = customer_strength
        self._draws = draws
        self._amounts = amounts
        self._hashes = hashes
        self._eligible_draws: dict[Eligible, EligibleDraws] = {}
        self._win_probabilities: dict[tuple[Eligible, tuple[float, ...] | None], bandits.WinProbabilities] = {}

    def eligible_draws(self, eligible: Eligible) -> EligibleDraws:
        """Return the rows of the eligible candidates; cached."""
        eligible_draws = self._eligible_draws.get(eligible)
        if eligible_draws is None:
            self._make_room()
            eligible_draws = self._eligible_draws[eligible] = EligibleDraws(
                self._draws, self._amounts, self._hashes, eligible
            )
        return eligible_draws

    def amounts(self, eligible: Eligible) -> NDArray[np.float64] | None:
        """Return the expected amounts of a success, (K,), or None if amounts are not learned."""
        return self.eligible_draws(eligible).amounts

    def win_probabilities(
        self, eligible: Eligible, weights: NDArray[np.float64] | None = None
    ) -> bandits.WinProbabilities:
        """Return the win probabilities that all customers without a history share, under value weights (K,); cached."""
        key = (eligible, None if weights is None else tuple(weights.tolist()))
        win_probabilities = self._win_probabilities.get(key)
        if win_probabilities is None:
            self._make_room()
            eligible_draws = self.eligible_draws(eligible)
            win_probabilities = bandits.WinProbabilities(
                weighted(eligible_draws.times_amounts(eligible_draws.rates), weights), self.floor
            )
            self._win_probabilities[key] = win_probabilities
        return win_probabilities

    def _make_room(self) -> None:
        if (len(self._eligible_draws) + len(self._win_probabilities)) * self._draws.rates.size >= MOST_CACHED_DRAWS:
            self._eligible_draws.clear()
            self._win_probabilities.clear()


class ArmBelief(msgspec.Struct, frozen=True, array_like=True):
    """Evidence for one candidate: faded and weighted trials and successes, and the prior from one level up.

    `priced` successes had a known amount, `amount` minor units in sum.
    """

    trials: float = 0.0
    successes: float = 0.0
    mean: float = bandits.FLAT.mean
    strength: float = bandits.FLAT.strength
    priced: float = 0.0
    amount: float = 0.0

    @property
    def evidence(self) -> bandits.Evidence:
        return bandits.Evidence(self.trials, self.successes)

    @property
    def prior(self) -> bandits.Prior:
        return bandits.Prior(self.mean, self.strength)


class Knowledge(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that a beliefs version is made of, as its snapshot stores it; `contextual` if it learns from facts."""

    arms: dict[str, ArmBelief] = {}
    customer_strength: float = bandits.CUSTOMER_STRENGTH
    contextual: ContextualState | None = msgspec.field(name="taught", default=None)

    @property
    def trials(self) -> float:
        return sum(arm.trials for arm in self.arms.values())

    def amounts(self, ids: Sequence[str], placement: Placement, version: int) -> Amounts | None:
        """Draw the amounts for a version; None if the reward does not depend on amounts."""
        arms = [self.arms.get(name, NO_EVIDENCE) for name in ids]
        sums = [bandits.Amounts(arm.priced, arm.amount) for arm in arms]
        return make_amounts(ids, sums, placement, version)


NO_EVIDENCE = ArmBelief()


def make_beliefs(
    ids: tuple[str, ...],
    hashes: NDArray[np.uint64],
    knowledge: Knowledge,
    placement: Placement,
    *,
    version: int,
    bucket: str,
    floor: float,
) -> Beliefs:
    """Draw a beliefs version from its snapshot; the same bits each time."""
    arms = [knowledge.arms.get(name, NO_EVIDENCE) for name in ids]
    evidence, priors = [arm.evidence for arm in arms], [arm.prior for arm in arms]
    return Beliefs(
        version=version,
        bucket=bucket,
        draws=bandits.make_draws(ids, evidence, seed=version, priors=priors),
        amounts=knowledge.amounts(ids, placement, version),
        hashes=hashes,
        floor=floor,
        customer_strength=knowledge.customer_strength,
    )
