"""Log one JSON object a line on stderr, without anything that a caller sent.

Messages of exceptions may quote input (a row's values, a body), so only their types and stack frames are logged.
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
CHATTY = (
    "aiosqlite", "alembic", "asyncio", "authlib", "httpcore", "httpcore2", "httpx", "httpx2", "litestar", "sqlalchemy",
)  # fmt: skip
"""Libraries that log every step at INFO or DEBUG: only their warnings and errors are logged."""

SERVER = ("uvicorn", "uvicorn.error", "uvicorn.asgi")
"""Uvicorn gives its loggers handlers of their own, which would write in another form, unless `log_config` is None."""

ACCESS_LOGGER = "uvicorn.access"
"""Logs the whole URL of each request. URLs may contain customer ids, so this logger stays off."""


def configure(level: str) -> None:
    """Set up logging of this process at `level`; may be called again. Raise `KeyError` for an unknown level."""
    threshold = LEVELS[level]
    structlog.configure(
        processors=[*_SHARED, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=_ToStderr,
    )
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
        root.removeHandler(handler)
    root.addHandler(_Handler())
    root.setLevel(threshold)
    levels = dict.fromkeys(SERVER, logging.NOTSET) | dict.fromkeys(CHATTY, max(threshold, logging.WARNING))
    for name, lowest in levels.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(lowest)
        logger.propagate = True
    logging.getLogger(ACCESS_LOGGER).setLevel(logging.CRITICAL + 1)


def _without_values(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by the types of its chain (`fault`) and its stack frames (`at`)."""
    exc_info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if exc_info is True else exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        chain = list(_chain(error))
        event["fault"] = [type(link).__name__ for link in chain]
        event["at"] = _frames(chain[-1].__traceback__)
    return event


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the exception, its cause, and so on to the root."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _frames(trace: TracebackType | None) -> list[str]:
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)[-12:]]


_SHARED: list[Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _without_values,
]


class _ToStderr(structlog.PrintLogger):
    """Write to the current stderr, also after it was replaced."""

    def __init__(self, *_names: Any) -> None:
        super().__init__(sys.stderr)


class _Handler(logging.Handler):
    """Log what libraries log in the same form. Keep only the first line: asyncio dumps its tasks' values below it."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        lines = record.getMessage().splitlines() or [""]
        log.log(record.levelno, lines[0], logger=record.name, exc_info=record.exc_info)
