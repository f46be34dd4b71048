"""Previews of a draft on the log, each in a process of its own: start, watch and cancel them, and keep their results.

One preview runs at a time for each side of a merchant. Its progress is in the database, so that any process can show
it. A preview without progress for a while has lost its process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from secrets import token_hex
from typing import NamedTuple

import msgspec
import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.configuration.drafts import Drafts, after_draft
from engine.kernel.plan import PlanDocument, offers_of
from engine.model.actor import Actor
from engine.model.errors import Conflict, NotFound, invalid
from engine.model.placement import RuleDocument
from engine.model.timestamps import DAY, ms_of
from engine.previews.alternatives import Alternative, changed_documents, plans_to_compare
from engine.previews.estimation.result import Result
from engine.previews.process import PreviewProcess
from engine.previews.reader import PreviewJob
from engine.previews.worker import Done, Failed, ReadProgress
from engine.store import previews
from engine.store.connection.database import Database
from engine.store.previews import PreviewRow, PreviewStatus

log = structlog.get_logger()

MOST_DECISIONS = 200_000
LOST_AFTER_MS = 30_000
HEARTBEAT_SECONDS = 3.0
KEPT_DAYS = 90

Query = Callable[[AsyncConnection], Awaitable[PreviewRow | None]]


class Period(NamedTuple):
    """Select the newest `limit` decisions from `since` on and before `until`, in epoch milliseconds."""

    since: int
    until: int
    limit: int = MOST_DECISIONS


class Subject(msgspec.Struct, frozen=True):
    """What was tried: the draft at a revision, None for other rules; or one change of the plan in force.

    For a variant of an experiment: their ids, and a digest of what was asked. For the cost of an offer: its id.
    """

    revision: int | None = None
    alternative: Alternative | None = None
    experiment: str = ""
    variant: str = ""
    digest: str = ""
    offer: str = ""


class Preview(PreviewStatus, frozen=True, kw_only=True):
    """A preview: what was tried, its progress, and the result once all is read."""

    subject: Subject
    result: Result | None

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def seconds_left(self) -> float | None:
        """Estimate the rest from the time so far; None before anything is read."""
        elapsed = (self.seen_at - self.started_at) / 1000
        return elapsed * (self.total - self.done) / self.done if self.done else None


OTHER_RULES = Subject()


class Previews:
    """Starts previews, and reads them; `log_url` is the database from which their processes read."""

    def __init__(self, database: Database, log_url: str, drafts: Drafts) -> None:
        self._database = database
        self._drafts = drafts
        self._log_url = log_url
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._processes: dict[str, PreviewProcess] = {}

    async def start_draft(
        self,
        actor: Actor,
        placement: str,
        period: Period,
        *,
        rules: Sequence[RuleDocument] | None = None,
    ) -> Preview:
        """Try the placement's draft, or `rules` in the place of its rules, and compare it with the logged answers."""
        draft, document = await self._drafts.plan(actor.merchant_id, placement, rules=rules)
        return await self.start(
            actor, document, period, subject=Subject(draft.head.revision if rules is None else None)
        )

    async def start_alternative(
        self, actor: Actor, placement: str, period: Period, alternative: Alternative
    ) -> Preview:
        """Compare the plan in force with one change of it on the same decisions; the draft stays as it is.

        Of a rule, the result is what the rule brings: the plan with it beside the plan without it.
        """
        published, draft = await self._drafts.load(actor.merchant_id, placement)
        pair = plans_to_compare(published, after_draft(published, draft), placement, alternative)
        subject = Subject(alternative=alternative)
        return await self.start(actor, pair.changed, period, subject=subject, base=pair.base)

    async def put_in_draft(self, actor: Actor, placement: str, alternative: Alternative) -> None:
        """Make one change in the placement's shared draft."""
        published, draft = await self._drafts.load(actor.merchant_id, placement)
        for document in changed_documents(after_draft(published, draft), placement, alternative):
            await self._drafts.save(actor, placement, document, revision=None)

    async def start(
        self,
        actor: Actor,
        document: PlanDocument,
        period: Period,
        *,
        subject: Subject = OTHER_RULES,
        audience: object = None,
        base: PlanDocument | None = None,
    ) -> Preview:
        """Try a plan on logged decisions, of an audience (a condition) or all (None).

        The plan is compared with the logged answers, or with what the plan `base` would have answered.
        Raise `Invalid` for an impossible period, `Conflict` while another preview runs.
        """
        if period.since >= period.until:
            raise invalid("until", "must be later than since")
        if not 1 <= period.limit <= MOST_DECISIONS:
            raise invalid("limit", f"must be from 1 to {MOST_DECISIONS:,}")
        now, id, placement = now_ms(), f"pre_{token_hex(10)}", document.placement.key
        row = PreviewRow(
            id=id,
            merchant_id=actor.merchant_id,
            placement=placement,
            draft=msgspec.json.encode(subject).decode(),
            experiment=subject.experiment,
            offer=subject.offer,
            alternative=subject.alternative.key if subject.alternative else "",
            since=period.since,
            until=period.until,
            started_by=actor.name,
            started_at=now,
            seen_at=now,
        )
        await self._interrupt_lost(actor.merchant_id)
        try:
            async with self._database.write() as connection:
                await previews.add(connection, row)
        except IntegrityError:
            raise Conflict("another preview is running; wait for it or cancel it") from None
        job = PreviewJob(
            self._log_url,
            actor.merchant_id,
            placement,
            _with_later_rules(document, now),
            period.since,
            period.until,
            now,
            period.limit,
            audience,
            subject.offer,
            _with_later_rules(base, now) if base else None,
            self._database.names.keys,
        )
        self._tasks[id] = asyncio.create_task(self._run(id, job), name=f"preview {id}")
        self._tasks[id].add_done_callback(lambda _: self._tasks.pop(id, None))
        return _preview(row)

    async def get(self, merchant_id: int, id: str, *, placement: str | None = None) -> Preview:
        """Return a preview; raise `NotFound` where there is none, or it is another merchant's or placement's."""
        row = await self._find(lambda connection: previews.get(connection, merchant_id, id))
        if row is None or placement not in (None, row.placement):
            raise NotFound(f"there is no preview “{id}”", field="id")
        return row

    async def start_offer(self, actor: Actor, placement: str, offer: str, period: Period) -> Preview:
        """Ask what an offer of the placement's draft would have cost if it had been shown in a period.

        Raise `NotFound` where the draft has no such offer.
        """
        _, document = await self._drafts.plan(actor.merchant_id, placement)
        if offer not in offers_of(document.candidates):
            raise NotFound(f"there is no offer “{offer}”", field="offer")
        candidates = tuple(
            msgspec.structs.replace(candidate, enabled=True) if candidate.id == offer else candidate
            for candidate in document.candidates
        )
        document = msgspec.structs.replace(document, candidates=candidates)
        return await self.start(actor, document, period, subject=Subject(offer=offer))

    async def newest(
        self, merchant_id: int, placement: str, *, offer: str = "", alternative: Alternative | None = None
    ) -> Preview | None:
        """Return the last preview of a placement's draft, of an offer's cost, or of one change."""
        key = alternative.key if alternative else ""
        return await self._find(
            lambda connection: previews.newest(connection, merchant_id, placement, offer=offer, alternative=key)
        )

    async def cancel(self, merchant_id: int, id: str) -> Preview:
        """Cancel a running preview; one that has ended stays as it is."""
        await self.get(merchant_id, id)
        await self._stop(id, "cancelled")
        return await self.get(merchant_id, id)

    async def finish(self, merchant_id: int, id: str) -> Preview:
        """Wait for the end of a preview that this process started."""
        await self.get(merchant_id, id)
        if id in self._tasks:
            await asyncio.wait([self._tasks[id]])
        return await self.get(merchant_id, id)

    async def purge(self) -> None:
        async with self._database.write() as connection:
            await previews.purge(connection, before=now_ms() - KEPT_DAYS * DAY)

    async def stop(self) -> None:
        """End all previews that run in this process."""
        for id in list(self._tasks):
            await self._stop(id, "interrupted")

    async def _stop(self, id: str, state: str) -> None:
        await self._end(id, state)
        # The task is not cancelled, because it might be writing just now. It ends with its process.
        if id in self._processes:
            self._processes[id].kill()
        if id in self._tasks:
            await asyncio.wait([self._tasks[id]])

    async def _run(self, id: str, job: PreviewJob) -> None:
        process: PreviewProcess | None = None
        try:
            process = self._processes[id] = await PreviewProcess.start(job)
            await self._watch(id, process)
        except Exception as error:
            log.error("preview not finished", preview=id, exc_info=error)
            await self._end(id, "failed", problem="something went wrong on our side")
        finally:
            if process is not None:
                del self._processes[id]
                await process.end()

    async def _watch(self, id: str, process: PreviewProcess) -> None:
        listening = asyncio.create_task(process.listen())
        try:
            while await self._set_progress(id, process.reached) and not listening.done():
                await asyncio.wait([listening], timeout=HEARTBEAT_SECONDS)
            if not listening.done():
                return
            match listening.result():
                case Done(result):
                    await self._end(id, "done", result=msgspec.json.encode(result).decode())
                case Failed(problem):
                    await self._end(id, "failed", problem=problem)
        finally:
            listening.cancel()

    async def _set_progress(self, id: str, reached: ReadProgress) -> bool:
        """Write the progress; return False where the preview was cancelled, maybe by another process."""
        async with self._database.write() as connection:
            return await previews.set_progress(connection, id, done=reached.done, total=reached.total, now=now_ms())

    async def _end(self, id: str, state: str, *, problem: str = "", result: str | None = None) -> None:
        async with self._database.write() as connection:
            await previews.end(connection, id, state, now=now_ms(), problem=problem, result=result)

    async def _find(self, query: Query) -> Preview | None:
        async with self._database.read() as connection:
            row = await query(connection)
        if row and row.state == "running" and row.seen_at < now_ms() - LOST_AFTER_MS:
            await self._interrupt_lost(row.merchant_id)
            return await self._find(query)
        return self._with_progress(_preview(row)) if row else None

    def _with_progress(self, preview: Preview) -> Preview:
        """Return the preview with the progress in this process; the database has it every few seconds."""
        process = self._processes.get(preview.id)
        if process is None or not preview.running:
            return preview
        return msgspec.structs.replace(
            preview, done=process.reached.done, total=process.reached.total, seen_at=now_ms()
        )

    async def _interrupt_lost(self, merchant_id: int) -> None:
        async with self._database.write() as connection:
            await previews.interrupt(connection, merchant_id, unseen_since=now_ms() - LOST_AFTER_MS)


def _with_later_rules(document: PlanDocument, now: int) -> PlanDocument:
    """Return a plan whose rules that begin later are in force already: otherwise no logged decision would meet them."""
    return msgspec.structs.replace(document, rules=tuple(_without_later_begin(rule, now) for rule in document.rules))


def _without_later_begin(rule: RuleDocument, now: int) -> RuleDocument:
    begin = ms_of(rule.active_from) if rule.active_from else None
    if begin is None or begin <= now:
        return rule
    return msgspec.structs.replace(rule, active_from=None, active_to=None)


def _preview(row: PreviewRow) -> Preview:
    return Preview(
        **{name: getattr(row, name) for name in PreviewStatus.__struct_fields__},
        subject=msgspec.json.decode(row.draft, type=Subject),
        result=msgspec.json.decode(row.result, type=Result) if row.result else None,
    )
