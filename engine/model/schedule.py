"""Make the schedule of a rule a part of its condition. Pure.

The time is a fact like any other, so a replayed decision applies the schedule as of its own time.
"""

from __future__ import annotations

from typing import Any

from engine.model.placement import RuleDocument

NOW = {"var": "time.now"}


def scheduled(rule: RuleDocument) -> Any:
    """Return the rule's condition, limited to the time from `active_from` on and before `active_to`."""
    clauses = _clauses(rule)
    return {"and": [*clauses.values(), rule.when]} if clauses else rule.when


def document_pointer(rule: RuleDocument, pointer: str) -> str:
    """Turn a JSON pointer into the scheduled condition into one into the rule's document."""
    fields = list(_clauses(rule))
    for number, part in enumerate((*fields, "when") if fields else ()):
        prefix = f"/when/and/{number}"
        if pointer == prefix or pointer.startswith(f"{prefix}/"):
            return f"/{part}" + (pointer.removeprefix(prefix) if part == "when" else "")
    return pointer


def _clauses(rule: RuleDocument) -> dict[str, Any]:
    """Return the schedule's limits as conditions, by the name of their field."""
    clauses: dict[str, Any] = {}
    if rule.active_from is not None:
        clauses["active_from"] = {"!": {"before": [NOW, rule.active_from]}}
    if rule.active_to is not None:
        clauses["active_to"] = {"before": [NOW, rule.active_to]}
    return clauses
