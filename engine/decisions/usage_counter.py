"""Count in memory how often rules fire and fields arrive, by day, and how long decisions take, by hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from engine.model.decision import Decision
from engine.model.facts import Facts
from engine.model.timestamps import DAY, HOUR
from engine.statistics.durations import bin_of
from engine.store import rollups
from engine.store.connection.database import Database
from engine.store.metrics import decision_times
from engine.store.metrics.decision_times import DurationCell
from engine.store.rollups import FieldCell, RuleCell, RuleKey

MOST_SETS = 50_000
"""Sets of rules or fields that are counted between two writes; decisions with others are left out then."""


class _EvaluatedRules(NamedTuple):
    """The rules that fired for a decision, and (rule, missing field) of those that were skipped."""

    merchant_id: int
    placement: str
    day: int
    fired: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]


class _SentFields(NamedTuple):
    merchant_id: int
    day: int
    names: tuple[str, ...]


class UseCounter:
    """Counts in memory, and adds the counts to the database at each `flush`.

    Most decisions of a placement have the same sets of rules and fields, which are taken apart once a flush.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rules: Counter[_EvaluatedRules] = Counter()
        self._fields: Counter[_SentFields] = Counter()
        self._last_fired: dict[_EvaluatedRules, int] = {}
        self._times: dict[tuple[int, str, int, int], int] = {}

    def count(self, merchant_id: int, decision: Decision, facts: Facts, *, decided_at: int) -> None:
        """Count one decision; `decided_at` in epoch milliseconds."""
        day = decided_at // DAY
        rules = _evaluated(merchant_id, decision, day)
        fields = _SentFields(merchant_id, day, tuple(facts.values))
        if rules in self._rules or len(self._rules) < MOST_SETS:
            self._rules[rules] += 1
            self._last_fired[rules] = decided_at
        if fields in self._fields or len(self._fields) < MOST_SETS:
            self._fields[fields] += 1

    def time(self, merchant_id: int, placement: str, *, decided_at: int, milliseconds: int) -> None:
        """Count how long an answer took."""
        # Bins are found at the flush: here, each decision waits.
        cell = (merchant_id, placement, decided_at // HOUR, milliseconds)
        self._times[cell] = self._times.get(cell, 0) + 1

    async def flush(self) -> None:
        """Add the counts to the database; keep them if that fails."""
        times = self._times
        if times:
            self._times = {}
            try:
                async with self._database.write() as connection:
                    await decision_times.add(connection, _by_bin(times))
            except BaseException:
                self._times = dict(Counter(times) + Counter(self._times))
                raise
        rules, fields, last_fired = self._rules, self._fields, self._last_fired
        if not fields:
            return
        self._rules, self._fields, self._last_fired = Counter(), Counter(), {}
        try:
            async with self._database.write() as connection:
                await rollups.add(connection, _by_rule(rules), _by_field(fields), _last_by_rule(last_fired))
        except BaseException:  # also a job that is cancelled at the stop
            self._rules.update(rules)
            self._fields.update(fields)
            self._last_fired = last_fired | self._last_fired
            raise


def uses_of(
    decided: Iterable[tuple[int, Decision, Iterable[str], int]], *, sign: int
) -> tuple[Counter[RuleCell], Counter[FieldCell]]:
    """Return the counts of logged decisions, times `sign`; each with merchant, names of facts, and time (epoch ms)."""
    rules: Counter[_EvaluatedRules] = Counter()
    fields: Counter[_SentFields] = Counter()
    for merchant_id, decision, names, decided_at in decided:
        day = decided_at // DAY
        rules[_evaluated(merchant_id, decision, day)] += sign
        fields[_SentFields(merchant_id, day, tuple(names))] += sign
    return _by_rule(rules), _by_field(fields)


def _evaluated(merchant_id: int, decision: Decision, day: int) -> _EvaluatedRules:
    skipped = tuple([(rule.rule, rule.field) for rule in decision.skipped])
    return _EvaluatedRules(merchant_id, decision.placement, day, tuple(decision.rules), skipped)


def _by_rule(sets: Counter[_EvaluatedRules]) -> Counter[RuleCell]:
    """Return counts by rule that fired, or was skipped for lack of a field."""
    counts: Counter[RuleCell] = Counter()
    for (merchant_id, placement, day, fired, skipped), times in sets.items():
        for rule, lacked in (*((rule, "") for rule in fired), *skipped):
            counts[RuleCell(merchant_id, placement, rule, day, lacked)] += times
    return counts


def _by_field(sets: Counter[_SentFields]) -> Counter[FieldCell]:
    """Return counts by field; those of the field "" are decisions."""
    counts: Counter[FieldCell] = Counter()
    for (merchant_id, day, names), times in sets.items():
        for name in ("", *names):
            counts[FieldCell(merchant_id, name, day)] += times
    return counts


def _by_bin(times: dict[tuple[int, str, int, int], int]) -> Counter[DurationCell]:
    counts: Counter[DurationCell] = Counter()
    for (merchant_id, placement, hour, milliseconds), decisions in times.items():
        counts[DurationCell(merchant_id, placement, hour, bin_of(milliseconds))] += decisions
    return counts


def _last_by_rule(sets: dict[_EvaluatedRules, int]) -> dict[RuleKey, int]:
    latest: dict[RuleKey, int] = {}
    for rules, decided_at in sets.items():
        for rule in rules.fired:
            key = RuleKey(rules.merchant_id, rules.placement, rule)
            latest[key] = max(decided_at, latest.get(key, 0))
    return latest
