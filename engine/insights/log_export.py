"""Write logged decisions with their outcomes to a Parquet file, some at a time, whatever the size of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
from pyarrow import parquet

from engine.decisions.outcome_processor import OutcomeProcessor
from engine.kernel.experiments.measures import paid_order
from engine.learning.credit_settings import Learning
from engine.learning.outcome_effects import counting, credit_of, read_answer
from engine.model.decision import Decision
from engine.model.outcome import OutcomeRow
from engine.model.timestamps import first_id_of
from engine.store import decisions, outcomes
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow, with_stored_name
from engine.store.tables.columns import IdSpan

CHUNK, ROWS_OF_A_GROUP = 2_000, 20_000
"""Decisions that are read at once, and that a row group of the file has."""

_MOMENT = pa.timestamp("ms", tz="UTC")
_RANKED = pa.struct(
    [("id", pa.string()), ("score", pa.float64()), ("confidence", pa.float64()), ("chance", pa.float64())]
)
_OUTCOME = pa.struct(
    [
        ("type", pa.string()),
        ("candidate", pa.string()),
        ("amount", pa.int64()),
        ("currency", pa.string()),
        ("occurred_at", _MOMENT),
        ("source", pa.string()),
        ("counts", pa.bool_()),
    ]
)
SCHEMA = pa.schema(
    [
        ("decision_id", pa.string()),
        ("decided_at", _MOMENT),
        ("placement", pa.string()),
        ("customer", pa.string()),
        ("plan_version", pa.int32()),
        ("beliefs_version", pa.int64()),
        ("customer_group", pa.string()),
        ("fallback", pa.bool_()),
        ("facts", pa.string()),
        ("history", pa.string()),
        ("ranking", pa.list_(_RANKED)),
        ("excluded", pa.list_(pa.struct([("id", pa.string()), ("reason", pa.string())]))),
        ("rules", pa.list_(pa.string())),
        ("experiments", pa.list_(pa.struct([("id", pa.string()), ("variant", pa.string())]))),
        ("set_values", pa.string()),
        ("action", pa.string()),
        ("action_chance", pa.float64()),
        ("propensity", pa.float64()),
        ("outcomes", pa.list_(_OUTCOME)),
        ("is_closed", pa.bool_()),
        ("reward", pa.int32()),
        ("purchased", pa.bool_()),
        ("revenue", pa.int64()),
    ]
)
"""The columns; docs/data-export.md says what each contains."""

_read_decision = msgspec.json.Decoder(Decision, strict=False).decode
_encode = msgspec.json.Encoder(order="sorted").encode


class ExportedLog(NamedTuple):
    """The counts of a file: decisions, and outcomes of these."""

    decisions: int
    outcomes: int


async def export_decisions(
    database: Database, merchant_id: int, path: Path, *, begin: int, end: int, placement: str | None = None
) -> ExportedLog:
    """Write the decisions from `begin` on and before `end` (epoch ms), of all placements unless one is named.

    The file appears once it is complete. Customers are the keyed hashes of the log.
    """
    partial, span = path.with_name(f"{path.name}.part"), IdSpan(first_id_of(begin), first_id_of(end))
    total = ExportedLog(0, 0)
    try:
        with parquet.ParquetWriter(partial, SCHEMA, compression="zstd") as writer:
            tables = [SCHEMA.empty_table()]
            async for piece in _pieces(database, merchant_id, span, placement):
                total = ExportedLog(
                    total.decisions + len(piece), total.outcomes + sum(len(row["outcomes"]) for row in piece)
                )
                # Arrow needs a fraction of the memory of the rows.
                tables.append(await asyncio.to_thread(pa.Table.from_pylist, piece, SCHEMA))
                if sum(map(len, tables)) >= ROWS_OF_A_GROUP:
                    await asyncio.to_thread(writer.write_table, pa.concat_tables(tables))
                    tables = [SCHEMA.empty_table()]
            writer.write_table(pa.concat_tables(tables))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return total


async def _pieces(database: Database, merchant_id: int, span: IdSpan, placement: str | None) -> Any:
    """Yield rows of the file, some at a time."""
    processor, first = OutcomeProcessor(), span.first
    while True:
        async with database.read() as connection:
            logged = await decisions.first_between(
                connection, merchant_id, IdSpan(first, span.last), placement=placement, limit=CHUNK
            )
            if not logged:
                return
            events = await outcomes.of_decisions(connection, [row.id for row in logged])
            settings = {row.id: await processor.learning(connection, row) for row in logged}
        named = [with_stored_name(database.names, row) for row in logged]
        yield await asyncio.to_thread(_rows_of, named, events, settings)
        first = f"{logged[-1].id}00"


def _rows_of(
    logged: Sequence[DecisionRow], events: Mapping[str, Sequence[OutcomeRow]], settings: Mapping[str, Learning]
) -> list[dict[str, Any]]:
    return [_row_of(row, events.get(row.id, ()), settings[row.id]) for row in logged]


def _row_of(row: DecisionRow, reported: Sequence[OutcomeRow], learning: Learning) -> dict[str, Any]:
    decision = _read_decision(row.answer)
    counted = counting(learning, reported)
    order, keys = paid_order(counted, learning.currency), {outcome.key for outcome in counted}
    credit = credit_of(learning, read_answer(row.answer), reported, closed=row.closes_at is None)
    first = decision.ranking[0] if decision.ranking else None
    return {
        "decision_id": row.id,
        "decided_at": row.decided_at,
        "placement": row.placement,
        "customer": row.customer,
        "plan_version": row.plan_version,
        "beliefs_version": row.beliefs_version,
        "customer_group": row.bucket,
        "fallback": decision.fallback,
        "facts": row.facts,
        "history": row.history,
        "ranking": [
            {"id": each.id, "score": each.score, "confidence": each.confidence, "chance": each.chance}
            for each in decision.ranking
        ],
        "excluded": [{"id": each.id, "reason": each.reason} for each in decision.excluded],
        "rules": decision.rules,
        "experiments": [{"id": each["id"], "variant": each["variant"]} for each in decision.experiments],
        "set_values": _encode(decision.values).decode(),
        "action": first.id if first else None,
        "action_chance": first.chance if first else None,
        "propensity": decision.propensity,
        "outcomes": [_outcome_of(outcome, counts=outcome.key in keys) for outcome in reported],
        "is_closed": row.closes_at is None,
        "reward": int(sum(each.successes for each in credit.values())),
        "purchased": order is not None,
        "revenue": order.amount if order else 0,
    }


def _outcome_of(outcome: OutcomeRow, *, counts: bool) -> dict[str, Any]:
    return {
        "type": outcome.type,
        "candidate": outcome.candidate,
        "amount": outcome.amount,
        "currency": outcome.currency,
        "occurred_at": outcome.occurred_at,
        "source": outcome.source,
        "counts": counts,
    }
