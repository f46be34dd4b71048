"""Who came first over time: the lines of the chart, and what they say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from engine.model.timestamps import MINUTE
from engine.statistics.share import Share
from web.admin.placements.performance.period import span_of
from web.admin.shell.frame import Frame
from web.charts.candidate_charts import ArmShare, ChartEvent, Spec, shares, with_others
from web.charts.candidate_names import CandidateNames
from web.csv_text import Rows

ENOUGH_IN_A_BIN = 30
MOST_BINS = 30
LEAST_BINS = 2

Bin = tuple[int, Counter[str]]


@dataclass(frozen=True)
class FirstPlacesView:
    """The lines with their message; there is no `chart` before there are two points."""

    title: str
    lines: Sequence[ArmShare]
    moments: Sequence[int]
    events: Sequence[ChartEvent]
    chart: Spec | None


def first_places_view(
    frame: Frame, firsts: Sequence[Share], names: CandidateNames, events: Sequence[ChartEvent], *, days: int
) -> FirstPlacesView:
    """Say who came first over the last days."""
    bins = bins_of(firsts)
    lines = [
        ArmShare(
            label=label,
            colour=names.colours.get(id, 0),
            points=[(minute * MINUTE, count[id] / count.total()) for minute, count in bins],
        )
        for id, label in names.labels.items()
    ]
    moments = [minute * MINUTE for minute, _ in bins]
    drawn = [event for event in events if moments and moments[0] <= event.moment <= moments[-1]]
    chart = shares(with_others(lines), show=frame.show, events=drawn) if len(bins) >= LEAST_BINS else None
    return FirstPlacesView(_title(frame, bins, names, days), lines, moments, drawn, chart)


def first_places_table(view: FirstPlacesView) -> Rows:
    """Return the lines as CSV rows; shares are 0 to 1."""
    rows = [(moment, line.label, share) for line in view.lines for moment, share in line.points]
    return [("epoch_ms", "candidate", "share"), *sorted(rows)]


def bins_of(firsts: Sequence[Share]) -> list[Bin]:
    """Count who came first in consecutive minutes, so many of them that each bin has enough decisions."""
    by_minute: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for share in firsts:
        by_minute[share.minute][share.candidate] += share.firsts
    narrowest = (max(by_minute, default=0) - min(by_minute, default=0)) / MOST_BINS
    bins: list[Bin] = []
    for minute, count in sorted(by_minute.items()):
        is_full = bins and bins[-1][1].total() >= ENOUGH_IN_A_BIN and minute - bins[-1][0] >= narrowest
        if is_full or not bins:
            bins.append((minute, Counter(count)))
        else:
            bins[-1][1].update(count)
    if len(bins) > 1 and bins[-1][1].total() < ENOUGH_IN_A_BIN:
        _, last_counts = bins.pop()
        bins[-1][1].update(last_counts)
    return bins


def _title(frame: Frame, bins: Sequence[Bin], names: CandidateNames, days: int) -> str:
    total = sum((count for _, count in bins), Counter[str]())
    if not total:
        return f"No decisions in the last {span_of(days)}"
    if len(bins) < LEAST_BINS:
        return f"{frame.show.count(total.total(), 'decision')} so far: too few to draw who came first over time"
    latest = bins[-1][1].most_common(1)[0][0]
    overtaken = _overtaken(bins, latest)
    if overtaken is not None:
        minute, other = overtaken
        when = frame.show.clock(minute * MINUTE) if days == 1 else frame.show.day(minute * MINUTE)
        return f"{names[latest]} overtook {names[other]} {'at' if days == 1 else 'on'} {when}"
    most, count = total.most_common(1)[0]
    return f"{names[most]} came first most often: in {frame.show.percent(count / total.total(), digits=0)} of decisions"


def _overtaken(bins: Sequence[Bin], latest: str) -> tuple[int, str] | None:
    """Return since when (minute) the latest leader leads, and whom it overtook, if both led for three bins or more."""
    leaders = [count.most_common(1)[0][0] for _, count in bins]
    since = next((number for number in range(len(leaders), 0, -1) if leaders[number - 1] != latest), 0)
    before = leaders[max(0, since - 3) : since]
    if len(leaders) - since < 3 or len(before) < 3 or len(set(before)) > 1:
        return None
    return bins[since][0], before[0]
