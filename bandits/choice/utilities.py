"""Posterior draws of what candidates are worth in a choice, frozen for one beliefs version, and what moves them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.choice.fit import shares_of
from bandits.choice.model import ChoiceBelief, root_of
from bandits.choice.observations import EFFECT_STARTS, EFFECTS, Floats
from bandits.drawing.draws import DRAWS, noise

WIDTH = 0.8
"""How far draws lie from the mean, as a share of the posterior's own spread."""

OWN_STRENGTH = 4.0
"""How many of a customer's own choices weigh as much as everybody else's."""


_ROUNDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Utilities:
    """`draws` float32 (K, M), joint draws of the utilities of candidates; `means` float64 (K,). Read-only.

    A draw's order is its order of candidates: races count them as they are, what is known of the customer and the
    logarithms of boosts added.
    """

    draws: NDArray[np.float32]
    means: NDArray[np.float64]


def make_utilities(
    candidates: Sequence[str],
    belief: ChoiceBelief,
    stratum: str,
    *,
    seed: int,
    width: float = WIDTH,
    count: int = DRAWS,
) -> Utilities:
    """Return `count` joint draws of the utilities of candidates, which the belief has, in a stratum, which may be new.

    The standard normals that a candidate brings depend on `seed` (>= 0) and its own id only. Sums are taken one by one,
    in the order of ids, as `Belief.root` says.
    """
    order = sorted(range(len(candidates)), key=candidates.__getitem__)
    numbers = belief.numbers([candidates[number] for number in order], stratum)
    parts = np.array([sum(belief.root[:, number] for number in own) for own in numbers])
    covariance = (parts[:, None, :] * parts[None, :, :]).sum(axis=2)
    root = root_of(covariance)
    draws, means = np.zeros((len(candidates), count)), np.empty(len(candidates))
    for column, number in enumerate(order):
        standard = noise(seed, candidates[number]).standard_normal(count)
        draws[order] += (width * root[:, column])[:, None] * standard
    means[:] = belief.utilities(candidates, stratum).astype(np.float32)
    result = (draws + means[:, None]).astype(np.float32)
    result.setflags(write=False)
    means.setflags(write=False)
    return Utilities(result, means)


def chosen(belief: ChoiceBelief, order: Sequence[str], stratum: str, offsets: ArrayLike = 0.0) -> Floats:
    """Return how likely each slot of an order is to be chosen, and last none, (L + 1,), under the mean parameters."""
    effects = np.append(belief.mean[:EFFECTS], 0.0)[np.searchsorted(EFFECT_STARTS, range(len(order)), side="right") - 1]
    utilities = belief.utilities(order, stratum) + effects + np.asarray(offsets)
    return shares_of(np.append(utilities, belief.outside(stratum)))


def own_offsets(utilities: ArrayLike, own: ArrayLike, strength: float = OWN_STRENGTH) -> Floats:
    """Return what a customer's own choices `own` (K,), which may have faded, add to the utilities (K,): an offset (K,).

    Among the candidates offered everybody chooses by the shares P; this customer by (strength P + own) / (strength +
    own in all), the mean of a Dirichlet with that prior. The offset is the logarithm of their ratio. Added both where
    an order is drawn and where its choice is learned from, a favourite moves this customer and nobody else.
    """
    past = np.asarray(own, np.float64)
    shares = shares_of(np.asarray(utilities, np.float64))
    offsets: Floats = np.log((strength + past / np.maximum(shares, 1e-9)) / (strength + past.sum()))
    return offsets


def value_scores(draws: NDArray[np.float32], values: ArrayLike, earned: float) -> NDArray[np.float32]:
    """Return scores (K, M) whose order earns most where a choice of each is worth `values` (K,) or (K, M).

    What a page earns is a ratio, and the best ratio is where sum over slots of exp(u + effect) (value - earned) is
    greatest, `earned` being that ratio itself (Dinkelbach, 1967): a candidate that is worth less than what a visit
    earns anyhow takes from others more than it brings.
    """
    highest = draws.max(axis=0, keepdims=True)
    scores: NDArray[np.float32] = np.exp(draws - highest) * (np.asarray(values, np.float32) - np.float32(earned))
    return scores


def best_earned(belief: ChoiceBelief, candidates: Sequence[str], values: Mapping[str, float], stratum: str) -> float:
    """Return what a visit earns under the best order of these candidates, by the mean parameters."""
    earned, attraction = 0.0, np.exp(belief.utilities(candidates, stratum))
    for _ in range(_ROUNDS):
        ranked = {name: share * (values[name] - earned) for name, share in zip(candidates, attraction, strict=True)}
        order = sorted(sorted(candidates), key=ranked.__getitem__, reverse=True)
        earned = float(chosen(belief, order, stratum)[:-1] @ np.array([values[name] for name in order]))
    return earned
