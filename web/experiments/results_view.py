"""The results of an experiment as the page and its files show them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from engine.configuration.configuration import Configuration
from engine.experiments.comparisons import GuardrailState, MetricComparison, has_mismatch
from engine.experiments.log_evidence import units_of_log
from engine.experiments.results import Results
from engine.kernel.rule_sentences import labels_of
from engine.model.documents.metric import METRICS as METRIC_KINDS
from engine.model.documents.metric import MetricName
from engine.model.experiment import Experiment, Method
from engine.model.placement import Fixed, Policy, Split
from engine.model.resource import Resource
from engine.model.timestamps import DAY
from rules.language.codes import decimals_of
from web.charts.candidate_charts import Spec
from web.charts.experiment_charts import MOST_BANDS, VariantLift, VariantValue, lifts, values
from web.experiments.balance_words import balance_words
from web.experiments.caps_words import caps_words
from web.experiments.experiment_words import (
    METRICS,
    SECOND,
    UNITS,
    measured,
    name_of,
    no_interval,
    value_text,
    value_words,
)
from web.experiments.learned import learned_texts
from web.experiments.log_words import evidence_texts
from web.experiments.segments_view import SegmentRow, lift_words, segment_rows, usual_name
from web.format import NOTHING, Show
from web.reader import FigureReader


@dataclass(frozen=True)
class VariantRow:
    """A variant with its units, and the metric that decides; texts are ready to be read."""

    name: str
    position: int
    is_control: bool
    share: str
    units: str
    matured: str
    value: str
    lift: str
    chance: str
    changes: Sequence[str]


@dataclass(frozen=True)
class MetricRow:
    """A metric of a variant beside the control's."""

    metric: str
    measured: str
    variant: str
    position: int
    control_value: str
    value: str
    lift: str
    is_primary: bool


@dataclass(frozen=True)
class GuardrailRow:
    """A guarded metric; `detail` names the variants that lose more than is tolerated."""

    metric: str
    detail: str
    is_broken: bool


@dataclass(frozen=True)
class ResultsView:
    """All figures of one look; `matured` is how many outcomes are in, as a share."""

    matured: str
    units: str
    variants: Sequence[VariantRow]
    metrics: Sequence[MetricRow]
    guardrails: Sequence[GuardrailRow]
    segments: Sequence[SegmentRow]
    others: Sequence[str]
    split_holds: bool
    split: str
    history: Sequence[VariantLift]
    chart: Spec | None
    band: str
    no_interval: str
    values_chart: Spec | None
    power: str
    assumed: Sequence[str]
    log: Sequence[str]
    learned: Sequence[str]
    caps: Sequence[str]
    is_balanced: bool
    balance: str


BANDS = {
    False: "The band is the 95% interval.",
    True: "The band is the 95% interval of the variant that is ahead.",
}
"""What the bands of the chart are, by whether there are too many variants for a band each."""


class Look(NamedTuple):
    """One look at an experiment, and how its reader sees figures; `labels` are those of candidates."""

    document: Experiment
    results: Results
    show: Show
    currency: str
    labels: Mapping[str, str]


def look_of(reader: FigureReader, configuration: Configuration, resource: Resource, results: Results) -> Look:
    """Return results as a reader sees them, of the experiment as it was in their phase."""
    document: Experiment = resource.document
    labels = labels_for(configuration, resource.placement)
    return Look(document.in_phase(results.phase) or document, results, reader.show, reader.merchant.currency, labels)


def view_of(look: Look) -> ResultsView:
    """Put the numbers of one look into words."""
    document, results, show = look.document, look.results, look.show
    segments = segment_rows(document, results.segments, show, lambda name: usual_name(name, show))
    history = _history(document, results)
    has_chart = any(point.low is not None for point in history)
    measure = f"Change of {METRICS[document.primary].lower()}"
    return ResultsView(
        matured=show.percent(results.matured_share, digits=0),
        units=show.count(sum(variant.units for variant in results.variants), *UNITS[document.unit]),
        variants=[_variant(look, number) for number in range(len(document.variants))],
        metrics=[_metric(look, each) for each in results.comparisons],
        guardrails=_guardrails(look),
        segments=segments,
        learned=learned_texts(document, results, segments, show, look.currency),
        others=[variant.name for variant in document.variants[1:]],
        split_holds=not has_mismatch(results.mismatch_p_value),
        split=_split(document, results, show),
        history=history,
        chart=lifts(history, show=show, measure=measure) if has_chart else None,
        band=BANDS[len(document.variants) - 1 > MOST_BANDS],
        no_interval=no_interval(document, results),
        values_chart=_values_chart(look),
        power=_power(document, results, show),
        assumed=_assumed(document, results, show),
        caps=caps_words(document, show, look.currency),
        is_balanced=not any(group.differs for group in results.balance),
        balance=balance_words(document, results.balance, show),
        log=evidence_texts(document, results.log, show),
    )


