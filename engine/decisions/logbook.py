"""Read the log: search, explain and replay decisions."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from engine.decisions.customers import Hasher
from engine.decisions.replay import Replay, active_of, facts_of, replay
from engine.kernel.plan import Plan
from engine.kernel.trace import Trace, chances_by_slot, trace
from engine.model.decision import Decision
from engine.model.errors import NotFound
from engine.store import decisions, outcomes
from engine.store.accounts import currency_of
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.outcomes import OutcomeRow
from rules import Wording


class Logged(NamedTuple):
    """A logged decision, decoded."""

    row: DecisionRow
    decision: Decision


class Explained(NamedTuple):
    """A logged decision with its plan, its trace, the chances in each drawn slot and its outcomes."""

    row: DecisionRow
    decision: Decision
    plan: Plan
    trace: Trace
    slots: list[dict[str, float]]
    outcomes: list[OutcomeRow]


class Logbook:
    def __init__(self, database: Database, hasher: Hasher) -> None:
        self._database = database
        self._hasher = hasher

    async def search(
        self,
        merchant_id: int,
        *,
        placement: str | None = None,
        customer_id: str | None = None,
        before_id: str | None = None,
        limit: int = 50,
    ) -> list[Logged]:
        """Return decisions before `before_id`, newest first."""
        customer = self._hasher(merchant_id, customer_id) if customer_id else None
        async with self._database.read() as connection:
            rows = await decisions.newest(
                connection,
                merchant_id,
                placement=placement,
                customer=customer,
                before_id=before_id,
                limit=limit,
            )
        return [Logged(row, decoded(row)) for row in rows]

    async def get(self, merchant_id: int, decision_id: str) -> Logged:
        """Return a decision; raise `NotFound` if there is none or it belongs to another merchant."""
        async with self._database.read() as connection:
            row = await decisions.find(connection, merchant_id, decision_id)
        if row is None:
            raise NotFound(f"there is no decision “{decision_id}”", field="decision_id")
        return Logged(row, decoded(row))

    async def merchant_of(self, decision_id: str) -> int:
        """Return the id of the merchant of a decision, for operators; raise `NotFound` if there is none."""
        async with self._database.read() as connection:
            merchant_id = await decisions.merchant_of(connection, decision_id)
        if merchant_id is None:
            raise NotFound(f"there is no decision “{decision_id}”", field="decision_id")
        return merchant_id

    async def explain(self, merchant_id: int, decision_id: str, wording: Wording | None = None) -> Explained:
        """Explain one answer; `wording` formats amounts for a page, and without it they have plain codes."""
        row, decision = await self.get(merchant_id, decision_id)
        active, snapshot = await active_of(self._database, row)
        async with self._database.read() as connection:
            events = await outcomes.of_decisions(connection, [row.id])
            wording = wording or Wording(currency=await currency_of(connection, merchant_id))
        facts = facts_of(row)
        deciding = active if decision.fallback else active.pick(facts, row.id)[0]
        decision_trace = trace(deciding.plan, facts, decision, wording)
        slots = chances_by_slot(deciding.plan, deciding.beliefs_of(snapshot), facts, decision)
        return Explained(row, decision, deciding.plan, decision_trace, slots, events.get(row.id, []))

    async def replay(self, merchant_id: int, decision_id: str) -> Replay:
        return await replay(self._database, (await self.get(merchant_id, decision_id)).row)


def decoded(row: DecisionRow) -> Decision:
    return msgspec.json.decode(row.answer, type=Decision)
