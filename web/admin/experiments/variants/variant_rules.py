"""The rules that a variant switches off, switches on, changes or adds: texts of the form, and rows of its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from engine.kernel.rule_sentences import SentenceTerms, sentence_of
from engine.model.errors import FieldProblem
from engine.model.placement import RuleDocument
from web.admin.shell.forms import Reader

Rules = tuple[RuleDocument, ...]
PICK = "pick"
"""The end of the name of the field in which a rule is chosen."""

RULE_ACTIONS = ("rule_switch", "rule_change", "rule_new", "rule_edit", "rule_back")
"""The buttons of a card's rules; `rule_change:1` is about the rule that is chosen in the card of variant 1."""


@dataclass(frozen=True)
class VariantRule:
    """A rule of which a variant makes something else; `is_own`: the variant has a text of its own for it."""

    id: str
    name: str
    doing: str
    kind: str
    words: str
    is_own: bool


def rule_action(values: Mapping[str, str], count: int) -> tuple[str, int, str]:
    """Return the button of a card's rules that was pressed, the variant's number and the rule's id."""
    name, _, argument = values.get("act", "").partition(":")
    number, _, id = argument.partition(":")
    variant = int(number) if number.isdigit() and int(number) < count else 0
    return name, variant, id or values.get(f"v{variant}.{PICK}", "")


def own_rules(text: str) -> Rules:
    """Read the rules that a variant changes or adds; none where the text is none of ours."""
    try:
        return msgspec.json.decode(text or "[]", type=Rules)
    except msgspec.DecodeError:
        return ()


def text_of(rules: Rules) -> str:
    """Return rules as the form carries them."""
    return msgspec.json.encode(rules).decode() if rules else ""


def read_rules(reader: Reader, name: str) -> Rules:
    """Read the rules that a variant changes or adds; a text that cannot be read is a problem of its field."""
    text = reader.text(name)
    rules = own_rules(text)
    if text and not rules:
        reader.problems.append(FieldProblem(name, "the variant's own rules cannot be read: change them again"))
    return rules


def rows_of(
    off: Sequence[str], own: Rules, stored: Mapping[str, RuleDocument], terms: SentenceTerms | None
) -> list[VariantRule]:
    """Return what a variant does to rules; `stored` are those of the placement by id."""
    off_ids = [id for id in off if id not in {rule.id for rule in own}]
    names = {id: stored[id].name if id in stored else id for id in off_ids}
    rows = [VariantRule(id, names[id], "Switched off", "warn", "", is_own=False) for id in off_ids]
    for rule in own:
        doing, kind = _doing(rule, stored.get(rule.id))
        words = sentence_of(rule, terms) if terms else ""
        rows.append(VariantRule(rule.id, rule.name, doing, kind, words, is_own=True))
    return rows


def _doing(rule: RuleDocument, stored: RuleDocument | None) -> tuple[str, str]:
    """Return what becomes of a rule, with the kind of its badge."""
    if stored is None:
        return "Added", "good"
    if not stored.enabled and msgspec.structs.replace(stored, enabled=True) == rule:
        return "Switched on", "good"
    return "Changed", "info"


def switched(values: Mapping[str, str], number: int, id: str, stored: RuleDocument) -> dict[str, str]:
    """Return the texts after a rule was switched off, or on where it is not in force."""
    if not stored.enabled:
        return with_rule(values, number, msgspec.structs.replace(stored, enabled=True))
    rest = without_rule(values, number, id)
    return rest | {f"v{number}.rules_off": ", ".join([*_off(rest, number), id])}


def with_rule(values: Mapping[str, str], number: int, document: RuleDocument) -> dict[str, str]:
    """Return the texts with a rule of the variant's own, new or in the place of the one with its id."""
    own = own_rules(values.get(f"v{number}.rules", ""))
    if any(rule.id == document.id for rule in own):
        replaced = tuple(document if rule.id == document.id else rule for rule in own)
        return {**values, f"v{number}.rules": text_of(replaced)}
    rest = without_rule(values, number, document.id)
    return rest | {f"v{number}.rules": text_of((*own, document))}


def without_rule(values: Mapping[str, str], number: int, id: str) -> dict[str, str]:
    """Return the texts of a variant that leaves a rule as it is."""
    own = own_rules(values.get(f"v{number}.rules", ""))
    return {
        **values,
        f"v{number}.rules": text_of(tuple(rule for rule in own if rule.id != id)),
        f"v{number}.rules_off": ", ".join(other for other in _off(values, number) if other != id),
    }


def _off(values: Mapping[str, str], number: int) -> tuple[str, ...]:
    return Reader(values).words(f"v{number}.rules_off")