def _variant(look: Look, number: int) -> VariantRow:
    document, results, show = look.document, look.results, look.show
    variant, counted = document.variants[number], results.variants[number]
    own = next((each for each in results.comparisons if each.variant == variant.id), None)
    first = results.comparisons[0] if results.comparisons else None
    value = own.value if own else first.control_value if first and number == 0 else None
    return VariantRow(
        name=variant.name,
        position=number,
        is_control=number == 0,
        share=show.percent(counted.expected_share, digits=0),
        units=show.number(counted.units),
        matured=show.number(counted.matured),
        value=value_text(document.primary, value, show, look.currency),
        lift=lift_words(own, show) if own else NOTHING,
        chance=show.percent(own.chance_to_win, digits=0) if own and own.is_ready else NOTHING,
        changes=changes_of(document, number, look.labels),
    )


def _guardrails(look: Look) -> list[GuardrailRow]:
    """Return each guarded metric once, whatever the number of variants."""
    rows = []
    for (metric, percent), states in groupby(look.results.guardrails, key=_tolerance):
        each = list(states)
        broken = [name_of(look.document, state.variant) for state in each if state.is_broken]
        tolerated = look.show.percent(percent / 100)
        subject = name_of(look.document, each[0].variant) if len(each) == 1 else "Each variant"
        word = "more" if METRIC_KINDS[metric].falls else "lost"
        detail = (
            f"{', '.join(broken)}: more than {tolerated} {word}" if broken else f"{subject}: at most {tolerated} {word}"
        )
        rows.append(GuardrailRow(METRICS[metric], detail, bool(broken)))
    return rows


def _tolerance(state: GuardrailState) -> tuple[MetricName, float]:
    return state.metric, state.tolerated_percent


def _metric(look: Look, each: MetricComparison) -> MetricRow:
    document, show, currency = look.document, look.show, look.currency
    ids = [variant.id for variant in document.variants]
    return MetricRow(
        metric=METRICS[each.metric],
        measured=measured(each.metric, document.unit),
        variant=name_of(document, each.variant),
        position=ids.index(each.variant),
        control_value=value_text(each.metric, each.control_value, show, currency),
        value=value_text(each.metric, each.value, show, currency),
        lift=lift_words(each, show),
        is_primary=each.metric == document.primary,
    )


def changes_of(document: Experiment, number: int, labels: Mapping[str, str]) -> list[str]:
    """Return what a variant changes, in words; `labels` are those of candidates, and of rules behind `RULE`."""
    variant = document.variants[number]
    changes = []
    if variant.order:
        changes.append(f"First: {', '.join(labels.get(id, id) for id in variant.order)}")
    if variant.candidates_off:
        changes.append(f"Not offered: {', '.join(labels.get(id, id) for id in variant.candidates_off)}")
    if variant.rules_off:
        changes.append(f"Rules off: {', '.join(labels.get(f'{RULE}{id}', id) for id in variant.rules_off)}")
    if variant.rules:
        changes.append(f"Rules on, added or changed: {', '.join(rule.name for rule in variant.rules)}")
    if variant.policy is not None:
        changes.append(_policy_words(variant.policy, labels))
    changes += [f"{name} = {value_words(value)}" for name, value in variant.values.items()]
    return changes or ["Changes nothing"]


RULE = "rule:"


def labels_for(configuration: Configuration, placement: str) -> dict[str, str]:
    """Return the labels of a placement's candidates by id, and the names of its rules by id behind `RULE`."""
    rules = {f"{RULE}{rule.id}": rule.name for rule in configuration.documents("rule", placement)}
    return rules | labels_of(configuration.documents("candidate", placement))


def _policy_words(policy: Policy, labels: Mapping[str, str]) -> str:
    match policy:
        case Fixed():
            return "Chooses by: the merchant's own order"
        case Split(weights):
            shares = ", ".join(f"{labels.get(id, id)} {weight:g}" for id, weight in weights.items())
            return f"Chooses by shares, without learning: {shares or 'all the same'}"
        case _:
            vary = "1 position varies" if policy.drawn == 1 else f"{policy.drawn} positions vary"
            return f"Learns with other settings: {policy.floor * 100:g}% to keep trying, {vary}"


