"""The funnel of an experiment as the page and the PDF show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.experiments.details import STEPS, Funnel, FunnelRow, TriggeredGain
from engine.model.experiment import Experiment
from web.experiments.experiment_words import UNITS
from web.format import Show

WORTH_TELLING = 1.05
NOT_REPORTED = {"shown": "is shown", "selected": "is chosen", "converted": "is bought"}


@dataclass(frozen=True)
class FunnelStep:
    """The decisions of a variant that reached a step, as a figure and as a share of all of them."""

    count: str
    share: str


@dataclass(frozen=True)
class FunnelLine:
    """The steps of one variant."""

    name: str
    number: int
    decisions: str
    steps: Sequence[FunnelStep]


def funnel_lines(document: Experiment, funnel: Funnel, show: Show) -> list[FunnelLine]:
    """Return the steps of each variant as figures and as shares of its decisions."""
    return [
        FunnelLine(variant.name, number, show.number(row.decisions), _steps(row, show))
        for number, (variant, row) in enumerate(zip(document.variants, funnel.rows, strict=True))
    ]


def gain_text(document: Experiment, gain: TriggeredGain, show: Show) -> str:
    """Say what it gains to count only those for whom the variants differ."""
    units = UNITS["customer" if document.unit == "customer" else "decision"][1]
    share, times = show.percent(gain.share, digits=0), show.number(gain.times, digits=1)
    text = f"Only the {share} of {units} for whom the variants differ are counted."
    if gain.times < WORTH_TELLING:
        return text
    return (
        f"Counting only the {share} of {units} for whom the variants differ makes the interval {times} times narrower."
    )


def funnel_note(document: Experiment, funnel: Funnel, show: Show) -> str:
    """Return what the funnel counts, what that gains, and which steps the checkout does not report."""
    lacks = [step for step in STEPS if not any(getattr(row, step) for row in funnel.rows)]
    note = (
        "Decisions in which the variants could have differed, of the newest "
        f"{show.number(funnel.read)} whose outcomes are in. A customer may have several."
    )
    gain = [gain_text(document, funnel.gain, show)] if funnel.gain is not None else []
    return " ".join([note, *gain, *(f"The checkout does not report what {NOT_REPORTED[step]}." for step in lacks)])


def _steps(row: FunnelRow, show: Show) -> list[FunnelStep]:
    counts = [getattr(row, step) for step in STEPS]
    return [
        FunnelStep(show.number(count), show.percent(count / row.decisions) if row.decisions else "") for count in counts
    ]
