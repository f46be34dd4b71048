"""Give clients what they need to decide while the server does not answer."""

from __future__ import annotations

import asyncio
import json
import os
from typing import NamedTuple

import msgspec

from engine.decisions.offline.snapshot_document import BeliefsInForce, OfflinePlan, offline_plan, snapshot_refusal
from engine.decisions.requests.scope import RequestScope
from engine.decisions.requests.settings_reader import SettingsReader
from engine.decisions.tokens import SnapshotTicket, Tokens
from engine.learning.active import Active
from engine.learning.live import Live
from engine.model.errors import Conflict, NotFound
from engine.model.timestamps import MINUTE, rfc3339
from rules.json_logic.problems import shown

LIFE = 15 * MINUTE
"""How long a client may decide by a snapshot."""
FRESH = 3 * MINUTE
"""How long a client need not get another one of the same versions: it can then decide for the rest of the life."""
MOST_OF_BROWSER = 50
MOST_OF_SERVER = 200_000
SUFFIX_BYTES, NUMBER_DIGITS = 7, 6
MOST_KEPT = 64


class IssuedSnapshot(msgspec.Struct, frozen=True):
    """What decides, and what a client must say of its decisions.

    An id is `dec_`, 12 hex digits of epoch milliseconds, `id_suffix`, and 6 hex digits of a number below
    `most_decisions`, another one for each decision. `token` goes with each decision.
    """

    token: str
    id_suffix: str
    most_decisions: int
    issued_at: str
    expires_at: str
    plan: OfflinePlan


class SnapshotKey(NamedTuple):
    """The API key that gets a snapshot."""

    merchant_id: int
    key_id: str
    is_browser: bool


class Snapshots:
    """Makes snapshots; keeps the last plan of each placement, which many clients get."""

    def __init__(self, live: Live, settings: SettingsReader, tokens: Tokens) -> None:
        self._live = live
        self._settings = settings
        self._tokens = tokens
        self._plans: dict[tuple[int, str], tuple[str, OfflinePlan]] = {}

    def still_stands(self, key: SnapshotKey, placement: str, tag: str, *, now: int) -> bool:
        """Return whether a key got a snapshot under an entity tag that need not be replaced yet."""
        active = self._active(key, placement, now=now)
        return self._tokens.proves_answers(tag, key.merchant_id, key.key_id, _versions(active), now=now)

    async def issue(self, key: SnapshotKey, placement: str, *, now: int) -> tuple[IssuedSnapshot, str]:
        """Return a snapshot and its entity tag; raise `NotFound`, or `Conflict` where only the server can decide."""
        active = self._active(key, placement, now=now)
        versions, beliefs = _versions(active), BeliefsInForce.of(active)
        plan = await self._plan(key, active, versions, beliefs)
        ticket = SnapshotTicket(
            placement,
            active.plan.version,
            beliefs.versions,
            issued_at=now,
            expires_at=now + LIFE,
            suffix=os.urandom(SUFFIX_BYTES).hex(),
            most=MOST_OF_BROWSER if key.is_browser else MOST_OF_SERVER,
        )
        token = self._tokens.for_snapshot(key.merchant_id, key.key_id, ticket)
        tag = self._tokens.for_answers(key.merchant_id, key.key_id, versions, expires=now + FRESH)
        times = rfc3339(ticket.issued_at), rfc3339(ticket.expires_at)
        return IssuedSnapshot(token, ticket.suffix, ticket.most, *times, plan), tag

    def ticket(self, token: str, merchant_id: int, key_id: str) -> SnapshotTicket | None:
        """Return the ticket of a snapshot that this key got, or None."""
        return self._tokens.snapshot(token, merchant_id, key_id)

    def _active(self, key: SnapshotKey, placement: str, *, now: int) -> Active:
        active = self._live.get(key.merchant_id, placement)
        if active is None:
            raise NotFound(f"there is no placement “{shown(placement)}”", field="placement")
        reason = snapshot_refusal(active, is_browser=key.is_browser)
        if not self.allows_guests(key.merchant_id, now=now):
            reason = "customers are not personalized unless they agree, which only the server knows"
        if reason:
            raise Conflict(f"only the server can decide “{placement}”: {reason}", field="placement")
        return active

    def allows_guests(self, merchant_id: int, *, now: int) -> bool:
        """Return whether a request without a customer may be personalized."""
        return self._settings.read(RequestScope(merchant_id, None, {}, now), "").personal

    async def _plan(self, key: SnapshotKey, active: Active, versions: str, beliefs: BeliefsInForce) -> OfflinePlan:
        cell = (key.merchant_id, active.plan.placement.key)
        cached = self._plans.get(cell)
        if cached is not None and cached[0] == versions:
            return cached[1]
        plan = await asyncio.to_thread(offline_plan, active.plan, beliefs)
        if len(self._plans) >= MOST_KEPT:
            self._plans.clear()
        self._plans[cell] = versions, plan
        return plan


def _versions(active: Active) -> str:
    """Return all that a snapshot depends on, as a text."""
    versions = {bucket: beliefs.version for bucket, beliefs in active.beliefs.items()}
    return json.dumps(["snapshot", active.plan.placement.key, active.plan.version, versions], sort_keys=True)
