"""Keep decisions and outcomes in memory, so that what is done with them is tested without a database."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec

from engine.decisions import outcome_processor, recorder
from engine.model.timestamps import MINUTE
from engine.store.decisions import DecisionRow
from engine.store.folds import Sums
from engine.store.outcomes import OutcomeRow
from tests import factories

DECIDED_AT = 1_790_000_000_000
ANSWER = {
    "ranking": [{"id": "card"}, {"id": "paypal"}, {"id": "klarna"}],
    "excluded": [{"id": "ideal"}],
    "fallback": False,
}


def decision(number: int = 1, **changes) -> DecisionRow:
    text = msgspec.json.encode(ANSWER).decode()
    closes_at = DECIDED_AT + 60 * MINUTE
    row = DecisionRow(f"dec_{number}", 1, "p", "hash", DECIDED_AT, closes_at, 1, 1, "", "{}", "{}", text)
    return msgspec.structs.replace(row, **changes)


def outcome(type: str = "converted", candidate: str | None = "card", *, minute: int = 2, **changes) -> OutcomeRow:
    occurred_at = DECIDED_AT + minute * MINUTE
    row = OutcomeRow(1, "e1", "dec_1", None, "", type, candidate, None, None, occurred_at, occurred_at)
    return msgspec.structs.replace(row, **changes)


class MemoryLog:
    """Stands for the modules of `engine.store` that the processor and the recorder write through."""

    def __init__(self, *rows: DecisionRow) -> None:
        self.decisions = {row.id: row for row in rows}
        self.outcomes: dict[tuple[int, str, str], OutcomeRow] = {}
        self.folded: list[Sums] = []
        self.firsts: dict[object, int] = {}
        self.plans_read = 0
        self.placement = factories.placement(key="p")

    def install(self, monkeypatch) -> None:
        store = SimpleNamespace
        monkeypatch.setattr(outcome_processor, "decisions", self)
        monkeypatch.setattr(outcome_processor, "outcomes", self)
        monkeypatch.setattr(outcome_processor, "plans", store(get=self.plan))
        monkeypatch.setattr(outcome_processor, "accounts", store(currency_of=self.currency_of))
        monkeypatch.setattr(outcome_processor, "folds", self)
        monkeypatch.setattr(recorder, "decisions", store(by_keys=self.by_keys, append=self.append, replace=self.append))
        monkeypatch.setattr(recorder, "folds", self)
        monkeypatch.setattr(recorder, "rollups", store(add_firsts=self.add_firsts))

    def statistics(self) -> dict[str, tuple[int, int]]:
        """Return trials and successes by candidate, over all that was folded."""
        totals: dict[str, tuple[int, int]] = {}
        for sums in self.folded:
            for cell, (trials, successes, *_) in sums.statistics.items():
                before = totals.get(cell.candidate, (0, 0))
                totals[cell.candidate] = before[0] + trials, before[1] + successes
        return totals

    # Decisions

    async def by_keys(self, connection, keys, *, lock=False):
        return {id: self.decisions[id] for _, id in sorted(keys) if id in self.decisions}

    async def append(self, connection, rows, dictionaries=None, *, now=None, returning=False):
        new = {row.id for row in rows} - self.decisions.keys()
        self.decisions |= {row.id: row for row in rows}
        return new if returning else set()

    async def due(self, connection, *, now, limit):
        rows = [row for row in self.decisions.values() if row.closes_at is not None and row.closes_at <= now]
        return rows[:limit]

    async def close(self, connection, rows):
        self.decisions |= {row.id: msgspec.structs.replace(row, closes_at=None) for row in rows}

    # Outcomes

    async def of_decisions(self, connection, ids):
        rows = sorted(self.outcomes.values(), key=lambda row: row.occurred_at)
        by_id = {id: [row for row in rows if row.decision_id == id] for id in ids}
        return {id: events for id, events in by_id.items() if events}

    async def append_new(self, connection, rows):
        new = {row.key: row for row in reversed(rows) if row.key not in self.outcomes}
        self.outcomes |= new
        return set(new)

    async def stored(self, connection, rows):
        return {row.key: self.outcomes[row.key] for row in rows}

    async def remove(self, connection, rows):
        for row in rows:
            del self.outcomes[row.key]

    # Plans, accounts and sums

    async def plan(self, connection, merchant_id, placement, version):
        self.plans_read += 1
        if version != 1:
            return None
        return SimpleNamespace(document=msgspec.json.encode({"placement": self.placement}).decode())

    async def currency_of(self, connection, merchant_id):
        return "EUR"

    async def add(self, connection, sums):
        self.folded.append(sums)

    async def add_firsts(self, connection, firsts):
        for cell, count in firsts.items():
            self.firsts[cell] = self.firsts.get(cell, 0) + count
