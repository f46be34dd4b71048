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
from engine.model.actor import Actor
from engine.model.errors import Conflict, EngineError, FieldProblem, Forbidden, Invalid, ReviewRequired, Stale, invalid
from engine.model.timestamps import rfc3339
from engine.store import audit, drafts, plans, resources
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.drafts import DraftRow, Due
from engine.store.releases import forecasts

log = structlog.get_logger()


class Releases:
    """`revision` is the draft's as the person saw it: what is approved or published is just that, or nothing."""

    def __init__(self, database: Database, own_drafts: Drafts, publisher: Publisher) -> None:
        self._database = database
        self._drafts = own_drafts
        self._publisher = publisher

    # Review

    async def ask(self, actor: Actor, placement: str, *, revision: int, reason: str) -> DraftRow:
        """Ask for a second person's approval.

        `Forbidden` where nobody known answers for a change: a key acts for the person who made it, and where nobody
        knows who that was, a person must ask.
        """
        _, draft = await self._drafts.load(actor.merchant_id, placement)
        if not actor.person and any(not item.authors for item in draft.changes):
            raise Forbidden(
                "This key acts for no known person, so a person must request this review in the browser. Keys that "
                "are created in the browser act for the person who creates them."
            )

        def change(row: DraftRow) -> DraftRow:
            in_review = row._replace(state="in_review", reason=reason, asked_by=actor.name, asked_person=actor.person)
            return in_review._replace(approved_by="", problem="")

        return await self._move_on(actor, placement, revision, "asked for review", change)

    async def approve(self, actor: Actor, placement: str, *, revision: int) -> DraftRow:
        """`Forbidden` for whoever asked or changed anything in the draft, by page or by key; `Conflict` where nobody
        asked."""
        _, draft = await self._drafts.load(actor.merchant_id, placement)

        def change(row: DraftRow) -> DraftRow:
            if row.state != "in_review":
                raise Conflict("this draft is not in review", field="state")
            if reason := stands_in_the_way(actor, draft):
                raise Forbidden(reason)
            return row._replace(state="approved", approved_by=actor.name)

        return await self._move_on(actor, placement, revision, "approved", change)

    async def send_back(self, actor: Actor, placement: str, *, revision: int) -> DraftRow:
        """Neither reviewed nor scheduled any more."""

        def change(row: DraftRow) -> DraftRow:
            return DraftRow(reason=row.reason, revision=row.revision)

        return await self._move_on(actor, placement, revision, "sent back", change)

    # Publishing

    async def schedule(self, actor: Actor, placement: str, *, revision: int, reason: str, publish_at: int) -> DraftRow:
        """Publish at a time (epoch milliseconds) if nothing changes the draft until then."""
        if publish_at <= now_ms():
            raise invalid("publish_at", "must be in the future")
        _, draft = await self._drafts.load(actor.merchant_id, placement)
        _refuse(draft)

        def change(row: DraftRow) -> DraftRow:
            return row._replace(reason=reason or row.reason, publish_at=publish_at, scheduled_by=actor.name, problem="")

        return await self._move_on(actor, placement, revision, "scheduled", change)

    async def publish(self, actor: Actor, placement: str, *, revision: int, reason: str) -> int:
        """Put the draft in force; returns the plan version.

        `Stale` where it, or a rule under it, has changed since; `ReviewRequired` where nobody approved it yet;
        `Conflict` where it changes nothing; `Invalid` where its rules make no sense.
        """
        head, rows = await self._drafts.held(actor.merchant_id, placement)
        reason = reason or head.reason
        changes: Sequence[Change] = ()

        def edit(configuration: Configuration) -> Sequence[Change]:
            nonlocal changes
            configuration.get("placement", "", placement)
            draft = laid_over(configuration, placement, head, rows)
            _refuse(draft)
            changes = changes_of(configuration, draft, now=now_ms())
            return changes

        async def also(connection: AsyncConnection) -> None:
            await drafts.expect(connection, actor.merchant_id, placement, revision)
            await drafts.clear(connection, actor.merchant_id, placement)
            await _keep_forecast(connection, actor.merchant_id, placement, revision)
            await _note(connection, actor, placement, "published", head._replace(reason=reason))

        if head.revision != revision:
            raise Stale("somebody else changed this draft meanwhile; check it again", field="revision")
        try:
            done = await self._publisher.publish(
                actor, edit, reason=reason, approval="given", scenarios="all_hold", also=also
            )
        except Invalid as error:
            raise Invalid(*(_named(problem, placement, changes) for problem in error.problems)) from None
        return done.versions[placement]

    async def publish_due(self, now: int) -> None:
        """Publish what was scheduled; what cannot be says why on its page, and waits for a person."""
        async with self._database.read() as connection:
            due = await drafts.due(connection, now)
        for draft in due:
            try:
                actor = Actor(draft.merchant_id, draft.scheduled_by)
                await self.publish(actor, draft.placement, revision=draft.revision, reason="")
            except EngineError as error:
                log.warning("scheduled draft not published", placement=draft.placement, kind=type(error).__name__)
                await self._put_off(draft, error.detail)

    async def _put_off(self, draft: Due, problem: str) -> None:
        def change(row: DraftRow) -> DraftRow:
            return row._replace(publish_at=None, problem=problem)

        try:
            actor = Actor(draft.merchant_id, draft.scheduled_by)
            await self._move_on(actor, draft.placement, draft.revision, "not published", change)
        except Stale:
            # Somebody changed it, or another process was faster and published it.
            return

    async def _move_on(
        self,
        actor: Actor,
        placement: str,
        revision: int,
        action: str,
        change: Callable[[DraftRow], DraftRow],
    ) -> DraftRow:
        async with self._database.write() as connection:
            await resources.get(connection, actor.merchant_id, "placement", "", placement)
            await drafts.expect(connection, actor.merchant_id, placement, revision)
            row = change(await drafts.head(connection, actor.merchant_id, placement))
            await drafts.move_on(connection, actor.merchant_id, placement, row)
            await _note(connection, actor, placement, action, row)
        return row


