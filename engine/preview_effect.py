"""What the past tells about a draft's effect on the reward. Pure; formulas and reasons stand in docs/preview.md."""

from __future__ import annotations

from array import array

import msgspec
import numpy as np
from numpy.typing import NDArray

import bandits
from engine.preview_totals import Rows, Totals

MOST_UNKNOWN = 0.2
"""The share of what the draft would earn that may stand where the past never was."""
LEAST_SAMPLE = 100
TINY = 1e-9

Floats = NDArray[np.float64]


class Effect(msgspec.Struct, frozen=True):
    """The draft's mean reward a decision less the logged one, over all that `counted`, with its 95 % interval.

    `touched` of them the draft's rules treat otherwise; `among` is the effect's share on each of those, `earned` what
    each brought. `unknown` is the share of the draft's reward that stands where the past never was; `bounded` whether
    the interval covers for that. `refused` says why nothing can be told; then there is no value.
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
    bounded: bool
    refused: str = ""


def effect_of(totals: Totals) -> Effect:
    """Decisions that the draft treats alike say nothing about the difference, and count as none."""
    rows = totals.rows
    weight, logged = _floats(rows.weight), _floats(rows.logged)
    if not len(weight):
        return Effect(totals.counted, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, False, _nothing(totals))
    share = len(weight) / totals.counted
    least, most = (bandits.paired_difference(weight, logged, _floats(earned)) for earned in (rows.least, rows.most))
    unknown = _unknown(rows)
    return Effect(
        counted=totals.counted,
        touched=len(weight),
        earned=float(logged.mean()),
        value=share * (least.value + most.value) / 2,
        low=share * least.low,
        high=share * most.high,
        effective_sample=least.effective_sample,
        largest_weight=least.largest_weight,
        unknown=unknown,
        bounded=rows.least != rows.most,
        refused=_refusal(totals, weight, least, unknown),
    )


def _nothing(totals: Totals) -> str:
    if not totals.read:
        return "there is no decision in this period"
    if not totals.counted:
        return "the outcomes of these decisions are still awaited"
    return ""


def _refusal(totals: Totals, weight: Floats, estimate: bandits.Estimate, unknown: float) -> str:
    """Why the past cannot tell, in words that go on after "Cannot be known from the past:"."""
    touched = len(weight)
    if 2 * totals.revalued > touched:
        return "the draft sets other values in the answer, and what these do to customers was never tried"
    if unknown > MOST_UNKNOWN:
        return (
            f"{unknown:.0%} of what the draft would earn stands on answers that were never given, "
            "such as a candidate where it was never shown"
        )
    if estimate.effective_sample < LEAST_SAMPLE:
        return (
            f"the {touched:,} decisions that the draft touches hold as much of what it would do as "
            f"{estimate.effective_sample:.0f}; at least {LEAST_SAMPLE} are needed"
        )
    if bandits.is_off_one(weight):
        return "what the draft would do is too rare in the log to be weighed"
    return ""


def _unknown(rows: Rows) -> float:
    """Whoever would meet what was never offered is taken to bring what others brought."""
    logged, most, open_to_all, unseen = map(_floats, (rows.logged, rows.most, rows.open, rows.unseen))
    guessed = float(unseen.sum()) * max(float(logged.mean()), TINY)
    everything = float(np.abs(most).sum()) + guessed
    return (float(np.abs(open_to_all).sum()) + guessed) / everything if everything > 0 else 0.0


def _floats(values: array[float]) -> Floats:
    return np.array(values, np.float64)
