"""One candidate: how it does in each customer group, how that changed, which rules touch it, and who changed it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.configuration.configuration import Configuration
from engine.kernel.rule_sentences import sentence_of, terms_of
from engine.model.history import AuditFilter, Entry
from engine.model.placement import Placement, RuleDocument
from engine.model.timestamps import DAY
from engine.statistics.checkouts import CheckoutBin
from web.admin.candidates.candidate_list import base_of
from web.admin.placements.performance.events import events_of
from web.admin.placements.performance.headline import course_title
from web.admin.placements.performance.matrix import GroupSentence, MatrixView, matrix_view
from web.admin.placements.performance.period import PagePeriod, PeriodOption
from web.admin.shell.csv_file import exported_csv
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page
from web.charts.candidate_charts import ChartEvent, Spec, unique_names
from web.charts.candidate_names import CandidateNames
from web.charts.performance_charts import trend

MOST_CHANGES = 20


@dataclass(frozen=True)
class TouchingRule:
    """A rule that names the candidate in an effect, as a sentence."""

    id: str
    name: str
    sentence: str
    enabled: bool


@dataclass(frozen=True)
class ArmPage:
    """A candidate with what was measured of it; there is no `chart` before there are several points."""

    placement: Placement
    id: str
    label: str
    colour: int
    state: str
    period: PagePeriod
    buckets: Sequence[PeriodOption]
    edit: str
    sentences: Sequence[GroupSentence]
    rows: Sequence[tuple[str, str, str, str]]
    basis: str
    chart_title: str
    bins: Sequence[CheckoutBin]
    chart: Spec | None
    events: Sequence[ChartEvent]
    rules: Sequence[TouchingRule]
    changes: Sequence[Entry]


@get("/placements/{key:str}/performance/{id:str}")
async def arm_page(
    frame: NamedDependency[Frame],
    key: FromPath[str],
    id: FromPath[str],
    days: FromQuery[int | None] = None,
    compare: FromQuery[str | None] = None,
    bucket: FromQuery[str | None] = None,
) -> Page:
    """Show one candidate of a placement."""
    period = PagePeriod.of(days, compare, bucket)
    engine, merchant_id = frame.engine, frame.merchant.id
    configuration = await engine.catalogue.configuration(merchant_id)
    placement: Placement = configuration.get("placement", "", key).document
    candidate = configuration.get("candidate", key, id).document
    names = names_in(configuration, key)
    performance = await engine.comparisons.of(merchant_id, key, days=period.days)
    matrix = matrix_view(frame, placement, performance, names)
    bins = await engine.comparisons.course(merchant_id, key, id, days=period.days, bucket=bucket or None)
    events = await events_of(frame, key, names, since=frame.show.now - period.days * DAY)
    drawn = [event for event in events if bins and bins[0].begin <= event.moment <= bins[-1].end]
    page = ArmPage(
        placement=placement,
        id=id,
        label=names[id],
        colour=names.colours.get(id, 0),
        state="" if candidate.enabled else "Off",
        period=period,
        buckets=[PeriodOption(head.bucket, head.name) for head in matrix.groups if head.bucket],
        edit=f"{base_of(frame, key)}/{id}",
        sentences=[each for each in matrix.sentences if id in each.about],
        rows=_rows(matrix, id),
        basis=matrix.basis,
        chart_title=course_title(frame, bins, subject=names[id]),
        bins=bins,
        chart=trend(bins, show=frame.show, number=names.colours.get(id, 0), events=drawn) if bins else None,
        events=drawn,
        rules=_touching(frame, configuration, key, id),
        changes=await _changes(frame, key, id),
    )
    return frame.page("placements/arm.html", page)


@get("/placements/{key:str}/performance/{id:str}/course.csv")
async def arm_csv(
    frame: NamedDependency[Frame],
    key: FromPath[str],
    id: FromPath[str],
    days: FromQuery[int | None] = None,
    bucket: FromQuery[str | None] = None,
) -> Response[str]:
    """Send how often a candidate was chosen when seen, over time; shares are 0 to 1."""
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    configuration.get("candidate", key, id)
    period = PagePeriod.of(days, None, bucket)
    bins = await frame.engine.comparisons.course(
        frame.merchant.id, key, id, days=period.days, bucket=period.bucket or None
    )
    rows = [[each.begin, each.end, *each.share] for each in bins]
    return await exported_csv(
        frame, f"{key}-{id}.csv", [("from_epoch_ms", "to_epoch_ms", "share", "low", "high", "seen"), *rows]
    )


def names_in(configuration: Configuration, key: str) -> CandidateNames:
    """Return the names and colours of a placement's candidates, in the merchant's order."""
    candidates = sorted(configuration.documents("candidate", key), key=lambda each: (each.position, each.id))
    return CandidateNames(unique_names({each.id: each.label for each in candidates}), configuration.colours(key))


def _rows(matrix: MatrixView, id: str) -> list[tuple[str, str, str, str]]:
    """Return group, figure, interval and note of each cell."""
    cells = next((row.cells for row in matrix.rows if row.id == id), ())
    return [
        (f"{head.name}, {head.about}", cell.figure, cell.interval, " · ".join(filter(None, (cell.mark, cell.note))))
        for head, cell in zip(matrix.groups, cells, strict=True)
    ]


def _touching(frame: Frame, configuration: Configuration, key: str, id: str) -> list[TouchingRule]:
    """Return the rules with an effect that names a candidate, those that are on first."""
    document = configuration.plan_document(key)
    if document is None:
        return []
    terms = terms_of(document, frame.wording)
    rules: Sequence[RuleDocument] = configuration.documents("rule", key)
    touching = [rule for rule in rules if any(id in named_by(effect) for effect in rule.effects)]
    touching.sort(key=lambda rule: (not rule.enabled, -rule.priority, rule.id))
    return [TouchingRule(rule.id, rule.name, sentence_of(rule, terms), rule.enabled) for rule in touching]


def named_by(effect: Mapping[str, Any]) -> Iterator[str]:
    """Yield the candidates that an effect names."""
    for kind, value in effect.items():
        if kind in ("exclude", "require"):
            yield from value
        elif kind == "pin":
            yield value["candidate"]
        elif kind == "boost":
            yield from value["candidates"]


async def _changes(frame: Frame, key: str, id: str) -> list[Entry]:
    """Return the latest changes of a candidate, the newest first."""
    subject = f"candidate {id} in {key}"
    entries = await frame.engine.catalogue.audit(
        frame.merchant.id, narrowed=AuditFilter(subject=subject), limit=MOST_CHANGES
    )
    return [entry for entry in entries if entry.subject == subject]


handlers = [arm_page, arm_csv]
