"""The texts of a rule's form, and the document that they describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.model.errors import FieldProblem, Invalid
from engine.model.placement import RuleDocument
from web.admin.rules.builder.rule_form import RuleForm
from web.admin.rules.builder.texts import Terms, from_text, to_text
from web.admin.shell.editing import to_document
from web.admin.shell.forms import Reader
from web.admin.shell.json_text import pretty

NAMES = {
    "name": "Name",
    "priority": "Priority",
    "when": "Condition",
    "effects": "Effects",
    "active_from": "From",
    "active_to": "Until",
    "tags": "Tags",
    "notes": "Notes",
    "enabled": "In force",
}
HINTS = {
    "name": "Give it a name of at most 120 characters.",
    "priority": "Must be a whole number from -1,000,000 to 1,000,000.",
    "active_from": "Must be a day and a time.",
    "active_to": "Must be a day and a time.",
    "tags": "At most 20 tags of at most 40 characters.",
    "notes": "At most 2,000 characters.",
    "effects": 'Must be a list of effects, such as [{"exclude": ["klarna"]}].',
}


def document_of(form: RuleForm, terms: Terms, *, id: str, old: RuleDocument | None = None) -> RuleDocument:
    """Make the rule that a form describes; raises `Invalid` with every problem of its texts.

    `old` is the stored rule: times that were left alone stay exactly as they are there.
    """
    reader = Reader(form.texts)
    values: dict[str, Any] = {
        "id": id,
        "name": reader.text("name", required="Give it a name that says what it does"),
        "priority": reader.integer("priority"),
        "enabled": reader.flag("enabled"),
        "notes": reader.text("notes"),
        "tags": tuple(dict.fromkeys(tag.strip() for tag in reader.text("tags").split(",") if tag.strip())),
        "active_from": _moment(reader.text("active_from"), old.active_from if old else None, terms),
        "active_to": _moment(reader.text("active_to"), old.active_to if old else None, terms),
        "when": form.when.value,
        "effects": form.effects.value,
    }
    reader.problems += [FieldProblem(problem.path, problem.message) for problem in form.problems]
    reader.check()
    if form.rows is None or not all(isinstance(row.source, dict) for row in form.rows):
        raise Invalid(FieldProblem("/effects", HINTS["effects"]))
    return to_document(values, RuleDocument, hints=HINTS)


def texts_of(document: RuleDocument, terms: Terms) -> dict[str, str]:
    """Return a rule as its form shows it."""
    return {
        "name": document.name,
        "priority": str(document.priority),
        "when": pretty(document.when),
        "effects": pretty(list(document.effects)),
        "active_from": _clock_text(document.active_from, terms),
        "active_to": _clock_text(document.active_to, terms),
        "tags": ", ".join(document.tags),
        "notes": document.notes,
        "enabled": "on" if document.enabled else "",
    }


def example_texts(candidates: Sequence[str]) -> dict[str, str]:
    """Return the texts of a new rule: hide the last candidate from small carts."""
    return {
        "name": "",
        "priority": "0",
        "when": pretty({"<": [{"var": "cart.total"}, 5000]}),
        "effects": pretty([{"exclude": list(candidates[-1:]) or ["card"]}]),
        **dict.fromkeys(("active_from", "active_to", "tags", "notes"), ""),
        "enabled": "on",
    }


def own_texts(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of the rule alone, without those of the form around it."""
    return {name: texts[name] for name in NAMES}


def _moment(text: str, old: str | None, terms: Terms) -> object:
    """Read a time that was typed; the stored one where its text was left alone."""
    if not text or text == _clock_text(old, terms):
        return old if text else None
    return from_text("datetime", text, terms)


def _clock_text(moment: str | None, terms: Terms) -> str:
    return to_text("datetime", moment, terms) if moment else ""
