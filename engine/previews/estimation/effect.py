"""Estimate a draft's effect on the reward from logged decisions. Pure; docs/preview.md has formulas and reasons."""

from __future__ import annotations

from array import array

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
from engine.previews.estimation.totals import Rows, Totals

MOST_UNKNOWN = 0.05
"""The largest share of what the draft would earn that may come from answers that were never given. It is assumed to
stay as it was."""
MAY_DIFFER = 0.5
"""By how much that share may be more or less than it was; the interval covers it."""
MOST_BOUNDED = 0.25
"""The largest share that may be anything between nothing and what it was; the interval covers it."""
LEAST_SAMPLE = 100
TINY = 1e-9

Floats = NDArray[np.float64]


class Effect(msgspec.Struct, frozen=True):
    """The draft's mean reward a decision less the logged one, over all `counted` decisions, with its 95% interval.

    The draft could change the answers of `touched` ones, which `earned` so much each. Of what the draft would earn, the
    share `unknown` comes from answers that were never given and is assumed to stay as it was; the share `bounded` is
    covered by the interval from nothing to all. `refused` says why there is no estimate.
    """

    counted: int
    touched: int
    earned: float
    value: float
    low: float
    high: float
    effective_sample: float
    largest_weight: float
    unknown: float
    bounded: float
    refused: str = ""


def effect_of(totals: Totals) -> Effect:
    """Return the effect. Decisions that the draft answers as before add nothing to the difference."""
    rows = totals.rows
    weight, logged = _floats(rows.weight), _floats(rows.logged)
    customers = bandits.Clusters.of(np.array(rows.customer), weight)
    if not len(weight):
        return Effect(totals.counted, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, _nothing(totals))
    share = len(weight) / totals.counted
    least, most = (
        bandits.paired_difference(weight, logged, _floats(earned), clusters=customers)
        for earned in (rows.least, rows.most)
    )
    unknown, bounded = _open(rows)
    slack = MAY_DIFFER * unknown * max(abs(float(_floats(rows.most).mean())), abs(float(logged.mean())))
    return Effect(
        counted=totals.counted,
        touched=len(weight),
        earned=float(logged.mean()),
        value=share * (least.value + most.value) / 2,
        low=share * (least.low - slack),
        high=share * (most.high + slack),
        effective_sample=least.effective_sample,
        largest_weight=least.largest_weight,
        unknown=unknown,
        bounded=bounded,
        refused=_refusal(totals, customers, least, unknown, bounded),
    )


def _nothing(totals: Totals) -> str:
    if not totals.read:
        return "there is no decision in this period"
    if not totals.counted:
        return "the outcomes of these decisions are still awaited"
    return ""


def _refusal(
    totals: Totals, customers: bandits.Clusters, estimate: bandits.Estimate, unknown: float, bounded: float
) -> str:
    """Return why there is no estimate, in words that follow "Cannot be known from the past:"."""
    touched = estimate.n
    if 2 * totals.revalued > touched:
        return "the change sets other values in the answer, and the log has no data on their effect"
    if unknown > MOST_UNKNOWN or bounded > MOST_BOUNDED:
        return (
            f"{unknown + bounded:.0%} of the new result comes from answers that were never given, "
            "such as a candidate where it was never shown"
        )
    if estimate.effective_sample < LEAST_SAMPLE:
        return (
            f"the {touched:,} decisions where it matters carry as much information as "
            f"{estimate.effective_sample:.0f}; at least {LEAST_SAMPLE} are needed"
        )
    if bandits.is_off_one(customers.weights, clusters=customers):
        return "the log has too few answers like the new ones"
    return customers.refusal()


def _open(rows: Rows) -> tuple[float, float]:
    """Return the unknown and the bounded share. A new candidate is assumed to earn the mean."""
    logged, least, most = map(_floats, (rows.logged, rows.least, rows.most))
    open_to_all, unseen = _floats(rows.open), _floats(rows.unseen)
    estimated = float(unseen.sum()) * max(float(logged.mean()), TINY)
    everything = float(np.abs(most).sum()) + estimated
    if everything <= 0:
        return 0.0, 0.0
    between = float(np.abs(most - least).sum())
    return (float(np.abs(open_to_all).sum()) - between + estimated) / everything, between / everything


def _floats(values: array[float]) -> Floats:
    return np.array(values, np.float64)
