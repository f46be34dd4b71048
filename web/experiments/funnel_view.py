"""The funnel of an experiment as the page and the PDF show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.experiments.details import STEPS, Funnel, FunnelRow
from engine.model.experiment import Experiment
from web.format import Show

NOT_REPORTED = {"shown": "is shown", "selected": "is chosen", "converted": "is bought"}


@dataclass(frozen=True)
class FunnelStep:
    """How many decisions of a variant reached a step, as a figure and as a share of all of them."""

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


def funnel_note(funnel: Funnel, show: Show) -> str:
    """Return what the funnel counts, and which steps the checkout does not report."""
    lacks = [step for step in STEPS if not any(getattr(row, step) for row in funnel.rows)]
    note = (
        "Decisions in which the variants could have differed, of the newest "
        f"{show.number(funnel.read)} whose outcomes are in. A customer may have several."
    )
    return " ".join([note, *(f"The checkout does not report what {NOT_REPORTED[step]}." for step in lacks)])


def _steps(row: FunnelRow, show: Show) -> list[FunnelStep]:
    counts = [getattr(row, step) for step in STEPS]
    return [
        FunnelStep(show.number(count), show.percent(count / row.decisions) if row.decisions else "") for count in counts
    ]
