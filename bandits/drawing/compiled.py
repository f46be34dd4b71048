"""Fill the slots of answers in machine code: scores, counted wins, keyed picks, and the rest by means.

numba compiles this module when it is imported, or reads it from its cache. `bandits.drawing.draw` imports it when the
first answer is drawn, because numba takes most of a second to load.

Every number is rounded as numpy rounds it in `tests/bandits/numpy_drawing.py`. Fastmath stays off, so that the compiler
neither reorders a sum nor fuses a product with a sum: results are the same on every processor.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

LATER_DRAWS = 256
"""How many draws count for the slots after the first: less work and coarser chances, which are exact all the same,
because the slot is drawn from what was counted."""

# SplitMix64 (Steele, Lea and Flood, 2014). docs/learning-formulas.md and tests/specs/bandits_uniforms.json define how
# uniforms are made: do not change it.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S12 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(12)

# The interpreter's lock is kept: whoever gives it up for some microseconds may wait milliseconds to get it back.
_INNER: dict[str, Any] = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
inner: Any = numba.njit(**_INNER)
"""Compiled as a part of the functions that Python calls."""


def outer(signature: str) -> Any:
    """Compile for Python, and keep the machine code in the first folder that numba finds writable."""

    def compile_function(function: Any) -> Any:
        try:
            return numba.njit(signature, error_model="numpy", cache=True)(function)
        except RuntimeError:
            # No folder is writable: each start compiles again, which takes some seconds.
            return numba.njit(signature, error_model="numpy")(function)

    return compile_function


def _fused_multiply_add(_context: Any, _a: Any, _b: Any, _c: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float32(types.float32, types.float32, types.float32), generate


_fused: Any = intrinsic(_fused_multiply_add)
"""a * b + c in float32, rounded once."""


@inner
def _uniform(seed: Any, candidate_hash: Any, slot: Any) -> Any:
    """Return a uniform number in the open interval (0, 1) for a decision's seed, a candidate and a slot from 0.

    SplitMix64's finaliser of `seed ^ (hash + (slot + 1) * step)`; its upper 52 bits k give (k + 1/2) / 2**52.
    """
    z = (candidate_hash + np.uint64(slot + 1) * _STEP) ^ seed
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return (np.float64((z ^ (z >> _S31)) >> _S12) + 0.5) * 2.0**-52


@inner
def _block_sum(numbers: Any, start: Any, stop: Any) -> Any:
    """Add up in numpy's order for at most 128 numbers: eight lanes, then what is left over."""
    total = 0.0
    if stop - start >= 8:
        lanes = np.zeros(8)
        while start + 8 <= stop:
            for lane in range(8):
                lanes[lane] += numbers[start + lane]
            start += 8
        total = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
    for index in range(start, stop):
        total += numbers[index]
    return total


@inner
def _pairwise_sum(numbers: Any) -> Any:
    """Add up in numpy's order: the sum of the first half plus that of the second, down to blocks of 128."""
    # A stack instead of recursion, which numba cannot read back from its cache. A negative start says: add two sums.
    tasks, sums = np.empty((128, 2), np.int64), np.empty(64)
    tasks[0, 0], tasks[0, 1], task_count, sum_count = 0, len(numbers), 1, 0
    while task_count:
        task_count -= 1
        start, stop = tasks[task_count, 0], tasks[task_count, 1]
        middle = start + (stop - start) // 16 * 8
        if start < 0:
            sum_count -= 1
            sums[sum_count - 1] += sums[sum_count]
        elif stop - start <= 128:
            sums[sum_count] = _block_sum(numbers, start, stop)
            sum_count += 1
        else:
            tasks[task_count, 0] = -1
            tasks[task_count + 1, 0], tasks[task_count + 1, 1] = middle, stop
            tasks[task_count + 2, 0], tasks[task_count + 2, 1] = start, middle
            task_count += 3
    return sums[0]


