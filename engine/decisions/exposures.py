"""Exposures of units to experiments, as a decision makes them."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model.experiment import Assignment
from engine.model.facts import Facts
from engine.store.decisions import DecisionRow
from engine.store.experiments.exposed_units import ExposedUnits
from engine.store.experiments.exposures import Exposure

SEGMENT_FACTS = ("device.type", "geo.country")
"""The facts that split the results of experiments into segments."""


def exposures_of(
    assignments: Sequence[Assignment], facts: Facts, row: DecisionRow, exposed: ExposedUnits
) -> list[Exposure]:
    """Return the exposures to experiments in which the decision counts, without units already in `exposed`."""
    keys = [
        (assignment, (row.merchant_id, row.placement, assignment.experiment, assignment.phase, assignment.unit))
        for assignment in assignments
        if assignment.differs
    ]
    new = [(assignment.variant, key) for assignment, key in keys if key not in exposed]
    if not new:
        return []
    past = sum(past.purchases for past in facts.history.values())
    segments = [f"{name}={facts.values[name]}" for name in SEGMENT_FACTS if name in facts.values]
    segments.append("customer=returning" if past else "customer=new")
    return [Exposure(*key, variant, row.decided_at, tuple(segments), past) for variant, key in new]
