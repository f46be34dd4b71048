"""Details of an experiment that are read from the log on demand: the funnel, and segments by any declared field."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

import msgspec
import numpy as np

from engine.experiments.looks.schedule import last_hour, looks_done
from engine.experiments.reach import device_in
from engine.experiments.results import SegmentResult, in_phase, phase_of, segments_of
from engine.model.errors import invalid
from engine.model.experiment import Experiment
from engine.model.placement import FieldDocument
from engine.model.resource import Resource
from engine.model.standard_vocabulary import ENGINE_FIELD_NAMES
from engine.model.timestamps import HOUR, MINUTE, first_id_of
from engine.store import resources
from engine.store.connection.database import Database
from engine.store.experiments import log_sample
from engine.store.experiments.log_sample import EnrolledAnswer, SampledUnit
from engine.store.experiments.sums import SumRow, UnitTotals
from engine.store.tables.columns import IdSpan
from rules import Vocabulary

MOST_DECISIONS = 10_000
MOST_UNITS = 20_000
MOST_VALUES = 12
STEPS = ("shown", "selected", "converted")
NOT_SENT, OTHERS, OTHER_CURRENCY = "not sent", "others", "another currency"
BY_VALUE = frozenset({"boolean", "string", "country", "currency", "version"})
BY_RANGE = frozenset({"money", "integer", "number"})


class FunnelRow(msgspec.Struct, frozen=True):
    """The decisions of a variant, and how many of them were shown, led to a choice, and to a purchase."""

    variant: str
    decisions: int
    shown: int
    selected: int
    converted: int


class TriggeredGain(msgspec.Struct, frozen=True):
    """What it gains to count only units for which the variants could have differed, a `share` of all that are enrolled.

    The interval of the effect on the conversion of all is `times` narrower than if all were counted.
    """

    share: float
    times: float


class Funnel(msgspec.Struct, frozen=True):
    """The funnel over the newest decisions whose outcomes are in; `read` of the placement were looked at, at most."""

    read: int
    rows: list[FunnelRow]
    gain: TriggeredGain | None = None


class FieldSegments(msgspec.Struct, frozen=True):
    """The primary metric by the values of a field at the first exposure, over a sample of so many units."""

    field: str
    units: int
    segments: list[SegmentResult]


class Grouping(NamedTuple):
    """The field that customers are grouped by, and the vocabulary that says which currency its amounts are in."""

    field: FieldDocument
    vocabulary: Vocabulary

    def value_in(self, facts: Mapping[str, Any]) -> Any:
        """Return the field's value; amounts in other currencies than the field's own are not compared with it."""
        value, name = facts.get(self.field.name), self.field.name
        beside = self.vocabulary.currency_field(name) if self.field.type == "money" else None
        if value is None or beside is None:
            return value
        currency = facts.get(beside)
        return value if currency == self.vocabulary.own_currency(name) else OTHER_CURRENCY if currency else None


class _LoggedExperiments(msgspec.Struct):
    """The part of a logged answer that names experiments."""

    experiments: list[dict[str, str]] = []


class ExperimentDetails:
    """Reads a bounded part of the log, so a detail costs at most some tenths of a second at any size of the log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def funnel(self, merchant_id: int, resource: Resource, *, now: int, phase: int = 0) -> Funnel:
        """Return how far the decisions of each variant came, of those that could have differed."""
        resource = in_phase(resource, phase)
        experiment, key = resource.document, phase_of(merchant_id, resource)
        async with self._database.read() as connection:
            setup = await resources.get(connection, merchant_id, "placement", "", resource.placement)
            last = min(now - setup.document.window_minutes * MINUTE, experiment.status.ended_at or now)
            span = IdSpan(first_id_of(experiment.status.phase_started_at or 0), first_id_of(last))
            answers = await log_sample.newest_answers(connection, key, span, limit=MOST_DECISIONS)
            events = await log_sample.events_of_newest(connection, key, span, STEPS, limit=MOST_DECISIONS)
        return await asyncio.to_thread(funnel_of, experiment, answers, events)

    async def by_field(
        self, merchant_id: int, resource: Resource, grouping: Grouping, *, now: int, phase: int = 0
    ) -> FieldSegments:
        """Return the primary metric by the values of a field; `Invalid` where it has no segments."""
        field = grouping.field
        if not has_segments(field):
            raise invalid("field", f"customers cannot be grouped by “{field.name}”")
        resource = in_phase(resource, phase)
        experiment: Experiment = resource.document
        async with self._database.read() as connection:
            setup = await resources.get(connection, merchant_id, "placement", "", resource.placement)
            key = phase_of(merchant_id, resource)
            units = await log_sample.sampled_units(
                connection, key, experiment.unit, limit=MOST_UNITS, device_in=device_in
            )
        last = last_hour(experiment, setup.document.window_minutes, now)
        return await asyncio.to_thread(segments_by, experiment, grouping, units, last)


def has_segments(field: FieldDocument) -> bool:
    """Return whether customers can be grouped by a field: by its values, or by ranges of numbers."""
    return field.type in BY_VALUE | BY_RANGE and field.name not in ENGINE_FIELD_NAMES


