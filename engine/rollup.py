"""Counts, from the log and beside the decisions' path, how often rules fire and fields arrive, by day.

A cursor says how far the log has been counted; counting goes on from it in pieces, each in one transaction.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from engine.clock import DAY
from engine.store import rollups
from engine.store.database import Database
from engine.store.rollups import FieldCell, LoggedUse, RuleCell, RuleKey

PIECE = 2_000
SETTLED_AFTER_MS = 15_000
"""Ids are of the time of the decision, and reach the log a little later and not in their order."""


class _Skipped(msgspec.Struct):
    rule: str
    field: str


class _Answer(msgspec.Struct):
    rules: list[str]
    skipped: list[_Skipped]


_read_answer = msgspec.json.Decoder(_Answer).decode
_read_facts = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Uses(NamedTuple):
    """How often each rule fired or lacked a field, how often each field arrived, and when each rule fired last."""

    rules: Counter[RuleCell]
    fields: Counter[FieldCell]
    last_fired: dict[RuleKey, int]


async def roll_up(database: Database, *, now: int, most_pieces: int = 200) -> int:
    """Count what was logged since the last time; returns how many decisions that were."""
    counted = 0
    for _ in range(most_pieces):
        async with database.write() as connection:
            rows = await rollups.uncounted(connection, before=now - SETTLED_AFTER_MS, limit=PIECE)
            if rows:
                await rollups.add(connection, *await asyncio.to_thread(count, rows), cursor=rows[-1].id)
        counted += len(rows)
        if len(rows) < PIECE:
            break
    return counted


def count(rows: Sequence[LoggedUse]) -> Uses:
    """The field "" counts decisions."""
    uses = Uses(Counter(), Counter(), {})
    for row in rows:
        day, answer = row.decided_at // DAY, _read_answer(row.answer)
        uses.fields.update(FieldCell(row.merchant_id, name, day) for name in ("", *_read_facts(row.facts)))
        place = (row.merchant_id, row.placement)
        uses.rules.update(RuleCell(*place, rule, day, "") for rule in answer.rules)
        uses.rules.update(RuleCell(*place, one.rule, day, one.field) for one in answer.skipped)
        uses.last_fired.update((RuleKey(*place, rule), row.decided_at) for rule in answer.rules)
    return uses