@inner
def _write_scores(source: Any, begin: Any, past: Any, weights: Any, scores: Any, best: Any) -> None:
    """Write what a trial brings in for the draws from `begin` on: (rate with the customer's past) * amount * weight.

    `scores` (K, B) are float32, and -inf for suspended candidates; `best` (B,) becomes the greatest of each draw.
    """
    draws, rows, suspended, strength = source
    for m in range(len(best)):
        best[m] = -np.inf
    for k in range(len(scores)):
        share, own, weight = np.float32(1), np.float32(0), np.float32(1)
        if past.size:
            evidence = np.float32(past[1, k]) + np.float32(strength)
            share, own = np.float32(strength) / evidence, np.float32(past[0, k]) / evidence
        if weights.size:
            weight = np.float32(weights[k])
        number = rows[k] if rows.size else k
        rates, row = draws[0, number, begin : begin + len(best)], scores[k]
        if len(suspended) and suspended[k]:
            for m in range(len(best)):
                row[m] = -np.inf
        elif len(draws) > 1:
            amounts = draws[1, number, begin : begin + len(best)]
            for m in range(len(best)):
                row[m] = (rates[m] * share + own) * amounts[m] * weight
        else:
            for m in range(len(best)):
                row[m] = (rates[m] * share + own) * weight
        # A loop of its own, or the compiler takes the numbers one by one.
        for m in range(len(best)):
            best[m] = _greater(row[m], best[m])


@inner
def _score(source: Any, past: Any, weights: Any, scores: Any, best: Any, wins: Any) -> None:
    """Write the scores (K, B) of the first draws, and count over all draws which candidate is the best (K,).

    Without `wins` only the first are scored. Blocks of draws go through the same memory, which then stays in the
    processor's cache; parts of wins are added up as `_pairwise_sum` would.
    """
    block = scores.shape[1]
    if not len(wins):
        _write_scores(source, 0, past, weights, scores, best)
        return
    blocks, none_taken = source[0].shape[2] // block, np.zeros(len(wins), np.bool_)
    counts = np.empty((blocks, len(wins)))
    for index in range(blocks - 1, -1, -1):
        _write_scores(source, index * block, past, weights, scores, best)
        _count_wins(scores, none_taken, block, best, counts[index])
    wins[:] = counts[0] if blocks == 1 else (counts[0] + counts[1]) + (counts[2] + counts[3])


@inner
def _greater(score: Any, best: Any) -> Any:
    """Return the greater one, or what is no number, as `np.maximum` does."""
    return score if (score > best) | (score != score) else best


@inner
def _find_best(scores: Any, taken: Any, columns: Any, best: Any) -> None:
    """Write the greatest score of each of the first draws among the candidates that are not taken."""
    for m in range(columns):
        best[m] = -np.inf
    for k in range(len(taken)):
        if not taken[k]:
            row = scores[k]
            for m in range(columns):
                best[m] = _greater(row[m], best[m])


@inner
def _count_wins(scores: Any, taken: Any, columns: Any, best: Any, wins: Any) -> None:
    """Count in how many of the first draws each candidate that is not taken is the best."""
    total = 0
    for k in range(len(taken)):
        row: Any = scores[k]
        won: Any = np.uint32(0)
        if not taken[k]:
            for m in range(columns):
                won = np.uint32(won + np.uint32(row[m] == best[m]))
        wins[k] = won
        total += won
    if total != columns:
        _share_ties(scores, taken, columns, best, wins)


@inner
def _share_ties(scores: Any, taken: Any, columns: Any, best: Any, wins: Any) -> None:
    """Count a draw in which several are best as a part of a win for each of them."""
    parts, sharers = np.empty(columns), np.zeros(columns)
    for k in range(len(taken)):
        for m in range(columns):
            if not taken[k] and scores[k, m] == best[m]:
                sharers[m] += 1.0
    for m in range(columns):
        if sharers[m] == 0.0:
            raise ValueError("scores must be numbers: in some draw no candidate is the best")
    for k in range(len(taken)):
        for m in range(columns):
            parts[m] = 1.0 / sharers[m] if not taken[k] and scores[k, m] == best[m] else 0.0
        wins[k] = _pairwise_sum(parts)


