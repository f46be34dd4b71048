"""One beliefs version as the kernel reads it: frozen draws. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
from engine.kernel.amounts import AmountScores, make_amounts
from engine.kernel.choice_beliefs import ChoiceState
from engine.kernel.contextual_beliefs import ContextualState
from engine.kernel.plan import Plan
from engine.kernel.spread import ProbeShares, Spread
from engine.model.placement import Placement

MOST_CACHED = 1024
"""Sets of eligible candidates whose means a beliefs version keeps."""

Eligible = tuple[int, ...]


class Beliefs:
    """One version of the beliefs of a bucket, drawn once.

    The cache is not state: what it holds comes out the same each time.
    """

    prices: Mapping[str, float] = MappingProxyType({})
    """The prices of paced budgets."""

    def __init__(
        self,
        *,
        version: int,
        bucket: str,
        draws: bandits.Draws,
        amounts: AmountScores | None,
        hashes: NDArray[np.uint64],
        spread: Spread,
        customer_strength: float,
    ) -> None:
        self.version = version
        self.bucket = bucket
        self.spread = spread
        self.customer_strength = customer_strength
        parts = [(draws.rates, draws.means)]
        if amounts and amounts.counts:
            parts.append((amounts.amount_draws.draws, amounts.amount_draws.means))
        self._rates, self._means = (np.stack(part) for part in zip(*parts, strict=True))
        self._amounts = amounts
        self._hashes = hashes
        self._candidates: dict[Eligible, bandits.Candidates] = {}

    def candidates(self, eligible: Eligible) -> bandits.Candidates:
        """Return the draws, means and hashes of the eligible candidates; cached."""
        candidates = self._candidates.get(eligible)
        if candidates is None:
            if len(self._candidates) >= MOST_CACHED:
                self._candidates.clear()
            candidates = self._candidates[eligible] = self._rows(eligible)
        return candidates

    def amounts(self, eligible: Eligible) -> NDArray[np.float64] | None:
        """Return the expected amounts of a success, (K,), or None if amounts are not learned."""
        return self._amounts.amount_draws.means[list(eligible)] if self._amounts else None

    def first_chances(self, eligible: Eligible) -> NDArray[np.float64]:
        """Return the chances (K,) of the first slot for customers without a history, if nothing is boosted."""
        return bandits.first_chances(self.candidates(eligible))

    def _rows(self, eligible: Eligible) -> bandits.Candidates:
        rows = np.array(eligible, np.int64)
        means = np.ascontiguousarray(self._means[:, rows])
        candidates = bandits.Candidates(self._rates, means, self._hashes[rows], self.spread.floor, rows=rows)
        return self.spread.applied(candidates, eligible)


class ArmBelief(msgspec.Struct, frozen=True, array_like=True):
    """Evidence for one candidate: faded and weighted trials and successes, and the prior from one level up.

    `priced` successes had a known amount, `amount` minor units in sum and `squares` the sum of their squares, those in
    the tail cut; `squares` is 0 in old versions.
    """

    trials: float = 0.0
    successes: float = 0.0
    mean: float = bandits.FLAT.mean
    strength: float = bandits.FLAT.strength
    priced: float = 0.0
    amount: float = 0.0
    squares: float = 0.0

    @property
    def evidence(self) -> bandits.Evidence:
        return bandits.Evidence(self.trials, self.successes)

    @property
    def prior(self) -> bandits.Prior:
        return bandits.Prior(self.mean, self.strength)


class BudgetPrice(msgspec.Struct, frozen=True, array_like=True):
    """The price of a paced budget, and how much of it was spent or held when the price was made (epoch ms)."""

    price: float
    used: int
    made_at: int


class Knowledge(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that a beliefs version is made of, as its snapshot stores it.

    `contextual` is there if it learns from facts, `choice` if it learns from choices. The `suspended` candidates seem
    to be down: only probes show them. `probes` divide the floor; evenly if there are none. `prices` are those of paced
    budgets, by id.
    """

    arms: dict[str, ArmBelief] = {}
    customer_strength: float = bandits.CUSTOMER_STRENGTH
    contextual: ContextualState | None = msgspec.field(name="taught", default=None)
    choice: ChoiceState | None = None
    suspended: tuple[str, ...] = msgspec.field(name="away", default=())
    probes: ProbeShares | None = None
    prices: dict[str, BudgetPrice] = {}

    @property
    def trials(self) -> float:
        return sum(arm.trials for arm in self.arms.values())

    @property
    def jumps(self) -> Mapping[str, int]:
        """Return by candidate the epoch day of its last jump, as a model found it."""
        model = self.choice or self.contextual
        return model.jumps if model else {}

    def amounts(self, ids: Sequence[str], placement: Placement, version: int) -> AmountScores | None:
        """Draw the amounts for a version; None if the reward does not depend on amounts."""
        arms = [self.arms.get(name, NO_EVIDENCE) for name in ids]
        sums = [bandits.Amounts(arm.priced, arm.amount, arm.squares) for arm in arms]
        return make_amounts(ids, sums, placement, version)


NO_EVIDENCE = ArmBelief()


def make_beliefs(plan: Plan, knowledge: Knowledge, *, version: int, bucket: str, spread: Spread) -> Beliefs:
    """Draw a beliefs version from its snapshot; the same bits each time."""
    ids = plan.ids
    arms = [knowledge.arms.get(name, NO_EVIDENCE) for name in ids]
    evidence, priors = [arm.evidence for arm in arms], [arm.prior for arm in arms]
    return Beliefs(
        version=version,
        bucket=bucket,
        draws=bandits.make_draws(ids, evidence, seed=version, priors=priors),
        amounts=knowledge.amounts(ids, plan.placement, version),
        hashes=plan.hashes,
        spread=spread,
        customer_strength=knowledge.customer_strength,
    )
