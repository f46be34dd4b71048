"""Beliefs about choices among what was offered: frozen draws of utilities for each stratum. Pure."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
from bandits.choice.model import DEFAULT_PRIOR, ChoiceBelief, ChoiceModel, ChoicePrior, GaussianEvidence
from bandits.choice.observations import EFFECTS, Layout
from bandits.choice.utilities import (
    WIDTH,
    Utilities,
    attractions_of,
    best_earned,
    make_utilities,
    slot_factors,
    weigh,
)
from bandits.drawing.slots import NO_SHARES, hashes_of
from bandits.evaluation.intervals import Z95
from bandits.evidence.residuals import Residuals
from engine.kernel.amounts import AmountScores
from engine.kernel.spread import Spread
from engine.model.facts import History

Eligible = tuple[int, ...]
Floats = NDArray[np.float64]

MOST_CACHED_DRAWS = 2**22
"""Draws that a beliefs version copies for sets of eligible candidates in strata: 512 of eight candidates, 16 MiB."""
MOST_CACHED = 4096
"""Sets that it keeps where they share their draws."""

NO_HISTORY: History = {}

SMALLEST = np.finfo(np.float32).tiny

COMPRESSED = "zlib:"
"""Stands before packed evidence that is compressed; base64 has no colon."""
COMPRESSION_LEVEL = 1


class ChoiceState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The evidence of choices, as a snapshot stores it: arrays of float32, packed as base64.

    `settled` and `pending` are the evidence of decisions whose choice is known and of those still open: the information
    vector (p,), then the upper triangle of the precision (p, p). `mean` (p,) is the posterior mean, stored because a
    library's last digits differ between processors and frozen draws must not. `cursor` is the last observation that was
    read, `day` its epoch day, `jumps` the day of each candidate's last noticed jump. `effects`, where slots are weighed
    by exact chances, is the posterior precision of the EFFECTS, whatever the evidence says of it. `residuals` are what
    was expected of recent days and what came.
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
    effects: str = ""
    residuals: Residuals = Residuals()

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


def with_identified(state: ChoiceState, model: ChoiceModel, prior: ChoicePrior, ids: Sequence[str]) -> ChoiceState:
    """Return the state with the mean and the precision that the prior's identified effects give; the same without."""
    if not prior.identified:
        return state
    belief = model.belief(prior, ids)
    effects = _pack(belief.precision[:EFFECTS, :EFFECTS].ravel())
    return msgspec.structs.replace(state, mean=_pack(belief.mean), effects=effects)


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
    precision = prior.precision + evidence.precision
    if stored.effects:
        precision[:EFFECTS, :EFFECTS] = _unpack(stored.effects).reshape(EFFECTS, EFFECTS)
    return ChoiceBelief(layout, mean, precision)


class WeighedCandidates(NamedTuple):
    """Candidates, and the weights (1, K) or (0, 0) that their scores are multiplied by in one request."""

    candidates: bandits.Candidates
    weights: Floats


class _Stratum(NamedTuple):
    """Attractions relative to the outside option: float32 draws (K, M), and those of the means (K,)."""

    draws: NDArray[np.float32]
    means: Floats


