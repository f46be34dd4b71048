"""The group of all commands, each of which is imported when it is run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from web.cli.failures import failure, trace


class CommandGroup(click.Group):
    """Finds commands by name in `sources`, as `module:attribute`: importing all of them takes over a second.

    A command that raises ends with one line; with TAP2_LOG_LEVEL=debug the traceback comes first.
    """

    def __init__(self, *arguments: Any, sources: Mapping[str, str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._sources = sources

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(self._sources)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None where there is none of this name."""
        if cmd_name not in self._sources:
            return None
        module, attribute = self._sources[cmd_name].split(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; raise `click.ClickException` for whatever it raises."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            trace(error)
            raise failure(error) from error
