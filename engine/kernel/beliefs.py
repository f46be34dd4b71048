"""What the kernel needs of a beliefs version: frozen draws, and races between candidates that it has run before."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
from engine.kernel.amounts import Amounts, make_amounts, weighted
from engine.kernel.contextual_beliefs import ContextualState
from engine.model.placement import Placement

MOST_REMEMBERED = 2**21
"""Draws that a beliefs version may hold in lanes and races, and so its memory: 256 of eight candidates, 8 MiB."""

Eligible = tuple[int, ...]


class EligibleDraws:
    """The draws, means and hashes of one set of eligible candidates; `amounts`, where amounts are learned, are what a
    success of each is expected to bring in."""

    def __init__(
        self, draws: bandits.Draws, amounts: Amounts | None, hashes: NDArray[np.uint64], eligible: Eligible
    ) -> None:
        whole = len(eligible) == len(hashes)
        rows = list(eligible)
        self.rates = draws.rates if whole else np.ascontiguousarray(draws.rates[rows])
        self.means = draws.means if whole else draws.means[rows]
        self.hashes = hashes if whole else hashes[rows]
        self.amounts = amounts.amount_draws.means[rows] if amounts else None
        self._brought = amounts.amount_draws.draws[rows] if amounts and amounts.counts else None

    def valued(self, rates: NDArray[np.float32]) -> NDArray[np.float32]:
        """Draws of what a trial brings in, where that is what counts; otherwise of its rate alone."""
        return rates if self._brought is None else rates * self._brought

    def expected(self, means: NDArray[np.float64]) -> NDArray[np.float64]:
        return means if self._brought is None or self.amounts is None else means * self.amounts


class Beliefs:
    """One version of what is known in one bucket of a placement, drawn once.

    Lanes and races are remembered, which is no state: they come out the same each time.
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
        eligible_draws = self._eligible_draws.get(eligible)
        if eligible_draws is None:
            self._make_room()
            eligible_draws = self._eligible_draws[eligible] = EligibleDraws(
                self._draws, self._amounts, self._hashes, eligible
            )
        return eligible_draws

    def amounts(self, eligible: Eligible) -> NDArray[np.float64] | None:
        """What a success of each is expected to bring in, (K,), where amounts are learned."""
        return self.eligible_draws(eligible).amounts

    def win_probabilities(
        self, eligible: Eligible, weights: NDArray[np.float64] | None = None
    ) -> bandits.WinProbabilities:
        """The race that all customers without a past share, under the weights that rules and fees make."""
        key = (eligible, None if weights is None else tuple(weights.tolist()))
        win_probabilities = self._win_probabilities.get(key)
        if win_probabilities is None:
            self._make_room()
            eligible_draws = self.eligible_draws(eligible)
            win_probabilities = bandits.WinProbabilities(
                weighted(eligible_draws.valued(eligible_draws.rates), weights), self.floor
            )
            self._win_probabilities[key] = win_probabilities
        return win_probabilities

    def _make_room(self) -> None:
        if (len(self._eligible_draws) + len(self._win_probabilities)) * self._draws.rates.size >= MOST_REMEMBERED:
            self._eligible_draws.clear()
            self._win_probabilities.clear()


class ArmBelief(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a candidate: faded, weighted trials and successes, the prior from one level up, and how many
    successes brought in what amount together."""

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
    """All that a beliefs version is made of, as it stands in its snapshot; `taught` where it learns from facts."""

    arms: dict[str, ArmBelief] = {}
    customer_strength: float = bandits.CUSTOMER_STRENGTH
    taught: ContextualState | None = None

    @property
    def trials(self) -> float:
        return sum(known.trials for known in self.arms.values())

    def amounts(self, ids: Sequence[str], placement: Placement, version: int) -> Amounts | None:
        """What successes bring in, drawn for a version; None where the reward asks for no amounts."""
        arms = [self.arms.get(name, NOBODY) for name in ids]
        sums = [bandits.Amounts(known.priced, known.amount) for known in arms]
        return make_amounts(ids, sums, placement, version)


NOBODY = ArmBelief()


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
    """Draw a beliefs version again from what it was made of; the same bits each time."""
    arms = [knowledge.arms.get(name, NOBODY) for name in ids]
    evidence, priors = [known.evidence for known in arms], [known.prior for known in arms]
    return Beliefs(
        version=version,
        bucket=bucket,
        draws=bandits.make_draws(ids, evidence, seed=version, priors=priors),
        amounts=knowledge.amounts(ids, placement, version),
        hashes=hashes,
        floor=floor,
        customer_strength=knowledge.customer_strength,
    )
