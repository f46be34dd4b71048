"""Count how often rules fire and fields arrive, and find rules that read a field that never arrives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from engine.clock import now_ms
from engine.model.timestamps import DAY
from engine.store import resources, rollups
from engine.store.connection.database import Database
from engine.store.rollups import Faults, RuleDay
from rules import Rule
from rules.analysis.reach import can_fire
from rules.language.tree import fields_of

DAYS = 30
ENOUGH = 20
"""Below this number of answers, nothing is concluded."""


class FieldUses(NamedTuple):
    """The number of answers since `since_day` (epoch days, UTC), and of those in which each field was sent.

    `faults` counts the fields with an invalid value; "" stands for undeclared facts.
    """

    since_day: int
    answers: int
    times: Mapping[str, int]
    faults: Mapping[str, Faults] = {}

    def share(self, field: str) -> float | None:
        """Return the share of the answers, 0 to 1; None without answers."""
        return self.times.get(field, 0) / self.answers if self.answers else None

    def faulty_share(self, field: str) -> float:
        """Return the share of the answers with an invalid value of the field, 0 to 1."""
        faults = self.faults.get(field)
        return min(1.0, faults.times / max(self.answers, faults.times)) if faults else 0.0

    def never(self, field: str) -> bool:
        """Check whether the field was never sent, although there were enough answers to tell."""
        return self.answers >= ENOUGH and not self.times.get(field)

    def waiting_for(self, rule: Rule) -> Waiting | None:
        """Return the fields that a rule reads and nobody sends; None if all arrive."""
        names = tuple(name for name in fields_of(rule.condition) if self.never(name))
        return Waiting(names, can_fire(rule.condition, frozenset(names))) if names else None


class Waiting(NamedTuple):
    """Fields that a rule reads and that never arrive, and whether the rule can still fire."""

    fields: tuple[str, ...]
    can_fire: bool


class RuleUses(NamedTuple):
    """Counts of a rule: times it fired by epoch day (UTC), times it was skipped by the field it lacked.

    `last_fired` in epoch milliseconds, None where it never did.
    """

    by_day: Mapping[int, int]
    lacked: Mapping[str, int]
    last_fired: int | None

    @property
    def fired(self) -> int:
        return sum(self.by_day.values())

    @property
    def skipped(self) -> int:
        return sum(self.lacked.values())

    def fired_since(self, day: int) -> int:
        """Count how often the rule fired on that day or later."""
        return sum(times for fired_on, times in self.by_day.items() if fired_on >= day)


NEVER = RuleUses({}, {}, None)


class Uses:
    """Read the counts from the log, which are up to a minute old."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def fields(self, merchant_id: int, *, days: int = DAYS) -> FieldUses:
        """Return how often each field arrived."""
        since = first_day(days)
        async with self._database.read() as connection:
            times = await rollups.field_uses(connection, merchant_id, since_day=since)
            faults = await rollups.faults(connection, merchant_id, since_day=since)
        return FieldUses(since, times.pop("", 0), times, faults)

    async def rules(
        self, merchant_id: int, placement: str, *, days: int = DAYS, rule: str | None = None
    ) -> dict[str, RuleUses]:
        """Return the counts by rule, also of deleted rules; raise `NotFound` without the placement."""
        async with self._database.read() as connection:
            await resources.get(connection, merchant_id, "placement", "", placement)
            rows = await rollups.rule_uses(connection, merchant_id, placement, since_day=first_day(days), rule=rule)
            last = await rollups.last_fired(connection, merchant_id, placement)
        by_rule: dict[str, list[RuleDay]] = {name: [] for name in last if rule in (None, name)}
        for row in rows:
            by_rule.setdefault(row.rule, []).append(row)
        return {name: _uses(of, last.get(name)) for name, of in by_rule.items()}


def first_day(days: int) -> int:
    """Return the first of `days` days that end today, in epoch days."""
    return now_ms() // DAY - days + 1


def _uses(rows: Iterable[RuleDay], last_fired: int | None) -> RuleUses:
    by_day: Counter[int] = Counter()
    lacked: Counter[str] = Counter()
    for row in rows:
        if row.lacked:
            lacked[row.lacked] += row.times
        else:
            by_day[row.day] += row.times
    return RuleUses(by_day, lacked, last_fired)
