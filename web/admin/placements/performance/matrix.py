"""Candidates beside each other in each customer group: who leads, by how much, since when, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from engine.insights.comparisons import Performance
from engine.model.placement import Placement
from engine.model.timestamps import DAY
from engine.statistics.like_for_like import LEAST_SEEN, ChoiceRate, GroupComparison, Lead
from web.admin.placements.performance.groups import audience_text, group_name
from web.admin.placements.performance.period import span_of
from web.admin.shell.frame import Frame
from web.charts.candidate_names import CandidateNames
from web.csv_text import Rows

MOSTLY = 0.95
BESIDE = "points from the leader, same customers"
NOT_COMPARABLE = "not comparable: shown to other customers"


@dataclass(frozen=True)
class MatrixCell:
    """A candidate in a group: a figure with its interval or why there is none; `mark` is a badge, or empty."""

    figure: str
    interval: str
    note: str
    mark: str = ""


@dataclass(frozen=True)
class MatrixRow:
    """A candidate with a cell for each group."""

    id: str
    label: str
    colour: int
    cells: Sequence[MatrixCell]


@dataclass(frozen=True)
class GroupHead:
    """The head of a column."""

    bucket: str
    name: str
    about: str


@dataclass(frozen=True)
class GroupSentence:
    """A group's verdict on the candidates that it is `about`; `is_sure` is whether it may be relied on."""

    text: str
    is_sure: bool
    about: tuple[str, ...] = ()


@dataclass(frozen=True)
class MatrixView:
    """The comparison; without `rows`, `title` and `basis` say why there is none yet."""

    title: str
    basis: str
    sentences: Sequence[GroupSentence]
    groups: Sequence[GroupHead]
    more_groups: int
    rows: Sequence[MatrixRow]


class MatrixColumn(NamedTuple):
    """A column: its head, and what makes the cell of a candidate."""

    head: GroupHead
    group: GroupComparison
    cell: Callable[[str, GroupComparison], MatrixCell]


def matrix_view(frame: Frame, placement: Placement, performance: Performance, names: CandidateNames) -> MatrixView:
    """Say which candidate leads in each group."""
    words = _MatrixWords(frame, placement, performance, names)
    if not performance.sampled:
        return MatrixView("No complete decisions yet", words.nothing(), [], [], 0, [])
    columns = words.columns()
    rows = [
        MatrixRow(id, label, names.colours.get(id, 0), [column.cell(id, column.group) for column in columns])
        for id, label in names.labels.items()
    ]
    sentences = [words.sentence(group) for group in performance.groups]
    heads = [column.head for column in columns]
    return MatrixView(words.title(), words.basis(), sentences, heads, performance.more_groups, rows)


def matrix_table(performance: Performance) -> Rows:
    """Return the figures as CSV rows; rates and differences are 0 to 1."""
    head = ("group", "candidate", "chosen_when_seen", "low", "high", "seen", "offered", "beside", "difference",
            "difference_low", "difference_high", "leads")  # fmt: skip
    rows: list[Sequence[object]] = []
    for group in performance.groups:
        for id, rate in group.rates.items():
            beside = group.beside.get(id)
            difference = (beside.value, beside.low, beside.high) if beside is not None else ("", "", "")
            lead = group.lead
            leader = lead.leader if lead is not None and id != lead.leader else ""
            leads = lead is not None and lead.sure and lead.leader == id
            rows.append([group.bucket or "", *rate[:4], rate.impressions, rate.offered, leader, *difference, leads])
    return [head, *([row[0], *row[1:]] for row in rows)]


