"""One contextual beliefs version as the kernel reads it: frozen draws of weights, and the encoding of facts. Pure."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeGuard

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
from bandits.drawing.weight_draws import Weights, make_weights, rates_of
from bandits.evidence.residuals import Residuals
from bandits.posterior.logistic_update import MOST_CORRELATED, Factor
from bandits.posterior.weight_posterior import WeightEvidence
from engine.kernel.amounts import AmountScores
from engine.kernel.encoding.features import Encoding
from engine.kernel.spread import Spread
from engine.model.facts import History

MOST_CACHED_DRAWS = 2**23
"""Draws that the cache of a beliefs version may hold: 80 sets of eight candidates with 12 features."""

Eligible = tuple[int, ...]
Floats = NDArray[np.float64]


class ContextualState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Evidence about weights as a snapshot stores it: a factor by candidate id, packed as base64.

    `features` names what the weights belong to. `cursor` is the number of the last observation that was read, `day`
    the epoch day up to which evidence has faded. `pending` holds the factors of decisions that had no outcome then.
    `residuals` are what was expected of recent days and what came, `jumps` the day of each candidate's last jump.
    """

    features: tuple[str, ...] = ()
    factors: dict[str, str] = {}
    cursor: int = 0
    day: int = 0
    pending: dict[str, str] = msgspec.field(name="waiting", default_factory=dict)
    residuals: Residuals = Residuals()
    jumps: dict[str, int] = {}

    def evidence(self) -> WeightEvidence:
        """Unpack the factors."""
        size = len(self.features)
        return WeightEvidence(size, _unpacked(self.factors, size), _unpacked(self.pending, size))


def matches_encoding(state: ContextualState | None, encoding: Encoding) -> TypeGuard[ContextualState]:
    """Return whether the state is about exactly these features: otherwise it cannot be used."""
    return state is not None and state.features == encoding.names


def pack_state(evidence: WeightEvidence, encoding: Encoding, *, cursor: int, day: int) -> ContextualState:
    """Return evidence as a snapshot stores it, without jumps."""
    return ContextualState(encoding.names, _packed(evidence.factors), cursor, day, _packed(evidence.pending))


def _packed(factors: Mapping[str, Factor]) -> dict[str, str]:
    return {name: _pack(factor) for name, factor in sorted(factors.items())}


def _unpacked(packed: Mapping[str, str], size: int) -> dict[str, Factor]:
    return {name: _unpack(factor, size) for name, factor in packed.items()}


def _pack(factor: Factor) -> str:
    """Write trials, information, totals, and the upper triangle of the precision (or its diagonal) as doubles."""
    precision = factor.precision
    triangle = precision if precision.ndim == 1 else precision[np.triu_indices(len(precision))]
    numbers = np.concatenate(([factor.trials], factor.information, factor.totals, triangle))
    return b64encode(numbers.astype("<f8").tobytes()).decode()


def _unpack(packed: str, size: int) -> Factor:
    numbers = np.frombuffer(b64decode(packed), "<f8").astype(np.float64)
    information, totals, triangle = np.split(numbers[1:], [size, 2 * size])
    return Factor(information, _symmetric(triangle, size), float(numbers[0]), totals)


def _symmetric(triangle: Floats, size: int) -> Floats:
    if size > MOST_CORRELATED:
        return triangle
    upper = np.zeros((size, size))
    upper[np.triu_indices(size)] = triangle
    symmetric: Floats = upper + np.triu(upper, 1).T
    return symmetric


class ContextualBeliefs:
    """One version of the contextual beliefs of a placement, drawn once. Rows of eligible candidates are cached."""

    bucket = ""
    customer_strength = 0.0
    """The customer's history is among the features: draws are not blended with it."""
    prices: Mapping[str, float] = MappingProxyType({})
    """The prices of paced budgets."""

    def __init__(
        self,
        ids: Sequence[str],
        hashes: NDArray[np.uint64],
        encoding: Encoding,
        state: ContextualState | None,
        *,
        version: int,
        spread: Spread,
        amounts: AmountScores | None = None,
    ) -> None:
        self.evidence = state.evidence() if matches_encoding(state, encoding) else WeightEvidence(len(encoding))
        self.version = version
        self.spread = spread
        self.encoding = encoding
        self._ids = tuple(ids)
        self._hashes = hashes
        self._amounts = amounts
        self._weights = make_weights(ids, self.evidence, seed=version, attributes=encoding.attributes)
        self._rows: dict[Eligible, Weights] = {}

    def amounts(self, eligible: Eligible) -> Floats | None:
        """Return the expected amounts of a success, (K,), or None if amounts are not learned; facts do not matter."""
        return self._amounts.amount_draws.means[list(eligible)] if self._amounts else None

    def weights(self, eligible: Eligible) -> Weights:
        """Return the draws of the eligible candidates' weights; cached."""
        if len(eligible) == len(self._ids):
            return self._weights
        rows = self._rows.get(eligible)
        if rows is None:
            if len(self._rows) * self._weights.draws.size >= MOST_CACHED_DRAWS:
                self._rows.clear()
            numbers = list(eligible)
            rows = self._rows[eligible] = Weights(self._weights.draws[numbers], self._weights.means[numbers])
        return rows

    def candidates(self, eligible: Eligible, features: Floats, *, is_weighted: bool = False) -> bandits.Candidates:
        """Return the draws and means of the eligible candidates for a request's features (K, d).

        The draws are log-odds, unless scores are multiplied by amounts or by value weights: log-odds rank as rates do,
        but not as rates times values.
        """
        draws, means = self.weights(eligible).score(features)
        rows, counts = list(eligible), self._amounts is not None and self._amounts.counts
        if counts or is_weighted:
            draws = rates_of(draws)
        if self._amounts and counts:
            draws = np.stack((draws[0], self._amounts.amount_draws.draws[rows]))
            means = np.stack((means[0], self._amounts.amount_draws.means[rows]))
        return self.spread.applied(bandits.Candidates(draws, means, self._hashes[rows], self.spread.floor), eligible)

    def first_chances(self, eligible: Eligible) -> Floats:
        """Return the chances (K,) of the first slot for a typical request."""
        return bandits.first_chances(self.candidates(eligible, np.tile(self.typical(), (len(eligible), 1))))

    def typical(self) -> Floats:
        """Return the average features (d,) of the requests learned from, for a customer without a history."""
        trials = sum(factor.trials for factor in self.evidence.factors.values())
        totals = sum((factor.totals for factor in self.evidence.factors.values()), np.zeros(len(self.encoding)))
        typical: Floats = totals / trials if trials > 0 else totals
        typical[self.encoding.own_past] = 0.0
        typical[0] = 1.0
        return typical

    def features(self, values: Mapping[str, Any], history: History, eligible: Eligible) -> Floats:
        """Return the features (K, d) of a request."""
        return self.encoding.rows(values, history, [self._ids[number] for number in eligible])
