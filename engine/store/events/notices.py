"""Events about candidates, each written once however often it is noticed."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.model.events.event import ArmJump, CandidateOutage, NewEvent
from engine.model.scope import Scope
from engine.model.timestamps import DAY, rfc3339
from engine.store.events import outbox
from engine.store.metrics import alarms
from engine.store.metrics.alarms import AlarmKey

JUMP, OUTAGE = "jump", "outage"


async def note_jumps(connection: AsyncConnection, scope: Scope, candidates: Iterable[str], *, now: int) -> None:
    """Write an event for each candidate that jumped, at most one a day; several groups notice the same jump."""
    for candidate in sorted(candidates):
        key = AlarmKey(scope.merchant_id, scope.placement, f"{JUMP}:{candidate}")
        await alarms.end_old(connection, key, before=now - DAY)
        if await alarms.mark(connection, key, now=now):
            event = NewEvent(scope.merchant_id, "arm.jumped", ArmJump(scope.placement, candidate))
            await outbox.append(connection, [event], now=now)


async def note_outages(
    connection: AsyncConnection,
    begun: Iterable[tuple[AlarmKey, int]],
    ended: Iterable[tuple[AlarmKey, int]],
    *,
    now: int,
) -> list[NewEvent]:
    """Write an event for each outage that began or ended, unless another process has; return them.

    Outages stand with the instant at which they began (epoch ms).
    """
    noticed = [_outage(key, since) for key, since in begun if await alarms.mark(connection, key, now=since)]
    over = [_outage(key, since, is_over=True) for key, since in ended if await alarms.end(connection, key)]
    await outbox.append(connection, [*noticed, *over], now=now)
    return [*noticed, *over]


def outage_key(merchant_id: int, placement: str, candidate: str) -> AlarmKey:
    """Return the alarm that marks an outage."""
    return AlarmKey(merchant_id, placement, f"{OUTAGE}:{candidate}")


def _outage(key: AlarmKey, since: int, *, is_over: bool = False) -> NewEvent:
    body = CandidateOutage(key.placement, key.kind.partition(":")[2], rfc3339(since))
    return NewEvent(key.merchant_id, "outage.ended" if is_over else "outage.noticed", body)
