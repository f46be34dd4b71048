"""What the log said before the start, beside what the customers of the experiment do. Pure."""

from __future__ import annotations

import math

import msgspec

from bandits.evaluation.intervals import Z95
from bandits.experiments.comparison import lift_of
from bandits.experiments.past import agrees, units_worth
from engine.experiments.comparisons import VariantTotals, estimates_of, past_of
from engine.model.experiment import Experiment


class LogEvidence(msgspec.Struct, frozen=True):
    """What the log said of a variant before the start, drift allowed for; 0.02 is +2%.

    It counts as `saved_units` units, null while these are not known, unless the customers disagree.
    """

    variant: str
    lift: float
    low: float
    high: float
    decisions: int
    saved_units: int | None
    agrees: bool


def log_evidence(experiment: Experiment, totals: VariantTotals) -> list[LogEvidence]:
    """Return what counts of the log for each variant, by sums of matured units."""
    estimates = estimates_of(experiment.primary, totals.of_metric(experiment.primary))
    evidence = []
    for name, estimate in zip(totals.names[1:], estimates[1:], strict=True):
        past = past_of(experiment, experiment.primary, name)
        if past is None:
            continue
        lift, margin = lift_of(estimates[0], estimate), Z95 * past.error
        is_defined = math.isfinite(lift.value) and lift.error > 0
        evidence.append(
            LogEvidence(
                variant=name,
                lift=past.lift,
                low=past.lift - margin,
                high=past.lift + margin,
                decisions=past.decisions,
                saved_units=math.floor(units_worth(past.error, lift.variance)) if is_defined else None,
                agrees=not is_defined or agrees(lift, past.lift, past.error),
            )
        )
    return evidence


def units_of_log(evidence: list[LogEvidence]) -> int:
    """Return the units that the log saves: those of the variant of which it says the least."""
    return min((each.saved_units or 0 for each in evidence if each.agrees), default=0)