def funnel_of(experiment: Experiment, answers: Sequence[EnrolledAnswer], events: set[tuple[str, str]]) -> Funnel:
    """Count the decisions of each variant and the steps that they reached."""
    counts: Counter[tuple[str, str]] = Counter()
    triggered: dict[str, bool] = {}
    bought: set[str] = set()
    for decision, customer, answer in answers:
        variant, is_counted = _variant_in(answer, experiment)
        if not variant:
            continue
        unit = customer if experiment.unit == "customer" and customer else decision
        triggered[unit] = triggered.get(unit, False) or is_counted
        if (decision, "converted") in events:
            bought.add(unit)
        if is_counted:
            counts[variant, "decisions"] += 1
            counts.update((variant, step) for step in STEPS if (decision, step) in events)
    names = ("decisions", *STEPS)
    rows = [FunnelRow(variant.id, *(counts[variant.id, name] for name in names)) for variant in experiment.variants]
    return Funnel(MOST_DECISIONS, rows, gain_of_trigger(triggered, bought))


def gain_of_trigger(triggered: Mapping[str, bool], bought: Set[str]) -> TriggeredGain | None:
    """Return the gain, from whether each enrolled unit counts, and who bought; None where all or none count.

    The effect on all is the share f of those who count times the effect on them, so of the same units the intervals'
    ratio is (s_all / sqrt(n)) / (f s_counted / sqrt(f n)), with s the standard deviations of conversion.
    """
    inside = {unit for unit, is_counted in triggered.items() if is_counted}
    if not inside or len(inside) == len(triggered):
        return None
    share = len(inside) / len(triggered)
    rates = [len(units & bought) / len(units) for units in (triggered.keys(), inside)]
    of_all, counted = (math.sqrt(rate * (1 - rate)) for rate in rates)
    return TriggeredGain(share, (of_all / counted if of_all and counted else 1.0) / math.sqrt(share))


def _variant_in(answer: str, experiment: Experiment) -> tuple[str, bool]:
    """Return the variant of an answer in this phase, empty where it has none, and whether it counts."""
    phase = str(experiment.status.phase)
    entries = msgspec.json.decode(answer, type=_LoggedExperiments).experiments
    own = (entry for entry in entries if (entry["id"], entry.get("phase")) == (experiment.id, phase))
    entry = next(own, None)
    return (entry["variant"], entry.get("counted") == "yes") if entry is not None else ("", False)


def segments_by(experiment: Experiment, grouping: Grouping, units: Sequence[SampledUnit], last: int) -> FieldSegments:
    """Compare the variants by the values of a field, over units exposed until the hour `last`."""
    field = grouping.field
    over = [unit for unit in units if unit.exposed_at // HOUR <= last]
    values = [grouping.value_in(msgspec.json.decode(unit.facts)) for unit in over]
    name_of = _ranges(values) if field.type in BY_RANGE else _most_frequent(values)
    pairs = zip(over, values, strict=True)
    rows = [row for unit, value in pairs for row in _rows_of(unit, f"{field.name}={name_of(value)}")]
    segments = segments_of(experiment, rows, max(len(over), 1), looks_done(experiment, last))
    if field.type in BY_RANGE:
        segments.sort(key=lambda segment: _beginning(segment.segment))
    return FieldSegments(field.name, len(over), segments)


_measured = msgspec.json.Decoder(dict[str, tuple[int, int]]).decode


def _rows_of(unit: SampledUnit, segment: str) -> Iterator[SumRow]:
    """Yield the sums of a unit, by measure."""
    key = (segment, unit.exposed_at // HOUR, unit.variant)
    yield SumRow(*key, UnitTotals.of(unit.orders, unit.revenue, unit.past))
    for measure, (times, amount) in _measured(unit.measured).items():
        yield SumRow(*key, UnitTotals.of_measure(times, amount, unit.past), measure)


def _beginning(segment: str) -> tuple[bool, float]:
    """Return where a range begins, to sort by; what is no range comes last."""
    value = segment.partition("=")[2]
    low, separator, _ = value.partition("..")
    return not separator, float(low) if low and separator else -math.inf


def _most_frequent(values: Sequence[Any]) -> Callable[[Any], str]:
    """Return the name of a value's segment: itself where it is frequent."""
    counts = Counter(_text(value) for value in values)
    frequent = {text for text, _ in counts.most_common(MOST_VALUES)}
    return lambda value: text if (text := _text(value)) in frequent else OTHERS


def _text(value: Any) -> str:
    if value is None:
        return NOT_SENT
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ranges(values: Sequence[Any]) -> Callable[[Any], str]:
    """Return the name of a number's range, `low..high`, such as 2500..6000: a quarter of the units each."""
    numbers = [value for value in values if _is_number(value)]
    edges = sorted({float(edge) for edge in np.quantile(numbers, [0.25, 0.5, 0.75])}) if numbers else []
    ends = ["", *(f"{edge:.10g}" for edge in edges), ""]

    def name(value: Any) -> str:
        if not _is_number(value):
            return _text(value)
        index = int(np.searchsorted(edges, value, side="left"))
        return f"{ends[index]}..{ends[index + 1]}"

    return name
