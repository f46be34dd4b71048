"""Compile the plans that an edit leads to, and try their scenarios, before anything is stored.

A thousand new rules take a third of a second, so this runs in a thread and decisions go on beside it. Rules that are
in force already are not compiled again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from engine.configuration.configuration import Change, Configuration
from engine.configuration.validation import check, compiled
from engine.kernel.plan import Plan
from engine.kernel.scenario_check import ScenarioOutcome, try_out
from engine.model.errors import FieldProblem, Invalid
from engine.model.placement import Scenario
from engine.store.resources import decode

ScenarioPolicy = Literal["all_hold", "none_breaks", "ignored"]
"""Which scenarios may fail under a plan that is published.

`all_hold`: none may fail. `none_breaks`: those may that fail under the plan in force. `ignored`: any may.
"""


class CompiledVersion(NamedTuple):
    """A plan as the JSON text that is stored, and compiled from it."""

    text: str
    plan: Plan


def prepare(
    after: Configuration,
    changes: Sequence[Change],
    versions: Mapping[str, int],
    *,
    before: Mapping[str, Plan],
    scenarios: ScenarioPolicy = "ignored",
) -> dict[str, CompiledVersion | None]:
    """Return the new plans of the placements in `versions`, None for a deleted placement.

    `before` are the plans in force; what they share with the new ones is not compiled again. Raise `Invalid` with all
    problems of the documents, the plans and (by `scenarios`) the scenarios.
    """
    check(after, changes)
    stored = after.with_changes([_as_stored(change) for change in changes if change.after])
    plans = {key: _ready(stored, key, version, before.get(key)) for key, version in versions.items()}
    if scenarios != "ignored":
        baseline = before if scenarios == "none_breaks" else {}
        problems = [
            problem
            for key, ready in plans.items()
            if ready
            for problem in _broken(key, ready.plan, baseline.get(key), after.documents("scenario", key))
        ]
        if problems:
            raise Invalid(*problems)
    return plans


def _as_stored(change: Change) -> Change:
    """Return the change with its document decoded from its JSON, as every later read will see it."""
    resource = change.resource
    return change._replace(
        after=resource._replace(document=decode(resource.kind, msgspec.json.encode(resource.document)))
    )


def _ready(after: Configuration, key: str, version: int, before: Plan | None) -> CompiledVersion | None:
    document = after.plan_document(key)
    if document is None:
        return None
    # All documents were decoded from their text already; decoding the plan again would find nothing new.
    return CompiledVersion(msgspec.json.encode(document).decode(), compiled(key, document, version, like=before))


def _broken(key: str, plan: Plan, before: Plan | None, scenarios: Sequence[Scenario]) -> list[FieldProblem]:
    failing = [(scenario, try_out(plan, scenario)) for scenario in scenarios]
    return [
        problem
        for scenario, outcome in failing
        if not outcome.holds and (before is None or try_out(before, scenario).holds)
        for problem in problems_of_scenario(key, outcome)
    ]


def problems_of_scenario(key: str, outcome: ScenarioOutcome) -> list[FieldProblem]:
    """Return what a scenario misses, as problems that name the scenario."""
    where = f"scenario {outcome.id} of {key}"
    return [FieldProblem(where, f"“{outcome.name}”: {miss.text}") for miss in outcome.misses]
