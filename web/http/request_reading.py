"""Read bodies and query parameters into documents; raise `Invalid`, which names the field, where they do not fit."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import ClientException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

import rules
from engine.model.errors import FieldProblem, Invalid, invalid
from web.http.validation_errors import BODY, validation_error

T = TypeVar("T")
AnyRequest = Request[Any, Any, Any]

KIB = 1024
MOST_BODY_BYTES = 64 * KIB
MOST_BULK_BYTES = 2 * KIB * KIB
MOST_BRACKETS = 64
_LONG_NUMBER = b"0" * 16
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")


class QuickReader(Generic[T]):
    """Reads the bodies of the hot endpoints.

    Types with parts of any shape (`is_open`) accept values that could not be stored: nested too deep, or numbers too
    large. A body that may hold such values, by its brackets or digits, is read strictly first.
    """

    def __init__(self, kind: Any, *, is_open: bool = False) -> None:
        self._kind = kind
        self._decode = msgspec.json.Decoder(kind).decode
        self._is_open = is_open

    async def __call__(self, request: AnyRequest) -> T:
        raw = await _body(request)
        if self._is_open and _may_be_unstorable(raw):
            loads(raw, most_bytes=MOST_BODY_BYTES)
        try:
            decoded: T = self._decode(raw)
        except msgspec.ValidationError as error:
            raise Invalid(validation_error(error, self._kind)) from None
        except msgspec.DecodeError as error:
            raise invalid(BODY, f"is not JSON: {error}") from None
        except UnicodeDecodeError:
            raise invalid(BODY, "is not UTF-8") from None
        return decoded


async def _body(request: AnyRequest) -> bytes:
    """Read the body like `request.body()`, without the cost of parsing all headers for the announced length."""
    raw, more = b"", True
    while more:
        event: Any = await request.receive()
        if event["type"] == "http.disconnect":
            raise ClientException("the client disconnected")
        raw += event.get("body", b"")
        if len(raw) > MOST_BODY_BYTES:
            raise RequestEntityTooLarge
        more = event.get("more_body", False)
    return raw


def _may_be_unstorable(raw: bytes) -> bool:
    nested = raw.count(b"[") > MOST_BRACKETS or raw.count(b"{") > MOST_BRACKETS
    # Translating all digits to 0 finds long numbers six times faster than a pattern.
    return nested or _LONG_NUMBER in raw.translate(_DIGITS_TO_ZERO)


async def document_of(request: AnyRequest, kind: Any, *, most_bytes: int = MOST_BODY_BYTES) -> Any:
    """Read a body of configuration strictly: refuse duplicate keys and values that could not be stored."""
    raw = await request.body()
    # The strict reader is pure Python: a large body must not block the event loop.
    read = partial(loads, raw, most_bytes=most_bytes)
    value = read() if len(raw) <= MOST_BODY_BYTES else await asyncio.to_thread(read)
    return converted(value, kind)


def query_of(request: AnyRequest, kind: type[T]) -> T:
    """Read the query parameters; refuse unknown ones and those given more than once."""
    values = request.query_params.dict()
    for name, given in values.items():
        if len(given) > 1:
            raise invalid(name[:60], "is given more than once")
    query: T = converted({name: given[0] for name, given in values.items()}, kind, strict=False)
    return query


def converted(value: object, kind: Any, *, strict: bool = True) -> Any:
    """Convert plain JSON values to `kind`; raise `Invalid` where they do not fit."""
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise Invalid(validation_error(error, kind)) from None


def loads(raw: bytes, *, most_bytes: int) -> object:
    """Parse JSON strictly; raise `Invalid` with every problem."""
    try:
        return rules.loads(raw, most_bytes=most_bytes)
    except rules.RuleError as error:
        problems = [FieldProblem(problem.path.lstrip("/") or BODY, problem.message) for problem in error.problems]
        raise Invalid(*problems) from None
