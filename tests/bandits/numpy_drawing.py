"""The drawing in plain numpy, as it was before it was compiled: slow, short, and the oracle of the compiled steps."""

from __future__ import annotations

import numpy as np

LATER_DRAWS = 256
STEP = 0x9E3779B97F4A7C15


def blend(rates, past, strength):
    """The customer level, (k * draw + s) / (k + n), applied to every draw (K, M); `past` (2, K)."""
    successes, trials = past
    learned = np.asarray(trials, np.float32) + np.float32(strength)
    scores = rates * (np.float32(strength) / learned)[:, None]
    scores += (np.asarray(successes, np.float32) / learned)[:, None]
    return scores


def scores_of(draws, past, weights, strength):
    """Draws (K, M) of what a trial brings in."""
    scores = draws[0] if past is None else blend(draws[0], past, strength)
    scores = scores * draws[1] if len(draws) > 1 else scores
    return scores if weights is None else scores * weights.astype(np.float32)[:, None]


def means_of(means, past, weights, strength):
    """The posterior means (K,), and what orders the slots that are not drawn."""
    blended = means[0] if past is None else (strength * means[0] + past[0]) / (strength + past[1])
    rest = blended * means[1] if len(means) > 1 else blended
    return blended, rest if weights is None else rest * weights


def chances_of_wins(scores, floor, taken, shares=(), suspended=()):
    """`(1 - floor) * wins / draws + floor / remaining`; those taken have 0, those away win nothing."""
    if len(suspended):
        scores = np.where(np.asarray(suspended)[:, None], np.float32(-np.inf), scores)
    if taken:
        scores = scores[:, :LATER_DRAWS].copy()
        scores[list(taken)] = -np.inf
    draws = scores.shape[1]
    best = scores == np.maximum.reduce(scores, axis=0)
    best[list(taken)] = False
    wins = best.sum(axis=1).astype(np.float64)
    if wins.sum() != draws:
        sharers = best.sum(axis=0)
        if not sharers.all():
            raise ValueError("scores must be numbers: in some draw no candidate is the best")
        wins = (best / sharers).sum(axis=1)
    least = floor / (len(scores) - len(taken))
    if len(shares):
        left = np.array(shares, np.float64)
        left[list(taken)] = 0.0
        least = floor * (left / sum(left.tolist()))
    chances = wins * ((1 - floor) / draws) + least
    chances[list(taken)] = 0.0
    return chances


def chances_of_weights(weights, taken):
    """Each weight's share of those not taken, or even shares of zeros."""
    left = np.array(weights, np.float64)
    left[list(taken)] = 0.0
    total = left.sum()
    if total > 0:
        return left / total
    left[:] = 1 / (len(left) - len(taken))
    left[list(taken)] = 0.0
    return left


def uniforms(seed, hashes, slots):
    """A uniform number in (0, 1) for each slot and candidate, (slots, K), by SplitMix64's finaliser."""
    offsets = (np.arange(1, slots + 1, dtype=np.uint64) * np.uint64(STEP))[:, None]
    z = (offsets + hashes) ^ np.uint64(seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(12)) | np.uint64(0x3FF0000000000000)).view(np.float64) - (1.0 - 2.0**-53)


def pick(chances, u):
    """The index with the smallest -ln(u) / chance."""
    return int((chances / np.log(u)).argmin())


def resolve_pins(pins, count):
    """The pins, with those beyond the last slot moved up to it, and those in their way before them."""
    candidate_of, last = {}, count - 1
    for slot in sorted(pins, reverse=True):
        candidate_of[min(slot, last)] = pins[slot]
        last = min(slot, last) - 1
    return candidate_of


def certainty(index, count):
    row = np.zeros(count)
    row[index] = 1.0
    return row


def arrange(chances_of, rest, u, *, length, drawn, pins):
    """The order, the chances of its slots, and those of the first slot."""
    count = len(rest)
    candidate_of = resolve_pins(pins, count)
    taken = tuple(candidate_of.values())
    chances, first = [1.0] * length, None
    for slot in range(min(drawn, length)):
        if slot in candidate_of:
            continue
        row = chances_of(taken)
        candidate_of[slot] = chosen = pick(row, u[slot])
        chances[slot] = float(row[chosen])
        taken += (chosen,)
        first = row if slot == 0 else first
    queue = iter(sorted((i for i in range(count) if i not in taken), key=rest.tolist().__getitem__, reverse=True))
    order = tuple([candidate_of[slot] if slot in candidate_of else next(queue) for slot in range(length)])
    return order, tuple(chances), certainty(order[0], count) if first is None else first


def chances_along(chances_of, rest, order, *, drawn, pins):
    """The chances of each slot, had `order` filled those above it; ends behind what could not have been filled so."""
    count = len(rest)
    candidate_of = resolve_pins(pins, count)
    taken = tuple(candidate_of.values())
    for slot, index in enumerate(order):
        if slot in candidate_of:
            row = certainty(candidate_of[slot], count)
        elif slot < drawn:
            row = chances_of(taken)
        else:
            row = certainty(max((i for i in range(count) if i not in taken), key=rest.tolist().__getitem__), count)
        yield row
        if index < 0 or not row[index]:
            return
        taken += () if slot in candidate_of else (index,)


def log_odds(draws, features):
    """The sums (K, M) of features (K, d) times weights (K, d, M), rounded to float32 after each feature.

    Products of two float32 are exact in float64.
    """
    scores = np.zeros(draws[:, 0].shape, np.float32)
    for column, feature in enumerate(features.astype(np.float32).T):
        products = draws[:, column].astype(np.float64) * feature[:, None].astype(np.float64)
        scores = (products + scores).astype(np.float32)
    return scores
