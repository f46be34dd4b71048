"""Raise an alarm, once, where the predictions of a model differ from results by more than noise."""

from __future__ import annotations

import structlog

from bandits.evidence.calibration import WeekCalibration, calibrations
from engine.learning.live import Live
from engine.model.events.event import NewEvent, PredictionAlert, WeekOff
from engine.model.scope import Scope
from engine.store.connection.database import Database
from engine.store.events import outbox
from engine.store.offers import refits

log = structlog.get_logger()


class PredictionWatch:
    """Watches the models of all placements that learn from facts; `count` is how many of them are off now."""

    def __init__(self, database: Database, live: Live) -> None:
        self._database = database
        self._live = live
        self.count = 0

    async def run(self, *, now: int) -> int:
        """Raise the alarms that are due, each once, whatever other processes do; return how many.

        An alarm ends when no week of the last three is off; only then may it be raised again.
        """
        weeks = {scope: weeks_off(self._live, scope) for scope in self._scopes()}
        self.count = sum(bool(off) for off in weeks.values())
        async with self._database.read() as connection:
            marked = await refits.alarmed(connection)
        begun = [scope for scope, off in weeks.items() if off and scope not in marked]
        ended = [scope for scope, off in weeks.items() if not off and scope in marked]
        if not begun and not ended:
            return 0
        async with self._database.write() as connection:
            for scope in sorted(ended):
                await refits.end_alarm(connection, scope)
            raised = [scope for scope in sorted(begun) if await refits.raise_alarm(connection, scope, now=now)]
            await outbox.append(connection, (_event(scope, weeks[scope]) for scope in raised), now=now)
        for scope in raised:
            log.warning("predictions off", placement=scope.placement, weeks=len(weeks[scope]))
        return len(raised)

    def _scopes(self) -> list[Scope]:
        return [scope for scope, active, _ in self._live.renewers() if active.plan.encoding is not None]


def weeks_off(live: Live, scope: Scope) -> list[WeekCalibration]:
    """Return the weeks of a model's candidates in which predictions are off."""
    active = live.get(scope.merchant_id, scope.placement)
    snapshot = active.streams[scope.reward].snapshots.get("") if active else None
    state = snapshot.knowledge.contextual if snapshot else None
    return [week for week in calibrations(state.residuals) if week.is_off] if state else []


def _event(scope: Scope, weeks: list[WeekCalibration]) -> NewEvent:
    off = tuple(
        WeekOff(week.arm or None, week.first_day, round(week.sums.expected, 1), round(week.sums.successes, 1))
        for week in weeks
    )
    return NewEvent(scope.merchant_id, "predictions.off", PredictionAlert(scope.placement, off))
