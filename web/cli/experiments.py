"""`tap2 experiments`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import click
import msgspec

from engine.clock import now_ms
from engine.model.account import Mode
from engine.model.actor import Actor
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from engine.service import Engine
from web.cli.common import as_json, show, with_engine

COMMAND_LINE = "tap2"
"""The actor's name in the audit log."""


class Side(NamedTuple):
    """A placement on the live or the test side of a merchant."""

    merchant: str
    mode: Mode
    placement: str


Act = Callable[[Engine, Actor, Side], Awaitable[Resource]]


def _on_side(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a placement of a merchant's side."""
    for option in (
        click.option("--merchant", required=True, help="The merchant's slug."),
        click.option("--test", "is_test", is_flag=True, help="The test side rather than the live one."),
        click.option("--placement", required=True, help="The placement's key."),
    ):
        command = option(command)
    return as_json(command)


@click.group()
def experiments() -> None:
    """Experiments: list them, read results, start, pause, stop, conclude and archive."""


@experiments.command("list")
@_on_side
def experiments_list(*, merchant: str, is_test: bool, placement: str, json: bool) -> None:
    """List the experiments of a placement."""

    async def work(engine: Engine) -> list[dict[str, Any]]:
        side = await engine.accounts.merchant(merchant, _mode(is_test))
        return [_row(resource) for resource in await engine.experiments.page(side.id, placement)]

    show(with_engine(work), json=json)


@experiments.command("results")
@click.argument("id")
@click.option("--phase", default=0, help="0 for the last one.")
@_on_side
def experiments_results(*, id: str, phase: int, merchant: str, is_test: bool, placement: str, json: bool) -> None:
    """Look at the results of an experiment; intervals hold at every look."""

    async def work(engine: Engine) -> dict[str, Any]:
        side = await engine.accounts.merchant(merchant, _mode(is_test))
        await engine.supervisor.add_up()
        resource = await engine.experiments.get(side.id, placement, id)
        look = await engine.experiment_results.look(side.id, resource, now=now_ms(), phase=phase)
        plain: dict[str, Any] = msgspec.to_builtins(look)
        return plain

    show(with_engine(work), json=json)


@experiments.command("start")
@click.argument("id")
@click.option("--why", "reason", default="", help="Others will read it.")
@_on_side
def experiments_start(*, id: str, reason: str, merchant: str, is_test: bool, placement: str, json: bool) -> None:
    """Enrol customers from now on."""
    _act(
        Side(merchant, _mode(is_test), placement),
        lambda engine, actor, side: engine.experiments.start(actor, side.placement, id, reason=reason),
        json=json,
    )


@experiments.command("pause")
@click.argument("id")
@click.option("--why", "reason", required=True, help="Others will read it.")
@_on_side
def experiments_pause(*, id: str, reason: str, merchant: str, is_test: bool, placement: str, json: bool) -> None:
    """Give everybody the control until the experiment is resumed."""
    _act(
        Side(merchant, _mode(is_test), placement),
        lambda engine, actor, side: engine.experiments.pause(actor, side.placement, id, reason=reason),
        json=json,
    )


@experiments.command("resume")
@click.argument("id")
@_on_side
def experiments_resume(*, id: str, merchant: str, is_test: bool, placement: str, json: bool) -> None:
    """Go on after a pause."""
    _act(
        Side(merchant, _mode(is_test), placement),
        lambda engine, actor, side: engine.experiments.resume(actor, side.placement, id),
        json=json,
    )


@experiments.command("stop")
@click.argument("id")
@click.option("--why", "reason", required=True, help="Others will read it.")
@_on_side
def experiments_stop(*, id: str, reason: str, merchant: str, is_test: bool, placement: str, json: bool) -> None:
    """End an experiment without a winner; everybody gets the control."""
    _act(
        Side(merchant, _mode(is_test), placement),
        lambda engine, actor, side: engine.experiments.stop(actor, side.placement, id, reason=reason),
        json=json,
    )


@experiments.command("conclude")
@click.argument("id")
@click.argument("winner")
@click.option("--why", "reason", required=True, help="Others will read it.")
@_on_side
def experiments_conclude(*, id: str, winner: str, reason: str, json: bool, **side: Any) -> None:
    """End an experiment and publish what the variant WINNER changes."""
    _act(
        Side(side["merchant"], _mode(side["is_test"]), side["placement"]),
        lambda engine, actor, place: engine.experiments.conclude(
            actor, place.placement, id, winner=winner, reason=reason
        ),
        json=json,
    )


@experiments.command("archive")
@click.argument("id")
@_on_side
def experiments_archive(*, id: str, merchant: str, is_test: bool, placement: str, json: bool) -> None:
    """Take a draft or an ended experiment off the list."""
    _act(
        Side(merchant, _mode(is_test), placement),
        lambda engine, actor, side: engine.experiments.archive(actor, side.placement, id),
        json=json,
    )


@experiments.command("restore")
@click.argument("id")
@_on_side
def experiments_restore(*, id: str, merchant: str, is_test: bool, placement: str, json: bool) -> None:
    """Put an archived experiment back on the list."""
    _act(
        Side(merchant, _mode(is_test), placement),
        lambda engine, actor, side: engine.experiments.restore(actor, side.placement, id),
        json=json,
    )


def _act(side: Side, act: Act, *, json: bool) -> None:
    async def work(engine: Engine) -> dict[str, Any]:
        merchant = await engine.accounts.merchant(side.merchant, side.mode)
        await engine.live.follow()
        return _row(await act(engine, Actor(merchant.id, COMMAND_LINE), side))

    show(with_engine(work), json=json)


def _mode(is_test: bool) -> Mode:
    return "test" if is_test else "live"


def _row(resource: Resource) -> dict[str, Any]:
    document: Experiment = resource.document
    status = document.status
    return {
        "id": document.id,
        "name": document.name,
        "state": status.state,
        "phase": status.phase,
        "variants": [variant.id for variant in document.variants],
        "winner": status.winner,
        "reason": status.reason,
    }
