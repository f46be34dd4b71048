"""A variant of an experiment as a card of the form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from engine.configuration.configuration import Configuration
from engine.model.errors import FieldProblem
from engine.model.experiment import Experiment, Variant
from engine.model.placement import Fixed, Policy, Split
from web.admin.candidates.candidate_list import in_order
from web.admin.shell.forms import Form, Reader, number_text

SEVERAL_OF_VARIANT = (".order", ".candidates_off", ".rules_off")
"""The ends of the names of fields that may be given several times."""
FIRST_PLACES = 3
POLICIES = (
    ("", "As the placement does"),
    ("fixed", "My own order, without learning"),
    ("split", "Equal shares, without learning"),
)
KEPT = ("kept", "As set through the API")
NOT_IN_AN_ID = re.compile(r"[^a-z0-9]+")
NUMBER = re.compile(r"-?\d+(\.\d+)?")
WORDS = {"yes": True, "true": True, "no": False, "false": False}
Options = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class VariantCard:
    """A variant's card: `firsts` are the candidates put first, with empty places behind them."""

    number: int
    prefix: str
    name: str
    is_control: bool
    firsts: Sequence[str]
    candidates_off: frozenset[str]
    rules_off: frozenset[str]
    policies: Options
    own_rules: Sequence[str]
    is_open: bool


@dataclass(frozen=True)
class Choices:
    """What variants of a placement may change: its candidates and rules, as (id, label)."""

    candidates: Options
    rules: Options


def choices_of(configuration: Configuration, placement: str) -> Choices:
    """Return the candidates and the rules in force of a placement."""
    candidates = in_order(configuration.documents("candidate", placement))
    rules = [rule for rule in configuration.documents("rule", placement) if rule.enabled]
    return Choices(
        [(candidate.id, candidate.label) for candidate in candidates],
        [(rule.id, rule.name) for rule in sorted(rules, key=lambda rule: (-rule.priority, rule.name))],
    )


def card_of(form: Form, number: int, choices: Choices, old: Experiment | None) -> VariantCard:
    """Return a variant's card with what is chosen in it."""
    reader, prefix = Reader(form.values), f"v{number}"
    order = reader.words(f"{prefix}.order")
    before = _before(old, form.value(f"{prefix}.id"))
    has_own = before is not None and before.policy is not None and _policy_text(before.policy) == KEPT[0]
    chosen = [*order, *reader.words(f"{prefix}.candidates_off"), *reader.words(f"{prefix}.rules_off")]
    rest = [form.value(f"{prefix}.policy"), form.value(f"{prefix}.values")]
    return VariantCard(
        number=number,
        prefix=prefix,
        name=form.value(f"{prefix}.name") or f"Variant {number + 1}",
        is_control=number == 0,
        firsts=[*order, *[""] * max(1, FIRST_PLACES - len(order))][: len(choices.candidates)],
        candidates_off=frozenset(reader.words(f"{prefix}.candidates_off")),
        rules_off=frozenset(reader.words(f"{prefix}.rules_off")),
        policies=(*POLICIES, KEPT) if has_own else POLICIES,
        own_rules=[rule.name for rule in before.rules] if before else (),
        is_open=number > 0 or any(chosen) or any(rest),
    )


def names_of_variant(number: int) -> dict[str, str]:
    """Return a card's fields by what they are called."""
    prefix, which = f"v{number}", f"Variant {number + 1}"
    return {
        f"{prefix}.name": f"{which}: name",
        f"{prefix}.weight": f"{which}: weight",
        f"{prefix}.order": f"{which}: comes first",
        f"{prefix}.candidates_off": f"{which}: not offered",
        f"{prefix}.rules_off": f"{which}: rules off",
        f"{prefix}.policy": f"{which}: how it chooses",
        f"{prefix}.values": f"{which}: values",
    }


