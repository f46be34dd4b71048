"""The tree that a form shows, and its JSON-logic: what is not edited keeps its JSON to the last character."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rules.json_logic.problems import pointer
from web.admin.rules.builder.operators import Operator, read
from web.admin.rules.builder.templates import arguments, fill

Kind = Literal["all", "any", "none"]
Steps = tuple[int, ...]


@dataclass(frozen=True)
class Edited:
    """Stands where a node has no JSON of its own any more: it is written anew from its parts."""


EDITED = Edited()


@dataclass(frozen=True)
class Row:
    """A field, an operator and JSON values. `source` is the JSON it was read from, `path` the pointer to that."""

    field: str
    operator: Operator
    values: tuple[object, ...]
    source: object = EDITED
    path: str = ""


@dataclass(frozen=True)
class Group:
    """All, any or none of its parts."""

    kind: Kind
    parts: tuple[Node, ...]
    source: object = EDITED
    path: str = ""


@dataclass(frozen=True)
class Raw:
    """JSON-logic that rows and groups cannot show; it stays as it is, and is edited as JSON."""

    source: object
    path: str = ""


Node = Group | Row | Raw
Types = Mapping[str, str]


def from_logic(logic: object, types: Types, *, path: str = "/when") -> Group:
    """Make the tree of a condition. A condition that is not a group is put into one; `true` is an empty group."""
    if logic is True:
        return Group("all", (), True, path)
    node = _node(logic, types, path)
    return node if isinstance(node, Group) else Group("all", (node,), logic, path)


def to_logic(root: Group) -> object:
    """Return the condition of a tree: its own JSON where nothing in it was edited."""
    if isinstance(root.source, Edited) and root.kind == "all":
        if not root.parts:
            return True
        if len(root.parts) == 1 and not isinstance(root.parts[0], Group):
            return written(root.parts[0])
    return written(root)


def written(node: Node) -> object:
    """Return the JSON-logic of a part."""
    if not isinstance(node.source, Edited):
        return node.source
    if isinstance(node, Row):
        return fill(node.operator.written, node.field, node.values)
    return joined(node.kind, [written(part) for part in node.parts]) if isinstance(node, Group) else None


def joined(kind: Kind, parts: Sequence[object]) -> object:
    """Join conditions by all, any or none."""
    listed = list(parts)
    return {"all": {"and": listed}, "any": {"or": listed}, "none": {"!": {"or": listed}}}[kind]


def part_at(root: Group, steps: Steps) -> Node | None:
    """Return the part that the steps lead to, the root itself for none; None where they lead nowhere."""
    node: Node = root
    for step in steps:
        if not isinstance(node, Group) or not 0 <= step < len(node.parts):
            return None
        node = node.parts[step]
    return node


def with_part(root: Group, steps: Steps, part: Node) -> Group:
    """Replace a part of the tree. The groups around it are written anew; everything else keeps its JSON."""
    if not steps:
        return part if isinstance(part, Group) else Group("all", (part,))
    step, rest = steps[0], steps[1:]
    old = root.parts[step]
    new = with_part(old, rest, part) if isinstance(old, Group) and rest else part
    return with_parts(root, (*root.parts[:step], new, *root.parts[step + 1 :]))


def with_parts(group: Group, parts: Sequence[Node]) -> Group:
    """Return the group with other parts."""
    return replace(group, parts=tuple(parts), source=EDITED)


def _node(logic: object, types: Types, path: str) -> Node:
    clause = read(logic, types)
    if clause:
        return Row(*clause, source=logic, path=path)
    if isinstance(logic, dict) and len(logic) == 1:
        [(operator, value)] = logic.items()
        if operator in ("and", "or"):
            return _group("all" if operator == "and" else "any", logic, value, types, path, pointer(path, operator))
        if operator == "!" and len(arguments(value)) == 1:
            return _none_of(logic, value, types, path)
    return Raw(logic, path)


def _group(kind: Kind, source: object, value: object, types: Types, path: str, inner_path: str) -> Group:
    parts = [
        _node(part, types, pointer(inner_path, index) if isinstance(value, list) else inner_path)
        for index, part in enumerate(arguments(value))
    ]
    return Group(kind, tuple(parts), source, path)


def _none_of(logic: object, value: object, types: Types, path: str) -> Group:
    """Read a negation: none of several parts, or not one part."""
    inner_path = pointer(path, "!", 0) if isinstance(value, list) else pointer(path, "!")
    inner = arguments(value)[0]
    if isinstance(inner, dict) and inner.keys() == {"or"}:
        return _group("none", logic, inner["or"], types, path, pointer(inner_path, "or"))
    return Group("none", (_node(inner, types, inner_path),), logic, path)
