"""Translate msgspec's validation errors into a field and what it should be, in the words of the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

from engine.model.documents.field_types import CURRENCY, MOMENT
from engine.model.errors import FieldProblem

BODY = "body"

_LOCATION = re.compile(r" - at (?P<key>`key` in )?`\$(?P<path>.*)`\Z", re.DOTALL)
_NAMED = re.compile(r"Object (?P<what>missing required|contains unknown) field `(?P<name>.*?)`", re.DOTALL)
_WRONG_CHOICE = re.compile(r"Invalid (enum )?value ")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_ANY_KEY = "..."
_MOST_KEYS, _MOST_BYTES = 500, 65_536
"""An object with more keys, or in a larger document, is named without the key: each key takes a conversion."""
_TYPES = re.compile(r"`([a-z]+(?: \| [a-z]+)*)`")
_WORDS = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
_A_MOMENT = 'a moment with its offset, such as "2026-11-27T18:30:00+01:00"'
_WORDS_OF_ERRORS = {
    f"Expected `str` matching regex {CURRENCY!r}": 'must be an ISO 4217 currency code in capitals, such as "EUR"',
    f"Expected `str` matching regex {MOMENT!r}": f"must be {_A_MOMENT}",
    "Invalid RFC3339 encoded datetime": f"must be {_A_MOMENT}",
    "Expected `datetime` with a timezone component": f"must be {_A_MOMENT}",
}
"""For patterns that say little to people."""


def validation_error(error: msgspec.ValidationError, kind: Any, value: object = None) -> FieldProblem:
    """Return the field that did not fit into `kind` and what it should be. Never repeats a value that was sent.

    The field is a path such as `items/0/name`, or `body` for the whole document. With the `value` that was read, the
    path also has the keys of objects whose keys are free. This is the one place that parses the texts of msgspec's
    errors.
    """
    text = str(error)
    location = _LOCATION.search(text)
    path = [name or index for name, index in _STEP.findall(location["path"])] if location else []
    if location and location["key"]:
        path.append(_ANY_KEY)
    path = _with_keys(path, text, kind, value)
    message = text[: location.start()] if location else text
    if named := _NAMED.match(message):
        field = _field([*path, _shortened(named["name"])])
        return FieldProblem(field, "is required" if named["what"] == "missing required" else "is not a known field")
    if _WRONG_CHOICE.match(message):
        return FieldProblem(_field(path), f"must be one of {', '.join(choices(kind, path) or keys(kind, path[:-1]))}")
    return FieldProblem(_field(path), _in_words(message))


def _with_keys(path: Sequence[str], text: str, kind: Any, value: object) -> list[str]:
    """Replace the steps for any key by the key whose value alone causes the same error; leave out what has none."""
    if _ANY_KEY not in path or len(msgspec.json.encode(value)) > _MOST_BYTES:
        return [step for step in path if step != _ANY_KEY]
    steps: list[str | int] = []
    for step in path:
        if step == _ANY_KEY:
            free = _behind(value, steps)
            items = free.items() if isinstance(free, dict) and len(free) <= _MOST_KEYS else ()
            alone = ((key, _replaced(value, steps, {key: item})) for key, item in items)
            failing = next(((key, less) for key, less in alone if _error_of(less, kind) == text), None)
            if failing is None:
                continue
            step, value = failing
        steps.append(int(step) if isinstance(_behind(value, steps), list) else step)
    return [_shortened(str(step)) for step in steps]


def _error_of(value: object, kind: Any) -> str:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _behind(value: Any, steps: Sequence[str | int]) -> object:
    for step in steps:
        has_step = step in value if isinstance(value, dict) else isinstance(value, list)
        value = value[step] if has_step else None
    return value


def _replaced(value: Any, steps: Sequence[str | int], inner: object) -> Any:
    """Return a copy of a document with something else behind some steps."""
    if not steps:
        return inner
    copy = value.copy()
    copy[steps[0]] = _replaced(value[steps[0]], steps[1:], inner)
    return copy


def choices(kind: Any, path: Sequence[str]) -> list[str]:
    """Return the values that the enumeration at `path` inside a type allows, by its JSON schema."""
    schema, components = _schema(kind)
    nodes = list(_expanded([schema], components))
    for step in path:
        nodes = list(_expanded(_children(nodes, step), components))
    return sorted({str(value) for node in nodes for value in node.get("enum", ())})


def keys(kind: Any, path: Sequence[str]) -> list[str]:
    """Return the keys that the object at `path` inside a type may have, by its annotation: schemas do not say them."""
    kinds = list(_members(inspect.type_info(kind)))
    for step in path:
        kinds = [member for outer in kinds for inner in _inside(outer, step) for member in _members(inner)]
    named = (each.key_type for each in kinds if isinstance(each, inspect.DictType))
    return sorted(str(value) for key in named if isinstance(key, inspect.LiteralType) for value in key.values)


def _members(kind: inspect.Type) -> Iterator[inspect.Type]:
    """Yield the type, or each type of a union, without their descriptions."""
    if isinstance(kind, inspect.Metadata):
        yield from _members(kind.type)
    elif isinstance(kind, inspect.UnionType):
        for member in kind.types:
            yield from _members(member)
    else:
        yield kind


def _inside(kind: inspect.Type, step: str) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.StructType):
        yield from (field.type for field in kind.fields if field.encode_name == step)
    elif isinstance(kind, inspect.DictType):
        yield kind.value_type
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        yield kind.item_type


def ecma(pattern: str) -> str:
    """Return a Python pattern in the ECMA dialect of JSON Schema, where `$` matches only the end of the text."""
    return pattern.replace("\\A", "^").replace("\\Z", "$")


def _in_words(message: str) -> str:
    if message in _WORDS_OF_ERRORS:
        return _WORDS_OF_ERRORS[message]
    message = _TYPES.sub(lambda match: " or ".join(_WORDS.get(name, name) for name in match[1].split(" | ")), message)
    message = message.replace("matching regex", "that matches")
    message = re.sub(r"'(\\\\A.*)'", lambda match: ecma(match[1].replace("\\\\", "\\")), message)
    return re.sub(r"\AExpected ", "must be ", message).replace("a text of length >= 1", "a text that is not empty")


def _field(path: Sequence[str]) -> str:
    return "/".join(path) or BODY


def _shortened(name: str) -> str:
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


def _children(nodes: Iterable[dict[str, Any]], step: str) -> Iterator[dict[str, Any]]:
    for node in nodes:
        if step in node.get("properties", {}):
            yield node["properties"][step]
        elif isinstance(node.get("additionalProperties"), dict):
            yield node["additionalProperties"]
        if step.isdigit() and isinstance(node.get("items"), dict):
            yield node["items"]
