"""`tap2 customer`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from engine.clock import now_ms
from engine.customers.erasure import ErasureReceipt
from engine.model.account import Mode
from engine.model.actor import Actor
from engine.model.timestamps import rfc3339
from engine.service import Engine
from web.cli.common import NewFile, as_json, show, with_engine
from web.customer_files import export_zip

ACTOR = "tap2"
BY_OPERATOR = "by an operator"


@click.group()
def customer() -> None:
    """What is known of a customer. The id is asked for, so that it stays out of the shell's history."""


@customer.command("export")
@click.argument("file", type=NewFile())
@click.option("--merchant", required=True, help="The merchant's slug.")
@click.option("--test", "is_test", is_flag=True, help="Use the test side instead of the live side.")
@click.option("--customer-id", prompt="Customer id", hide_input=True, help="The customer's id; asked for if left out.")
@as_json
def customer_export(file: Path, *, merchant: str, is_test: bool, customer_id: str, json: bool) -> None:
    """Write everything that is known of a customer to a new ZIP file."""

    async def work(engine: Engine) -> bytes:
        side = await engine.accounts.merchant(merchant, _mode(is_test=is_test))
        sections = await engine.customer_rights.export(Actor(side.id, ACTOR), customer_id, check=BY_OPERATOR)
        return await asyncio.to_thread(export_zip, sections, exported_at=rfc3339(now_ms()))

    made = with_engine(work)
    with file.open("xb") as target:
        file.chmod(0o600)
        target.write(made)
    show({"file": str(file), "bytes": len(made)}, json=json)


@customer.command("erase")
@click.option("--merchant", required=True, help="The merchant's slug.")
@click.option("--test", "is_test", is_flag=True, help="Use the test side instead of the live side.")
@click.option("--keep-nothing", is_flag=True, help="Also forget the refusal: the customer starts anew.")
@click.option("--customer-id", prompt="Customer id", hide_input=True, help="The customer's id; asked for if left out.")
@as_json
def customer_erase(*, merchant: str, is_test: bool, keep_nothing: bool, customer_id: str, json: bool) -> None:
    """Erase a customer. Cannot be undone."""

    async def work(engine: Engine) -> ErasureReceipt:
        side = await engine.accounts.merchant(merchant, _mode(is_test=is_test))
        actor, suppress = Actor(side.id, ACTOR), not keep_nothing
        _, receipt = await engine.customer_rights.erase(actor, customer_id, check=BY_OPERATOR, suppress=suppress)
        return receipt

    receipt = with_engine(work)
    document = {
        "erased_at": rfc3339(receipt.erased_at),
        "decisions": receipt.decisions,
        "suppressed": receipt.suppressed,
    }
    show(document, json=json)


def _mode(*, is_test: bool) -> Mode:
    return "test" if is_test else "live"