@inner
def _write_shares(weights: Any, taken: Any, remaining: Any, row: Any) -> None:
    """Write the chances of a slot under fixed weights: each one's share of those not taken, or even shares of zeros."""
    for k in range(len(taken)):
        row[k] = 0.0 if taken[k] else weights[k]
    total = _pairwise_sum(row)
    for k in range(len(taken)):
        if total > 0:
            row[k] = row[k] / total
        elif not taken[k]:
            row[k] = 1.0 / remaining


@inner
def _pick(row: Any, hashes: Any, seed: Any, slot: Any) -> Any:
    """Return the index with the smallest -ln(u) / chance (Efraimidis and Spirakis, 2006).

    Without hashes every u is 1/2: the likeliest one is picked.
    """
    chosen, least = 0, np.inf
    for k in range(len(row)):
        # Turned upside down, so that a chance of 0 loses without a division by 0.
        quotient = row[k] / math.log(_uniform(seed, hashes[k], slot) if hashes.size else 0.5)
        if quotient < least:
            chosen, least = k, quotient
    return chosen


@inner
def _write_means(means: Any, past: Any, strength: Any, weights: Any, blended: Any, rank_scores: Any) -> None:
    """Write the posterior means, with the customer's past, and what orders the slots that are not drawn."""
    for k in range(len(blended)):
        blended[k] = means[0, k]
        if past.size:
            blended[k] = (strength * means[0, k] + past[0, k]) / (strength + past[1, k])
        rank_scores[k] = means[2, k] if len(means) > 2 else blended[k]
        if len(means) == 2:
            rank_scores[k] = rank_scores[k] * means[1, k]
        if weights.size:
            rank_scores[k] = rank_scores[k] * weights[k]


@inner
def _sort_by_score(rank_scores: Any, queue: Any) -> None:
    """Write the indices in the order of `rank_scores`, the highest first, ties by index."""
    for k in range(len(rank_scores)):
        position = k
        while position > 0 and rank_scores[queue[position - 1]] < rank_scores[k]:
            queue[position] = queue[position - 1]
            position -= 1
        queue[position] = k


@inner
def _next_by_score(rank_scores: Any, queue: Any, position: Any, taken: Any) -> Any:
    """Return the position in the queue of the first candidate that is not taken; sort the queue when it is needed."""
    if position < 0:
        _sort_by_score(rank_scores, queue)
        position = 0
    while taken[queue[position]]:
        position += 1
    return position


@inner
def _write_chances(source: Any, taken: Any, remaining: Any, best: Any, row: Any) -> None:
    """Write the chances of a drawn slot: `(1 - floor) * wins / draws + floor / remaining`, 0 for those taken.

    With shares, the floor is divided in proportion to the shares of those not taken.
    """
    scores, wins, draws, weights, floor, shares, first = source
    if remaining == len(taken) and first.size:
        for k in range(len(taken)):
            row[k] = first[k]
        return
    if draws == 0:
        _write_shares(weights, taken, remaining, row)
        return
    if remaining < len(taken):
        columns = min(scores.shape[1], LATER_DRAWS)
        _find_best(scores, taken, columns, best)
        _count_wins(scores, taken, columns, best, row)
    else:
        columns = draws
        for k in range(len(taken)):
            row[k] = wins[k]
    scale, least, share_sum = (1 - floor) / columns, floor / remaining, 0.0
    for k in range(len(shares)):
        share_sum += 0.0 if taken[k] else shares[k]
    for k in range(len(taken)):
        if share_sum > 0:
            least = floor * (shares[k] / share_sum)
        row[k] = 0.0 if taken[k] else row[k] * scale + least


@inner
def _fill(source: Any, rank_scores: Any, best: Any, key: Any, pins: Any, answer: Any) -> None:
    """Fill the slots of one answer, or follow its order as long as it could have been filled so."""
    hashes, seed = key
    drawn, order, numbers, follows = answer
    count, remaining, position = len(rank_scores), len(rank_scores), -1
    taken, queue, scratch = np.zeros(count, np.bool_), np.empty(count, np.int64), np.empty(count)
    for slot in range(len(pins)):
        if pins[slot] >= 0:
            taken[pins[slot]] = True
            remaining -= 1
    for slot in range(len(order)):
        row = numbers[2 + slot] if 2 + slot < len(numbers) else scratch
        chosen = pins[slot] if slot < len(pins) else -1
        pinned = chosen >= 0
        if not pinned and slot >= drawn:
            position = _next_by_score(rank_scores, queue, position, taken)
            chosen = queue[position]
        if chosen >= 0:
            for k in range(count):
                row[k] = 1.0 if k == chosen else 0.0
        else:
            _write_chances(source, taken, remaining, best, row)
        if follows:
            chosen = order[slot]
            if chosen < 0 or row[chosen] == 0.0:
                return
        elif chosen < 0:
            chosen = _pick(row, hashes, seed, slot)
        order[slot], numbers[1, slot] = chosen, row[chosen]
        if not pinned:
            taken[chosen] = True
            remaining -= 1


