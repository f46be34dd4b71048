"""Posterior draws of what candidates are worth in a choice, frozen for one beliefs version, and what moves them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

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


def attractions_of(utilities: ArrayLike, outside: float) -> Floats:
    """Return exp(utility - outside): how much more often each is chosen than none, were it alone in the first slot.

    Rounded to float32, because the last digits of exp differ between processors.
    """
    attractions: Floats = np.exp(np.asarray(utilities, np.float64) - outside).astype(np.float32).astype(np.float64)
    return attractions


def slot_factors(belief: ChoiceBelief) -> Floats:
    """Return the factor of each slot, 1 for the first, down to where the last effect begins; rounded to float32."""
    numbers = np.searchsorted(EFFECT_STARTS, np.arange(EFFECT_STARTS[-1] + 1), side="right") - 1
    effects = np.append(belief.mean[:EFFECTS], 0.0)[numbers]
    factors: Floats = np.exp(effects).astype(np.float32).astype(np.float64)
    return factors


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


def weigh(attractions: Floats, own: Floats, values: Floats, slots: Floats, means: Floats) -> tuple[Floats, Floats]:
    """Return the means (3, K) of a request and the weights (1, K) of its attractions (K,).

    `own` (K,) are the customer's own choices, or (0,): they move everything by the factor exp(offset), see
    `own_offsets`. `values` (1, K), or (0, 0), multiply attractions. With the factors `slots` of the slots, values are
    what a choice of each candidate is worth, and what a visit earns is subtracted: what a page earns is a ratio, and
    the best ratio is where the sum over slots of attraction times (value - earned) is greatest, `earned` being that
    ratio itself (Dinkelbach, 1967). A candidate that is worth less takes from others more than it brings.
    """
    numbers = np.empty((len(means) + 1, len(attractions)))
    numbers[:-1] = means
    _compiled_steps().weigh(attractions, own, OWN_STRENGTH, values, slots, numbers)
    return numbers[:-1], numbers[-1:]


def best_earned(attractions: Floats, values: Floats, slots: Floats) -> float:
    """Return what a visit earns under the best order of K candidates, each worth `values` (K,) where it is chosen.

    `attractions` (K,) are relative to the outside option, `slots` the factors of slots.
    """
    return float(_compiled_steps().best_earned(attractions, values, slots))


def prepare() -> None:
    """Compile the steps, or read them from the cache."""
    _compiled_steps()


@cache
def _compiled_steps() -> Any:
    # numba takes most of a second to load, and a command that draws nothing need not wait for it.
    from bandits.choice import compiled

    return compiled
