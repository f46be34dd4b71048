"""Check a plan against its scenarios: compare what is certain of an answer, before any draw. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np

import bandits
from engine.intake.context import Intake
from engine.kernel.kernel import Limits, limits_for, value_weights
from engine.kernel.plan import Plan
from engine.kernel.scores import fixed_order_scores
from engine.model.placement import Fixed, Scenario
from rules.wording.terms import plain

SetValue = bool | int | float | str


class CertainAnswer(NamedTuple):
    """The certain parts of an answer: candidates that may be in it, the reason why others are hidden, and values.

    `by_slot` are the candidates whose slot (from 1) is certain, `pinned` those of them that rules pin.
    """

    possible: tuple[str, ...]
    hidden: dict[str, str]
    by_slot: dict[int, str]
    pinned: dict[int, str]
    values: dict[str, SetValue]
    rules: tuple[str, ...]


class Miss(msgspec.Struct, frozen=True):
    """What a scenario wants and what comes out instead; `because` names what did it, where something did."""

    about: str
    expected: Any
    actual: Any
    because: str = ""

    @property
    def text(self) -> str:
        reason = f" ({self.because})" if self.because else ""
        return f"{self.about} should be {_shown(self.expected)}, but is {_shown(self.actual)}{reason}"


class ScenarioOutcome(msgspec.Struct, frozen=True):
    """A scenario tried out: it holds where nothing is missed."""

    id: str
    name: str
    holds: bool
    misses: list[Miss]


def try_out(plan: Plan, scenario: Scenario) -> ScenarioOutcome:
    """Check one scenario; neither chance nor beliefs take part."""
    facts = Intake(plan.document.fields, with_engine_fields=True).values(scenario.context)
    certain = certain_of(plan, facts)
    misses = list(_misses(plan, scenario, certain))
    return ScenarioOutcome(scenario.id, scenario.name, not misses, misses)


def certain_of(plan: Plan, values: Mapping[str, Any]) -> CertainAnswer:
    """Return what every answer to these facts has in common."""
    firing = plan.compiled.evaluate(values)
    limits = limits_for(plan, values, firing.fired)
    bounds, eligible, length = limits.bounds, limits.eligible, limits.slots.length
    order = _order(plan, values, limits)
    pinned = {slot: number for slot, number in order.items() if number in bounds.pins.values()}
    is_settled = isinstance(plan.placement.policy, Fixed) or len(eligible) == 1
    by_slot = order if is_settled else pinned
    possible = tuple(by_slot.values()) if len(by_slot) == length else eligible
    return CertainAnswer(
        tuple(plan.ids[number] for number in possible),
        {plan.ids[number]: reason for number, reason in bounds.excluded.items()},
        {slot: plan.ids[number] for slot, number in by_slot.items()},
        {slot: plan.ids[number] for slot, number in pinned.items()},
        bounds.values,
        tuple(plan.rules[number].id for number in firing.fired),
    )


def _order(plan: Plan, values: Mapping[str, Any], limits: Limits) -> dict[int, int]:
    """Return candidate numbers by slot, from 1, in the fixed order with pins in their slots."""
    eligible = limits.eligible
    ids, scores = [plan.ids[number] for number in eligible], fixed_order_scores(len(eligible))
    if not ids:
        return {}
    arrangement = bandits.arrange(
        bandits.Candidates.of(ids, np.zeros((len(ids), 1)), scores),
        limits.slots._replace(drawn=0),
        bandits.Requests.of("", weights=value_weights(plan, values, limits)),
    )
    return {slot + 1: eligible[index] for slot, index in enumerate(arrangement.order)}


def _misses(plan: Plan, scenario: Scenario, certain: CertainAnswer) -> Iterator[Miss]:
    expected, by_slot = scenario.expect, certain.by_slot
    for id in expected.shown:
        if id not in certain.possible:
            actual = "hidden" if id in plan.index else "no candidate that is switched on"
            yield Miss(id, "shown", actual, certain.hidden.get(id, ""))
    for id in expected.hidden:
        if id in certain.possible:
            yield Miss(id, "hidden", "shown")
    for pin in expected.pinned:
        if by_slot.get(pin.slot) != pin.candidate:
            yield Miss(f"place {pin.slot}", pin.candidate, by_slot.get(pin.slot, "open"))
    for name, value in expected.values.items():
        if not _equal(certain.values.get(name), value):
            yield Miss(name, value, certain.values.get(name))


def _equal(actual: SetValue | None, expected: SetValue) -> bool:
    """Return whether two values are equal; 1 equals 1.0, but not true."""
    return actual == expected and isinstance(actual, bool) == isinstance(expected, bool)


def _shown(value: Any) -> str:
    return "not set" if value is None else plain(value)


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"cart": {"total": 1}}` for `{"cart.total": 1}`, as a request has it."""
    context: dict[str, Any] = {}
    for name, value in values.items():
        *groups, leaf = name.split(".")
        node = context
        for group in groups:
            node = node.setdefault(group, {})
        node[leaf] = value
    return context


def unknown_facts(context: Mapping[str, Any], declared: frozenset[str], prefix: str = "") -> Iterator[str]:
    """Yield the dotted names in a context that are not declared."""
    for name, value in context.items():
        path = f"{prefix}{name}"
        if path not in declared and isinstance(value, dict):
            yield from unknown_facts(value, declared, f"{path}.")
        elif path not in declared:
            yield path
