"""`tap2 experiments`: list, show, create, replace and delete experiments, and the layers that they share."""

from __future__ import annotations

from typing import Any, BinaryIO

import click

from engine.experiments.layers import layers_of
from engine.service import Engine
from web.api.resources import fields_of
from web.cli.common import show, with_engine
from web.cli.experiments.actions import ACTION_COMMANDS, conclude
from web.cli.experiments.reports import ask_log, checklist, log, looks, results, size, variant
from web.cli.experiments.side import Side, changing, on_side, read_document, row_of

DOCUMENT = click.argument("file", type=click.File("rb"))


@click.group()
def experiments() -> None:
    """Experiments: write them, read results, start, pause, stop, conclude and archive."""


@experiments.command("list")
@on_side
def list_all(side: Side, *, json: bool) -> None:
    """List the experiments of a placement, with their layers and shares."""

    async def work(engine: Engine) -> list[dict[str, Any]]:
        merchant = await side.merchant_of(engine)
        return [row_of(resource) for resource in await engine.experiments.page(merchant.id, side.placement)]

    show(with_engine(work), json=json)


@experiments.command("show")
@click.argument("id")
@on_side
def show_document(side: Side, *, id: str, json: bool) -> None:
    """Show an experiment as its document."""

    async def work(engine: Engine) -> Any:
        merchant = await side.merchant_of(engine)
        return fields_of(await engine.experiments.get(merchant.id, side.placement, id))

    show(with_engine(work), json=json)


@experiments.command("create")
@DOCUMENT
@on_side
def create(side: Side, *, file: BinaryIO, json: bool) -> None:
    """Create an experiment from a JSON document, as a draft."""
    document = read_document(file)
    changing(side, lambda engine, actor: engine.experiments.create(actor, side.placement, document), json=json)


@experiments.command("replace")
@DOCUMENT
@on_side
def replace(side: Side, *, file: BinaryIO, json: bool) -> None:
    """Replace the experiment that has the id of a JSON document."""
    document = read_document(file)
    changing(
        side,
        lambda engine, actor: engine.experiments.update(actor, side.placement, document.id, document, version=None),
        json=json,
    )


@experiments.command("delete")
@click.argument("id")
@on_side
def delete(side: Side, *, id: str, json: bool) -> None:
    """Delete an experiment in which nobody was ever enrolled."""

    async def work(engine: Engine) -> dict[str, str]:
        await engine.experiments.delete(await side.actor_of(engine), side.placement, id, version=None)
        return {"deleted": id}

    show(with_engine(work), json=json)


@experiments.command("layers")
@on_side
def layers(side: Side, *, json: bool) -> None:
    """Show the layers: which experiments take up which part, and what is free."""

    async def work(engine: Engine) -> Any:
        merchant = await side.merchant_of(engine)
        resources = await engine.experiments.page(merchant.id, side.placement)
        return layers_of([resource.document for resource in resources])

    show(with_engine(work), json=json)


for command in (*ACTION_COMMANDS, conclude, results, looks, size, checklist, ask_log, log, variant):
    experiments.add_command(command)
