"""Count the invalid facts of requests: the log contains only valid facts."""

from __future__ import annotations

from collections.abc import Iterable

from engine.clock import now_ms
from engine.intake.context import FactNote
from engine.model.timestamps import DAY
from engine.store import rollups
from engine.store.connection.database import Database
from engine.store.rollups import Faults, FieldCell

MOST_CELLS = 50_000
_OF_A_FIELD = frozenset({"ill_formed", "too_large", "not_allowed"})


class FaultyFacts:
    """Counts in memory, and adds the counts to the database at each `flush`.

    Facts that are not declared are counted together under the field "": their names are the checkout's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counts: dict[FieldCell, Faults] = {}

    def count(self, merchant_id: int, notes: Iterable[FactNote]) -> None:
        """Count each field of one decision's notes once."""
        now = now_ms()
        for field in {note.field if note.kind in _OF_A_FIELD else "" for note in notes}:
            cell = FieldCell(merchant_id, field, now // DAY)
            counted = self._counts.get(cell)
            if counted is None and len(self._counts) >= MOST_CELLS:
                continue
            self._counts[cell] = Faults(counted.times + 1 if counted else 1, now)

    async def flush(self) -> None:
        """Add the counts to the database; keep them if that fails."""
        counts, self._counts = self._counts, {}
        if not counts:
            return
        try:
            async with self._database.write() as connection:
                await rollups.add_faults(connection, counts)
        except BaseException:  # also a job that is cancelled at the stop
            for cell, faults in counts.items():
                newer = self._counts.get(cell)
                total = Faults(faults.times + newer.times, newer.last_at) if newer else faults
                self._counts[cell] = total
            raise
