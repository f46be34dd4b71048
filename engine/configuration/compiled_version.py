"""The plans that an edit leads to, compiled and tried before anything is stored.

All of it is computing, a third of a second for a thousand new rules: it has a thread to itself, and decisions go on
beside it. Rules that are in force already are taken over as they are.
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

Scenarios = Literal["must hold", "must not break", "not asked"]
"""Whether a plan may be published under which a scenario fails: never; if it fails already; always."""


class Ready(NamedTuple):
    """A plan as it will be stored, and as it will decide."""

    text: str
    plan: Plan


def prepare(
    after: Configuration,
    changes: Sequence[Change],
    versions: Mapping[str, int],
    *,
    before: Mapping[str, Plan],
    scenarios: Scenarios = "not asked",
) -> dict[str, Ready | None]:
    """The plans of the placements in `versions`, None for one that goes; `Invalid` with all that is wrong.

    `before` are the plans in force: what they have is not compiled again, and scenarios that fail already are theirs.
    """
    check(after, changes)
    stored = after.with_changes([_as_stored(change) for change in changes if change.after])
    plans = {key: _ready(stored, key, version, before.get(key)) for key, version in versions.items()}
    if scenarios != "not asked":
        known = before if scenarios == "must not break" else {}
        problems = [
            problem
            for key, ready in plans.items()
            if ready
            for problem in _broken(key, ready.plan, known.get(key), after.documents("scenario", key))
        ]
        if problems:
            raise Invalid(*problems)
    return plans


def _as_stored(change: Change) -> Change:
    """The change as it is read again later: what decides now cannot differ from that, nor from what is shown."""
    one = change.one
    return change._replace(after=one._replace(document=decode(one.kind, msgspec.json.encode(one.document))))


def _ready(after: Configuration, key: str, version: int, before: Plan | None) -> Ready | None:
    document = after.plan_document(key)
    if document is None:
        return None
    # Not read from its text again: all documents on the shelf were, and those that are the same are not looked into.
    return Ready(msgspec.json.encode(document).decode(), compiled(key, document, version, like=before))


def _broken(key: str, plan: Plan, before: Plan | None, scenarios: Sequence[Scenario]) -> list[FieldProblem]:
    failing = [(scenario, try_out(plan, scenario)) for scenario in scenarios]
    return [
        problem
        for scenario, outcome in failing
        if not outcome.holds and (before is None or try_out(before, scenario).holds)
        for problem in problems_of_scenario(key, outcome)
    ]


def problems_of_scenario(key: str, outcome: ScenarioOutcome) -> list[FieldProblem]:
    """What a scenario misses, as problems that name it."""
    where = f"scenario {outcome.id} of {key}"
    return [FieldProblem(where, f"“{outcome.name}”: {miss.text}") for miss in outcome.misses]
