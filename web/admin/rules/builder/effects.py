"""The effects of a rule as rows of a form; an effect that is left alone keeps its JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from web.admin.rules.builder.overlay import Overlay

KINDS = {
    "exclude": "Hide",
    "require": "Show only",
    "pin": "Pin to a position",
    "boost": "Show earlier or later",
    "set": "Set a value",
}
BLANKS: dict[str, object] = {
    "exclude": [],
    "require": [],
    "pin": {"candidate": "", "slot": 1},
    "boost": {"candidates": [], "factor": 1.5},
    "set": {"name": "", "value": True},
}
PARTS = {
    "exclude": (("", "candidates"),),
    "require": (("", "candidates"),),
    "pin": (("candidate", "candidate"), ("slot", "slot")),
    "boost": (("candidates", "candidates"), ("factor", "factor")),
    "set": (("name", "name"), ("value", "value")),
}
"""The inputs of each kind: the key in its JSON, and what the input is for."""


@dataclass(frozen=True)
class EffectRow:
    """An effect; `kind` is empty where a row cannot show its JSON."""

    kind: str
    source: object


def effects_of(document: object) -> list[EffectRow]:
    """Make the rows of a decoded list of effects."""
    return [EffectRow(_kind_of(source), source) for source in document] if isinstance(document, list) else []


def blank_effect(kind: str) -> dict[str, object]:
    """Return a new effect to fill in."""
    return {kind: BLANKS[kind]}


def part_of(row: EffectRow, key: str) -> object:
    """Return the value under a key of the effect's JSON, all of it for the empty key."""
    value = row.source[row.kind]  # type: ignore[index]
    return value[key] if key else value


def laid_over(rows: Sequence[EffectRow], overlay: Overlay) -> list[object]:
    """Return the JSON of the effects with what was typed into their rows."""
    return [_typed(row, f"e.{index}", overlay) for index, row in enumerate(rows)]


def _typed(row: EffectRow, name: str, overlay: Overlay) -> object:
    if not row.kind:
        return row.source
    kind = overlay.choice(f"{name}.kind", row.kind)
    if kind != row.kind and kind in KINDS:
        return _with_kind(row, kind)
    parts = PARTS[kind]
    values = {key: _part(row, f"{name}.{key or 'candidates'}", key, part_kind, overlay) for key, part_kind in parts}
    if all(values[key] is part_of(row, key) for key, _ in parts):
        return row.source
    return {kind: values.get("", values)}


def _part(row: EffectRow, name: str, key: str, part_kind: str, overlay: Overlay) -> object:
    value = part_of(row, key)
    if part_kind == "candidates":
        return overlay.values(name, part_kind, value)
    return _set_value(name, value, overlay) if part_kind == "value" else overlay.value(name, part_kind, value)


def _set_value(name: str, value: object, overlay: Overlay) -> object:
    """Read a value of the answer; its type is chosen in an input beside it."""
    old = type_of(value)
    chosen = overlay.choice(f"{name}.type", old)
    if chosen != old and chosen in SET_TYPES:
        return SET_TYPES[chosen]
    if chosen == "boolean":
        shown = "yes" if value else "no"
        typed = overlay.text(name, shown)
        return value if typed == shown else typed == "yes"
    return overlay.value(name, "number" if chosen == "number" else "text", value)


SET_TYPES: dict[str, object] = {"boolean": True, "number": 0, "text": ""}


def type_of(value: object) -> str:
    """Return the type of a value of the answer: boolean, number or text."""
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "text"


def _with_kind(row: EffectRow, kind: str) -> object:
    """Return an effect of another kind on the same candidates."""
    old = part_of(row, PARTS[row.kind][0][0]) if row.kind != "set" else []
    named = [id for id in (old if isinstance(old, list) else [old]) if id]
    match kind:
        case "exclude" | "require":
            return {kind: named}
        case "pin":
            return {kind: {"candidate": named[0] if named else "", "slot": 1}}
        case "boost":
            return {kind: {"candidates": named, "factor": 1.5}}
        case _:
            return blank_effect(kind)


def _kind_of(document: object) -> str:
    if not isinstance(document, dict) or len(document) != 1:
        return ""
    [(kind, value)] = document.items()
    keys = {key for key, _ in PARTS.get(kind, ())}
    if keys == {""}:
        return kind if _is_names(value) else ""
    if not keys or not isinstance(value, dict) or value.keys() != keys:
        return ""
    fits = all(
        _is_names(part) if key == "candidates" else isinstance(part, str | int | float) for key, part in value.items()
    )
    return kind if fits else ""


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(id, str) for id in value)
