"""`tap2 customer import`: preferences of many customers from a file of JSON lines or CSV."""

from __future__ import annotations

import csv
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from engine.customers.changes import Changer
from engine.model.account import Merchant
from engine.model.documents.preferences import PreferenceChange
from engine.model.errors import FieldProblem, Invalid
from engine.service import Engine
from web.api.customers.preferences import PreferencesUpdate
from web.cli.common import show, with_engine
from web.cli.customers.rights import customer
from web.cli.offers.budgets import mode_of, of_merchant
from web.http.request_reading import MOST_BODY_BYTES, converted, loads
from web.http.validation_errors import BODY

MOST_LINES = 100_000
MOST_SHOWN = 20
IMPORT = Changer("server", "import")
LISTS = ("favorites", "excluded")
BOOLEANS = ("personalization_enabled", "cross_merchant_consent")


class ImportLine(NamedTuple):
    """A customer's change, and the number of its line."""

    number: int
    customer_id: str
    change: PreferenceChange


class Imported(NamedTuple):
    """The numbers of customers in the file, and of those for whom it changed something."""

    customers: int
    changed: int


@customer.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@of_merchant
def customer_import(file: Path, *, merchant: str, is_test: bool, json: bool) -> None:
    """Change the preferences of the customers in a file, of JSON lines or CSV.

    All lines are checked before any is stored. Importing a file again changes nothing more.
    """
    lines = _read(file)

    async def work(engine: Engine) -> Imported:
        side = await engine.accounts.merchant(merchant, mode_of(is_test))
        await engine.live.follow()
        _refuse([problem for line in lines for problem in await _problems(engine, side, line)])
        versions = [await _store(engine, side, line) for line in lines]
        return Imported(len(lines), sum(versions))

    show(with_engine(work)._asdict(), json=json)


async def _problems(engine: Engine, side: Merchant, line: ImportLine) -> list[str]:
    problems = await engine.preferences.problems(side.id, line.customer_id, line.change)
    return [f"line {line.number}: {problem.field}: {problem.message}" for problem in problems]


async def _store(engine: Engine, side: Merchant, line: ImportLine) -> bool:
    """Store a change; return whether it changed something."""
    before = await engine.preferences.get(side.id, line.customer_id)
    try:
        after = await engine.preferences.change(side.id, line.customer_id, line.change, IMPORT)
    except Invalid as error:
        raise click.ClickException(
            f"line {line.number}: {error.problems[0].message}; the customer has changed something meanwhile. "
            "The lines before it are stored; run the import again"
        ) from None
    return after.version > before.version


def _read(file: Path) -> list[ImportLine]:
    """Return the lines of a file; end the command with all that are wrong."""
    lines, problems, numbers = [], [], dict[str, int]()
    for number, row in _rows(file):
        if number > MOST_LINES:
            raise click.ClickException(f"the file has over {MOST_LINES:,} lines; split it")
        try:
            # As strictly as the API reads a body.
            update: PreferencesUpdate = converted(loads(row, most_bytes=MOST_BODY_BYTES), PreferencesUpdate)
        except Invalid as error:
            problems += [f"line {number}: {_words_of(problem)}" for problem in error.problems]
            continue
        if (first := numbers.setdefault(update.customer_id, number)) != number:
            problems.append(f"line {number}: customer_id: is also in line {first}")
        fields = {name: getattr(update, name) for name in PreferenceChange.__struct_fields__}
        lines.append(ImportLine(number, update.customer_id, PreferenceChange(**fields)))
    _refuse(problems)
    return lines


def _words_of(problem: FieldProblem) -> str:
    """Return a problem of a line, whose own number is said already."""
    message = problem.message.replace("at line 1, column", "at column")
    return message if problem.field == BODY else f"{problem.field}: {message}"


def _refuse(problems: list[str]) -> None:
    """End the command if there are problems; nothing was stored."""
    if problems:
        more = f"\n... and {len(problems) - MOST_SHOWN:,} more" if len(problems) > MOST_SHOWN else ""
        raise click.ClickException("nothing was imported\n" + "\n".join(problems[:MOST_SHOWN]) + more)


def _rows(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield line numbers and JSON texts; of rows of CSV, without their empty cells."""
    if file.suffix.lower() == ".csv":
        with file.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.DictReader(text)
            try:
                for row in reader:
                    cells = {name or "more cells": _cell(name, text) for name, text in row.items() if text}
                    yield reader.line_num, msgspec.json.encode(cells)
            except UnicodeDecodeError:
                raise click.ClickException(f"{file}: is not UTF-8; save it as “CSV UTF-8”") from None
            except csv.Error as error:
                raise click.ClickException(f"{file}: is not CSV behind line {reader.line_num}: {error}") from None
        return
    with file.open("rb") as content:
        for number, line in enumerate(content, 1):
            document = line.removeprefix(BOM_UTF8) if number == 1 else line
            if document.strip():
                yield number, document


def _cell(name: str | None, text: Any) -> Any:
    """Return a cell as JSON would have it: lists are words with spaces between them."""
    if name is None:
        # Cells behind the last column.
        return text
    if name in LISTS:
        return text.split()
    return {"true": True, "false": False}.get(text.strip().lower(), text) if name in BOOLEANS else text.strip()