def _split(document: Experiment, results: Results, show: Show) -> str:
    """Return the units of each variant; of many variants that are split as planned, the fewest and the most."""
    units = [variant.units for variant in results.variants]
    if len(units) - 1 > MOST_BANDS and not has_mismatch(results.mismatch_p_value):
        return f"{show.number(min(units))} to {show.count(max(units), *UNITS[document.unit])} a variant, see the table."
    counts = ", ".join(
        f"{variant.name}: {show.number(variant.units)} ({show.percent(variant.expected_share, digits=0)} planned)"
        for variant in results.variants
    )
    return f"{counts}."


def _history(document: Experiment, results: Results) -> list[VariantLift]:
    ids = [variant.id for variant in document.variants]
    return [
        VariantLift(
            label=name_of(document, point.variant),
            position=ids.index(point.variant),
            day=point.day,
            lift=point.lift,
            low=point.low,
            high=point.high,
        )
        for point in results.history
    ]


def _values_chart(look: Look) -> Spec | None:
    """Chart the deciding metric by day; None before the second day."""
    document, show, currency = look.document, look.show, look.currency
    quantity = METRIC_KINDS[document.primary].quantity
    scale = {"money": 10 ** -decimals_of(currency), "time": 1 / SECOND}.get(quantity, 1)
    ids, points = [variant.id for variant in document.variants], {}
    for point in look.results.history:
        for variant, value in ((ids[0], point.control_value), (point.variant, point.value)):
            if value is not None:
                points[point.day, variant] = VariantValue(
                    label=name_of(document, variant),
                    position=ids.index(variant),
                    day=point.day,
                    value=value * scale,
                    text=value_text(document.primary, value, show, currency),
                )
    if len({day for day, _ in points}) < 2:
        return None
    measure = METRICS[document.primary] + {"money": f", {currency}", "time": ", seconds"}.get(quantity, "")
    shown = [points[key] for key in sorted(points)]
    return values(shown, show=show, measure=measure, is_share=quantity == "share")


def _power(document: Experiment, results: Results, show: Show) -> str:
    """Say which change can be seen with what is in, and at the latest end; empty where it is not known."""
    matured = sum(variant.matured for variant in results.variants) + units_of_log(results.log)
    if not results.planned_units or not matured:
        return ""

    def smallest(units: float) -> str:
        planned = results.planned_units or 0
        return show.percent(document.minimum_effect_percent / 100 * math.sqrt(planned / units))

    text = f"With what is in, a change of {smallest(matured)} is seen with a chance of 80%."
    began = document.status.phase_started_at
    if document.status.state != "running" or document.status.ended_at is not None or began is None:
        return text
    latest = (document.status.started_at or began) + document.maximum_days * DAY
    to_come = results.units_a_day * max(0, latest - results.as_of) / DAY
    units = sum(variant.units for variant in results.variants) + to_come + units_of_log(results.log)
    return f"{text} At the latest end, {show.day(latest)}, it will be {smallest(units)}."


HOLDS: Mapping[Method, str] = {
    "sequential": (
        "The intervals hold at every look (a 95% confidence sequence), so you may look and stop whenever you like."
    ),
    "group_sequential": (
        "The intervals hold at five looks, at fifths of the longest run (bounds by O'Brien and Fleming's spending). "
        "Between looks nothing changes."
    ),
    "fixed": "The intervals hold once, when the planned number has matured. Stopping earlier finds chance differences.",
}


MOVED = (
    "A bandit moved the shares, so each customer is weighted by the chance of its variant in that hour (AIPW). "
    "Order value, checkout time and segments are not compared."
)


def _assumed(document: Experiment, results: Results, show: Show) -> list[str]:
    """Return what the numbers rest on, a sentence each."""
    unit, units = UNITS[document.unit]
    holds, best = HOLDS[document.method], "lowest" if METRIC_KINDS[document.primary].falls else "highest"
    planned = (
        f"Planned: {show.count(results.planned_units, unit, units)} for a change of "
        f"{show.percent(document.minimum_effect_percent / 100)} with a chance of 80%."
        if results.planned_units
        else "The planned number is shown once the control has results."
    )
    return [
        holds,
        planned,
        f"A {unit} counts from its first answer that could have differed, in the variant of that moment.",
        "Only those whose time to wait for results is over are compared; the placement's settings say how long.",
        MOVED if document.is_adaptive else "Purchases before the start narrow the intervals (CUPED).",
        "Several variants share the 5% chance of error.",
        f"Chance to win: how likely the variant has the {best} value of all, from the same numbers.",
    ]
