"""Segments of an experiment in words, with what differs although many of them are looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bandits.evaluation.discovery import discoveries
from engine.experiments.comparisons import MetricComparison
from engine.experiments.results import SegmentResult
from engine.model.experiment import Experiment
from engine.model.placement import FieldDocument
from rules.language.codes import CURRENCIES
from web.experiments.experiment_words import lift_text
from web.format import Show

NO_INTERVAL = "No interval yet"
FALSE_SHARE = 0.05
"""The greatest expected share of false ones among the segments that are said to differ."""
NAMES = {"device.type": "Device", "geo.country": "Country", "customer": "Customer"}


@dataclass(frozen=True)
class SegmentLift:
    """The lift of a variant in a segment; `differs`: it holds although so many segments are looked at.

    `is_gain` says whether it is above 0.
    """

    text: str
    differs: bool
    is_gain: bool


@dataclass(frozen=True)
class SegmentRow:
    """A segment with the lift of each variant in it."""

    name: str
    units: str
    lifts: Sequence[SegmentLift]


def lift_words(each: MetricComparison, show: Show) -> str:
    """Return the interval of a lift, or that there is none yet."""
    return lift_text(each.low, each.high, show) if each.is_ready else NO_INTERVAL


def segment_rows(
    document: Experiment, segments: Sequence[SegmentResult], show: Show, name_of: Callable[[str], str]
) -> list[SegmentRow]:
    """Return segments in words; `name_of` names one such as `geo.country=DE`.

    Where a bandit moves the shares there are none: plain means of a segment would be biased.
    """
    if document.is_adaptive:
        return []
    cells = [(segment.segment, each) for segment in segments for each in segment.comparisons if each.is_ready]
    holds = discoveries([each.p_value for _, each in cells], share=FALSE_SHARE)
    certain = {(name, each.variant) for (name, each), differs in zip(cells, holds, strict=True) if differs}
    rows = []
    for segment in segments:
        compared = {each.variant: each for each in segment.comparisons}
        lifts = [
            _lift(compared.get(variant.id), show, differs=(segment.segment, variant.id) in certain)
            for variant in document.variants[1:]
        ]
        rows.append(SegmentRow(name_of(segment.segment), show.number(segment.units), lifts))
    return rows


def _lift(each: MetricComparison | None, show: Show, *, differs: bool) -> SegmentLift:
    if each is None:
        return SegmentLift(NO_INTERVAL, differs=False, is_gain=False)
    return SegmentLift(lift_words(each, show), differs=differs, is_gain=(each.lift or 0.0) > 0)


def usual_name(segment: str, show: Show) -> str:
    """Name a segment that every experiment keeps, such as “Country: Germany”."""
    field, _, value = segment.partition("=")
    return f"{NAMES.get(field, field)}: {show.country(value) if field == 'geo.country' else value}"


def field_namer(field: FieldDocument, show: Show, currency: str) -> Callable[[str], str]:
    """Return what names the segments of a field, whose ranges of numbers are written `low..high`."""

    def name(segment: str) -> str:
        value = segment.partition("=")[2]
        low, separator, high = value.partition("..")
        if not separator or field.type not in ("money", "integer", "number"):
            return show.country(value) if field.type == "country" and len(value) == 2 else value
        if not low and not high:
            return "every value"
        first, last = (_number(text, field, show, currency) if text else "" for text in (low, high))
        return f"{first} to {last}" if first and last else f"up to {last}" if last else f"over {first}"

    return name


def _number(text: str, field: FieldDocument, show: Show, currency: str) -> str:
    value = float(text)
    if field.type == "money":
        return show.money(round(value), field.unit if field.unit in CURRENCIES else currency)
    return show.number(value, digits=0 if value == int(value) else 2)
