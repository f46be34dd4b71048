"""`tap2 config`, `tap2 db`, `tap2 beliefs`."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from engine import jobs
from engine.clock import now_ms
from engine.data_folder import database_url, prepare_folder
from engine.decisions import rebuild
from engine.doctor import examine
from engine.installation_keys import accept_customer_key
from engine.migrate import upgrade
from engine.service import Engine
from engine.settings import describe
from web.cli.common import as_json, settings, show, with_engine


@click.command()
@as_json
def config(*, json: bool) -> None:
    """List every setting with its value, default and meaning."""
    show(describe(settings()), json=json, title="Settings")


@click.command()
@as_json
def doctor(*, json: bool) -> None:
    """Examine the folder, the key, the database and the settings. The exit status is 1 if something is wrong."""
    findings = asyncio.run(examine(settings()))
    show(findings, json=json, title="Installation")
    if any(finding.state == "error" for finding in findings):
        raise SystemExit(1)


@click.group()
def db() -> None:
    """The database."""


@db.command("upgrade")
@as_json
def db_upgrade(*, json: bool) -> None:
    """Migrate the database to the newest schema. `tap2 serve` does so too."""
    chosen = settings()
    prepare_folder(chosen)
    show({"revision": asyncio.run(upgrade(database_url(chosen)))}, json=json)


@db.command("accept-customer-key")
@as_json
def db_accept_customer_key(*, json: bool) -> None:
    """Use the customer key of this machine although the database was written with another one.

    Customers are hashed differently from then on, so nobody's past is found. Makes `customer.key` if there is none.
    """
    asyncio.run(accept_customer_key(settings()))
    show({"accepted": True}, json=json)


@db.command("preview-retention")
@click.option("--days", required=True, type=click.IntRange(min=90), help="The retention to try.")
@as_json
def db_preview_retention(*, days: int, json: bool) -> None:
    """Count what a retention of so many days would delete, before you set TAP2_RETENTION_DAYS. Deletes nothing."""

    async def work(engine: Engine) -> Any:
        return await jobs.preview_retention(engine.database, days=days)

    show(with_engine(work), json=json, title=f"To be deleted with a retention of {days} days")


@click.group()
def beliefs() -> None:
    """Inspect and rebuild what the bandits have learned."""


@beliefs.command("rebuild")
@click.option("--check", is_flag=True, help="Only compare with the log; the exit status is 1 if they differ.")
@as_json
def beliefs_rebuild(*, check: bool, json: bool) -> None:
    """Rebuild statistics and usage from the log."""

    async def work(engine: Engine) -> list[rebuild.FoldDifference]:
        since = rebuild.first_whole_day(now_ms(), engine.settings.retention_days, await engine.retention.log_from())
        differences = await rebuild.compare(engine.database, since_day=since)
        if differences and not check:
            await rebuild.rebuild(engine.database, since_day=since)
        return differences

    differences = with_engine(work)
    show({"same": not differences, "differences": differences}, json=json)
    if check and differences:
        raise SystemExit(1)
