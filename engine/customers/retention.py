"""Read, preview and change a merchant's own retention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from engine import expiry
from engine.clock import now_ms
from engine.model.actor import Actor
from engine.model.documents.retention import KINDS, SHORTEST, RetentionKind, RetentionPolicy
from engine.model.errors import FieldProblem, Invalid, Stale
from engine.model.timestamps import DAY
from engine.store import audit
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.customers import retention
from engine.store.customers.retention import CountedRows, StoredRetention


class KindInForce(NamedTuple):
    """The days for which a kind is kept: `days` is what counts, and None where it is kept for good.

    `own` is what the merchant has set, `server` the server's retention, `shortest` the fewest that may be set.
    """

    kind: RetentionKind
    days: int | None
    own: int | None
    server: int | None
    shortest: int


class RetentionInForce(NamedTuple):
    """The retention in force, by kind; the version counts the merchant's changes."""

    version: int
    kinds: Mapping[RetentionKind, KindInForce]


class KindPreview(NamedTuple):
    """Data of a kind that the next purge would delete: the rows of its parts, at least so many if not `is_exact`."""

    kind: RetentionKind
    days: int
    rows: int
    is_exact: bool
    oldest_at: int | None
    parts: Mapping[str, CountedRows]


class Retention:
    """Merchants may delete earlier than the server does, and never later. The hourly purge obeys."""

    def __init__(self, database: Database, retention_days: int, inactive_days: int) -> None:
        self._database = database
        self._retention_days = retention_days
        self._server: dict[RetentionKind, int | None] = {
            "decisions": retention_days,
            "preference_versions": None,
            "inactive_customers": inactive_days,
            "webhook_deliveries": expiry.DAYS_OF_EVENTS,
            "mails": expiry.DAYS_OF_MAILS,
        }

    async def get(self, merchant_id: int) -> RetentionInForce:
        """Return what is in force."""
        async with self._database.read() as connection:
            return self._in_force(await retention.get(connection, merchant_id))

    async def days_of_decisions(self, merchant_id: int) -> int:
        """Return how many days decisions, outcomes and histories are kept."""
        async with self._database.read() as connection:
            own = (await retention.get(connection, merchant_id)).policy.decisions
        return min(own or self._retention_days, self._retention_days)

    async def preview(self, merchant_id: int, policy: RetentionPolicy) -> list[KindPreview]:
        """Count what a policy would delete now, of each kind that it names. Raise `Invalid` for what is too long."""
        self._check(policy)
        return await self._count(merchant_id, {kind: days for kind in KINDS if (days := policy.days(kind)) is not None})

    async def replace(
        self, actor: Actor, policy: RetentionPolicy, *, confirmed: bool, version: int | None = None
    ) -> RetentionInForce:
        """Replace the merchant's policy; from the next purge on it is obeyed.

        Raise `Invalid` for what is longer than the server's, and where rows would be deleted and nobody confirmed it;
        `Stale` where the policy has another version than the given one.
        """
        self._check(policy)
        if not confirmed and any(each.rows for each in await self.losses(actor.merchant_id, policy)):
            raise Invalid(FieldProblem("confirm", "must be true, because data would be deleted: see the preview"))
        now = now_ms()
        async with self._database.write() as connection:
            before = await retention.lock(connection, actor.merchant_id)
            if version is not None and version != before.version:
                raise Stale("The retention has changed since you read it")
            stored = StoredRetention(before.version + 1, policy, self._log_from(before, now))
            await retention.put(connection, actor.merchant_id, stored)
            entry = NewEntry(actor, now, "changed", "retention", before.policy, policy)
            await audit.write(connection, entry)
        return self._in_force(stored)

    async def losses(self, merchant_id: int, policy: RetentionPolicy) -> list[KindPreview]:
        """Count what a policy would delete now that the policy in force keeps."""
        current = (await self.get(merchant_id)).kinds
        shortened = {}
        for kind in KINDS:
            days, current_days = policy.days(kind), current[kind].days
            if days is not None and (current_days is None or days < current_days):
                shortened[kind] = days
        return [each for each in await self._count(merchant_id, shortened) if each.rows]

    async def log_from(self) -> int:
        """Return the time (epoch ms) from which no merchant's own retention has deleted decisions."""
        now = now_ms()
        async with self._database.read() as connection:
            rows = await retention.all_stored(connection)
        return max((self._log_from(each, now) for each in rows.values()), default=0)

    def _log_from(self, stored: StoredRetention, now: int) -> int:
        days = stored.policy.decisions
        return stored.log_from if days is None else max(stored.log_from, now - days * DAY)

    def _check(self, policy: RetentionPolicy) -> None:
        problems = [
            FieldProblem(kind, f"must be at most {server}, as the server keeps it no longer")
            for kind, server in self._server.items()
            if server is not None and (policy.days(kind) or 0) > server
        ]
        if problems:
            raise Invalid(*problems)

    def _in_force(self, stored: StoredRetention) -> RetentionInForce:
        kinds = {}
        for kind in KINDS:
            own, server = stored.policy.days(kind), self._server[kind]
            limits = [days for days in (own, server) if days is not None]
            kinds[kind] = KindInForce(kind, min(limits, default=None), own, server, SHORTEST[kind])
        return RetentionInForce(stored.version, kinds)

    async def _count(self, merchant_id: int, days_of: Mapping[RetentionKind, int]) -> list[KindPreview]:
        now = now_ms()
        previews = []
        async with self._database.read() as connection:
            for kind, days in days_of.items():
                parts = await retention.count(connection, merchant_id, kind, before=now - days * DAY)
                previews.append(_preview(kind, days, parts))
        return previews


def _preview(kind: RetentionKind, days: int, parts: Mapping[str, CountedRows]) -> KindPreview:
    moments = [part.oldest_at for part in parts.values() if part.oldest_at is not None]
    return KindPreview(
        kind,
        days,
        sum(part.rows for part in parts.values()),
        all(part.is_exact for part in parts.values()),
        min(moments, default=None),
        parts,
    )
