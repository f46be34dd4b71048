"""The form of a scenario: facts with the inputs of the try panel, and what is expected of each candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.kernel.scenario_check import nested
from rules import Set
from web.admin.rules.builder.rule_view import RuleContext
from web.admin.rules.draft_rules import DraftRules
from web.admin.rules.trial.try_facts import PREFIX, FactInput, inputs_of, read_facts

EXPECTED, VALUE, SLOT = "e.", "v.", "slot:"
MOST_SLOTS = 10
USUAL = ("geo.country", "cart.total", "cart.currency", "device.type", "customer.returning")
YES_NO = {"yes": True, "no": False, "true": True, "false": False}


@dataclass(frozen=True)
class ExpectationInput:
    """The expectation of a candidate, with the choices."""

    id: str
    label: str
    chosen: str
    options: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class ScenarioInputs:
    """The inputs of a scenario: facts that are given and others, candidates, and values of the answer by name."""

    facts: Sequence[FactInput]
    more: Sequence[FactInput]
    candidates: Sequence[ExpectationInput]
    values: Sequence[tuple[str, str]]


def scenario_inputs(
    rules: DraftRules, context: RuleContext, facts: Mapping[str, Any], expect: Mapping[str, Any]
) -> ScenarioInputs:
    """Return the inputs of facts in groups and an expectation, both as JSON objects."""
    terms, values = context.terms, _flat(facts, context)
    names = list(dict.fromkeys([*(name for name in USUAL if name in terms.fields), *values]))
    others = [name for name in terms.fields if name not in names]
    expected, expected_values = _expected(expect), expect.get("values", {})
    slots = [(f"{SLOT}{slot}", f"is number {slot}") for slot in range(1, min(MOST_SLOTS, len(context.labels)) + 1)]
    options = [("", "may be either"), ("shown", "may be shown"), ("hidden", "is hidden"), *slots]
    return ScenarioInputs(
        inputs_of(names, values, terms, context.vocabulary),
        inputs_of(others, values, terms, context.vocabulary),
        [ExpectationInput(id, label, expected.get(id, ""), options) for id, label in context.labels.items()],
        [(name, _text(expected_values.get(name))) for name in sorted({*expected_values, *_set_by(rules)})],
    )


def read_scenario(
    sent: Mapping[str, str],
    rules: DraftRules,
    context: RuleContext,
    facts: Mapping[str, Any],
    expect: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the facts and the expectation that were typed; those in the form's JSON where it has no inputs."""
    if not any(name.startswith(PREFIX) for name in sent):
        return dict(facts), dict(expect)
    typed = read_facts(sent, context.terms)
    chosen = {id: sent.get(f"{EXPECTED}{id}", "") for id in context.labels}
    pinned = {id: int(word.removeprefix(SLOT)) for id, word in chosen.items() if word.startswith(SLOT)}
    values = {
        name.removeprefix(VALUE): _value(text.strip(), _set_by(rules).get(name.removeprefix(VALUE)))
        for name, text in sent.items()
        if name.startswith(VALUE) and text.strip()
    }
    return nested(typed), {
        "shown": [id for id, word in chosen.items() if word == "shown" or id in pinned],
        "hidden": [id for id, word in chosen.items() if word == "hidden"],
        "pinned": [{"candidate": id, "slot": slot} for id, slot in sorted(pinned.items(), key=lambda pair: pair[1])],
        "values": values,
    }


def _flat(facts: Mapping[str, Any], context: RuleContext) -> dict[str, Any]:
    """Return the declared facts by name."""
    return {name: value for name, value in _leaves(facts) if name in context.terms.fields}


def _leaves(facts: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    leaves = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            leaves += _leaves(value, f"{prefix}{name}.")
        else:
            leaves.append((f"{prefix}{name}", value))
    return leaves


def _expected(expect: Mapping[str, Any]) -> dict[str, str]:
    """Return the word for each candidate that something is expected of; a position says most."""
    words = dict.fromkeys(expect.get("shown", ()), "shown") | dict.fromkeys(expect.get("hidden", ()), "hidden")
    return words | {pin["candidate"]: f"{SLOT}{pin['slot']}" for pin in expect.get("pinned", ())}


def _set_by(rules: DraftRules) -> dict[str, object]:
    """Return the values that rules set in answers, by name."""
    return {effect.name: effect.value for rule in rules.parsed() for effect in rule.effects if isinstance(effect, Set)}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _value(text: str, like: object) -> object:
    """Read a value of an answer as what rules set it to: a yes or no, a number or a text."""
    if isinstance(like, str):
        return text
    if text.casefold() in YES_NO:
        return YES_NO[text.casefold()]
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