class _MatrixWords:
    def __init__(self, frame: Frame, placement: Placement, performance: Performance, names: CandidateNames) -> None:
        self._frame = frame
        self._placement = placement
        self._performance = performance
        self._names = names

    def is_all(self, group: GroupComparison) -> bool:
        """Return whether a group is all customers although groups are learned about apart."""
        return group.bucket is None and bool(self._placement.buckets)

    def name(self, bucket: str | None) -> str:
        return "All customers" if not bucket else group_name(self._frame, self._placement, bucket)

    def nothing(self) -> str:
        return (
            f"A decision is complete {self._frame.show.count(self._placement.window_minutes, 'minute')} after it was "
            "made: until then, a result may still arrive."
        )

    def title(self) -> str:
        """Say who leads where; all customers together only where there are no groups."""
        groups = [group for group in self._performance.groups if not self.is_all(group)]
        sure = [group for group in groups if group.lead is not None and group.lead.sure]
        if not sure:
            return "No candidate is surely ahead yet" if len(groups) > 1 else "Too close to call"
        if len(groups) == 1 and not self._placement.buckets:
            return f"{self._leader(sure[0])} is chosen most"
        by_leader: dict[str, list[str]] = {}
        for group in sure:
            by_leader.setdefault(self._leader(group), []).append(self._among(group.bucket))
        parts = [f"{leader} leads {_and(groups)}" for leader, groups in by_leader.items()]
        return "; ".join(parts)

    def basis(self) -> str:
        show, performance = self._frame.show, self._performance
        total = max(performance.total, performance.sampled)
        of = f"{show.number(performance.sampled)} of {show.count(total, 'decision')}"
        if performance.groups and performance.groups[0].bucket is not None:
            of = show.count(performance.sampled, "decision")  # `total` is of all groups.
        return (
            f"Chosen when seen, with 95% intervals. Based on a sample of {of} of the last {span_of(performance.days)}, "
            "more of busy hours than of quiet ones."
        )

    def columns(self) -> list[MatrixColumn]:
        """Return rates by group; all customers, and a group that stands alone, are compared with the leader."""
        columns = []
        groups = self._performance.groups
        for group in groups:
            if not self.is_all(group):
                columns.append(MatrixColumn(self._head(group), group, self._rate))
            if self.is_all(group) or (len(groups) == 1 and group.lead is not None):
                name = self.name(None) if self.is_all(group) else "Compared with the leader"
                columns.append(MatrixColumn(GroupHead("", name, BESIDE), group, self._beside))
        return columns

    def _head(self, group: GroupComparison) -> GroupHead:
        about = self._frame.show.count(group.decisions, "decision")
        if group.lead is not None and group.lead.since is not None:
            about += f" since {self._frame.show.day(group.lead.since * DAY)}"
        return GroupHead(group.bucket or "", self.name(group.bucket), about)

    def _rate(self, id: str, group: GroupComparison) -> MatrixCell:
        rate, show = group.rates.get(id), self._frame.show
        if rate is None or rate.impressions < LEAST_SEEN:
            return MatrixCell("", "", self._missing_rate(rate))
        is_best = group.lead is not None and group.lead.sure and id == group.lead.leader
        between = show.interval(rate.low, rate.high, digits=0)
        return MatrixCell(show.percent(rate.rate), between, self._offered(rate), "Best" if is_best else "")

    def _missing_rate(self, rate: ChoiceRate | None) -> str:
        return "not shown here" if rate is None else f"seen {self._frame.show.count(rate.impressions, 'time')}: too few"

    def _offered(self, rate: ChoiceRate) -> str:
        return "" if rate.offered >= MOSTLY else f"offered to {self._frame.show.percent(rate.offered, digits=0)}"

    def _beside(self, id: str, group: GroupComparison) -> MatrixCell:
        rate, lead = group.rates.get(id), group.lead
        if rate is None or rate.impressions < LEAST_SEEN:
            return MatrixCell("", "", self._missing_rate(rate))
        if lead is None:
            return MatrixCell("", "", "cannot be compared yet")
        offered = self._offered(rate)
        if id == lead.leader:
            figure, mark = ("leads", "Best") if lead.sure else ("ahead so far", "")
            return MatrixCell(figure, "", offered, mark)
        difference = group.beside.get(id)
        if difference is None or difference.refused:
            return MatrixCell("", "", NOT_COMPARABLE if difference is None else "too few customers")
        figure = f"{'+' if difference.value > 0 else ''}{self._frame.show.points(difference.value)}"
        return MatrixCell(figure, self._frame.show.points_between(difference.low, difference.high), offered)

    def sentence(self, group: GroupComparison) -> GroupSentence:
        """Say in one sentence who is ahead of whom, for whom, by how much, and since when."""
        where = self._where(group)
        if group.lead is None:
            return GroupSentence(f"{where}, there are too few complete results to compare.", False)
        lead, frame = group.lead, self._frame
        leader, rival = self._names[lead.leader], self._names[lead.rival]
        by = f"{frame.show.points(abs(lead.difference.value))} points"
        direction = "ahead" if lead.difference.value >= 0 else "behind"
        between = frame.show.points_between(lead.difference.low, lead.difference.high)
        audience = self._audience(lead)
        text = f"{leader} and {rival} are too close to call: {leader} is {by} {direction} ({between}){audience}."
        if lead.sure:
            text = f"{leader} beats {rival} by {by} ({between}){audience}, {self._since(lead)}."
        return GroupSentence(f"{where}, {text}", lead.sure, (lead.leader, lead.rival))

    def _where(self, group: GroupComparison) -> str:
        if group.bucket:
            where = self._among(group.bucket)
            return f"{where[0].upper()}{where[1:]}"
        return "Among all customers"

    def _among(self, bucket: str | None) -> str:
        return audience_text(self._frame, self._placement, bucket) if bucket else "among all customers"

    def _audience(self, lead: Lead) -> str:
        if lead.share >= MOSTLY:
            return ""
        return f", for the {self._frame.show.percent(lead.share, digits=0)} of customers who could be shown both"

    def _since(self, lead: Lead) -> str:
        if lead.since is not None:
            return f"since {self._frame.show.day(lead.since * DAY)}"
        return f"in the last {span_of(self._performance.days)}"

    def _leader(self, group: GroupComparison) -> str:
        return self._names[group.lead.leader] if group.lead is not None else ""


def _and(groups: Sequence[str]) -> str:
    return groups[0] if len(groups) == 1 else f"{', '.join(groups[:-1])} and {groups[-1]}"