def stands_in_the_way(actor: Actor, draft: Draft) -> str:
    """Return why this actor may not approve the draft; empty where they may."""
    if not actor.person:
        return "A key cannot approve a draft."
    if actor.person in (draft.head.asked_by, draft.head.asked_person):
        return "You requested this review, so another person must approve it."
    if actor.person in draft.authors:
        return "You changed this draft, so another person must approve it."
    return ""


def _named(problem: FieldProblem, placement: str, changes: Sequence[Change]) -> FieldProblem:
    """Name the document that a problem is in: nobody has seen the draft's changes as a numbered list."""
    if " of " in problem.field or problem.field.startswith("placement "):
        return problem
    number, _, path = problem.field.partition("/") if len(changes) > 1 else ("0", "", problem.field.lstrip("/"))
    resource = changes[int(number)].resource
    return FieldProblem(f"{resource.kind} {resource.id} of {placement}/{path}", problem.message)


def _refuse(draft: Draft) -> None:
    """Raise what stands in the way of publishing a draft."""
    if not draft.changes:
        raise Conflict("the draft changes nothing", field="draft")
    if draft.moved:
        names = ", ".join(f"“{item.id}”" for item in draft.moved[:5])
        raise Stale(f"published by others since the draft began: {names}; check the difference first", field="rules")
    if draft.review and draft.head.state != "approved":
        raise ReviewRequired("a second person must approve this draft before it is published")


async def _keep_forecast(connection: AsyncConnection, merchant_id: int, placement: str, revision: int) -> None:
    """Keep what the draft's preview expected with the version that has just been put in force."""
    version = (await plans.newest_versions(connection, merchant_id)).get(placement)
    if version is not None:
        await forecasts.keep(connection, merchant_id, placement, version=version, revision=revision)


async def _note(connection: AsyncConnection, actor: Actor, placement: str, action: str, row: DraftRow) -> None:
    shown = {"state": row.state, "why": row.reason, "asked_by": row.asked_by, "approved_by": row.approved_by}
    if row.publish_at is not None:
        shown["publish_at"] = rfc3339(row.publish_at)
    await audit.write(
        connection, NewEntry(actor, now_ms(), action, f"draft {placement}", after=shown, reason=row.reason)
    )
