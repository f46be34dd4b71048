"""Whether groups that are known before the assignment are split as planned. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import msgspec

from bandits.experiments.imbalance import imbalances, log_mean_difference
from bandits.experiments.mismatch import log_evidence
from bandits.experiments.moments import MetricEstimate
from engine.experiments.comparisons import VariantTotals
from engine.model.documents.metric import PURCHASES
from engine.model.experiment import Experiment
from engine.store.experiments.sums import SumRow, UnitTotals

MOST_GROUPS = 30
PAST = "past"
"""The group that stands for purchases before the exposure, whose means are compared."""


class GroupBalance(msgspec.Struct, frozen=True):
    """A group such as `device.type=mobile` with its units by variant, or `past` with the mean purchases before.

    The p-value is valid at every look; `differs` allows for all groups, with at most 5% false ones.
    """

    group: str
    counts: list[float]
    p_value: float
    differs: bool


def balance_of(experiment: Experiment, rows: Sequence[SumRow], planned_units: float) -> list[GroupBalance]:
    """Return the largest groups, those out of balance first; nothing where a bandit moves the shares."""
    if experiment.is_adaptive:
        return []
    ordered = sorted((row for row in rows if row.measure == PURCHASES), key=_segment_of)
    totals = {name: VariantTotals.of(experiment, inside) for name, inside in groupby(ordered, key=_segment_of)}
    all_variants = totals.pop("", VariantTotals.of(experiment, ())).by_variant
    largest = sorted(totals, key=lambda name: (-totals[name].units, name))[:MOST_GROUPS]
    split = [variant.weight for variant in experiment.variants]
    counts = [[float(each.units) for each in totals[name].by_variant] for name in largest]
    logs = [float(log_evidence(each, split)) for each in counts]
    if any(each.past for each in all_variants) and min(each.units for each in all_variants) > 1:
        means = [_past(each) for each in all_variants]
        largest, counts = [*largest, PAST], [*counts, [each.value for each in means]]
        logs.append(log_mean_difference(means, planned_units=planned_units))
    differs = imbalances(logs)
    groups = [
        GroupBalance(name, numbers, math.exp(-max(0.0, log)), bool(off))
        for name, numbers, log, off in zip(largest, counts, logs, differs, strict=True)
    ]
    return sorted(groups, key=lambda each: not each.differs)


def _segment_of(row: SumRow) -> str:
    return row.segment


def _past(totals: UnitTotals) -> MetricEstimate:
    """Return the mean number of purchases before the exposure."""
    mean = totals.past / totals.units
    variance = max(0.0, (totals.past_squared - totals.past * mean) / (totals.units - 1))
    return MetricEstimate(mean, variance, totals.units)