@outer(
    "void(Array(float32, 3, 'C', readonly=True), Array(int64, 1, 'C', readonly=True),"
    " Array(float64, 2, 'C', readonly=True), Array(uint64, 1, 'C', readonly=True), float64,"
    " Array(float64, 1, 'C', readonly=True),"
    " Array(boolean, 1, 'C', readonly=True), float64, float64[:, :, ::1], float64[:, ::1], uint64[::1],"
    " int64, int64[::1], int64[:, ::1], float64[:, :, ::1], boolean)"
)
def fill_slots(
    draws: Any, rows: Any, means: Any, hashes: Any, floor: Any, shares: Any, suspended: Any, strength: Any,
    pasts: Any, weights: Any, seeds: Any,
    drawn: Any, pins: Any, orders: Any, numbers: Any, follows: Any,
) -> None:  # fmt: skip
    """Fill the slots of N answers among the same K candidates, whose draws stand in `rows` of `draws`."""
    nothing, no_past = np.empty(0), np.empty((0, 0))
    count, columns = means.shape[1], draws.shape[2]
    block = LATER_DRAWS if columns == 4 * LATER_DRAWS else columns
    scores, best, rank_scores = np.empty((count, block), np.float32), np.empty(block, np.float32), np.empty(count)
    first, are_identical, scored = nothing, len(pasts) == 0 and len(weights) < 2, (draws, rows, suspended, strength)
    wins = nothing if len(pins) or not columns else np.empty(count)
    for n in range(len(seeds)):
        past = pasts[n] if len(pasts) else no_past
        weight = weights[n if len(weights) > 1 else 0] if len(weights) else nothing
        _write_means(means, past, strength, weight, numbers[n, 0], rank_scores)
        for k in range(len(suspended)):
            rank_scores[k] = -np.inf if suspended[k] else rank_scores[k]
        if drawn and (n == 0 or not are_identical):
            _score(scored, past, weight, scores, best, wins)
        source, answer = (scores, wins, columns, weight, floor, shares, first), (drawn, orders[n], numbers[n], follows)
        _fill(source, rank_scores, best, (hashes, seeds[n]), pins, answer)
        if are_identical and drawn and not len(pins):
            first = numbers[n, 2]


@outer(
    "void(Array(float32, 3, 'C', readonly=True), Array(float64, 2, 'C', readonly=True), Array(float64, 2, 'C',"
    " readonly=True), float32[:, :, ::1], float64[:, ::1])"
)
def weigh_features(draws: Any, means: Any, features: Any, scores: Any, rates: Any) -> None:
    """Write each draw's log-odds for a request and the rates under the mean weights.

    `draws` (K, d, M) and `means` (K, d) are of weights, `features` (K, d), `scores` (1, K, M), `rates` (1, K).
    Each sum of products takes one rounding a feature and goes in the order of the features. The rates are rounded to
    float32, because the last digits of tanh differ between C libraries.
    """
    for k in range(len(means)):
        log_odds, row = 0.0, scores[0, k]
        for m in range(len(row)):
            row[m] = 0.0
        for j in range(means.shape[1]):
            log_odds += means[k, j] * features[k, j]
            feature, weights = np.float32(features[k, j]), draws[k, j]
            # Most features of a request are 0, and add nothing.
            if feature != 0:
                for m in range(len(row)):
                    row[m] = _fused(weights[m], feature, row[m])
        rates[0, k] = np.float32(0.5 + 0.5 * math.tanh(log_odds / 2))
