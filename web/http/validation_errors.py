"""From msgspec's refusals to a field and what would be right, in the words of the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from engine.model.errors import FieldProblem

BODY = "body"

_PLACE = re.compile(r" - at (?:`key` in )?`\$(?P<place>.*)`\Z", re.DOTALL)
_NAMED = re.compile(r"Object (?P<what>missing required|contains unknown) field `(?P<name>.*?)`", re.DOTALL)
_WRONG_CHOICE = re.compile(r"Invalid (enum )?value ")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_TYPES = re.compile(r"`([a-z]+(?: \| [a-z]+)*)`")
_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}


def validation_error(error: msgspec.ValidationError, kind: Any) -> FieldProblem:
    """What did not fit into `kind`. Names the field, and never repeats a value that was sent."""
    text = str(error)
    found = _PLACE.search(text)
    steps = [name or number for name, number in _STEP.findall(found["place"])] if found else []
    message = text[: found.start()] if found else text
    named = _NAMED.match(message)
    if named:
        is_missing = named["what"] == "missing required"
        return FieldProblem(
            _field([*steps, _short(named["name"])]), "is needed" if is_missing else "is not a field here"
        )
    if _WRONG_CHOICE.match(message):
        return FieldProblem(_field(steps), f"must be one of {', '.join(choices(kind, steps))}")
    return FieldProblem(_field(steps), _in_words(message))


def choices(kind: Any, steps: Sequence[str]) -> list[str]:
    """The values that an enumeration inside a type allows, by its JSON schema."""
    schema, components = _schema(kind)
    nodes = list(_expanded([schema], components))
    for step in steps:
        nodes = list(_expanded(_below(nodes, step), components))
    return sorted({str(value) for node in nodes for value in node.get("enum", ())})


def ecma(pattern: str) -> str:
    """A pattern as JSON Schema writes it: there, `$` is the end of the text and nothing else."""
    return pattern.replace("\\A", "^").replace("\\Z", "$")


def _in_words(message: str) -> str:
    message = _TYPES.sub(lambda found: " or ".join(_WORDS.get(one, one) for one in found[1].split(" | ")), message)
    message = message.replace("matching regex", "that matches")
    message = re.sub(r"'(\\\\A.*)'", lambda found: ecma(found[1].replace("\\\\", "\\")), message)
    return re.sub(r"\AExpected ", "must be ", message).replace("a text of length >= 1", "a text that is not empty")


def _field(steps: Sequence[str]) -> str:
    return "/".join(steps) or BODY


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:60] + "..."


@lru_cache(maxsize=64)
def _schema(kind: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    (schema,), components = msgspec.json.schema_components([kind], ref_template="{name}")
    return schema, components


def _expanded(nodes: Iterable[dict[str, Any]], components: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for node in nodes:
        yield node
        if "$ref" in node:
            yield from _expanded([components[node["$ref"]]], components)
        yield from _expanded(node.get("anyOf", ()), components)


def _below(nodes: Iterable[dict[str, Any]], step: str) -> Iterator[dict[str, Any]]:
    for node in nodes:
        if step in node.get("properties", {}):
            yield node["properties"][step]
        if step.isdigit() and isinstance(node.get("items"), dict):
            yield node["items"]
