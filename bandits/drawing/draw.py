"""Draw slots from chances by a key instead of a random generator: weighted rendezvous hashing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from math import prod
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.drawing.chances import Chances

# Do not change how uniforms are made: docs/learning-formulas.md and tests/specs/bandits_uniforms.json define them.
_STEP = 0x9E3779B97F4A7C15
_MIX_1 = np.array(0xBF58476D1CE4E5B9, np.uint64)
_MIX_2 = np.array(0x94D049BB133111EB, np.uint64)
_S30, _S27, _S31, _S12 = (np.array(bits, np.uint64) for bits in (30, 27, 31, 12))
_ONE = np.array(0x3FF0000000000000, np.uint64)
_ONE_LESS_HALF_A_STEP = 1.0 - 2.0**-53
_MOST_SLOTS = 1024
_OFFSETS = (np.arange(1, _MOST_SLOTS + 1, dtype=np.uint64) * np.uint64(_STEP))[:, None]
_xor, _or, _times, _shift = np.bitwise_xor, np.bitwise_or, np.multiply, np.right_shift
_NO_PINS: Mapping[int, int] = MappingProxyType({})


class Arrangement(NamedTuple):
    """Slots filled with candidates' indices.

    `order` are the indices, `chances` the chance that each had of its slot (1 if it was not drawn), `first` (K,) the
    chances of the first slot, and `propensity` the product of the drawn slots' chances.
    """

    order: tuple[int, ...]
    chances: tuple[float, ...]
    first: Chances
    propensity: float


def seed_of(key: str) -> int:
    """Return the 64 bits of a decision's key: BLAKE2b-64 of its UTF-8, little-endian."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "little")


def candidate_hash(candidate: str) -> int:
    """Return the 64 bits of a candidate's id, made as those of a key."""
    return seed_of(candidate)


def uniforms(seed: int | NDArray[np.uint64], candidate_hashes: NDArray[np.uint64], slots: int) -> NDArray[np.float64]:
    """Return a uniform number in the open interval (0, 1) for each slot and candidate, (slots, K).

    For seeds (N, 1, 1) the result is (N, slots, K).

    SplitMix64's finaliser (Steele, Lea and Flood, 2014) of `seed ^ (hash + (slot + 1) * step)`; its upper 52 bits k
    give (k + 1/2) / 2**52, which a double holds exactly. At most 1024 slots.
    """
    z: NDArray[np.uint64] = _xor(_OFFSETS[:slots] + candidate_hashes, seed)
    w = np.empty_like(z)
    _xor(z, _shift(z, _S30, w), z)
    _times(z, _MIX_1, z)
    _xor(z, _shift(z, _S27, w), z)
    _times(z, _MIX_2, z)
    _xor(z, _shift(z, _S31, w), z)
    # The 52 bits become the fraction of a double in [1, 2), which is faster than a conversion.
    _or(_shift(z, _S12, z), _ONE, z)
    u = z.view(np.float64)
    u -= _ONE_LESS_HALF_A_STEP
    return u


def pick(chances: Chances, u: NDArray[np.float64]) -> int:
    """Return the index with the smallest -ln(u) / chance: i has the probability chances[i].

    Weighted sampling by exponential keys (Efraimidis and Spirakis, 2006).
    """
    return _pick(chances, np.log(u))


def _pick(chances: Chances, logs: NDArray[np.float64]) -> int:
    # The reciprocal, so that a chance of 0 loses without a division by 0.
    return int((chances / logs).argmin())


def arrange(
    chances_of: Callable[[tuple[int, ...]], Chances],
    rest_scores: ArrayLike,
    u: NDArray[np.float64],
    *,
    length: int,
    drawn: int,
    pins: Mapping[int, int] = _NO_PINS,
) -> Arrangement:
    """Fill up to `length` slots: pins in their slots, the first `drawn` slots by draw, the rest by `rest_scores`.

    `chances_of(taken)` returns the chances (K,) of a slot; `rest_scores` (K,) rank the highest first, ties by index;
    `u` comes from `uniforms`, a row for each slot; `pins` maps slots, from 0, to indices, each index once. A pinned
    candidate gets no other slot; pins beyond the last candidate's slot move up, in their order.
    """
    scores: list[float] = np.asarray(rest_scores).tolist()
    count = len(scores)
    length = min(length, count)
    placed = pinned_slots(pins, count) if pins else {}
    taken = tuple(placed.values())
    chances = [1.0] * length
    first: Chances | None = None
    logs = np.log(u)
    for slot in range(min(drawn, length)):
        if slot in placed:
            continue
        slot_chances = chances_of(taken)
        placed[slot] = drawn_index = _pick(slot_chances, logs[slot])
        chances[slot] = float(slot_chances[drawn_index])
        taken += (drawn_index,)
        first = slot_chances if slot == 0 else first
    rest = iter(sorted((i for i in range(count) if i not in taken), key=scores.__getitem__, reverse=True))
    order = tuple([placed[slot] if slot in placed else next(rest) for slot in range(length)])
    return Arrangement(
        order, tuple(chances), _certain(order[0] if order else None, count) if first is None else first, prod(chances)
    )


def chances_along(
    order: Sequence[int | None],
    chances_of: Callable[[tuple[int, ...]], Chances],
    rest_scores: ArrayLike,
    *,
    length: int,
    drawn: int,
    pins: Mapping[int, int] = _NO_PINS,
) -> Iterator[Chances]:
    """Yield the chances (K,) with which `arrange` fills each slot, given that `order` fills the slots above it.

    Slots that are not drawn are certain. None in `order` stands for a candidate that is not among the K. Ends after
    `length` slots, or after the first slot that could not have been filled so.
    """
    scores: list[float] = np.asarray(rest_scores).tolist()
    placed = pinned_slots(pins, len(scores)) if pins else {}
    taken = tuple(placed.values())
    for slot, index in enumerate(order[:length]):
        if slot in placed:
            chances = _certain(placed[slot], len(scores))
        elif slot < drawn:
            chances = chances_of(taken)
        else:
            best = max((i for i in range(len(scores)) if i not in taken), key=scores.__getitem__)
            chances = _certain(best, len(scores))
        yield chances
        if index is None or not chances[index]:
            return
        taken += () if slot in placed else (index,)


def pinned_slots(pins: Mapping[int, int], count: int) -> dict[int, int]:
    """Return the pins, with those beyond the last of `count` slots moved up, and those in their way before them."""
    slots = {}
    last = count - 1
    for slot in sorted(pins, reverse=True):
        slots[min(slot, last)] = pins[slot]
        last = min(slot, last) - 1
    return slots


def _certain(index: int | None, count: int) -> Chances:
    """Return the chances (count,) of a slot that one candidate, if any, is certain to get."""
    chances = np.zeros(count)
    if index is not None:
        chances[index] = 1.0
    return chances
