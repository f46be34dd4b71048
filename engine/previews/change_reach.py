"""How many recent answers each change of a draft alone could alter. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.configuration.configuration import Configuration
from engine.configuration.draft_overlay import Draft, DraftItem, changes_of
from engine.kernel.bounds import preferred_of
from engine.kernel.kernel import bounds_for
from engine.kernel.plan import Plan
from engine.previews.estimation.binding import binding
from rules import RuleError

Values = Mapping[str, Any]
Binding = Callable[[Values], tuple[object, ...]]


def answers_changed(
    published: Configuration, draft: Draft, item: DraftItem, facts: Sequence[Values], *, now: int
) -> int | None:
    """Return of how many decisions the plan in force and that plan with one change could differ.

    None if there is no plan to compare with, or the change alone makes none.
    """
    key = draft.placement
    alone = (
        draft._replace(rules=(item,), others=()) if item.kind == "rule" else draft._replace(rules=(), others=(item,))
    )
    before = published.plan_document(key)
    after = published.with_changes(changes_of(published, alone, now=now)).plan_document(key)
    if before is None or after is None:
        return None
    try:
        plan = Plan(before, version=0)
        changed = Plan(after, version=0, like=plan)
    except RuleError:
        return None
    of_plan, of_changed = _cached_binding(plan), _cached_binding(changed)
    return sum(of_plan(values) != of_changed(values) for values in facts)


def _cached_binding(plan: Plan) -> Binding:
    """Return what gives the binding of decisions under a plan; most decisions share theirs with others."""
    cache: dict[tuple[object, ...], tuple[object, ...]] = {}

    def of(values: Values) -> tuple[object, ...]:
        fired = plan.compiled.evaluate(values).fired
        key = (fired, preferred_of(values), frozenset(plan.eligibility.exclusions(values)))
        if key not in cache:
            cache[key] = binding(plan, bounds_for(plan, values, tuple(plan.rules[number] for number in fired)))
        return cache[key]

    return of
