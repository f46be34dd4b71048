"""Write the log for the verifier: decisions with what they were drawn from, some at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.decisions.replay import active_of, facts_of, given_of
from engine.insights.verification_lines import AnsweredRequest, VerificationLines
from engine.learning.active import Active
from engine.model.decision import Decision
from engine.model.errors import NotFound
from engine.model.timestamps import first_id_of
from engine.store import decisions
from engine.store.beliefs import Snapshot
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.tables.columns import IdSpan

CHUNK = 2_000
"""Decisions that are read at once."""

Versions = Mapping[tuple[str, int, int], tuple[Active, Snapshot] | str]
"""The plan and the beliefs by placement, plan version and beliefs version, or why there are none."""

_read_decision = msgspec.json.Decoder(Decision).decode


class ExportedDecisions(NamedTuple):
    """The counts of a file; `left_out` counts by reason the decisions that cannot be drawn again."""

    decisions: int
    left_out: dict[str, int]


async def export_for_verification(
    database: Database, merchant_id: int, path: Path, *, begin: int, end: int, placement: str | None = None
) -> ExportedDecisions:
    """Write the decisions from `begin` on and before `end` (epoch ms), of all placements unless one is named.

    The file appears once it is complete. It has no facts; customers are keyed hashes, where a draw depends on them.
    """
    partial, span = path.with_name(f"{path.name}.part"), IdSpan(first_id_of(begin), first_id_of(end))
    lines = VerificationLines()
    try:
        with partial.open("wb") as file:
            file.write(lines.header(begin, end))
            async for logged, versions in _pieces(database, merchant_id, span, placement):
                # A chunk takes a second of computing; the export may share a process with other work.
                await asyncio.to_thread(file.writelines, _lines_of(lines, logged, versions))
            file.write(lines.end())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return ExportedDecisions(lines.decisions, dict(lines.reasons))


async def _pieces(
    database: Database, merchant_id: int, span: IdSpan, placement: str | None
) -> AsyncIterator[tuple[list[DecisionRow], Versions]]:
    """Yield decisions, the oldest first, with the versions that made them."""
    first, versions = span.first, dict[tuple[str, int, int], tuple[Active, Snapshot] | str]()
    while True:
        async with database.read() as connection:
            logged = await decisions.first_between(
                connection, merchant_id, IdSpan(first, span.last), placement=placement, limit=CHUNK
            )
        if not logged:
            return
        needed = {_key(row): row for row in logged}
        versions = {key: versions[key] for key in needed if key in versions}
        for key, row in needed.items():
            if key not in versions:
                versions[key] = await _versions_of(database, row)
        yield logged, versions
        first = f"{logged[-1].id}00"


def _key(row: DecisionRow) -> tuple[str, int, int]:
    return row.placement, row.plan_version, row.beliefs_version


async def _versions_of(database: Database, row: DecisionRow) -> tuple[Active, Snapshot] | str:
    try:
        return await active_of(database, row)
    except NotFound as error:
        return str(error)


def _lines_of(lines: VerificationLines, logged: list[DecisionRow], versions: Versions) -> Iterator[bytes]:
    for row in logged:
        made_by = versions[_key(row)]
        if isinstance(made_by, str):
            yield lines.left_out(row.id, made_by)
        else:
            decision = _read_decision(row.answer)
            yield from lines.decision(
                *made_by, AnsweredRequest(decision, facts_of(row), given_of(decision.experiments))
            )
