"""`tap2 serve`."""

from __future__ import annotations

import click
import uvicorn
from litestar import Litestar

from web.app import create_app
from web.cli.common import settings


@click.command()
def serve() -> None:
    """Serve the API and the admin until interrupted."""
    chosen = settings()
    if chosen.workers > 1 and not chosen.database_url:
        raise click.ClickException("TAP2_WORKERS: more than one needs PostgreSQL; set TAP2_DATABASE_URL")
    uvicorn.run(
        "web.cli.serve:app" if chosen.workers > 1 else app(),
        factory=chosen.workers > 1,
        host=chosen.host,
        port=chosen.port,
        workers=chosen.workers,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )


def app() -> Litestar:
    """What each worker serves."""
    return create_app(settings())
