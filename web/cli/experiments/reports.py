"""`tap2 experiments results`, `looks`, `size`, `checklist`, `log`, `variant`: what is to be read of an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

import click
import msgspec

from engine.clock import now_ms
from engine.experiments.looks.stored import StoredLook
from engine.model.experiment import Experiment
from engine.service import Engine
from web.cli.common import show, with_engine
from web.cli.experiments.side import PHASE_HELP, Side, on_look, on_side, read_document
from web.experiments.checklist import Check
from web.experiments.checklist import checklist as points_of
from web.experiments.experiment_size import size_in_audience
from web.experiments.looks_view import Shown
from web.experiments.results_files import FILE_KINDS, FileKind, results_file
from web.reader import MerchantReader


@click.command("results")
@click.argument("id")
@click.option("--format", "kind", type=click.Choice(FILE_KINDS), help="A file instead of a table.")
@click.option("--output", type=click.File("wb"), default="-", help="The output file; by default standard output.")
@on_look
@on_side
def results(side: Side, *, id: str, shown: Shown, kind: FileKind | None, output: BinaryIO, json: bool) -> None:
    """Show the results of an experiment. Intervals are valid at every look."""

    async def work(engine: Engine) -> tuple[bytes, dict[str, Any]]:
        merchant = await side.merchant_of(engine)
        await engine.supervisor.add_up()
        resource = await engine.experiments.get(merchant.id, side.placement, id)
        looks = engine.experiment_looks
        look = await looks.read(merchant.id, resource, now=now_ms(), phase=shown.phase, number=shown.look)
        reader = MerchantReader(engine, merchant)
        content = await results_file(reader, resource, look, kind, is_stored=bool(shown.look)) if kind else b""
        plain: dict[str, Any] = msgspec.to_builtins(look)
        return content, plain

    content, plain = with_engine(work)
    if kind:
        output.write(content)
    else:
        show(plain, json=json)


@click.command("looks")
@click.argument("id")
@click.option("--phase", default=0, help=PHASE_HELP)
@on_side
def looks(side: Side, *, id: str, phase: int, json: bool) -> None:
    """List the stored looks at an experiment. A stored look never changes."""

    async def work(engine: Engine) -> list[StoredLook]:
        merchant = await side.merchant_of(engine)
        resource = await engine.experiments.get(merchant.id, side.placement, id)
        return await engine.experiment_looks.page(merchant.id, resource, phase=phase)

    show(with_engine(work), json=json)


@click.command("size")
@click.argument("file", type=click.File("rb"))
@on_side
def size(side: Side, *, file: BinaryIO, json: bool) -> None:
    """Calculate the size of the experiment in a JSON document, from the log of the last week. Stores nothing."""
    document = read_document(file)

    async def work(engine: Engine) -> Any:
        reader = MerchantReader(engine, await side.merchant_of(engine))
        return await size_in_audience(reader, side.placement, document)

    show(with_engine(work), json=json)


@click.command("checklist")
@click.argument("id")
@on_side
def checklist(side: Side, *, id: str, json: bool) -> None:
    """Show what to check before the start."""

    async def work(engine: Engine) -> Sequence[Check]:
        reader = MerchantReader(engine, await side.merchant_of(engine))
        resource = await engine.experiments.get(reader.merchant.id, side.placement, id)
        configuration = await engine.catalogue.configuration(reader.merchant.id)
        return await points_of(reader, configuration, resource)

    show(with_engine(work), json=json, columns=("title", "done", "needed", "detail"))


@click.command("ask-log")
@click.argument("id")
@on_side
def ask_log(side: Side, *, id: str, json: bool) -> None:
    """Ask the log what each variant would have sold, and wait for the answer."""

    async def work(engine: Engine) -> Any:
        actor = await side.actor_of(engine)
        resource = await engine.experiments.get(actor.merchant_id, side.placement, id)
        await engine.log_questions.ask(actor, resource)
        await engine.log_questions.finish()
        return await engine.log_questions.answers(actor.merchant_id, resource)

    show(with_engine(work), json=json)


@click.command("log")
@click.argument("id")
@on_side
def log(side: Side, *, id: str, json: bool) -> None:
    """Show what the log says of each variant."""

    async def work(engine: Engine) -> Any:
        merchant = await side.merchant_of(engine)
        resource = await engine.experiments.get(merchant.id, side.placement, id)
        return await engine.log_questions.answers(merchant.id, resource)

    show(with_engine(work), json=json)


@click.command("variant")
@click.argument("id")
@click.argument("customer")
@on_side
def variant(side: Side, *, id: str, customer: str, json: bool) -> None:
    """Show the variant of a customer. Enrols nobody."""

    async def work(engine: Engine) -> dict[str, Any]:
        merchant = await side.merchant_of(engine)
        document: Experiment = (await engine.experiments.get(merchant.id, side.placement, id)).document
        unit = engine.hasher(merchant.id, customer)
        assigned = await engine.settled.of_unit(merchant.id, side.placement, document, unit)
        return {"experiment": id, "phase": document.status.phase, "variant": assigned.id if assigned else None}

    show(with_engine(work), json=json)
