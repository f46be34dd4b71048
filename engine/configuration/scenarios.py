"""Scenarios of a placement: trying them on what is in force or on the draft, and making one from a decision."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from engine.configuration.drafts import Drafts
from engine.configuration.validation import compiled
from engine.decisions.logbook import Logbook
from engine.kernel.plan import Plan
from engine.kernel.scenario_check import ScenarioOutcome, certain_of, nested, try_out
from engine.learning.live import Live
from engine.model.errors import NotFound
from engine.model.placement import Expectation, Pinned, Scenario
from engine.store import resources
from engine.store.connection.database import Database


class Scenarios:
    def __init__(self, database: Database, live: Live, drafts: Drafts, logbook: Logbook) -> None:
        self._database = database
        self._live = live
        self._drafts = drafts
        self._logbook = logbook

    async def try_live(self, merchant_id: int, placement: str) -> list[ScenarioOutcome]:
        """All scenarios of a placement, tried on the plan in force."""
        active = self._live.get(merchant_id, placement)
        async with self._database.read() as connection:
            await resources.get(connection, merchant_id, "placement", "", placement)
            rows = await resources.page(connection, merchant_id, "scenario", placement)
        if active is None:
            raise NotFound(f"there is no placement “{placement}” in force", field="placement")
        return await asyncio.to_thread(_outcomes, active.plan, [row.document for row in rows])

    async def try_draft(self, merchant_id: int, placement: str) -> list[ScenarioOutcome]:
        """All scenarios, tried on the plan that the draft would make; `Invalid` where it would make none."""
        configuration = await self._drafts.configuration(merchant_id, placement)
        document = configuration.plan_document(placement)
        if document is None:
            raise NotFound(f"there is no placement “{placement}”", field="placement")
        active = self._live.get(merchant_id, placement)
        plan = await asyncio.to_thread(compiled, placement, document, 0, like=active.plan if active else None)
        return await asyncio.to_thread(_outcomes, plan, configuration.documents("scenario", placement))

    async def from_decision(self, merchant_id: int, decision_id: str) -> tuple[str, Scenario]:
        """The placement, and a scenario that wants of these facts what was certain in that decision; not stored."""
        explained = await self._logbook.explain(merchant_id, decision_id)
        scenario = Scenario(
            id=f"from-{decision_id[-12:]}",
            name=f"As decided in {decision_id}",
            context=nested(explained.trace.facts),
            expect=expectation_of(explained.plan, explained.trace.facts),
        )
        return explained.row.placement, scenario


def expectation_of(plan: Plan, values: Mapping[str, Any]) -> Expectation:
    """All that is certain of the answer to these facts."""
    certain = certain_of(plan, values)
    return Expectation(
        shown=certain.possible,
        hidden=tuple(id for id in plan.ids if id in certain.hidden),
        pinned=tuple(Pinned(candidate, slot) for slot, candidate in sorted(certain.pinned.items())),
        values=certain.values,
    )


def _outcomes(plan: Plan, scenarios: Iterable[Scenario]) -> list[ScenarioOutcome]:
    return [try_out(plan, scenario) for scenario in scenarios]
