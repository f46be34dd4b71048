"""Weigh the candidates of one request in machine code: the customer's own choices, and what an order earns.

Compiled and rounded as `bandits.drawing.compiled` is: sums go in the order of the candidates, and nothing is fused.
`tests/bandits/numpy_choice.py` has the same in numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bandits.drawing.compiled import inner, outer

_ROUNDS = 4
_LEAST_SHARE = 1e-9


@inner
def _best_earned(attractions: Any, values: Any, slots: Any) -> Any:
    """Return what a visit earns under the best order: Dinkelbach's iteration (1967) for the best ratio."""
    earned, count = 0.0, len(attractions)
    ranked = np.empty(count)
    for _ in range(_ROUNDS):
        for k in range(count):
            ranked[k] = attractions[k] * (earned - values[k])
        queue = np.argsort(ranked, kind="mergesort")
        share_sum, total = 1.0, 0.0
        for slot in range(count):
            share = attractions[queue[slot]] * slots[min(slot, len(slots) - 1)]
            share_sum += share
            total += share * values[queue[slot]]
        earned = total / share_sum
    return earned


@inner
def _write_factors(attractions: Any, own: Any, strength: Any, factors: Any) -> None:
    """Write by what factor a customer's own choices move the attraction of each candidate."""
    attraction_sum, total = 0.0, 0.0
    for k in range(len(own)):
        attraction_sum += attractions[k]
        total += own[k]
    for k in range(len(own)):
        share = attractions[k] / attraction_sum
        if share < _LEAST_SHARE:
            share = _LEAST_SHARE
        factors[k] = (strength + own[k] / share) / (strength + total)


@outer(
    "float64(Array(float64, 1, 'C', readonly=True), Array(float64, 1, 'C', readonly=True),"
    " Array(float64, 1, 'C', readonly=True))"
)
def best_earned(attractions: Any, values: Any, slots: Any) -> Any:
    """Return what a visit earns under the best order of K candidates.

    `attractions` (K,) are relative to the outside option, `values` (K,) what a choice of each is worth, `slots` the
    factors of the slots; slots beyond the last have that one.
    """
    return _best_earned(attractions, values, slots)


@outer(
    "void(Array(float64, 1, 'C', readonly=True), Array(float64, 1, 'C', readonly=True), float64,"
    " Array(float64, 2, 'C', readonly=True), Array(float64, 1, 'C', readonly=True),"
    " float64[:, ::1])"
)
def weigh(attractions: Any, own: Any, strength: Any, values: Any, slots: Any, numbers: Any) -> None:
    """Write the weights that the attractions of a request are multiplied by into the last row of `numbers` (4, K).

    The first two rows, the means, are moved by the customer's own choices.

    `own` (K,) or (0,) are the customer's own choices, `values` (1, K) or (0, 0) what multiplies attractions. With
    `slots`, values are what a choice is worth, and what a visit earns anyhow is subtracted from them.
    """
    factors, earned = numbers[3], 0.0
    for k in range(len(factors)):
        factors[k] = 1.0
    if own.size:
        _write_factors(attractions, own, strength, factors)
        for k in range(len(factors)):
            moved = attractions[k] * factors[k]
            numbers[0, k] = moved / (1.0 + moved)
            numbers[1, k] = numbers[0, k]
    if values.size:
        if slots.size:
            earned = _best_earned(attractions, values[0], slots)
        for k in range(len(factors)):
            factors[k] = factors[k] * (values[0, k] - earned)
