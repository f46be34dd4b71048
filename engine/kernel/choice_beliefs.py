"""Beliefs about choices among what was offered: frozen draws of utilities for each stratum. Pure."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
from bandits.choice.model import DEFAULT_PRIOR, ChoiceBelief, ChoiceModel, GaussianEvidence
from bandits.choice.observations import Layout
from bandits.choice.utilities import WIDTH, Utilities, best_earned, make_utilities, own_offsets, value_scores
from bandits.drawing.slots import hashes_of
from bandits.evaluation.intervals import Z95
from engine.kernel.amounts import AmountScores
from engine.kernel.spread import Spread
from engine.model.facts import History

Eligible = tuple[int, ...]
Floats = NDArray[np.float64]

MOST_CACHED_DRAWS = 2**22
"""Draws that a beliefs version keeps for sets of eligible candidates in strata: 512 of eight candidates, 16 MiB."""

NO_HISTORY: History = {}


class ChoiceState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was learned of choices, as a snapshot stores it: arrays of float32, packed as base64.

    `settled` and `pending` are the evidence of decisions whose choice is known and of those still open: the information
    vector (p,), then the upper triangle of the precision (p, p). `mean` (p,) is the posterior mean, stored because a
    library's last digits differ between processors and frozen draws must not. `cursor` is the last observation that was
    read, `day` its epoch day, `jumps` the day of each candidate's last noticed jump.
    """

    candidates: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    settled: str = ""
    pending: str = ""
    mean: str = ""
    cursor: int = 0
    day: int = 0
    jumps: dict[str, int] = {}

    @property
    def layout(self) -> Layout:
        return Layout(self.candidates, self.strata, self.own)

    def model(self) -> ChoiceModel:
        """Return the model that learns on from here."""
        size = self.layout.size
        return ChoiceModel(self.layout, _unpack_evidence(self.settled, size), _unpack_evidence(self.pending, size))


def state_of(
    model: ChoiceModel, ids: Sequence[str], *, cursor: int, day: int, jumps: dict[str, int] | None = None
) -> ChoiceState:
    """Return a model as it is stored, with room for candidates `ids` that were never offered."""
    belief = model.belief(candidates=ids)
    layout = belief.layout
    settled, pending = (part.moved(model.layout, layout) for part in (model.settled, model.pending))
    return ChoiceState(
        layout.candidates,
        layout.strata,
        layout.own,
        _pack_evidence(settled),
        _pack_evidence(pending),
        _pack(belief.mean),
        cursor,
        day,
        jumps or {},
    )


def belief_of(state: ChoiceState | None, ids: Sequence[str]) -> ChoiceBelief:
    """Return the posterior of a stored state; candidates that it lacks are as the prior has them.

    Only sums in a fixed order are taken, so that the same state gives the same bits on any processor.
    """
    stored = state or ChoiceState()
    layout = stored.layout.with_more(Layout(tuple(ids)))
    prior = DEFAULT_PRIOR.of(layout)
    if state is None:
        return ChoiceBelief(layout, prior.mean, prior.precision)
    model = stored.model()
    evidence = (model.settled + model.pending).moved(stored.layout, layout)
    mean = prior.mean.copy()
    mean[stored.layout.positions_in(layout)] = _unpack(stored.mean)
    return ChoiceBelief(layout, mean, prior.precision + evidence.precision)


