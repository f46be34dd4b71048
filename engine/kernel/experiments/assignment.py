"""Assign units to the variants of experiments: the same unit always gets the same variant, in any language. Pure.

tests/specs/assignment.json defines the numbers: do not change them.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import log


class SaltedUniform:
    """Return a number in the open interval (0, 1) for a unit: the upper 53 bits k of BLAKE2b-64 give (k + 1/2) / 2**53.

    The text that is hashed is the salt, a line break, and the unit. The salt is hashed once.
    """

    def __init__(self, salt: str) -> None:
        self._salted = blake2b(f"{salt}\n".encode(), digest_size=8)

    def __call__(self, unit: str) -> float:
        """Return the number of a unit."""
        hashed = self._salted.copy()
        hashed.update(unit.encode())
        return ((int.from_bytes(hashed.digest(), "little") >> 11) + 0.5) * 2.0**-53


class WeightedSplit:
    """Return the index of a unit's variant by weighted rendezvous hashing (Schindelhauer and Schomaker, 2005).

    A change of weights moves only the units whose variant loses share, and no more than it must.
    """

    def __init__(self, salt: str, ids: Sequence[str], weights: Sequence[float]) -> None:
        uniforms = [SaltedUniform(f"{salt}\n{variant}") for variant in ids]
        self._parts = tuple(zip(uniforms, weights, strict=True))

    def __call__(self, unit: str) -> int:
        """Return the index of a unit's variant."""
        scores = [-log(uniform_of(unit)) / weight for uniform_of, weight in self._parts]
        return scores.index(min(scores))


def uniform(salt: str, unit: str) -> float:
    """Return the number of a unit under a salt, as `SaltedUniform` does."""
    return SaltedUniform(salt)(unit)


def choose(salt: str, unit: str, ids: Sequence[str], weights: Sequence[float]) -> int:
    """Return the index of a unit's variant, as `WeightedSplit` does."""
    return WeightedSplit(salt, ids, weights)(unit)


def is_within(layer: str, unit: str, offset: float, share: float) -> bool:
    """Return whether a unit falls into the part [offset, offset + share) of a layer."""
    return offset <= uniform(layer, unit) < offset + share
