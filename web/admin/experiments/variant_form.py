"""A variant of an experiment as a card of the form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from engine.configuration.configuration import Configuration
from engine.kernel.rule_sentences import SentenceTerms, terms_of
from engine.model.errors import FieldProblem
from engine.model.experiment import Experiment, Variant
from engine.model.placement import Policy, RuleDocument
from rules import Wording
from web.admin.candidates.candidate_list import in_order
from web.admin.experiments.variants.variant_policy import learns, policies_for, policy_of, texts_of_policy
from web.admin.experiments.variants.variant_rules import VariantRule, own_rules, read_rules, rows_of, text_of
from web.admin.shell.forms import Form, Reader, number_text
from web.experiments.experiment_words import value_words

SEVERAL_OF_VARIANT = (".order", ".candidates_off", ".rules_off")
"""The ends of the names of fields that may be given several times."""
FIRST_POSITIONS = 3
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
    rules_off: Sequence[str]
    rules: Sequence[VariantRule]
    policies: Options
    is_open: bool


@dataclass(frozen=True)
class Choices:
    """The parts of a placement that variants may change: its candidates as (id, label), its rules by id, its policy.

    `terms` put rules into sentences.
    """

    candidates: Options
    rules: Mapping[str, RuleDocument]
    policy: Policy | None = None
    terms: SentenceTerms | None = None

    @property
    def rules_by_state(self) -> Sequence[tuple[str, Options]]:
        """Return the rules as (id, name), those in force and those that are not."""
        groups = (("In force", True), ("Not in force", False))
        listed = [
            (title, [(rule.id, rule.name) for rule in self.rules.values() if rule.enabled is state])
            for title, state in groups
        ]
        return [(title, options) for title, options in listed if options]


def choices_of(configuration: Configuration, placement: str, wording: Wording | None = None) -> Choices:
    """Return what variants of a placement may change; `wording` is how sentences of rules show amounts."""
    candidates = in_order(configuration.documents("candidate", placement))
    rules = sorted(configuration.documents("rule", placement), key=lambda rule: (-rule.priority, rule.name))
    plan = configuration.plan_document(placement)
    return Choices(
        [(candidate.id, candidate.label) for candidate in candidates],
        {rule.id: rule for rule in rules},
        plan.placement.policy if plan else None,
        terms_of(plan, wording or Wording()) if plan else None,
    )


def card_of(form: Form, number: int, choices: Choices) -> VariantCard:
    """Return a variant's card with what is chosen in it."""
    reader, prefix = Reader(form.values), f"v{number}"
    order, rules_off = reader.words(f"{prefix}.order"), reader.words(f"{prefix}.rules_off")
    rules = rows_of(rules_off, own_rules(form.value(f"{prefix}.rules")), choices.rules, choices.terms)
    policy = form.value(f"{prefix}.policy")
    chosen = [order, rules, policy, *(form.value(f"{prefix}.{name}") for name in ("candidates_off", "values"))]
    return VariantCard(
        number=number,
        prefix=prefix,
        name=form.value(f"{prefix}.name") or f"Variant {number + 1}",
        is_control=number == 0,
        firsts=[*order, *[""] * max(1, FIRST_POSITIONS - len(order))][: len(choices.candidates)],
        candidates_off=frozenset(reader.words(f"{prefix}.candidates_off")),
        rules_off=rules_off,
        rules=rules,
        policies=policies_for(choices.policy, policy),
        is_open=number > 0 or any(chosen) or any(_is_inside(name, prefix) for name in form.problems),
    )


def _is_inside(name: str, prefix: str) -> bool:
    """Return whether a field stands in the part of a card that can be closed."""
    return name.startswith(f"{prefix}.") and name not in (f"{prefix}.name", f"{prefix}.weight")


def names_of_variant(number: int) -> dict[str, str]:
    """Return a card's fields by what they are called."""
    prefix, variant_name = f"v{number}", f"Variant {number + 1}"
    return {
        f"{prefix}.name": f"{variant_name}: name",
        f"{prefix}.weight": f"{variant_name}: weight",
        f"{prefix}.order": f"{variant_name}: comes first",
        f"{prefix}.candidates_off": f"{variant_name}: not offered",
        f"{prefix}.rules_off": f"{variant_name}: rules off",
        f"{prefix}.rules": f"{variant_name}: rules changed or added",
        f"{prefix}.policy": f"{variant_name}: how it chooses",
        f"{prefix}.floor": f"{variant_name}: keep trying everything",
        f"{prefix}.drawn": f"{variant_name}: positions that vary",
        f"{prefix}.values": f"{variant_name}: values",
    }


def form_fields_of_variant(number: int) -> dict[str, str]:
    """Return which field of a card shows each part of a variant."""
    inner, prefix = f"variants/{number}", f"v{number}"
    fields = ("name", "weight", "order", "candidates_off", "rules_off", "rules", "policy", "values")
    return {inner: f"{prefix}.order", f"{inner}/id": f"{prefix}.name"} | {
        f"{inner}/{field}": f"{prefix}.{field}" for field in fields
    }


def variant_of(reader: Reader, number: int, old: Experiment | None, own: Policy | None) -> dict[str, Any]:
    """Read a card; `own` is the placement's policy. A stored variant keeps its id."""
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
        "rules": msgspec.to_builtins(read_rules(reader, f"{prefix}.rules")),
        "policy": policy_of(reader, prefix, before.policy if before and learns(before.policy) else own),
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
        f"{prefix}.rules": text_of(variant.rules),
        **texts_of_policy(prefix, variant.policy),
        f"{prefix}.values": "\n".join(f"{name} = {value_words(value)}" for name, value in variant.values.items()),
    }


def without_variant(values: Mapping[str, str], removed: int, count: int) -> dict[str, str]:
    """Return the texts of a form without one of its variants; those behind it move up."""
    rest = {name: text for name, text in values.items() if not re.match(r"v\d+\.", name)}
    remaining = [number for number in range(count) if number != removed]
    for after, before in enumerate(remaining):
        start = f"v{before}."
        own = {name.removeprefix(start): text for name, text in values.items() if name.startswith(start)}
        rest |= {f"v{after}.{name}": text for name, text in own.items()}
    return rest | {"variants": str(len(remaining))}


def _before(old: Experiment | None, id: str) -> Variant | None:
    return next((variant for variant in old.variants if variant.id == id), None) if old else None


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
