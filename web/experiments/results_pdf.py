"""The results of an experiment as a PDF to pass on: the verdict, the charts and the tables of the page."""

from __future__ import annotations

from collections.abc import Sequence

from web.charts.pdf_file import Paper, PaperPart, pdf_file
from web.experiments.experiment_words import METRICS, UNITS, Summary
from web.experiments.funnel_view import FunnelLine
from web.experiments.results_view import Look, ResultsView

VARIANTS_A_TABLE = 4


def pdf_of(look: Look, view: ResultsView, summary: Summary, funnel: PaperPart, logo: bytes = b"") -> bytes:
    """Set the results of one look on paper. It takes some seconds of CPU: call it beside the event loop."""
    document, show = look.document, look.show
    paper = Paper(
        title=document.name,
        about=document.hypothesis or "Compared on customers drawn at random.",
        verdict=summary.sentence,
        detail=summary.detail,
        footer=f"As of {show.moment(look.results.as_of)}",
        parts=_parts(look, view, funnel),
        logo=logo,
    )
    return pdf_file(paper)


def funnel_part(lines: Sequence[FunnelLine], note: str) -> PaperPart:
    """Return the funnel as a table; without decisions it is left out."""
    rows = [(line.name, line.decisions, *(f"{step.count} ({step.share})" for step in line.steps)) for line in lines]
    head = ("Variant", "Decisions", "Shown", "Chosen", "Purchase")
    is_empty = not any(step.share for line in lines for step in line.steps)
    return PaperPart(title="Funnel", note=note, rows=[] if is_empty else [head, *rows])


def _parts(look: Look, view: ResultsView, funnel: PaperPart) -> list[PaperPart]:
    metric, units = METRICS[look.document.primary], UNITS[look.document.unit][1].capitalize()
    variants = [("Variant", "Share", units, "Outcomes in", metric, "Change, 95%", "Chance to win")]
    variants += [
        (row.name, row.share, row.units, row.matured, row.value, "Control" if row.is_control else row.lift, row.chance)
        for row in view.variants
    ]
    metrics = [("Metric", "Variant", "Control", "Variant's value", "Change, 95%")]
    metrics += [(row.metric, row.variant, row.control_value, row.value, row.lift) for row in view.metrics]
    health = [("Split", "As planned" if view.split_holds else "Does not hold", view.split)]
    if view.balance:
        health.append(("Groups", "Balanced" if view.is_balanced else "Out of balance", view.balance))
    health += [(row.metric, "Broken" if row.is_broken else "Not broken", row.detail) for row in view.guardrails]
    return [
        PaperPart(title="What was learned", lines=view.learned),
        PaperPart(title="Variants", note=f"{view.units} enrolled, {view.matured} of outcomes in.", rows=variants),
        PaperPart(title=f"Change of {metric.lower()} over time", note=view.band, chart=view.chart),
        PaperPart(title=f"{metric} over time", chart=view.values_chart),
        PaperPart(title="Metrics", note=" ".join(["Only the first decides.", *view.caps]), rows=metrics, left=2),
        PaperPart(title="Health", rows=[("Check", "State", "Detail"), *health], left=3),
        funnel,
        *_segments(view, units),
        PaperPart(title="How this is computed", lines=[*view.log, *view.assumed]),
    ]


def _segments(view: ResultsView, units: str) -> list[PaperPart]:
    """Return a table of segments for every four variants, which is what fits on the paper."""
    parts = []
    for start in range(0, len(view.others), VARIANTS_A_TABLE):
        shown = slice(start, start + VARIANTS_A_TABLE)
        rows = [("Segment", units, *view.others[shown])]
        for row in view.segments:
            lifts = (f"{lift.text}, differs" if lift.differs else lift.text for lift in row.lifts[shown])
            rows.append((row.name, row.units, *lifts))
        title, note = (
            ("Segments, continued", "") if start else ("Segments", "Corrected for looking at several segments.")
        )
        parts.append(PaperPart(title=title, note=note, rows=rows, is_even=True))
    return parts
