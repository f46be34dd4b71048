"""When a rule is in force, as a part of its condition.

The time is a fact like any other, so a decision made again from the log sees the rules of then.
"""

from __future__ import annotations

from typing import Any

from engine.model.placement import RuleDocument

NOW = {"var": "time.now"}


def scheduled(rule: RuleDocument) -> Any:
    """The rule's condition, which holds only from `active_from` on and before `active_to`."""
    clauses = _clauses(rule)
    return {"and": [*clauses.values(), rule.when]} if clauses else rule.when


def document_pointer(rule: RuleDocument, pointer: str) -> str:
    """Where in the document stands what `pointer` names in its scheduled condition."""
    fields = list(_clauses(rule))
    for number, part in enumerate((*fields, "when") if fields else ()):
        prefix = f"/when/and/{number}"
        if pointer == prefix or pointer.startswith(f"{prefix}/"):
            return f"/{part}" + (pointer.removeprefix(prefix) if part == "when" else "")
    return pointer


def _clauses(rule: RuleDocument) -> dict[str, Any]:
    """The schedule's ends as conditions, by the field that says them."""
    clauses: dict[str, Any] = {}
    if rule.active_from is not None:
        clauses["active_from"] = {"!": {"before": [NOW, rule.active_from]}}
    if rule.active_to is not None:
        clauses["active_to"] = {"before": [NOW, rule.active_to]}
    return clauses