def places_of_variant(number: int) -> dict[str, str]:
    """Return which field of a card shows each part of a variant."""
    inner, prefix = f"variants/{number}", f"v{number}"
    fields = ("name", "weight", "candidates_off", "rules_off", "policy", "values")
    return {inner: f"{prefix}.order", f"{inner}/id": f"{prefix}.name"} | {
        f"{inner}/{field}": f"{prefix}.{field}" for field in fields
    }


def variant_of(reader: Reader, number: int, old: Experiment | None) -> dict[str, Any]:
    """Read a card. What a form cannot show, such as added rules, is taken over from the stored variant."""
    prefix = f"v{number}"
    name = reader.text(f"{prefix}.name", required="Give it a name, such as PayPal first")
    before = _before(old, reader.text(f"{prefix}.id"))
    slug = NOT_IN_AN_ID.sub("-", name.lower()).strip("-")[:48].strip("-")
    return {
        "id": before.id if before else reader.text(f"{prefix}.id") or slug or f"variant-{number + 1}",
        "name": name,
        "weight": weight_of(reader, number),
        "order": reader.words(f"{prefix}.order"),
        "candidates_off": reader.words(f"{prefix}.candidates_off"),
        "rules_off": reader.words(f"{prefix}.rules_off"),
        "rules": msgspec.to_builtins(before.rules) if before else (),
        "policy": _policy(reader.text(f"{prefix}.policy"), before),
        "values": _values(reader, f"{prefix}.values"),
    }


def weight_of(reader: Reader, number: int) -> float:
    """Read the weight of a variant."""
    weight = reader.decimal(f"v{number}.weight", default=1.0)
    if not 0 < weight <= 1e6:
        reader.problems.append(FieldProblem(f"v{number}.weight", "must be a number above 0, such as 50"))
    return weight


def texts_of_variant(number: int, variant: Variant) -> dict[str, str]:
    """Return a stored variant as its card shows it."""
    prefix = f"v{number}"
    return {
        f"{prefix}.id": variant.id,
        f"{prefix}.name": variant.name,
        f"{prefix}.weight": number_text(variant.weight),
        f"{prefix}.order": ", ".join(variant.order),
        f"{prefix}.candidates_off": ", ".join(variant.candidates_off),
        f"{prefix}.rules_off": ", ".join(variant.rules_off),
        f"{prefix}.policy": "" if variant.policy is None else _policy_text(variant.policy),
        f"{prefix}.values": "\n".join(f"{name} = {_value_text(value)}" for name, value in variant.values.items()),
    }


def without_variant(values: Mapping[str, str], removed: int, count: int) -> dict[str, str]:
    """Return the texts of a form without one of its variants; those behind it move up."""
    rest = {name: text for name, text in values.items() if not re.match(r"v\d+\.", name)}
    kept = [number for number in range(count) if number != removed]
    for after, before in enumerate(kept):
        start = f"v{before}."
        own = {name.removeprefix(start): text for name, text in values.items() if name.startswith(start)}
        rest |= {f"v{after}.{name}": text for name, text in own.items()}
    return rest | {"variants": str(len(kept))}


def _before(old: Experiment | None, id: str) -> Variant | None:
    return next((variant for variant in old.variants if variant.id == id), None) if old else None


def _policy(text: str, before: Variant | None) -> object:
    if text == KEPT[0]:
        return msgspec.to_builtins(before.policy) if before else None
    return {"type": text} if text else None


def _policy_text(policy: Policy) -> str:
    if isinstance(policy, Fixed):
        return "fixed"
    return "split" if policy == Split() else KEPT[0]


def _values(reader: Reader, name: str) -> dict[str, object]:
    """Read lines such as `show_cvv = yes`: yes and no, numbers, and otherwise texts."""
    values: dict[str, object] = {}
    for line in reader.lines(name):
        key, separator, text = (part.strip() for part in line.partition("="))
        if not separator or not key:
            reader.problems.append(FieldProblem(name, f"“{line}” is not a name and a value, such as show_cvv = yes"))
        elif NUMBER.fullmatch(text):
            values[key] = float(text) if "." in text else int(text)
        else:
            values[key] = WORDS.get(text.lower(), text)
    return values


def _value_text(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
