"""`tap2 events`: what happened, for other systems."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from engine.model.events.event import StoredEvent
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.cli.common import show, with_engine
from web.cli.offers.budgets import mode_of, of_merchant


@click.group()
def events() -> None:
    """Events: what happened, for other systems."""


@events.command("list")
@click.option(
    "--after", type=click.IntRange(0, 2**53), default=0, show_default=True, help="Only events behind this id."
)
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many at most.")
@of_merchant
def events_list(*, after: int, limit: int, merchant: str, is_test: bool, json: bool) -> None:
    """List events, the oldest first."""

    async def work(engine: Engine) -> list[dict[str, Any]]:
        side = await engine.accounts.merchant(merchant, mode_of(is_test))
        rows = await engine.events.page(side.id, after=after, type=None, limit=limit)
        return [_row(row) for row in rows]

    show(with_engine(work), json=json)


def _row(row: StoredEvent) -> dict[str, Any]:
    body = msgspec.json.decode(row.body)
    return {"id": row.id, "type": row.type, "recorded_at": rfc3339(row.recorded_at), "body": body}
