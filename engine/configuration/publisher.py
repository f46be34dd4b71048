"""Editing: a change becomes a new immutable plan version of every placement it touches, or nothing at all.

What the change leads to is parsed and compiled before the transaction, off the event loop; the transaction then
only checks that nobody else changed the merchant's resources meanwhile, and writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.configuration.compiled_version import CompiledVersion, ScenarioPolicy, prepare
from engine.configuration.configuration import Change, Configuration, alters_answers
from engine.configuration.configuration_cache import ConfigurationCache
from engine.learning.live import Live
from engine.model.actor import Actor
from engine.model.errors import Conflict, ReviewRequired
from engine.model.events.event import CompletedExperiment, NewEvent, PublishedVersion
from engine.model.experiment import Experiment
from engine.store import audit, configuration_rows, drafts, plans, resources
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.events import outbox
from engine.store.offers import caps
from engine.store.plans import PlanRow
from engine.store.releases import availability, colours

ATTEMPTS = 8
Edit = Callable[[Configuration], Sequence[Change]]
Also = Callable[[AsyncConnection], Awaitable[None]]
Approval = Literal["needed", "given", "emergency"]
"""Whether a second person has approved a change; in an emergency one person answers for it alone."""


class Signature(NamedTuple):
    """The actor, time (epoch milliseconds) and reason of a publication."""

    actor: Actor
    published_at: int
    reason: str
    emergency: bool


class Published(NamedTuple):
    """The changes of an edit, and the new plan versions by placement."""

    changes: list[Change]
    versions: dict[str, int]


async def _nothing(_connection: AsyncConnection) -> None:
    """Do nothing more in the transaction of an edit."""


class Publisher:
    """Publish edits of a merchant's configuration; nothing else changes it."""

    def __init__(self, database: Database, configurations: ConfigurationCache, live: Live) -> None:
        self._database = database
        self._configurations = configurations
        self._live = live

    async def publish(
        self,
        actor: Actor,
        edit: Edit,
        *,
        reason: str = "",
        approval: Approval = "needed",
        scenarios: ScenarioPolicy = "none_breaks",
        also: Also = _nothing,
    ) -> Published:
        """Publish what `edit` makes of the configuration; on `Invalid`, `Conflict` or `NotFound` nothing is stored.

        `edit` returns the changes, and is called again when another edit came first. `also` runs in the same
        transaction, and may await only its connection. `ReviewRequired` where a second person must approve first.
        """
        for _ in range(ATTEMPTS):
            configuration = await self._configurations.load(actor.merchant_id)
            async with self._database.read() as connection:
                newest = await plans.newest_versions(connection, actor.merchant_id)
            changes = list(edit(configuration))
            after = configuration.with_changes(changes)
            if configuration.review and approval == "needed":
                _refuse_unreviewed(changes)
            # Another edit would have to claim the configuration's revision first, so these versions stay free.
            versions = {key: newest.get(key, 0) + 1 for key in after.touched_by(changes)}
            before = {key: active.plan for key, active in self._live.placements(actor.merchant_id).items()}
            ready = await asyncio.to_thread(prepare, after, changes, versions, scenarios=scenarios, before=before)
            signature = Signature(actor, now_ms(), reason, approval == "emergency")
            if await self._write(signature, configuration, changes, ready, also=also):
                made = {(actor.merchant_id, key): made_plan.plan for key, made_plan in ready.items() if made_plan}
                await self._live.follow(made)
                return Published(changes, versions)
        raise Conflict("somebody else is changing the same things now; try again", field="version")

    async def _write(
        self,
        signature: Signature,
        configuration: Configuration,
        changes: Sequence[Change],
        ready: Mapping[str, CompiledVersion | None],
        *,
        also: Also,
    ) -> bool:
        """Write resources, audit, plan versions and pointers in one transaction; False if another edit came first."""
        actor, now, reason, _ = signature

        async def work(connection: AsyncConnection) -> bool:
            if not await configuration_rows.claim(connection, actor.merchant_id, configuration.revision):
                return False
            await resources.write(connection, actor.merchant_id, changes)
            await colours.follow(connection, actor.merchant_id, changes)
            await caps.follow(connection, actor.merchant_id, changes)
            for key, compiled_version in ready.items():
                if compiled_version is None:
                    await plans.deactivate(connection, actor.merchant_id, key)
                    await drafts.clear(connection, actor.merchant_id, key)
                    await availability.clear(connection, actor.merchant_id, key)
                else:
                    version = compiled_version.plan.version
                    row = PlanRow(actor.merchant_id, key, version, compiled_version.text, now, actor.name, reason)
                    await plans.add(connection, row)
                    await plans.activate(connection, actor.merchant_id, key, version)
            events = (*_completed(changes, actor.merchant_id), *_published(ready, signature))
            await outbox.append(connection, events, now=now)
            await also(connection)
            # Last, as everywhere: who changes a draft locks the draft first, and then the end of the audit log.
            await audit.write_many(connection, [_entry(change, signature) for change in changes])
            return True

        # Decisions wait for their turn to write, so no trip between threads should lie inside this one.
        return await self._database.transact(work)


def _refuse_unreviewed(changes: Sequence[Change]) -> None:
    """Raise `ReviewRequired` unless no change alters an answer.

    A placement may come and go while nothing is in it: it answers nothing.
    """
    for change in changes:
        kind = change.resource.kind
        is_empty_placement = kind == "placement" and (change.before is None or change.after is None)
        if alters_answers(change) and not is_empty_placement:
            raise ReviewRequired("changes go into the draft and are published after a second person approves them")


def _published(ready: Mapping[str, CompiledVersion | None], signature: Signature) -> Iterator[NewEvent]:
    """Yield an event for each placement with a new version."""
    for key, compiled_version in ready.items():
        if compiled_version is not None:
            version, merchant_id = compiled_version.plan.version, signature.actor.merchant_id
            body = PublishedVersion(key, version, signature.reason, signature.emergency)
            yield NewEvent(merchant_id, "version.published", body)


def _completed(changes: Sequence[Change], merchant_id: int) -> Iterator[NewEvent]:
    """Yield an event for each experiment that is stopped or concluded now."""
    for change in changes:
        before, after = (resource and resource.document for resource in (change.before, change.after))
        if isinstance(before, Experiment) and isinstance(after, Experiment):
            status = after.status
            if status.state in ("stopped", "concluded") and status.state != before.status.state:
                body = CompletedExperiment(
                    change.resource.placement, after.id, status.state, status.winner or None, status.reason
                )
                yield NewEvent(merchant_id, "experiment.completed", body)


def _entry(change: Change, signature: Signature) -> NewEntry:
    old, new, resource = change.before, change.after, change.resource
    return NewEntry(
        actor=signature.actor,
        changed_at=signature.published_at,
        action="created" if old is None else "deleted" if new is None else "changed",
        subject=f"{resource.kind} {resource.id}" + (f" in {resource.placement}" if resource.placement else ""),
        before=old.document if old else None,
        after=new.document if new else None,
        reason=signature.reason,
        emergency=signature.emergency,
    )
