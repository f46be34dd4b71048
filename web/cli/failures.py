"""Turn failures of commands into one line on stderr that names the problem and the remedy."""

from __future__ import annotations

import os
import re
import traceback
from typing import Any

import click

from engine.model.errors import EngineError, Invalid
from engine.settings import PREFIX, Settings
from web.http.validation_errors import BODY, validation_error

CONTROL = re.compile("[\\x00-\\x1f\\x7f-\\x9f]")
DEBUG = f"{PREFIX}LOG_LEVEL=debug"


class DatabaseAway(click.ClickException):
    """The database cannot be reached or does not answer."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"the database does not answer ({type(error).__name__}): start it, or correct {PREFIX}DATABASE_URL or "
            f"{PREFIX}DATA; {DEBUG} shows the traceback"
        )


def refusal(error: EngineError) -> click.ClickException:
    """Return the engine's refusal with its field."""
    has_field = error.field and not isinstance(error, Invalid)
    return click.ClickException(_one_line(f"{error.field}: {error.detail}" if has_field else error.detail))


def _one_line(text: str) -> str:
    """Return a message with its control characters escaped: it may quote an argument."""
    return CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def setting_failure(error: Any) -> click.ClickException:
    """Return which variable is wrong, what it should be, and what it means."""
    problem = validation_error(error, Settings)
    if problem.field == BODY:
        return click.ClickException(f"{problem.message}; `tap2 config` lists the settings")
    return click.ClickException(f"{PREFIX}{problem.field.upper()}: {problem.message}; see docs/running.md")


def failure(error: Exception) -> click.ClickException:
    """Return the error of a command that failed unexpectedly."""
    # Commands that need no database start without it, a third of a second earlier.
    from sqlalchemy.exc import SQLAlchemyError

    if isinstance(error, OSError) and error.filename:
        return click.ClickException(_one_line(f"{error.filename}: {error.strerror}"))
    if isinstance(error, (OSError, SQLAlchemyError)) or type(error).__module__.startswith("asyncpg"):
        return DatabaseAway(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())
    origin = f"{frame.filename}:{frame.lineno}"
    return click.ClickException(f"unexpected {type(error).__name__} at {origin}: {text}; {DEBUG} shows the traceback")


def trace(error: BaseException) -> None:
    """Print the traceback where the log level asks for it."""
    if os.environ.get(f"{PREFIX}LOG_LEVEL") == "debug":
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