class ChoiceBeliefs:
    """One version of what is known about choices in a placement, drawn once.

    `spread` says how the floor of each slot's chance is divided. Rows of eligible candidates are cached.
    """

    bucket = ""
    customer_strength = 0.0
    """The customer's history moves the utilities: draws are not blended with it."""

    def __init__(
        self,
        ids: Sequence[str],
        state: ChoiceState | None,
        *,
        version: int,
        spread: Spread,
        amounts: AmountScores | None = None,
    ) -> None:
        self.version = version
        self.spread = spread
        self.belief = belief_of(state, ids)
        self._ids = tuple(ids)
        self._hashes = hashes_of(ids)
        self._amounts = amounts
        self._candidates: dict[tuple[Eligible, str], bandits.Candidates] = {}
        # Drawing takes milliseconds: done here, beside the event loop, rather than in a decision.
        self._utilities = {name: self._draw(name) for name in ("", *self.belief.layout.own)}

    @property
    def counts_money(self) -> bool:
        """Return whether an answer is to earn most, rather than to be chosen from most often."""
        return self._amounts is not None

    def amounts(self, eligible: Eligible) -> Floats | None:
        """Return the expected amounts of a success, (K,), or None if amounts are not learned."""
        return self._amounts.amount_draws.means[list(eligible)] if self._amounts else None

    def candidates(
        self, eligible: Eligible, stratum: str, history: History = NO_HISTORY, weights: Floats = bandits.NO_WEIGHTS
    ) -> bandits.Candidates:
        """Return the draws and means of the eligible candidates in a stratum, for a customer's own history.

        The value `weights` (1, K) are part of the scores only if money counts. Means are the chances (K,) to be chosen
        alone in the first slot. Those without history and money are cached.
        """
        offsets = self._offsets(eligible, stratum, history)
        if self.counts_money or offsets is not None:
            return self._make(eligible, stratum, offsets, weights)
        key = (eligible, stratum)
        candidates = self._candidates.get(key)
        if candidates is None:
            if len(self._candidates) * len(self._ids) * bandits.DRAWS >= MOST_CACHED_DRAWS:
                self._candidates.clear()
            candidates = self._candidates[key] = self._make(eligible, stratum, None, weights)
        return candidates

    def first_chances(self, eligible: Eligible) -> Floats:
        """Return the chances (K,) of the first slot, in a stratum that is not known."""
        return bandits.first_chances(self.candidates(eligible, ""))

    def rates(self) -> list[tuple[float, float, float]]:
        """Return by candidate the chance to be chosen if it stood alone in the first slot, and its 95% interval."""
        # Frozen draws are narrower than the posterior (WIDTH); an interval must not be.
        drawn = self._utilities[""]
        spread = (drawn.draws.std(axis=1) / WIDTH).astype(np.float64)
        outside = self.belief.outside("")
        columns = (drawn.means, drawn.means - Z95 * spread, drawn.means + Z95 * spread)
        return list(zip(*((1.0 / (1.0 + np.exp(outside - column))).tolist() for column in columns), strict=True))

    def _make(self, eligible: Eligible, stratum: str, offsets: Floats | None, weights: Floats) -> bandits.Candidates:
        rows, drawn = list(eligible), self._of(stratum)
        added = np.zeros(len(rows)) if offsets is None else offsets
        utilities = drawn.means[rows] + added
        draws = drawn.draws[rows] + added.astype(np.float32)[:, None]
        shares = 1.0 / (1.0 + np.exp(self.belief.outside(stratum) - utilities))
        scores, expected = self._scores(draws, utilities, eligible, stratum, weights)
        means = np.stack((shares, shares, expected))
        candidates = bandits.Candidates(scores[None], means, self._hashes[rows], self.spread.floor)
        return self.spread.applied(candidates, eligible)

    def _scores(
        self, draws: NDArray[np.float32], utilities: Floats, eligible: Eligible, stratum: str, weights: Floats
    ) -> tuple[NDArray[np.float32], Floats]:
        """Return scores (K, M) of the draws, and (K,) of the means."""
        if self._amounts is None:
            return np.exp(draws - draws.max(axis=0, keepdims=True)), np.exp(utilities - utilities.max())
        rows = list(eligible)
        factors = weights[0] if weights.size else np.ones(len(rows))
        counts = self._amounts.counts
        values = self._amounts.amount_draws.means[rows] * factors if counts else factors
        names = [self._ids[number] for number in eligible]
        earned = best_earned(self.belief, names, dict(zip(names, values.tolist(), strict=True)), stratum)
        drawn = self._amounts.amount_draws.draws[rows] * factors[:, None] if counts else values[:, None]
        expected = value_scores(utilities[:, None].astype(np.float32), values[:, None], earned)[:, 0]
        return value_scores(draws, drawn, earned), expected.astype(np.float64)

    def _offsets(self, eligible: Eligible, stratum: str, history: History) -> Floats | None:
        """Return what the customer's own choices add to the utilities (K,); None if there are none."""
        own = [history[name].successes if name in history else 0.0 for name in (self._ids[n] for n in eligible)]
        return own_offsets(self._of(stratum).means[list(eligible)], own) if any(own) else None

    def _of(self, stratum: str) -> Utilities:
        return self._utilities.get(stratum) or self._utilities[""]

    def _draw(self, stratum: str) -> Utilities:
        if not self._ids:
            return Utilities(np.zeros((0, bandits.DRAWS), np.float32), np.zeros(0))
        return make_utilities(self._ids, self.belief, stratum, seed=self.version)


def _pack(values: Floats) -> str:
    return b64encode(values.astype("<f4").tobytes()).decode()


def _unpack(packed: str) -> Floats:
    return np.frombuffer(b64decode(packed), "<f4").astype(np.float64)


def _pack_evidence(evidence: GaussianEvidence) -> str:
    triangle = evidence.precision[np.triu_indices(len(evidence.precision))]
    return _pack(np.concatenate((evidence.information, triangle)))


def _unpack_evidence(packed: str, size: int) -> GaussianEvidence:
    if not packed:
        return GaussianEvidence.nothing(size)
    numbers = _unpack(packed)
    precision = np.zeros((size, size))
    precision[np.triu_indices(size)] = numbers[size:]
    precision += np.triu(precision, 1).T
    return GaussianEvidence(numbers[:size], precision)
