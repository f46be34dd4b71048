"""From a draft to a published version: review by a second person, publishing now, or at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.configuration.configuration import Change, Configuration
from engine.configuration.draft_overlay import Draft, changes_of, laid_over
from engine.configuration.drafts import Drafts
from engine.configuration.publisher import Publisher
from engine.model.errors import Conflict, EngineError, Forbidden, ReviewRequired, Stale, invalid
from engine.model.timestamps import rfc3339
from engine.store import audit, drafts, resources
from engine.store.connection.database import Database
from engine.store.drafts import DraftRow, Due

log = structlog.get_logger()


class Releases:
    """`revision` is the draft's as the person saw it: what is approved or published is just that, or nothing."""

    def __init__(self, database: Database, own_drafts: Drafts, publisher: Publisher) -> None:
        self._database = database
        self._drafts = own_drafts
        self._publisher = publisher

    # Review

    async def ask(self, merchant_id: int, who: str, placement: str, *, revision: int, why: str) -> DraftRow:
        """Ask for a second person's approval."""

        def change(at: DraftRow) -> DraftRow:
            return at._replace(state="in_review", why=why, asked_by=who, approved_by="", problem="")

        return await self._move_on(merchant_id, who, placement, revision, "asked for review", change)

    async def approve(self, merchant_id: int, who: str, placement: str, *, revision: int) -> DraftRow:
        """`Forbidden` for whoever asked; `Conflict` where nobody did."""

        def change(at: DraftRow) -> DraftRow:
            if at.state != "in_review":
                raise Conflict("nobody asked for a review of this draft", field="state")
            if at.asked_by == who:
                raise Forbidden("You asked for this review, so somebody else must approve it.")
            return at._replace(state="approved", approved_by=who)

        return await self._move_on(merchant_id, who, placement, revision, "approved", change)

    async def send_back(self, merchant_id: int, who: str, placement: str, *, revision: int) -> DraftRow:
        """Neither reviewed nor scheduled any more."""

        def change(at: DraftRow) -> DraftRow:
            return DraftRow(why=at.why, revision=at.revision)

        return await self._move_on(merchant_id, who, placement, revision, "sent back", change)

    # Publishing

    async def schedule(
        self, merchant_id: int, who: str, placement: str, *, revision: int, why: str, at: int
    ) -> DraftRow:
        """Publish at a time (epoch milliseconds) if nothing changes the draft until then."""
        if at <= now_ms():
            raise invalid("publish_at", "must be in the future")
        _, draft = await self._drafts.load(merchant_id, placement)
        _refuse(draft)

        def change(row: DraftRow) -> DraftRow:
            return row._replace(why=why or row.why, publish_at=at, scheduled_by=who, problem="")

        return await self._move_on(merchant_id, who, placement, revision, "scheduled", change)

    async def publish(self, merchant_id: int, who: str, placement: str, *, revision: int, why: str) -> int:
        """Put the draft in force; returns the plan version.

        `Stale` where it, or a rule under it, has changed since; `ReviewRequired` where nobody approved it yet;
        `Conflict` where it changes nothing; `Invalid` where its rules make no sense.
        """
        at, rows = await self._drafts.held(merchant_id, placement)
        why = why or at.why

        def edit(configuration: Configuration) -> Sequence[Change]:
            configuration.get("placement", "", placement)
            draft = laid_over(configuration, placement, at, rows)
            _refuse(draft)
            return changes_of(configuration, draft, now=now_ms())

        async def also(connection: AsyncConnection) -> None:
            await drafts.expect(connection, merchant_id, placement, revision)
            await drafts.clear(connection, merchant_id, placement)
            await _note(connection, merchant_id, who, placement, "published", at._replace(why=why))

        if at.revision != revision:
            raise Stale("somebody changed this draft meanwhile; look at it again", field="revision")
        done = await self._publisher.publish(
            merchant_id, who, edit, why=why, reviewed=True, scenarios="must hold", also=also
        )
        return done.versions[placement]

    async def publish_due(self, now: int) -> None:
        """Publish what was scheduled; what cannot be says why on its page, and waits for a person."""
        async with self._database.read() as connection:
            waiting = await drafts.due(connection, now)
        for one in waiting:
            try:
                await self.publish(one.merchant_id, one.scheduled_by, one.placement, revision=one.revision, why="")
            except EngineError as error:
                log.warning("scheduled draft not published", placement=one.placement, kind=type(error).__name__)
                await self._put_off(one, error.detail)

    async def _put_off(self, one: Due, problem: str) -> None:
        def change(at: DraftRow) -> DraftRow:
            return at._replace(publish_at=None, problem=problem)

        try:
            await self._move_on(one.merchant_id, one.scheduled_by, one.placement, one.revision, "not published", change)
        except Stale:
            # Somebody changed it, or another process was faster and published it.
            return

    async def _move_on(
        self,
        merchant_id: int,
        who: str,
        placement: str,
        revision: int,
        action: str,
        change: Callable[[DraftRow], DraftRow],
    ) -> DraftRow:
        async with self._database.write() as connection:
            await resources.get(connection, merchant_id, "placement", "", placement)
            await drafts.expect(connection, merchant_id, placement, revision)
            at = change(await drafts.head(connection, merchant_id, placement))
            await drafts.move_on(connection, merchant_id, placement, at)
            await _note(connection, merchant_id, who, placement, action, at)
        return at


def _refuse(draft: Draft) -> None:
    """Raise what stands in the way of publishing a draft."""
    if not draft.changes:
        raise Conflict("the draft changes nothing", field="draft")
    if draft.moved:
        names = ", ".join(f"“{rule.id}”" for rule in draft.moved[:5])
        raise Stale(f"published by others since the draft began: {names}; look at the difference first", field="rules")
    if draft.review and draft.at.state != "approved":
        raise ReviewRequired("a second person must approve this draft before it is published")


async def _note(
    connection: AsyncConnection, merchant_id: int, who: str, placement: str, action: str, at: DraftRow
) -> None:
    shown = {"state": at.state, "why": at.why, "asked_by": at.asked_by, "approved_by": at.approved_by}
    if at.publish_at is not None:
        shown["publish_at"] = rfc3339(at.publish_at)
    subject = f"draft {placement}"
    await audit.write(connection, merchant_id, at=now_ms(), who=who, action=action, subject=subject, after=shown)
