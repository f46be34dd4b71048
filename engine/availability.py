"""Let a merchant's own systems report which candidates cannot be had now, so that no answer shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.clock import now_ms
from engine.learning.live import Live
from engine.model.actor import Actor
from engine.model.documents.availability import Availability, AvailabilityReport
from engine.model.errors import FieldProblem, Invalid, NotFound, Stale
from engine.model.timestamps import ms_of
from engine.store import audit
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.releases import availability
from rules.json_logic.problems import shown


class AvailabilityReports:
    """The last report about each placement. All processes obey a new one within a second."""

    def __init__(self, database: Database, live: Live) -> None:
        self._database = database
        self._live = live

    async def get(self, merchant_id: int, placement: str) -> AvailabilityReport:
        """Return the last report; raise `NotFound` where there is no such placement."""
        self._candidates(merchant_id, placement)
        async with self._database.read() as connection:
            return await availability.get(connection, merchant_id, placement)

    async def replace(
        self, actor: Actor, placement: str, document: Availability, *, version: int | None = None
    ) -> AvailabilityReport:
        """Replace the report about a placement; when this returns, this process obeys it.

        Raise `NotFound` where there is no such placement, `Invalid` for candidates that it does not have and for times
        that are no times or have passed, `Stale` where the last report has another version than the given one.
        """
        problems = list(_problems(document, self._candidates(actor.merchant_id, placement), now_ms()))
        if problems:
            raise Invalid(*problems)

        def replaced(before: AvailabilityReport) -> Availability:
            if version is not None and version != before.version:
                raise Stale("The availability has changed since you read it")
            return document

        return await self._change(actor, placement, replaced)

    async def end(self, actor: Actor, placement: str, id: str) -> None:
        """Make a candidate available again; raise `NotFound` where it is not reported as unavailable."""

        def without(before: AvailabilityReport) -> Availability:
            others = {other: each for other, each in before.document.unavailable.items() if other != id}
            if len(others) == len(before.document.unavailable):
                raise NotFound(f"“{shown(id)}” is not reported as unavailable", field="id")
            return Availability(others)

        await self._change(actor, placement, without)

    async def _change(
        self, actor: Actor, placement: str, change: Callable[[AvailabilityReport], Availability]
    ) -> AvailabilityReport:
        async with self._database.write() as connection:
            before = await availability.lock(connection, actor.merchant_id, placement)
            document = change(before)
            if document == before.document:
                # Monitors repeat themselves.
                return before
            report = AvailabilityReport(before.version + 1, document)
            await availability.put(connection, actor.merchant_id, placement, report)
            subject = f"availability of {placement}"
            entry = NewEntry(actor, now_ms(), "changed", subject, before.document, report.document)
            await audit.write(connection, entry)
        await self._live.follow()
        return report

    def _candidates(self, merchant_id: int, placement: str) -> tuple[str, ...]:
        active = self._live.get(merchant_id, placement)
        if active is None:
            raise NotFound(f"there is no placement “{shown(placement)}”", field="placement")
        return active.plan.ids


def _problems(document: Availability, candidates: tuple[str, ...], now: int) -> Iterator[FieldProblem]:
    for id, each in document.unavailable.items():
        if id not in candidates:
            yield FieldProblem(f"unavailable/{id}", "is not a candidate of the plan in force")
        if not each.reason.strip():
            yield FieldProblem(f"unavailable/{id}/reason", "must not be blank")
        if each.until is None:
            continue
        until = ms_of(each.until)
        if until is None:
            yield FieldProblem(f"unavailable/{id}/until", "must be a time of the calendar, before the year 9999")
        elif until <= now:
            yield FieldProblem(f"unavailable/{id}/until", "must be a time in the future")
