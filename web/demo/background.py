"""The demo inside a server: a merchant, a login and shoppers, without a second process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from numpy.random import default_rng
from rich.console import Console

from engine.service import Engine
from engine.settings import Settings
from simulation.worlds.shoppers import World
from web.demo import seed
from web.demo.shoppers import client, shop_for_ever

LOGIN_FILE = "demo-login"
KEY_FILE = "demo-key"


@asynccontextmanager
async def demo(engine: Engine) -> AsyncIterator[None]:
    """Seed the demo once, say how to log in, and let shoppers call the HTTP endpoint for as long as this is open."""
    welcome = await seed.seed(engine)
    password = _remembered(Path(engine.settings.data) / LOGIN_FILE, welcome.password)
    _greet(engine.settings, welcome.email, password)
    key = await key_of_last_run(engine)
    url = f"http://{engine.settings.host}:{engine.settings.port}"
    task = asyncio.create_task(
        shop_for_ever(lambda: client(url, key), World(default_rng()), rate=engine.settings.demo_rate), name="shoppers"
    )
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


async def key_of_last_run(engine: Engine) -> str:
    """The shoppers' key of the last run where it is still in force, so that starts do not fill the audit log."""
    path = Path(engine.settings.data) / KEY_FILE
    kept = path.read_text() if path.exists() else ""
    if engine.accounts.access(kept) is not None:
        return kept
    key = await seed.shoppers_key(engine)
    _keep(path, key)
    return key


def _remembered(path: Path, fresh: str | None) -> str:
    """The demo's password lies beside its data, so that every start can say it."""
    if fresh is not None:
        _keep(path, fresh)
    return path.read_text() if path.exists() else "(set with `tap2 user password`)"


def _keep(path: Path, secret: str) -> None:
    """For the owner of the folder alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret)


def _greet(settings: Settings, email: str, password: str) -> None:
    console = Console()
    console.print(f"\n  Tap2 Personalize   [bold]http://{settings.host}:{settings.port}/admin/[/bold]")
    console.print(f"  Log in as          [bold]{email}[/bold]   password [bold]{password}[/bold]", highlight=False)
    console.print("  Simulated shoppers are checking out; watch Placements. Stop with Ctrl+C.\n")
