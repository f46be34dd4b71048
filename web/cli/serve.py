"""`tap2 serve`."""

from __future__ import annotations

import asyncio

import click
import uvicorn
from litestar import Litestar
from rich.progress import BarColumn, Progress, TaskProgressColumn

from engine.settings import Settings
from web.app import create_app
from web.cli.common import settings
from web.demo.past import needs_past, write_past
from web.http import logs
from web.http.metrics import shared_by_processes
from web.http.protocol import HttpProtocol


@click.command()
def serve() -> None:
    """Serve the API and the admin until interrupted."""
    options = settings()
    if needs_past(options):
        _write_past(options)
    if options.workers == 1:
        _run(app(), options)
        return
    with shared_by_processes():
        _run("web.cli.serve:app", options)


def _run(served: Litestar | str, options: Settings) -> None:
    """Serve an app, or in several processes the one that a factory of this name returns."""
    uvicorn.run(
        served,
        factory=isinstance(served, str),
        host=options.host,
        port=options.port,
        workers=options.workers,
        loop="uvloop",
        http=HttpProtocol,
        log_level="warning",
        log_config=None,
        access_log=False,
        server_header=False,
        forwarded_allow_ips=options.trusted_proxies,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=options.keep_alive_seconds,
        timeout_worker_healthcheck=options.worker_start_seconds,
    )


def _write_past(options: Settings) -> None:
    """Simulate the demo's past and show the progress."""
    # Alerts of simulated days are no news.
    logs.configure("error")
    click.echo(f"\n  Simulating the past {options.demo_days} days of the demo shop. This takes a minute or two, once.")
    with Progress("  ", BarColumn(), TaskProgressColumn(), transient=True) as shown:
        task = shown.add_task("", total=options.demo_days)
        asyncio.run(write_past(options, progress=lambda days: shown.update(task, completed=days)))


def app() -> Litestar:
    """Return the app that each worker serves."""
    return create_app(settings())
