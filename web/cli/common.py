"""Settings, an engine during a command, and output as tables or JSON."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table

from engine.data_folder import has_database
from engine.model.errors import EngineError
from engine.service import Engine, open_engine
from engine.settings import Settings
from web.cli.failures import refusal, setting_failure
from web.http import logs

OPTION_VARIABLES = frozenset({"TAP2_KEY", "TAP2_PASSWORD", "TAP2_URL"})
"""Variables of command options; they are not settings."""

as_json = click.option("--json", "json", is_flag=True, help="Print one JSON document.")


class NewFile(click.Path):
    """The path of a file to write."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; refuse an empty one, which pathlib takes for the current folder."""
        if not value:
            self.fail("must name a file", param, ctx)
        return super().convert(value, param, ctx)


def settings() -> Settings:
    """Read the settings from the environment; a wrong one ends the command with its variable."""
    environment = {name: value for name, value in os.environ.items() if name not in OPTION_VARIABLES}
    try:
        chosen = Settings.from_environment(environment)
    except msgspec.ValidationError as error:
        raise setting_failure(error) from None
    # Log as the server does: the default prints the values of local variables.
    logs.configure(chosen.log_level)
    return chosen


T = TypeVar("T")


def with_engine(work: Callable[[Engine], Awaitable[T]], *, creates: bool = False) -> T:
    """Run `work` on an engine without background jobs; an error ends the command with one line.

    Only a command that `creates` makes a new database and its keys: in the folder of a mistyped TAP2_DATA, the others
    would say that there is nothing yet.
    """
    chosen = settings()
    if not (creates or has_database(chosen)):
        raise click.ClickException(
            f"TAP2_DATA: there is no database in the folder “{chosen.data}”; `tap2 serve`, `tap2 db upgrade` and "
            "`tap2 merchant add` make a new one"
        )

    async def run() -> T:
        engine = await open_engine(chosen)
        try:
            return await work(engine)
        finally:
            await engine.database.close()

    try:
        return asyncio.run(run())
    except EngineError as error:
        raise refusal(error) from None


def show(document: Any, *, json: bool, columns: Sequence[str] | None = None, title: str = "") -> None:
    """Print a document as JSON; else a list of rows as a table, or one row as names and values."""
    plain = msgspec.to_builtins(document)
    if json:
        click.echo(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode())
        return
    table = Table(title=title or None, show_header=isinstance(plain, list))
    if isinstance(plain, list):
        names = columns or (list(plain[0]) if plain else ["nothing yet"])
        for name in names:
            table.add_column(name, overflow="fold")
        for row in plain:
            table.add_row(*(_cell(row[name]) for name in names))
    else:
        for name, value in plain.items():
            table.add_row(name, _cell(value))
    Console().print(table)


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
