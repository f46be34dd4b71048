"""Raise an alarm, once, where the metrics of a placement are unusual."""

from __future__ import annotations

from typing import get_args

import structlog

from engine.learning.live import Live
from engine.metrics.dashboard import Dashboards
from engine.model.events.event import MetricAlert, NewEvent
from engine.model.timestamps import DAY
from engine.statistics.alarms import Alarm, AlarmKind
from engine.store.connection.database import Database
from engine.store.events import outbox
from engine.store.metrics import alarms
from engine.store.metrics.alarms import AlarmKey

log = structlog.get_logger()

KINDS = get_args(AlarmKind)
LEAST_MS = DAY
"""An alarm lasts at least so long: what comes and goes at the edge of its band is one thing."""


class MetricWatch:
    """Watches the metrics of all placements."""

    def __init__(self, database: Database, live: Live, dashboards: Dashboards) -> None:
        self._database = database
        self._live = live
        self._dashboards = dashboards

    async def run(self, *, now: int) -> int:
        """Raise the alarms that are due at an instant (epoch ms), each once; return how many.

        An alarm ends when it is a day old and its cause is over; only then may it be raised again.
        """
        current = await self._current(now)
        async with self._database.read() as connection:
            marked = await alarms.raised(connection, KINDS)
        begun = sorted(key for key in current if key not in marked)
        ended = sorted(key for key, since in marked.items() if key not in current and since <= now - LEAST_MS)
        if not begun and not ended:
            return 0
        async with self._database.write() as connection:
            for key in ended:
                await alarms.end(connection, key)
            raised = [key for key in begun if await alarms.mark(connection, key, now=now)]
            await outbox.append(connection, (_event(key, current[key]) for key in raised), now=now)
        for key in raised:
            log.warning("metric alert", placement=key.placement, kind=key.kind, value=round(current[key].value, 4))
        return len(raised)

    async def _current(self, now: int) -> dict[AlarmKey, Alarm]:
        """Return what is unusual now."""
        current: dict[AlarmKey, Alarm] = {}
        for merchant_id, placement in self._live.versions():
            active = self._live.get(merchant_id, placement)
            if active is None:
                continue
            window = active.plan.placement.window_minutes
            for alarm in await self._dashboards.alarms(merchant_id, placement, now=now, window_minutes=window):
                current[AlarmKey(merchant_id, placement, alarm.kind)] = alarm
        return current


def _event(key: AlarmKey, alarm: Alarm) -> NewEvent:
    body = MetricAlert(key.placement, alarm.kind, round(alarm.value, 4), round(alarm.usual, 4), alarm.since_hour)
    return NewEvent(key.merchant_id, "metric.alert", body)
