"""The facts of a customer as inputs: typed as in the builder, empty where a fact is not sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.model.placement import FieldDocument
from rules import Field, Vocabulary
from web.admin.rules.builder.texts import Terms, from_text, missing, to_text
from web.admin.rules.builder.view import LOOKS, OFFERS, InputView, label_of
from web.admin.shell.forms import sentence

PREFIX = "f."
NOT_SENT = ("", "not sent")
YES_NO = (("true", "yes"), ("false", "no"))
HINTS = {"list": "several, with commas between", "location": "such as 52.5, 13.4"}


@dataclass(frozen=True)
class FactInput:
    """One fact to edit; `problem` says why what was typed counts as not sent."""

    input: InputView
    hint: str
    problem: str


def read_facts(sent: Mapping[str, str], terms: Terms) -> dict[str, Any]:
    """Read the facts of a sent form by name; a text that cannot be read stays a text."""
    read = {
        name: _from_text(field, sent.get(PREFIX + name, ""), terms)
        for name, field in terms.fields.items()
        if sent.get(PREFIX + name, "").strip()
    }
    return {name: value for name, value in read.items() if value is not None}


def inputs_of(
    names: Iterable[str], values: Mapping[str, Any], terms: Terms, vocabulary: Vocabulary
) -> Sequence[FactInput]:
    """Return the inputs of these facts, with what is wrong with what stands in them."""
    return [_input(terms.fields[name], values.get(name), terms, vocabulary[name]) for name in names]


def texts_of(values: Mapping[str, Any], terms: Terms) -> dict[str, str]:
    """Facts as a form sends them."""
    return {PREFIX + name: _to_text(field, values.get(name), terms) for name, field in terms.fields.items()}


def _input(field: FieldDocument, value: object, terms: Terms, declared: Field) -> FactInput:
    text, kind = _to_text(field, value, terms), field.type
    options = YES_NO if kind == "boolean" else [(value, value) for value in field.allowed]
    strange = [] if not text or text in dict(options) else [(text, text)]
    item_input = InputView(
        PREFIX + field.name,
        "choice" if options else LOOKS.get(kind, "text"),
        label_of(terms, field.name),
        text,
        options=[NOT_SENT, *options, *strange] if options else (),
        offers=OFFERS.get(kind, ""),
        unit=terms.unit_of(field.name) if kind == "money" else "",
    )
    problem = declared.problem_with(value) if value is not None else None
    text = missing(kind, value, item_input.unit, terms.locale) or sentence(problem) if problem else ""
    return FactInput(item_input, HINTS.get(kind, ""), f"{text} It is treated as not sent." if text else "")


def _to_text(field: FieldDocument, value: object, terms: Terms) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if field.type == "datetime" and isinstance(value, str):
        return to_text("datetime", value, terms)[: len("2026-11-27T18:30")]
    return to_text(field.type, value, terms, field.name)


def _from_text(field: FieldDocument, text: str, terms: Terms) -> object:
    text = text.strip()
    match field.type:
        case "boolean":
            return {"true": True, "false": False}.get(text, text)
        case "list":
            return [item.strip() for item in text.split(",") if item.strip()]
        case "location":
            parts = [from_text("number", part, terms) for part in text.split(",")]
            return parts if len(parts) == 2 else text
        case _:
            return from_text(field.type, text, terms, field.name)
