"""Features of a contextual policy: facts encoded as numbers, on fixed scales that depend on the field's type alone.

A fact that is missing or of another type is 0 in all its features, so it has no effect.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.kernel.encoding.attributes import attributes_of, traits
from engine.kernel.encoding.scales import amount_feature, number_feature
from engine.model.facts import History
from engine.model.placement import Candidate, Contextual, FieldDocument

Floats = NDArray[np.float64]
DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
HOURS = 4
MOST_FEATURES = 400
CHOICES = ("string", "country", "currency")
WEIGHABLE = ("boolean", "integer", "number", "money", "datetime", *CHOICES)


class Feature(NamedTuple):
    """One number of a request. `where` describes in words the requests in which it is `high` rather than `low`.

    Features of one `group` are alternatives: at most one of them is 1.
    """

    name: str
    where: str
    group: str
    low: float = 0.0
    high: float = 1.0


class Encoding:
    """The features of one placement: a constant 1, those of its facts, and the customer's history with the candidate.

    `traits` and `attributes` describe its candidates, enabled or not. They are not features: they tell which
    candidates have similar weights.
    """

    def __init__(
        self, policy: Contextual, fields: Iterable[FieldDocument], candidates: Iterable[Candidate] = ()
    ) -> None:
        self.traits = traits(candidates)
        self.attributes = attributes_of(self.traits)
        self._fields = [field for field in fields if field.name in policy.features]
        self._fields.sort(key=lambda field: policy.features.index(field.name))
        self._affinity = policy.affinity
        self._values = policy.values
        self.features = (Feature("1", "", ""), *self._of_facts(), *(_AFFINITY if policy.affinity else ()))
        self.names = tuple(feature.name for feature in self.features)
        self.own_past = slice(len(self.names) - (len(_AFFINITY) if policy.affinity else 0), None)
        self._columns = {name: column for column, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.features)

    def rows(self, values: Mapping[str, Any], history: History, candidates: Sequence[str]) -> Floats:
        """Return the features (K, d) of a request; candidates differ only in the customer's history with them."""
        row = np.zeros(len(self))
        row[0] = 1.0
        for field in self._fields:
            value = values.get(field.name)
            if value is not None:
                self._fill(row, field, value)
        rows = np.repeat(row[None, :], len(candidates), axis=0)
        if self._affinity and history:
            for number, candidate in enumerate(candidates):
                past = history.get(candidate)
                if past is not None:
                    rows[number, self.own_past] = (
                        math.log1p(past.successes),
                        math.log1p(max(0.0, past.trials - past.successes)),
                    )
        return rows

    def _fill(self, row: Floats, field: FieldDocument, value: object) -> None:
        match field.type:
            case "boolean":
                row[self._columns[field.name]] = value is True
            case "money":
                row[self._columns[field.name]] = amount_feature(value)
            case "integer" | "number":
                row[self._columns[field.name]] = number_feature(value)
            case "datetime":
                for name in moments(field.name, value):
                    row[self._columns[name]] = 1.0
            case _:
                column = self._columns.get(f"{field.name}={value}")
                if column is not None:
                    row[column] = 1.0

    def _of_facts(self) -> Iterator[Feature]:
        for field in self._fields:
            yield from _features(field, self._values.get(field.name, field.allowed))


def problems(policy: Contextual, fields: Iterable[FieldDocument]) -> Iterator[tuple[str, str]]:
    """Yield what prevents a policy from being encoded: (pointer into the policy, message)."""
    by_name = {field.name: field for field in fields}
    for number, name in enumerate(policy.features):
        problem = _problem(name, by_name.get(name), policy)
        if problem:
            yield f"features/{number}", problem
    for name in policy.values:
        if name not in policy.features:
            yield f"values/{name}", "values are for fields that are named in features"
    fields = [field for name, field in by_name.items() if name in policy.features]
    if (
        sum(len(list(_features(field, policy.values.get(field.name, field.allowed)))) for field in fields)
        > MOST_FEATURES
    ):
        yield "features", f"these fields have more than {MOST_FEATURES} values together; name fewer in values"


def _problem(name: str, field: FieldDocument | None, policy: Contextual) -> str | None:
    if field is None:
        return f"there is no field “{name}”"
    if field.type not in WEIGHABLE:
        return f"“{name}” is of type {field.type}, which the policy cannot use; use one of {', '.join(WEIGHABLE)}"
    if policy.features.count(name) > 1:
        return f"“{name}” is named twice"
    values = policy.values.get(name, field.allowed)
    if field.type in CHOICES and not values:
        return f"“{name}” has no list of allowed values: name the values to distinguish in values"
    unknown = [value for value in values if field.allowed and value not in field.allowed]
    return f"“{unknown[0]}” is not an allowed value of “{name}”" if unknown else None


def moments(name: str, value: object) -> tuple[str, ...]:
    """Return the names of the features that are 1 at an instant: its weekday and its part of the day, as written."""
    try:
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ()
    return f"{name}/day={moment.weekday()}", f"{name}/hour={moment.hour // HOURS}"


def _features(field: FieldDocument, values: Sequence[str]) -> Iterator[Feature]:
    label = field.label or field.name
    match field.type:
        case "boolean":
            yield Feature(field.name, f"Where “{label}” holds", field.name)
        case "money":
            low, high = amount_feature(2_000), amount_feature(20_000)
            yield Feature(field.name, f"Where {label} is 200.00 rather than 20.00", field.name, low, high)
        case "integer" | "number":
            low, high = number_feature(1), number_feature(10)
            yield Feature(field.name, f"Where {label} is 10 rather than 1", field.name, low, high)
        case "datetime":
            for number, day in enumerate(DAYS):
                yield Feature(f"{field.name}/day={number}", f"On {day}", f"{field.name}/day")
            for part in range(24 // HOURS):
                hours = f"{part * HOURS}:00 and {(part + 1) * HOURS}:00"
                yield Feature(f"{field.name}/hour={part}", f"Between {hours} UTC", f"{field.name}/hour")
        case _:
            for value in values:
                yield Feature(f"{field.name}={value}", f"Where {label} is {value}", field.name)


_AFFINITY = (
    Feature("history/chosen", "For customers who chose it once before", "history/chosen", high=math.log(2)),
    Feature("history/passed", "For customers who passed it over once before", "history/passed", high=math.log(2)),
)
