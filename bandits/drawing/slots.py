"""Fill the slots of answers: pins where they belong, the first slots drawn from counted wins, the rest by means.

In a draw of all posteriors (Thompson sampling), the best candidate wins. Of the draws that were frozen for a beliefs
version, the share that a candidate wins is its exact chance of a slot. A key then draws the slot from these chances by
weighted rendezvous hashing. The work is done by `bandits.drawing.compiled`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.drawing.keys import candidate_hash, seed_of

Floats = NDArray[np.float64]
Orders = NDArray[np.int64]

NO_PASTS: Floats = np.empty((0, 0, 0))
NO_WEIGHTS: Floats = np.empty((0, 0))
NO_SHARES: Floats = np.empty(0)
NONE_SUSPENDED: NDArray[np.bool_] = np.empty(0, np.bool_)
ALL_ROWS: Orders = np.empty(0, np.int64)
_NO_HASHES: NDArray[np.uint64] = np.empty(0, np.uint64)
_NO_PINS: Mapping[int, int] = MappingProxyType({})
_UNPINNED: Orders = np.empty(0, np.int64)
_FIRST = 2
"""The row of the results where the chances of the first slot stand, behind means and chances by slot."""


class Candidates(NamedTuple):
    """K candidates, from whose draws slots are filled.

    `draws` float32 (1, K, M) are of rates, (2, K, M) of rates and of amounts, whose products count; all are finite.
    With `rows` (K,), draws may be those of more candidates: these are in its rows, which saves copying them.
    `means` float64 (1, K) or (2, K) likewise; a third row orders the slots that are not drawn instead of the products.
    `hashes` uint64 (K,); `floor`, 0 to 1, is the share of a chance that is spread evenly, or in proportion to `shares`
    (K,). Candidates that are `suspended` (K,), never all, win no draw and come last: they get a part of the floor.
    """

    draws: NDArray[np.float32]
    means: Floats
    hashes: NDArray[np.uint64]
    floor: float = 0.0
    shares: Floats = NO_SHARES
    suspended: NDArray[np.bool_] = NONE_SUSPENDED
    rows: Orders = ALL_ROWS

    @property
    def size(self) -> int:
        """Return K."""
        return int(self.means.shape[1])

    @classmethod
    def of(
        cls, ids: Sequence[str], scores: ArrayLike, means: ArrayLike | None = None, floor: float = 0.0
    ) -> Candidates:
        """Build candidates from scores (K, M), higher is better; raise ValueError without any, or for a wrong floor."""
        draws = np.ascontiguousarray(scores, np.float32)
        if not draws.size:
            raise ValueError("at least one candidate and one draw are needed")
        if not 0 <= floor <= 1:
            raise ValueError(f"floor must lie between 0 and 1: {floor}")
        mean_values = np.zeros(len(draws)) if means is None else np.asarray(means, np.float64)
        return cls(draws[None], mean_values[None], hashes_of(ids), floor)

    def split(self) -> Candidates:
        """Return them without draws: a request's weights are the chances."""
        return self._replace(
            draws=np.empty((1, len(self.hashes), 0), np.float32), suspended=NONE_SUSPENDED, rows=ALL_ROWS
        )

    def in_order(self, scores: Floats) -> Candidates:
        """Return them with scores (K,) that order the slots that are not drawn, the highest first."""
        return self._replace(means=np.stack([self.means[0], self.means[0], scores]), suspended=NONE_SUSPENDED)


class Slots(NamedTuple):
    """The slots of an answer: up to `length`, of which the first `drawn` are drawn.

    `pins` are slot (from 0) -> index, each candidate once. A pinned candidate takes part in no other slot. Pins beyond
    the last candidate's slot move up, in their order.
    """

    length: int
    drawn: int
    pins: Mapping[int, int] = _NO_PINS


class Requests(NamedTuple):
    """N requests that are answered from the same candidates.

    `seeds` uint64 (N,). `pasts` (N, 2, K) are each customer's own successes and trials, (0, 0, 0) without: a draw
    becomes (strength * draw + successes) / (strength + trials). `weights` multiply the scores: (N, K), or (1, K) for
    all, or (0, 0) for none.
    """

    seeds: NDArray[np.uint64]
    pasts: Floats = NO_PASTS
    weights: Floats = NO_WEIGHTS
    strength: float = 0.0

    @classmethod
    def of(cls, key: str, pasts: Floats = NO_PASTS, weights: Floats = NO_WEIGHTS, strength: float = 0.0) -> Requests:
        """Build the request that a key draws for."""
        seeds = np.empty(1, np.uint64)
        seeds[0] = seed_of(key)
        return cls(seeds, pasts, weights, strength)


