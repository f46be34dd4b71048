"""Whether the data behind a placement's estimates can be trusted, in sentences and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.insights.data_health import DataHealth
from engine.model.timestamps import DAY
from engine.statistics.health import CandidateAudience, DayWeights
from web.admin.shell.frame import Frame

SOURCES = {"server": "your server (secret key)", "browser": "browsers (publishable key)", "operator": "operators"}


@dataclass(frozen=True)
class OfferedRow:
    """The audience that was offered a candidate; shares are 0 to 1, None where there are too few decisions."""

    label: str
    colour: int
    offered: float
    rate: float | None
    other_rate: float | None
    is_unlike: bool


@dataclass(frozen=True)
class DayWeightsRow:
    """The weights of a day (epoch milliseconds)."""

    moment: int
    decisions: int
    total: float
    error: float
    is_off: bool


@dataclass(frozen=True)
class HealthView:
    """Warnings first, then what is as it should be; `made_at` is None before the first estimates."""

    decisions: int
    warnings: Sequence[str]
    made_at: int | None
    version: str
    sources: str
    compared: str
    agree: str
    audiences: Sequence[OfferedRow]
    weights: Sequence[DayWeightsRow]


def health_view(frame: Frame, health: DataHealth, labels: Mapping[str, str], colours: Mapping[str, int]) -> HealthView:
    """Say how far the data of a placement can be trusted."""
    off = [day for day in health.weights if day.is_off]
    unlike = [audience for audience in health.audiences if audience.is_unlike]
    warnings = [_unlike(frame, audience, labels) for audience in unlike if health.pools]
    newest = health.newest
    return HealthView(
        decisions=health.decisions,
        warnings=[*warnings, *(_off(frame, day) for day in off)],
        made_at=newest.made_at if newest else None,
        version=f"version {newest.version}, {newest.reason or 'reason not recorded'}" if newest else "",
        sources=_sources(frame, health),
        compared=_compared(health, unlike),
        agree=_agree(health, off),
        audiences=[_audience_row(audience, labels, colours) for audience in health.audiences],
        weights=[_weight_row(day) for day in health.weights],
    )


def _unlike(frame: Frame, audience: CandidateAudience, labels: Mapping[str, str]) -> str:
    show, label = frame.show, labels.get(audience.candidate, audience.candidate)
    share = show.percent(audience.offered / audience.decisions, digits=0)
    inside, outside = show.percent(audience.rate or 0.0), show.percent(audience.other_rate or 0.0)
    return (
        f"{label} was offered in {share} of the latest decisions. {inside} of these succeed, {outside} of the others. "
        f"The rates below count this difference between customers for {label} or against it."
    )


def _off(frame: Frame, day: DayWeights) -> str:
    show = frame.show
    total, count = show.number(day.total), show.number(day.decisions)
    return (
        f"On {show.day(day.day * DAY)} the weights of {count} decisions add up to {total}. "
        "Orders were not drawn with the chances in the log, so estimates of that day are not reliable."
    )


def _sources(frame: Frame, health: DataHealth) -> str:
    total = health.sources.total()
    if not total:
        return "No outcomes of the latest decisions have been reported."
    parts = [
        f"{frame.show.percent(count / total, digits=0)} from {SOURCES.get(source, source)}"
        for source, count in health.sources.most_common()
    ]
    return f"Outcomes come {' and '.join(parts)}."


def _compared(health: DataHealth, unlike: Sequence[CandidateAudience]) -> str:
    if not health.decisions:
        return "No decisions yet."
    if all(audience.offered == audience.decisions for audience in health.audiences):
        return "Every candidate was offered in all of the latest decisions."
    if all(audience.rate is None or audience.other_rate is None for audience in health.audiences):
        return "Not every customer was offered every candidate. There are too few results to compare these customers."
    if not unlike:
        return "Customers who were offered a candidate succeed about as often as the others."
    differ = "Customers differ by the candidates that they were offered."
    if not health.pools:
        return f"{differ} Candidates are compared only within the same answer."
    return differ


def _agree(health: DataHealth, off: Sequence[DayWeights]) -> str:
    if not health.weights:
        return "No first slot was drawn lately, so there are no weights to check."
    return "" if off else "The weights add up: orders were drawn with the chances in the log."


def _audience_row(audience: CandidateAudience, labels: Mapping[str, str], colours: Mapping[str, int]) -> OfferedRow:
    name = audience.candidate
    share = audience.offered / audience.decisions if audience.decisions else 0.0
    return OfferedRow(
        labels.get(name, name), colours.get(name, 0), share, audience.rate, audience.other_rate, audience.is_unlike
    )


def _weight_row(day: DayWeights) -> DayWeightsRow:
    return DayWeightsRow(day.day * DAY, day.decisions, day.total, day.error, day.is_off)