class ChoiceBeliefs:
    """One version of what is known about choices in a placement, drawn once.

    `spread` says how the floor of each slot's chance is divided. Rows of eligible candidates are cached. A score is an
    attraction, the exponential of a utility, times what weighs it in a request: so frozen draws need no exponentials.
    """

    bucket = ""
    customer_strength = 0.0
    """The customer's history moves the weights: draws are not blended with it."""
    prices: Mapping[str, float] = MappingProxyType({})
    """The prices of paced budgets."""

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
        copies = amounts is not None and amounts.counts
        self._most_cached = MOST_CACHED_DRAWS // (max(1, len(ids)) * bandits.DRAWS) if copies else MOST_CACHED
        self._slots = slot_factors(self.belief)
        self._candidates: dict[tuple[Eligible, str, bytes], bandits.Candidates] = {}
        # Drawing takes milliseconds: done here, beside the event loop, rather than in a decision.
        self._strata = {name: self._attractions(name) for name in ("", *self.belief.layout.own)}

    def amounts(self, eligible: Eligible) -> Floats | None:
        """Return the expected amounts of a success, (K,), or None if amounts are not learned."""
        return self._amounts.amount_draws.means[list(eligible)] if self._amounts else None

    def candidates(
        self, eligible: Eligible, stratum: str, history: History = NO_HISTORY, weights: Floats = bandits.NO_WEIGHTS
    ) -> WeighedCandidates:
        """Return the eligible candidates in a stratum, and their weights for a customer's own history.

        `weights` (1, K) are boosts; for the reward `margin` they are values times boosts. Means are the chances (K,) to
        be chosen alone in the first slot.
        """
        amounts, own = self._amounts, self._own(eligible, history)
        if amounts and amounts.counts:
            # Amounts are part of the draws, and so are boosts: what earns most depends on what all others earn.
            candidates, weights = self._rows(eligible, stratum, weights), bandits.NO_WEIGHTS
        else:
            candidates = self._rows(eligible, stratum, bandits.NO_WEIGHTS)
        earns = amounts is not None and weights.size
        if own.size or earns:
            slots = self._slots if earns else NO_SHARES
            attractions = self._of(stratum).means[list(eligible)]
            means, weights = weigh(attractions, own, weights, slots, candidates.means)
            candidates = candidates._replace(means=means)
        return WeighedCandidates(candidates, weights)

    def first_chances(self, eligible: Eligible, stratum: str = "") -> Floats:
        """Return the chances (K,) of the first slot in a stratum; an unknown one has what all have in common."""
        return bandits.first_chances(self.candidates(eligible, stratum).candidates)

    def rates(self, stratum: str = "") -> Floats:
        """Return the chances (3, K) to be chosen alone in the first slot: means, and the ends of 95% intervals."""
        drawn, shared = self._of(stratum), stratum if stratum in self._strata else ""
        means = np.log(drawn.means) + self.belief.outside(shared) - self.belief.outside(stratum)
        # Frozen draws are narrower than the posterior (WIDTH); an interval must not be.
        spread = np.log(np.maximum(drawn.draws, SMALLEST)).std(axis=1, dtype=np.float64) / WIDTH
        rates: Floats = 1.0 / (1.0 + np.exp(-np.stack((means, means - Z95 * spread, means + Z95 * spread))))
        return rates

    def _rows(self, eligible: Eligible, stratum: str, boosts: Floats) -> bandits.Candidates:
        """Return the draws of the eligible candidates in a stratum; cached."""
        key = (eligible, stratum if stratum in self._strata else "", boosts.tobytes())
        candidates = self._candidates.get(key)
        if candidates is None:
            if len(self._candidates) >= self._most_cached:
                self._candidates.clear()
            candidates = self._candidates[key] = self._make(eligible, stratum, boosts)
        return candidates

    def _make(self, eligible: Eligible, stratum: str, boosts: Floats) -> bandits.Candidates:
        rows, drawn = np.array(eligible, np.int64), self._of(stratum)
        attractions = drawn.means[rows]
        draws, expected = drawn.draws[None], attractions
        if self._amounts and self._amounts.counts:
            factors = boosts[0] if boosts.size else np.ones(len(rows))
            values = self._amounts.amount_draws.means[rows] * factors
            earned = best_earned(attractions, values, self._slots)
            above = self._amounts.amount_draws.draws[rows] * factors[:, None] - earned
            # Amounts depend on who else is eligible, so these draws are copies in the order of the eligible ones.
            draws, expected = np.stack((drawn.draws[rows], above.astype(np.float32))), attractions * (values - earned)
            rows = np.arange(len(rows))
        shares = attractions / (1.0 + attractions)
        means = np.stack((shares, shares, expected))
        hashes = self._hashes[list(eligible)]
        candidates = bandits.Candidates(draws, means, hashes, self.spread.floor, rows=rows)
        return self.spread.applied(candidates, eligible)

    def _own(self, eligible: Eligible, history: History) -> Floats:
        """Return the customer's own choices (K,) of the eligible candidates; (0,) if there are none."""
        if not history:
            return NO_SHARES
        own = [history[name].successes if name in history else 0.0 for name in [self._ids[n] for n in eligible]]
        return np.array(own, np.float64) if any(own) else NO_SHARES

    def _of(self, stratum: str) -> _Stratum:
        return self._strata.get(stratum) or self._strata[""]

    def _attractions(self, stratum: str) -> _Stratum:
        utilities, outside = self._draw(stratum), self.belief.outside(stratum)
        draws = attractions_of(utilities.draws, outside).astype(np.float32)
        return _Stratum(draws, attractions_of(utilities.means, outside))

    def _draw(self, stratum: str) -> Utilities:
        if not self._ids:
            return Utilities(np.zeros((0, bandits.DRAWS), np.float32), np.zeros(0))
        return make_utilities(self._ids, self.belief, stratum, seed=self.version)


def _pack(values: Floats) -> str:
    return b64encode(values.astype("<f4").tobytes()).decode()


def _unpack(packed: str) -> Floats:
    return np.frombuffer(b64decode(packed), "<f4").astype(np.float64)


def _pack_evidence(evidence: GaussianEvidence) -> str:
    """Pack the evidence compressed: strata meet in no decision, so most of the precision is zeros."""
    triangle = evidence.precision[np.triu_indices(len(evidence.precision))]
    numbers = np.concatenate((evidence.information, triangle)).astype("<f4")
    return COMPRESSED + b64encode(zlib.compress(numbers.tobytes(), COMPRESSION_LEVEL)).decode()


def _unpack_evidence(packed: str, size: int) -> GaussianEvidence:
    """Unpack evidence; snapshots of earlier versions are not compressed."""
    if not packed:
        return GaussianEvidence.nothing(size)
    if packed.startswith(COMPRESSED):
        content = zlib.decompress(b64decode(packed.removeprefix(COMPRESSED)))
        numbers = np.frombuffer(content, "<f4").astype(np.float64)
    else:
        numbers = _unpack(packed)
    precision = np.zeros((size, size))
    precision[np.triu_indices(size)] = numbers[size:]
    precision += np.triu(precision, 1).T
    return GaussianEvidence(numbers[:size], precision)
