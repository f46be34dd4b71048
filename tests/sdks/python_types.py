"""The kinds of a type's fields, of Python's TypedDicts and of an OpenAPI document's schemas, to compare both."""

from __future__ import annotations

import collections.abc
import types
import typing
from typing import Any

Kinds = dict[str, tuple[bool, Any]]
"""Fields with whether they are required and their kind."""
PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def fields_of_type(kind: Any) -> Kinds:
    hints = typing.get_type_hints(kind)
    return {name: (name in kind.__required_keys__, _of_type(hint)) for name, hint in hints.items()}


def fields_of_schema(schema: dict[str, Any], components: dict[str, Any]) -> Kinds:
    required = schema.get("required", ())
    return {name: (name in required, _of_schema(field, components)) for name, field in schema["properties"].items()}


def _union(kinds: list[Any]) -> Any:
    flat = {each for kind in kinds for each in (kind if isinstance(kind, frozenset) else [kind])}
    flat -= {"integer"} if "number" in flat else set()
    return flat.pop() if len(flat) == 1 else frozenset(flat)


def _of_type(hint: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if typing.is_typeddict(hint):
        return _frozen(fields_of_type(hint))
    if origin in (typing.Union, types.UnionType):
        return _union([_of_type(argument) for argument in arguments])
    if origin is typing.Literal:
        return frozenset(repr(argument) for argument in arguments)
    if origin in (list, collections.abc.Sequence):
        return ("array", _of_type(arguments[0]))
    if origin in (dict, collections.abc.Mapping):
        return ("object", _of_type(arguments[1]))
    assert hint is Any, hint
    return "anything"


def _of_schema(schema: dict[str, Any], components: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _of_schema(components[schema["$ref"].rpartition("/")[2]], components)
    if parts := schema.get("anyOf"):
        return _union([_of_schema(part, components) for part in parts])
    if "enum" in schema:
        return frozenset(repr(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return ("array", _of_schema(schema.get("items", {}), components))
    if schema.get("type") == "object" and "properties" in schema:
        return _frozen(fields_of_schema(schema, components))
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return ("object", _of_schema(values, components) if isinstance(values, dict) else "anything")
    return schema.get("type", "anything")


def _frozen(kinds: Kinds) -> Any:
    return tuple(sorted(kinds.items()))
