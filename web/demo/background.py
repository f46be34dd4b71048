"""Run the demo inside a server: a merchant, a log-in and simulated shoppers."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from numpy.random import default_rng
from rich.console import Console

from engine.service import Engine
from engine.settings import Settings
from simulation.worlds.shoppers import ShopperWorld
from web.demo import seed
from web.demo.shoppers import client, run_shoppers

LOGIN_FILE = "demo-login"
KEY_FILE = "demo-key"
LOCK_FILE = "demo-lock"


@asynccontextmanager
async def demo(engine: Engine) -> AsyncIterator[None]:
    """Seed the demo, print the log-in, and run shoppers against the HTTP endpoint while the context is open.

    Of several workers that share the data folder only one does so.
    """
    with _only_worker(Path(engine.settings.data)) as is_only:
        if not is_only:
            yield
            return
        async with _running(engine):
            yield


@contextmanager
def _only_worker(folder: Path) -> Iterator[bool]:
    """Try to hold the demo's file lock; yield whether it was free. The system releases it when the process dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@asynccontextmanager
async def _running(engine: Engine) -> AsyncIterator[None]:
    login = await seed.seed(engine)
    password = _kept_password(Path(engine.settings.data) / LOGIN_FILE, login.password)
    _print_login(engine.settings, login.email, password)
    key = await key_of_last_run(engine)
    url = f"http://{engine.settings.host}:{engine.settings.port}"
    task = asyncio.create_task(
        run_shoppers(lambda: client(url, key), ShopperWorld(default_rng()), rate=engine.settings.demo_rate),
        name="shoppers",
    )
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


async def key_of_last_run(engine: Engine) -> str:
    """Return the shoppers' key of the last run while it is valid, so that starts do not fill the audit log."""
    path = Path(engine.settings.data) / KEY_FILE
    last = path.read_text() if path.exists() else ""
    if engine.accounts.access(last) is not None:
        return last
    key = await seed.shoppers_key(engine)
    keep(path, key)
    return key


def _kept_password(path: Path, new: str | None) -> str:
    """Return the demo's password. It is kept beside its data, so that every start can print it."""
    if new is not None:
        keep(path, new)
    return path.read_text() if path.exists() else "(set with `tap2 user password`)"


def keep(path: Path, secret: str) -> None:
    """Write a secret that only the owner of the file may read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret)


def _print_login(settings: Settings, email: str, password: str) -> None:
    console = Console()
    console.print(f"\n  Tap2 Personalize   [bold]http://{settings.host}:{settings.port}/admin/[/bold]")
    console.print(f"  Log in as          [bold]{email}[/bold]   password [bold]{password}[/bold]", highlight=False)
    console.print("  Simulated shoppers are checking out; watch Placements. Stop with Ctrl+C.\n")
