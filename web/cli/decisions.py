"""`tap2 decision`."""

from __future__ import annotations

from typing import Any

import click

from engine.decisions.replay import Replay
from engine.service import Engine
from web.api.log import logged_outcome
from web.cli.common import as_json, show, with_engine


@click.group()
def decision() -> None:
    """Logged decisions."""


@decision.command("show")
@click.argument("decision_id")
@as_json
def decision_show(*, decision_id: str, json: bool) -> None:
    """Show an answer with its trace and outcomes."""

    async def work(engine: Engine) -> dict[str, Any]:
        explained = await engine.logbook.explain(await engine.logbook.merchant_of(decision_id), decision_id)
        return {
            "answer": explained.decision,
            "trace": explained.trace,
            "outcomes": [logged_outcome(row) for row in explained.outcomes],
        }

    show(with_engine(work), json=json)


@decision.command("replay")
@click.argument("decision_id")
@as_json
def decision_replay(*, decision_id: str, json: bool) -> None:
    """Repeat a decision from its row. The exit status is 1 if the answer differs."""

    async def work(engine: Engine) -> Replay:
        return await engine.logbook.replay(await engine.logbook.merchant_of(decision_id), decision_id)

    replayed = with_engine(work)
    show(replayed, json=json)
    if not replayed.same:
        raise SystemExit(1)
