"""Count from the log how often rules fire and fields arrive, by day, outside the path of decisions.

A cursor says how far the log has been counted; counting goes on from it in pieces.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from engine.model.timestamps import DAY
from engine.store import rollups
from engine.store.connection.database import Database
from engine.store.rollups import FieldCell, LoggedUse, RuleCell, RuleKey

PIECE = 1_000
SETTLED_AFTER_MS = 15_000
"""Ids have the time of the decision, but reach the log a little later and out of order."""


class _SkippedRule(msgspec.Struct, frozen=True):
    rule: str
    field: str


class _UsedRules(msgspec.Struct):
    """Both lists as JSON text: most answers of a placement have the same lists, which are parsed once."""

    rules: msgspec.Raw
    skipped: msgspec.Raw


_read_answer = msgspec.json.Decoder(_UsedRules).decode
_read_facts = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_read_rules = msgspec.json.Decoder(list[str]).decode
_read_skipped = msgspec.json.Decoder(list[_SkippedRule]).decode


class UseCounts(NamedTuple):
    """Counts of rules that fired or lacked a field, of fields that arrived, and when each rule fired last."""

    rules: Counter[RuleCell]
    fields: Counter[FieldCell]
    last_fired: dict[RuleKey, int]


async def roll_up(database: Database, *, now: int, most_pieces: int = 200) -> int:
    """Count the decisions logged since the last time; return their number.

    Reading and counting hold up nobody; a piece that another process has counted meanwhile is left to it.
    """
    counted = 0
    for _ in range(most_pieces):
        async with database.read() as connection:
            cursor = await rollups.cursor(connection)
            rows = await rollups.logged_after(connection, cursor, before=now - SETTLED_AFTER_MS, limit=PIECE)
        if not rows:
            break
        uses = await asyncio.to_thread(count, rows)
        async with database.write() as connection:
            if await rollups.move_cursor(connection, cursor, rows[-1].id):
                await rollups.add(connection, *uses)
                counted += len(rows)
        if len(rows) < PIECE:
            break
    return counted


def count(rows: Sequence[LoggedUse]) -> UseCounts:
    """Return the counts of fields; the field "" counts decisions."""
    uses = UseCounts(Counter(), Counter(), {})
    alike: Counter[tuple[int, str, int, bytes, bytes]] = Counter()
    latest: dict[tuple[int, str, bytes], int] = {}
    for row in rows:
        answer, day = _read_answer(row.answer), row.decided_at // DAY
        uses.fields.update(FieldCell(row.merchant_id, name, day) for name in ("", *_read_facts(row.facts)))
        rules = bytes(answer.rules)
        alike[row.merchant_id, row.placement, day, rules, bytes(answer.skipped)] += 1
        latest[row.merchant_id, row.placement, rules] = row.decided_at
    for (merchant_id, placement, day, rules, skipped), times in alike.items():
        for rule, lacked in _verdicts(rules, skipped):
            uses.rules[RuleCell(merchant_id, placement, rule, day, lacked)] += times
    for (merchant_id, placement, rules), fired_at in latest.items():
        for rule in _read_rules(rules):
            key = RuleKey(merchant_id, placement, rule)
            uses.last_fired[key] = max(fired_at, uses.last_fired.get(key, 0))
    return uses


def _verdicts(rules: bytes, skipped: bytes) -> Iterable[tuple[str, str]]:
    """Return (rule, missing field) for each rule that fired, with "", or was skipped."""
    yield from ((rule, "") for rule in _read_rules(rules))
    yield from ((rule_skipped.rule, rule_skipped.field) for rule_skipped in _read_skipped(skipped))
