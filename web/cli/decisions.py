"""`tap2 decision`."""

from __future__ import annotations

from typing import Any

import click

from engine.decisions.replay import Replay, replay
from engine.model.errors import NotFound
from engine.service import Engine
from engine.store import decisions
from engine.store.decisions import DecisionRow
from web.api.log import logged_outcome
from web.cli.common import as_json, show, with_engine


@click.group()
def decision() -> None:
    """Logged decisions."""


@decision.command("show")
@click.argument("decision_id")
@as_json
def decision_show(*, decision_id: str, json: bool) -> None:
    """Show an answer with its trace and what happened next."""

    async def work(engine: Engine) -> dict[str, Any]:
        row = await _row(engine, decision_id)
        found = await engine.logbook.explain(row.merchant_id, decision_id)
        return {
            "answer": found.decision,
            "trace": found.trace,
            "outcomes": [logged_outcome(one) for one in found.outcomes],
        }

    show(with_engine(work), json=json)


@decision.command("replay")
@click.argument("decision_id")
@as_json
def decision_replay(*, decision_id: str, json: bool) -> None:
    """Make a decision again from its row; exit status 1 where it comes out otherwise."""

    async def work(engine: Engine) -> Replay:
        return await replay(engine.database, await _row(engine, decision_id))

    again = with_engine(work)
    show(again, json=json)
    if not again.same:
        raise SystemExit(1)


async def _row(engine: Engine, decision_id: str) -> DecisionRow:
    async with engine.database.read() as connection:
        rows = await decisions.by_ids(connection, [decision_id])
    if decision_id not in rows:
        raise NotFound(f"there is no decision “{decision_id}”")
    return rows[decision_id]
