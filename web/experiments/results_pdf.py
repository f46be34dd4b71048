"""The results of an experiment as a PDF to pass on: the verdict, the charts and the tables of the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import typst

from web.charts.candidate_charts import Spec
from web.charts.paper import svg_of
from web.experiments.experiment_words import METRICS, UNITS, Summary
from web.experiments.funnel_view import FunnelLine
from web.experiments.results_view import Look, ResultsView

TEMPLATE = Path(__file__).parents[1] / "templates" / "experiments" / "results.typ"


VARIANTS_A_TABLE = 4


class PaperPart(msgspec.Struct, frozen=True, kw_only=True):
    """A heading with a chart, a table (its first row the head, its first `left` columns texts) or lines below.

    The columns of an `is_even` table are of one width, because their names may be long.
    """

    title: str
    note: str = ""
    chart: str | None = None
    rows: Sequence[Sequence[str]] = ()
    left: int = 1
    is_even: bool = False
    lines: Sequence[str] = ()


def pdf_of(look: Look, view: ResultsView, summary: Summary, funnel: PaperPart) -> bytes:
    """Set the results of one look on paper. It takes some seconds of CPU: call it beside the event loop."""
    document, show = look.document, look.show
    with TemporaryDirectory() as folder:
        charts = [_drawn(Path(folder), number, chart) for number, chart in enumerate((view.chart, view.values_chart))]
        data = {
            "title": document.name,
            "about": document.hypothesis or "Compared on customers drawn at random.",
            "verdict": summary.sentence,
            "detail": summary.detail,
            "footer": f"As of {show.moment(look.results.as_of)}",
            "parts": _parts(look, view, charts, funnel),
        }
        (Path(folder) / "data.json").write_bytes(msgspec.json.encode(data))
        source = Path(folder) / "results.typ"
        source.write_bytes(TEMPLATE.read_bytes())
        made = typst.compile(str(source), root=folder, ignore_system_fonts=True)
    if not isinstance(made, bytes):
        raise TypeError("typst made several files")
    return made


def funnel_part(lines: Sequence[FunnelLine], note: str) -> PaperPart:
    """Return the funnel as a table; without decisions it is left out."""
    rows = [(line.name, line.decisions, *(f"{step.count} ({step.share})" for step in line.steps)) for line in lines]
    head = ("Variant", "Decisions", "Shown", "Chosen", "Purchase")
    is_empty = not any(step.share for line in lines for step in line.steps)
    return PaperPart(title="Funnel", note=note, rows=[] if is_empty else [head, *rows])


def _drawn(folder: Path, number: int, spec: Spec | None) -> str | None:
    """Draw a chart into the folder and return its file's name."""
    if spec is None:
        return None
    name = f"chart{number}.svg"
    (folder / name).write_text(svg_of(spec), "utf-8")
    return name


def _parts(look: Look, view: ResultsView, charts: Sequence[str | None], funnel: PaperPart) -> list[PaperPart]:
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
    parts = [
        PaperPart(title="What was learned", lines=view.learned),
        PaperPart(title="Variants", note=f"{view.units} enrolled, {view.matured} of outcomes in.", rows=variants),
        PaperPart(title=f"Change of {metric.lower()} over time", note=view.band, chart=charts[0]),
        PaperPart(title=f"{metric} over time", chart=charts[1]),
        PaperPart(title="Metrics", note=" ".join(["Only the first decides.", *view.caps]), rows=metrics, left=2),
        PaperPart(title="Health", rows=[("Check", "State", "Detail"), *health], left=3),
        funnel,
        *_segments(view, units),
        PaperPart(title="How this is computed", lines=[*view.log, *view.assumed]),
    ]
    return [part for part in parts if part.chart or len(part.rows) > 1 or part.lines]


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
