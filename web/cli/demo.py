"""`tap2 demo`."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import click
from numpy.random import default_rng

from simulation.worlds.shoppers import ShopperWorld
from web.cli.common import as_json, show
from web.demo.shoppers import RequestsRefused, Shoppers, Tally, client


@click.command()
@click.option("--url", default="http://127.0.0.1:8000", show_default=True, envvar="TAP2_URL")
@click.option("--key", required=True, envvar="TAP2_KEY", help="A secret key of the demo merchant; also TAP2_KEY.")
@click.option("--rate", type=click.FloatRange(min=0.1, max=1000), default=25.0, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=1), default=60.0, show_default=True)
@as_json
def demo(*, url: str, key: str, rate: float, seconds: float, json: bool) -> None:
    """Send simulated checkouts to a running server."""

    async def shop() -> Tally:
        async with client(url, key) as http:
            return await Shoppers(http, ShopperWorld(default_rng()), rate=rate).run(seconds=seconds)

    try:
        tally = asyncio.run(shop())
    except RequestsRefused as error:
        raise click.ClickException(str(error)) from None
    show(asdict(tally), json=json)
