"""`tap2 beliefs refits` and `tap2 beliefs undo-refit`."""

from __future__ import annotations

from typing import Any

import click

from engine.model.actor import Actor
from engine.service import Engine
from web.api.learning.refits import item_of
from web.cli.common import show, with_engine
from web.cli.experiments.side import COMMAND_LINE
from web.cli.installation.maintenance import beliefs
from web.cli.offers.budgets import mode_of, of_merchant

of_placement = click.option("--placement", default="offers", show_default=True, help="The placement's key.")


@beliefs.command("refits")
@of_placement
@of_merchant
def refits(*, placement: str, merchant: str, is_test: bool, json: bool) -> None:
    """List the weekly refits of a model that learns from facts, the newest first."""

    async def work(engine: Engine) -> list[Any]:
        side = await engine.accounts.merchant(merchant, mode_of(is_test))
        await engine.live.follow()
        return [item_of(refit) for refit in await engine.refitter.page(side.id, placement)]

    show(with_engine(work), json=json)


@beliefs.command("undo-refit")
@of_placement
@click.option("--reason", default="", help="Stands in the audit log.")
@of_merchant
def undo_refit(*, placement: str, reason: str, merchant: str, is_test: bool, json: bool) -> None:
    """Go back to the model before the last refit, with all that was learned since."""

    async def work(engine: Engine) -> Any:
        side = await engine.accounts.merchant(merchant, mode_of(is_test))
        await engine.live.follow()
        await engine.refitter.go_back(Actor(side.id, COMMAND_LINE), placement, reason=reason)
        return item_of((await engine.refitter.page(side.id, placement))[0])

    show(with_engine(work), json=json)
