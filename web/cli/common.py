"""What every command shares: settings, an engine for as long as it runs, and output for people or for programs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table

from engine.model.errors import EngineError, Invalid
from engine.service import Engine, open_engine
from engine.settings import Settings

OPTION_VARIABLES = frozenset({"TAP2_KEY", "TAP2_PASSWORD", "TAP2_URL"})
"""Read by options of commands; they are no settings of a server."""

as_json = click.option("--json", "json", is_flag=True, help="Print one JSON document.")


def settings() -> Settings:
    """From the environment; a wrong setting ends the command with its name."""
    environment = {name: value for name, value in os.environ.items() if name not in OPTION_VARIABLES}
    try:
        return Settings.from_environment(environment)
    except msgspec.ValidationError as error:
        raise click.ClickException(str(error)) from None


T = TypeVar("T")


def with_engine(work: Callable[[Engine], Awaitable[T]]) -> T:
    """Run `work` on an engine that records nothing by itself; the caller's mistakes end the command in one line."""

    async def run() -> T:
        engine = await open_engine(settings())
        try:
            return await work(engine)
        finally:
            await engine.database.close()

    try:
        return asyncio.run(run())
    except EngineError as error:
        named = error.field and not isinstance(error, Invalid)
        raise click.ClickException(f"{error.field}: {error.detail}" if named else error.detail) from None


def show(document: Any, *, json: bool, columns: Sequence[str] | None = None, title: str = "") -> None:
    """A document as JSON, or a list of rows as a table, or one row as a list of names and values."""
    plain = msgspec.to_builtins(document)
    if json:
        click.echo(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode())
        return
    table = Table(title=title or None, show_header=isinstance(plain, list))
    if isinstance(plain, list):
        names = columns or (list(plain[0]) if plain else ["nothing yet"])
        for name in names:
            table.add_column(name)
        for row in plain:
            table.add_row(*(_cell(row[name]) for name in names))
    else:
        for name, value in plain.items():
            table.add_row(name, _cell(value))
    Console().print(table)


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
