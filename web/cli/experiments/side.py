"""The side and placement that a command is about, and what commands about experiments have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, BinaryIO, NamedTuple

import click

from engine.model.account import Merchant, Mode
from engine.model.actor import Actor
from engine.model.errors import EngineError
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from engine.service import Engine
from web.cli.common import as_json, show, with_engine
from web.cli.failures import refusal
from web.experiments.looks_view import Shown
from web.http.request_reading import MOST_BULK_BYTES, converted, loads

COMMAND_LINE = "tap2"
"""The actor's name in the audit log."""

Change = Callable[[Engine, Actor], Awaitable[Resource]]


class Side(NamedTuple):
    """A placement on the live or the test side of a merchant."""

    merchant: str
    mode: Mode
    placement: str

    async def merchant_of(self, engine: Engine) -> Merchant:
        """Return the merchant's side."""
        return await engine.accounts.merchant(self.merchant, self.mode)

    async def actor_of(self, engine: Engine) -> Actor:
        """Return who changes something; plans are loaded first, so that a change publishes on what is in force."""
        merchant = await self.merchant_of(engine)
        await engine.live.follow()
        return Actor(merchant.id, COMMAND_LINE)


def on_side(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a placement of a merchant's side; the command gets them as a `Side`."""

    @wraps(command)
    def run(*, merchant: str, is_test: bool, placement: str, **more: Any) -> None:
        command(Side(merchant, "test" if is_test else "live", placement), **more)

    for option in (
        click.option("--merchant", required=True, help="The merchant's slug."),
        click.option("--test", "is_test", is_flag=True, help="Use the test side instead of the live side."),
        click.option("--placement", required=True, help="The placement's key."),
    ):
        run = option(run)
    return as_json(run)


PHASE_HELP = "0 for the latest phase."


def on_look(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a look at an experiment; the command gets them as `shown`."""

    @wraps(command)
    def run(*, phase: int, look: int, **more: Any) -> None:
        command(shown=Shown(phase, look), **more)

    run = click.option("--phase", default=0, help=PHASE_HELP)(run)
    return click.option("--look", default=0, help="A stored look; 0 for the results now.")(run)


def changing(side: Side, change: Change, *, json: bool) -> None:
    """Carry out a change and show the experiment as it is now."""

    async def work(engine: Engine) -> dict[str, Any]:
        return row_of(await change(engine, await side.actor_of(engine)))

    show(with_engine(work), json=json)


def read_document(file: BinaryIO) -> Experiment:
    """Return the experiment of a JSON document; what is wrong with it ends the command with one line."""
    try:
        document: Experiment = converted(loads(file.read(), most_bytes=MOST_BULK_BYTES), Experiment)
    except EngineError as error:
        raise refusal(error) from None
    return document


def row_of(resource: Resource) -> dict[str, Any]:
    """Return what lists show of an experiment."""
    document: Experiment = resource.document
    status = document.status
    return {
        "id": document.id,
        "name": document.name,
        "state": status.state,
        "phase": status.phase,
        "layer": document.layer,
        "share": document.share,
        "variants": [variant.id for variant in document.variants],
        "winner": status.winner,
        "reason": status.reason,
    }
