"""`tap2 outcomes`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from engine.decisions.retract import retract
from engine.model.account import Mode
from engine.model.outcome import SOURCES, Retraction, Source
from engine.model.timestamps import to_ms
from engine.service import Engine
from web.cli.common import as_json, show, with_engine

MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"])


@click.group()
def outcomes() -> None:
    """Reported outcomes."""


@outcomes.command("retract")
@click.option("--merchant", required=True, help="The merchant's slug.")
@click.option("--test", "is_test", is_flag=True, help="Use the test side instead of the live side.")
@click.option("--source", type=click.Choice(SOURCES), required=True, help="Who reported them.")
@click.option("--from", "since", type=MOMENT, required=True, help="Recorded from then on, in UTC.")
@click.option("--to", "until", type=MOMENT, required=True, help="Recorded before then, in UTC.")
@click.option("--key", help="Only those reported with this key, by its id.")
@as_json
def outcomes_retract(
    *, merchant: str, is_test: bool, source: Source, key: str | None, json: bool, **period: datetime
) -> None:
    """Remove outcomes from the log and from learning. Only a backup can restore them."""
    mode: Mode = "test" if is_test else "live"

    async def work(engine: Engine) -> int:
        side = await engine.accounts.merchant(merchant, mode)
        retraction = Retraction(side.id, source, _milliseconds(period["since"]), _milliseconds(period["until"]), key)
        count = await retract(engine.database, retraction, actor_name="tap2")
        await engine.live.follow()
        await engine.live.refresh(at_once=True)
        return count

    show({"merchant": merchant, "side": mode, "retracted": with_engine(work)}, json=json)


def _milliseconds(moment: datetime) -> int:
    return to_ms(moment.replace(tzinfo=UTC))