class Arrangement(NamedTuple):
    """Candidates' indices in order, and the chance each had of its slot (1 where nothing was drawn).

    `first` are the chances (K,) of the first slot, `means` (K,) the posterior means with the customer's past.
    `propensity` is the product of the drawn slots' chances.
    """

    order: tuple[int, ...]
    chances: tuple[float, ...]
    first: list[float]
    means: list[float]
    propensity: float


def arrange(candidates: Candidates, slots: Slots, requests: Requests) -> Arrangement:
    """Return the answer to the first of the requests."""
    orders, numbers = fill(candidates, slots, requests)
    means, chances, first = numbers[0].tolist()
    order = orders[0].tolist()
    del chances[len(order) :]
    return Arrangement(tuple(order), tuple(chances), first, means, prod(chances))


def arrange_likeliest(candidates: Candidates, slots: Slots, requests: Requests) -> Arrangement:
    """Return an answer in which each drawn slot has the candidate that most likely gets it, given those above."""
    return arrange(candidates._replace(hashes=_NO_HASHES), slots, requests)


def fill(candidates: Candidates, slots: Slots, requests: Requests) -> tuple[Orders, Floats]:
    """Return the orders (N, length) of N answers, and numbers (N, 3, K).

    The numbers are the posterior means with the customer's past, the chances by slot, and those of the first slot.
    """
    count = candidates.size
    orders = np.empty((len(requests.seeds), min(slots.length, count)), np.int64)
    numbers = np.zeros((len(orders), _FIRST + 1, count))
    _fill(candidates, slots, requests, orders, numbers, False)
    return orders, numbers


def follow(candidates: Candidates, slots: Slots, requests: Requests, orders: Orders) -> Floats:
    """Return the chances (N, L, K) in each slot, had `orders` (N, L) filled those above it.

    A slot that is not drawn is certain. An index of -1 is somebody who takes no part. Behind a slot that could not have
    been filled so, chances are 0.
    """
    orders = np.array(orders[:, : slots.length], np.int64)
    numbers = np.zeros((len(orders), _FIRST + orders.shape[1], candidates.size))
    _fill(candidates, slots, requests, orders, numbers, True)
    return numbers[:, _FIRST:]


def chances_along(
    candidates: Candidates, slots: Slots, requests: Requests, order: Sequence[int | None]
) -> Iterator[Floats]:
    """Yield the chances (K,) of each slot of the first request, given that `order` filled those above it.

    None in `order` is somebody who takes no part. Ends behind the first slot that could not have been filled so.
    """
    indices = [-1 if index is None else index for index in order]
    for index, chances in zip(indices, follow(candidates, slots, requests, np.array([indices]))[0], strict=False):
        yield chances
        if index < 0 or not chances[index]:
            return


def first_chances(candidates: Candidates, weights: Floats = NO_WEIGHTS) -> Floats:
    """Return the chance (K,) of each candidate to get a drawn first slot."""
    first: Floats = fill(candidates, Slots(1, 1), Requests(np.zeros(1, np.uint64), weights=weights))[1][0, _FIRST]
    return first


def hashes_of(ids: Sequence[str]) -> NDArray[np.uint64]:
    """Return the 64 bits (K,) that stand for each candidate."""
    return np.array([candidate_hash(name) for name in ids], np.uint64)


def prepare() -> None:
    """Compile the steps, or read them from the cache: some seconds, or most of one."""
    candidates = Candidates.of(("a",), np.zeros((1, 1)))
    follow(candidates, Slots(1, 1), Requests.of(""), fill(candidates, Slots(1, 1), Requests.of(""))[0])


def _fill(
    candidates: Candidates, slots: Slots, requests: Requests, orders: Orders, numbers: Floats, follows: bool
) -> None:
    draws, means, hashes, floor, shares, suspended, rows = candidates
    seeds, pasts, weights, strength = requests
    pins = _pinned(slots.pins, candidates.size) if slots.pins else _UNPINNED
    compiled_steps().fill_slots(
        draws, rows, means, hashes, floor, shares, suspended, strength,
        pasts, weights, seeds, slots.drawn, pins, orders, numbers, follows,
    )  # fmt: skip


@cache
def compiled_steps() -> Any:
    """Return the module of compiled steps, which numba compiles or reads from its cache when it is first called for."""
    # numba takes most of a second to load, and a command that draws nothing need not wait for it.
    from bandits.drawing import compiled

    return compiled


def _pinned(pins: Mapping[int, int], count: int) -> Orders:
    """Return the pinned index by slot (K,) or -1. Pins beyond the last slot move up to it, those in their way above."""
    indices = np.full(count, -1)
    last = count - 1
    for slot in sorted(pins, reverse=True):
        last = min(slot, last)
        indices[last] = pins[slot]
        last -= 1
    return indices
