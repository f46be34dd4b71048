"""`tap2 experiments start`, `pause`, `conclude` and the other actions."""

from __future__ import annotations

from typing import Any

import click

from engine.experiments.actions import ACTIONS, ExperimentAction
from web.cli.experiments.side import Side, changing, on_side


def _command(action: ExperimentAction) -> click.Command:
    """Return the command of an action; `--why` where a reason is stored."""

    @click.command(action.name, help=f"{action.summary}. {action.about}")
    @click.argument("id")
    @on_side
    def command(side: Side, *, id: str, json: bool, reason: str = "") -> None:
        changing(
            side,
            lambda engine, actor: action.act(engine.experiments, actor, side.placement, id, reason),
            json=json,
        )

    if action.takes_reason:
        needs: dict[str, Any] = {"required": True} if action.needs_reason else {"default": ""}
        command.params.insert(1, click.Option(["--why", "reason"], help="Other people will read it.", **needs))
    return command


ACTION_COMMANDS = tuple(map(_command, ACTIONS))


@click.command("conclude")
@click.argument("id")
@click.argument("winner")
@click.option("--why", "reason", required=True, help="Other people will read it.")
@on_side
def conclude(side: Side, *, id: str, winner: str, reason: str, json: bool) -> None:
    """End an experiment and publish the changes of the variant WINNER."""
    changing(
        side,
        lambda engine, actor: engine.experiments.conclude(actor, side.placement, id, winner=winner, reason=reason),
        json=json,
    )
