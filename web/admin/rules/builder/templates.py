"""JSON with holes: one template both reads a clause and writes it, so that the two cannot drift apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from web.typed_money import is_by_currency


@dataclass(frozen=True)
class FieldReference:
    """Stands for `{"var": name}`."""


@dataclass(frozen=True)
class Hole:
    """Stands for one written-out value, or where `many` for a list of them; `alone` is one that stands for a list."""

    index: int
    many: bool = False
    alone: bool = False


FIELD = FieldReference()
FIELD_NAME = -1
Found = dict[int, object]


def match(template: object, logic: object) -> Found | None:
    """Return the values in the holes, the field's name under `FIELD_NAME`; None where the JSON does not match."""
    values: Found = {}
    return values if _fits(template, logic, values) else None


def fill(template: object, field: str, values: Sequence[object]) -> object:
    """Fill the holes with values."""
    if isinstance(template, FieldReference):
        return {"var": field}
    if isinstance(template, Hole):
        return values[template.index]
    if isinstance(template, dict):
        return {key: fill(part, field, values) for key, part in template.items()}
    if isinstance(template, list):
        return [fill(part, field, values) for part in template]
    return template


def arguments(value: object) -> list[object]:
    """Return an operator's arguments: JSON-logic allows a single one without brackets."""
    return value if isinstance(value, list) else [value]


def _fits(template: object, logic: object, values: Found) -> bool:
    if isinstance(template, FieldReference):
        return _is_field(logic, values)
    if isinstance(template, Hole):
        return _fits_hole(template, logic, values)
    if isinstance(template, dict):
        if not isinstance(logic, dict) or logic.keys() != template.keys():
            return False
        return all(_all_fit(arguments(template[key]), arguments(logic[key]), values) for key in template)
    if isinstance(template, list):
        return isinstance(logic, list) and _all_fit(template, logic, values)
    return type(logic) is type(template) and logic == template


def _all_fit(templates: list[object], parts: list[object], values: Found) -> bool:
    return len(templates) == len(parts) and all(
        _fits(template, part, values) for template, part in zip(templates, parts, strict=True)
    )


def _is_field(logic: object, values: Found) -> bool:
    if not isinstance(logic, dict) or logic.keys() != {"var"}:
        return False
    names = arguments(logic["var"])
    if len(names) != 1 or not isinstance(names[0], str):
        return False
    values[FIELD_NAME] = names[0]
    return True


def _fits_hole(hole: Hole, logic: object, values: Found) -> bool:
    if hole.many and not hole.alone:
        if not isinstance(logic, list) or not all(_is_written_out(item) for item in logic):
            return False
        values[hole.index] = logic
        return True
    if not _is_written_out(logic):
        return False
    values[hole.index] = [logic] if hole.alone else logic
    return True


def _is_written_out(value: object) -> bool:
    if isinstance(value, dict):
        return is_by_currency(value)
    return isinstance(value, str | int | float) and not isinstance(value, bool)
