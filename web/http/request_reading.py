"""What callers send, as documents; whatever is wrong with it is `Invalid` and names the field."""

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
_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")


class QuickReader(Generic[T]):
    """For what checkouts send at every step.

    Where a type has parts that may hold anything (`is_open`), a body that looks odd by its brackets or digits is read
    strictly first: what is nested too deep or too large for a number could not be written down again.
    """

    def __init__(self, kind: Any, *, is_open: bool = False) -> None:
        self._kind = kind
        self._decode = msgspec.json.Decoder(kind).decode
        self._is_open = is_open

    async def __call__(self, request: AnyRequest) -> T:
        raw = await _body(request)
        if self._is_open and _looks_odd(raw):
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
    """`request.body()` that does not arrange all headers first, to see how much is announced."""
    raw, more = b"", True
    while more:
        event: Any = await request.receive()
        if event["type"] == "http.disconnect":
            raise ClientException("the client went away")
        raw += event.get("body", b"")
        if len(raw) > MOST_BODY_BYTES:
            raise RequestEntityTooLarge
        more = event.get("more_body", False)
    return raw


def _looks_odd(raw: bytes) -> bool:
    many = raw.count(b"[") > MOST_BRACKETS or raw.count(b"{") > MOST_BRACKETS
    # Digits made all alike are found six times faster than by a pattern.
    return many or _LONG_NUMBER in raw.translate(_DIGITS_ALIKE)


async def document_of(request: AnyRequest, kind: Any, *, most_bytes: int = MOST_BODY_BYTES) -> Any:
    """A body of what merchants configure, read strictly: no key twice, nothing that could not be stored."""
    raw = await request.body()
    # The strict reader is Python; a large body must not make checkouts wait.
    read = partial(loads, raw, most_bytes=most_bytes)
    value = read() if len(raw) <= MOST_BODY_BYTES else await asyncio.to_thread(read)
    return converted(value, kind)


def query_of(request: AnyRequest, kind: type[T]) -> T:
    """The parameters behind the question mark, each once and none that is unknown."""
    values = request.query_params.dict()
    for name, given in values.items():
        if len(given) > 1:
            raise invalid(name[:60], "is given more than once")
    found: T = converted({name: given[0] for name, given in values.items()}, kind, strict=False)
    return found


def converted(value: object, kind: Any, *, strict: bool = True) -> Any:
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise Invalid(validation_error(error, kind)) from None


def loads(raw: bytes, *, most_bytes: int) -> object:
    try:
        return rules.loads(raw, most_bytes=most_bytes)
    except rules.RuleError as error:
        raise Invalid(*(FieldProblem(one.path.lstrip("/") or BODY, one.message) for one in error.problems)) from None
