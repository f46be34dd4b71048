"""Alerts of budgets: said once when half, 80% and all of a budget is spent or held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import structlog

from engine.model.events.event import BudgetAlert, NewEvent
from engine.model.offers.hold import BalanceKey
from engine.model.timestamps import DAY
from engine.store.connection.database import Database
from engine.store.events import outbox
from engine.store.offers import balances
from engine.store.offers.balances import WatchedBalance

log = structlog.get_logger()

LEVELS = (50, 80, 100)
CALM = 10
"""A level may be said again once the budget has fallen so many points below it."""


class Alerts:
    """Looks after the budgets of all merchants. `counts` are the budgets at or above each level now."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.counts: Counter[int] = Counter()

    async def run(self, *, now: int) -> int:
        """Record the alerts that are due, each once, whatever other processes do; return how many."""
        async with self._database.read() as connection:
            watched = await balances.watched(connection, day=now // DAY)
        self.counts = Counter(level for row in watched for level in LEVELS if _percent(row) >= level)
        alerted = {row.key: row.alerted for row in watched}
        levels = {row.key: level_after(_percent(row), row.alerted) for row in watched}
        changed = {key: level for key, level in levels.items() if level != alerted[key]}
        if not changed:
            return 0
        async with self._database.write() as connection:
            own_keys = [
                key
                for key, level in sorted(changed.items())
                if await balances.set_alerted(connection, key, before=alerted[key], level=level)
            ]
            raised = [(key, level) for key in own_keys for level in LEVELS if alerted[key] < level <= changed[key]]
            await outbox.append(connection, (_event(key, level) for key, level in raised), now=now)
        for key, level in raised:
            log.warning("budget alert", budget=key.budget, percent=level)
        return len(raised)


def level_after(percent: int, alerted: int) -> int:
    """Return the level that a budget is at, given the level that was said last."""
    level = max((level for level in LEVELS if percent >= level), default=0)
    return level if level > alerted or percent < alerted - CALM else alerted


def _percent(row: WatchedBalance) -> int:
    """Return the share of the tighter cap that is spent or held, in whole percent, rounded down."""
    return max(_shares(row), default=0)


def _shares(row: WatchedBalance) -> Iterator[int]:
    used, used_uses = row.balance.spent + row.balance.held, row.balance.spent_uses + row.balance.held_uses
    for cap, value in ((row.amount, used), (row.uses, used_uses)):
        if cap is not None:
            yield 100 * value // cap if cap else 100


def _event(key: BalanceKey, level: int) -> NewEvent:
    return NewEvent(key.merchant_id, "budget.alert", BudgetAlert(key.budget, level, key.period or None))
