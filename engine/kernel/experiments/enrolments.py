"""Find the experiments whose units a request may be, layer by layer. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import rules
from engine.kernel.experiments.assignment import SaltedUniform, WeightedSplit
from engine.kernel.experiments.units import unit_of
from engine.kernel.plan import Plan
from engine.model.experiment import CONTROLLED, Experiment, Unit
from engine.model.facts import Facts


class Enrolment(NamedTuple):
    """An experiment as a request meets it: its part of the layer, its audience's rule, and how units are split.

    `number` is its position among the placement's experiments. The audience None is everybody.
    """

    number: int
    experiment: Experiment
    unit: Unit
    first: float
    last: float
    audience: int | None
    is_controlled: bool
    split: WeightedSplit

    @classmethod
    def of(cls, number: int, experiment: Experiment, audience: int | None) -> Enrolment:
        """Return the entry of an experiment."""
        first = experiment.status.offset
        names = [variant.id for variant in experiment.variants]
        weights = [variant.weight for variant in experiment.variants]
        return cls(
            number,
            experiment,
            experiment.unit,
            first,
            first + experiment.share,
            audience,
            experiment.status.state in CONTROLLED,
            WeightedSplit(experiment.salt, names, weights),
        )


class Layer:
    """The experiments of one layer, in their order: a request is in the first one that it fits."""

    def __init__(self, name: str, entries: Sequence[Enrolment]) -> None:
        self._position = SaltedUniform(name)
        self._entries = tuple(entries)

    def first_of(self, facts: Facts, key: str, fired: Collection[int]) -> tuple[Enrolment, str | None] | None:
        """Return the experiment of a request with the unit; None where it is in none of the layer.

        `fired` are the audiences that the request belongs to. Whoever does not say its unit is in the first
        experiment, without a unit.
        """
        kind, unit, position = "", None, 0.0
        for entry in self._entries:
            if entry.audience is not None and entry.audience not in fired:
                continue
            if entry.unit != kind:
                kind, unit = entry.unit, unit_of(entry.unit, facts, key)
                position = self._position(unit) if unit is not None else 0.0
            if unit is None or entry.first <= position < entry.last:
                return entry, unit
        return None


class Enrolments:
    """The experiments of a placement by layer."""

    def __init__(self, plan: Plan, experiments: Sequence[Experiment]) -> None:
        self._audiences, index = _audiences(plan, experiments)
        self._has_audiences = any(number is not None for number in index)
        self.entries = tuple(
            Enrolment.of(number, experiment, audience)
            for number, (experiment, audience) in enumerate(zip(experiments, index, strict=True))
        )
        names = dict.fromkeys(experiment.layer for experiment in experiments)
        self._layers = [
            Layer(name, [entry for entry in self.entries if entry.experiment.layer == name]) for name in names
        ]

    def of(self, facts: Facts, key: str) -> list[tuple[Enrolment, str | None]]:
        """Return the experiments of a request in their order, at most one of each layer, with its units."""
        fired: Collection[int] = ()
        if self._has_audiences:
            fired = frozenset(self._audiences.evaluate(facts.values).fired)
        met = [pair for layer in self._layers if (pair := layer.first_of(facts, key, fired)) is not None]
        return sorted(met, key=_number) if len(met) > 1 else met


def _number(pair: tuple[Enrolment, str | None]) -> int:
    return pair[0].number


def _audiences(plan: Plan, experiments: Sequence[Experiment]) -> tuple[rules.CompiledRules, tuple[int | None, ...]]:
    """Return the audiences compiled as rules, and the index of each experiment's rule; None stands for everybody."""
    sources: list[dict[str, Any]] = []
    index: list[int | None] = []
    for number, experiment in enumerate(experiments):
        index.append(None if experiment.audience is None else len(sources))
        if experiment.audience is not None:
            effect = {"set": {"name": "audience", "value": True}}
            source = {"id": f"a{number:04}", "priority": -number, "when": experiment.audience, "effects": [effect]}
            sources.append(source)
    parsed = rules.parse_rules(sources, plan.vocabulary, plan.lists)
    return rules.compile_rules(parsed, plan.vocabulary, plan.lists), tuple(index)
