"""Logging: one JSON object a line on stderr, with nothing in it that a caller sent.

Messages of exceptions quote what they stumbled over (a row's values, a body), so only their types and the places
in the code are written.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
CHATTY = ("apscheduler", "aiosqlite", "asyncio", "httpx", "httpcore", "sqlalchemy", "litestar", "alembic")
"""Libraries that tell every step at INFO or DEBUG; their warnings are heard."""

ADDRESSES = "uvicorn.access"
"""Writes the whole address of each request, and addresses may name customers: never heard."""


def configure(level: str) -> None:
    """Set up logging of this process at `level`; may be called again. `KeyError` for an unknown level."""
    threshold = LEVELS[level]
    structlog.configure(
        processors=[*_SHARED, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=_ToStderr,
    )
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _Handler)]:
        root.removeHandler(handler)
    root.addHandler(_Handler())
    root.setLevel(threshold)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    logging.getLogger(ADDRESSES).setLevel(logging.CRITICAL + 1)


def _without_values(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """An exception as the types of its chain and the places of its frames."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        chain = list(_chain(error))
        event["fault"] = [type(one).__name__ for one in chain]
        event["at"] = _places(chain[-1].__traceback__)
    return event


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The exception, what it was raised from, and so on to the root."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _places(trace: TracebackType | None) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)[-12:]]


_SHARED: list[Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _without_values,
]


class _ToStderr(structlog.PrintLogger):
    """Looks for stderr at each line, so that it may be replaced."""

    def __init__(self, *_names: Any) -> None:
        super().__init__(sys.stderr)


class _Handler(logging.Handler):
    """What libraries log, in the same form. Only the first line: asyncio writes what its tasks held below it."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        lines = record.getMessage().splitlines() or [""]
        log.log(record.levelno, lines[0], logger=record.name, exc_info=record.exc_info)
