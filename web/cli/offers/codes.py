"""`tap2 codes`: the pools of codes of offers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, NamedTuple, TextIO

import click

from engine.model.actor import Actor
from engine.service import Engine
from web.cli.common import show, with_engine
from web.cli.experiments.side import COMMAND_LINE
from web.cli.offers.budgets import mode_of, of_merchant


class CodesOf(NamedTuple):
    """The offer whose codes a command is about."""

    merchant: str
    is_test: bool
    placement: str
    offer: str

    def run(self, work: Callable[[Engine, Actor], Awaitable[Any]], *, json: bool) -> None:
        """Show the named tuple that `work` returns."""

        async def run(engine: Engine) -> dict[str, Any]:
            side = await engine.accounts.merchant(self.merchant, mode_of(self.is_test))
            result: dict[str, Any] = (await work(engine, Actor(side.id, COMMAND_LINE)))._asdict()
            return result

        show(with_engine(run), json=json)


def _of_offer(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name an offer; the command gets them as `CodesOf`."""

    @wraps(command)
    def run(*, merchant: str, is_test: bool, placement: str, offer: str, **more: Any) -> None:
        command(CodesOf(merchant, is_test, placement, offer), **more)

    named = click.option("--offer", required=True, help="The offer's id.")(run)
    named = click.option("--placement", default="offers", show_default=True, help="The placement's key.")(named)
    return of_merchant(named)


@click.group()
def codes() -> None:
    """Codes of offers that are given to one customer each."""


@codes.command("count")
@_of_offer
def count(pool: CodesOf, *, json: bool) -> None:
    """Count the codes of an offer that are free, held and used."""
    pool.run(lambda engine, actor: engine.codes.counts(actor.merchant_id, pool.placement, pool.offer), json=json)


@codes.command("add")
@click.option("--file", "lines", type=click.File(), required=True, help="A file with one code a line; - reads stdin.")
@_of_offer
def add(pool: CodesOf, *, lines: TextIO, json: bool) -> None:
    """Add the codes of a file to the pool of an offer."""
    texts = [line for line in lines.read().splitlines() if line.strip()]
    pool.run(lambda engine, actor: engine.codes.add(actor, pool.placement, pool.offer, texts), json=json)


@codes.command("generate")
@click.option("--count", "number", type=int, required=True, help="How many, at most 10,000.")
@click.option("--prefix", default="", help="What each begins with.")
@_of_offer
def generate(pool: CodesOf, *, number: int, prefix: str, json: bool) -> None:
    """Add new codes to the pool of an offer."""
    pool.run(lambda engine, actor: engine.codes.generate(actor, pool.placement, pool.offer, number, prefix), json=json)
