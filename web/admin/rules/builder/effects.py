"""The effects of a rule as rows of a form; an effect that is left alone keeps its JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from web.admin.rules.builder.overlay import Overlay

KINDS = {
    "exclude": "Hide",
    "require": "Show only",
    "pin": "Pin to a place",
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
class Effect:
    """One effect; `kind` is empty where the JSON is none that a row can show."""

    kind: str
    source: object


def effects_of(document: object) -> list[Effect]:
    """The rows of a decoded list of effects."""
    return [Effect(_kind_of(one), one) for one in document] if isinstance(document, list) else []


def blank_effect(kind: str) -> dict[str, object]:
    """A new effect, to be filled in."""
    return {kind: BLANKS[kind]}


def part_of(effect: Effect, key: str) -> object:
    """What stands under a key of the effect's JSON; under none, the whole of it."""
    value = effect.source[effect.kind]  # type: ignore[index]
    return value[key] if key else value


def laid_over(effects: Sequence[Effect], overlay: Overlay) -> list[object]:
    """The JSON of effects with what was typed into them."""
    return [_typed(effect, f"e.{index}", overlay) for index, effect in enumerate(effects)]


def _typed(effect: Effect, name: str, overlay: Overlay) -> object:
    if not effect.kind:
        return effect.source
    kind = overlay.choice(f"{name}.kind", effect.kind)
    if kind != effect.kind and kind in KINDS:
        return _with_kind(effect, kind)
    parts = PARTS[kind]
    values = {key: _part(effect, f"{name}.{key or 'candidates'}", key, what, overlay) for key, what in parts}
    if all(values[key] is part_of(effect, key) for key, _ in parts):
        return effect.source
    return {kind: values.get("", values)}


def _part(effect: Effect, name: str, key: str, what: str, overlay: Overlay) -> object:
    value = part_of(effect, key)
    if what == "candidates":
        return overlay.values(name, what, value)
    return _set_value(name, value, overlay) if what == "value" else overlay.value(name, what, value)


def _set_value(name: str, value: object, overlay: Overlay) -> object:
    """A value in the answer: its type is chosen beside it."""
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
    """Of a value in the answer: boolean, number or text."""
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "text"


def _with_kind(effect: Effect, kind: str) -> object:
    """Another effect on the same candidates."""
    old = part_of(effect, PARTS[effect.kind][0][0]) if effect.kind != "set" else []
    named = [one for one in (old if isinstance(old, list) else [old]) if one]
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
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
