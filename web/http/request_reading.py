"""Read bodies and query parameters into documents; raise `Invalid`, which names the field, where they do not fit."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import ClientException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

import rules
from engine.intake.common_notation import in_common_notation
from engine.model.errors import FieldProblem, Invalid, NotFound, invalid
from rules.language.strict_json import decoded_text
from web.http.validation_errors import BODY, validation_error

T = TypeVar("T")
AnyRequest = Request[Any, Any, Any]

KIB = 1024
MOST_BODY_BYTES = 64 * KIB
MOST_FEEDBACK_BYTES = 256 * KIB
MOST_BULK_BYTES = 2 * KIB * KIB
LARGEST_ROW = 2**63 - 2


class UnreadItem(NamedTuple):
    """An item of a list that is not of the expected type, and what is wrong with it."""

    item: object
    problem: FieldProblem

    def value(self, name: str) -> object:
        """Return the value that the item has under a name, or None."""
        return self.item.get(name) if isinstance(self.item, dict) else None


class ItemReader(Generic[T]):
    """Reads a body that is one document or a list of up to `most_items`.

    In a list, an item that does not fit is answered as its problem, and the others are read.
    """

    def __init__(self, kind: type[T], *, most_items: int, most_bytes: int) -> None:
        self._kind = kind
        self._decode = msgspec.json.Decoder(kind | list[kind]).decode  # type: ignore[valid-type]
        self._most_items = most_items
        self._most_bytes = most_bytes

    async def __call__(self, request: AnyRequest) -> T | list[T | UnreadItem]:
        raw = await read_body(request, self._most_bytes)
        try:
            data: T | list[T | UnreadItem] = self._decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            data = self._read_slowly(raw)
        if isinstance(data, list) and not 1 <= len(data) <= self._most_items:
            raise invalid(BODY, f"must be a list of 1 to {self._most_items} items")
        return data

    def _read_slowly(self, raw: bytes) -> T | list[T | UnreadItem]:
        """Read a body item by item, with a parser that also returns values which JSON should not have."""
        try:
            data = json.loads(decoded_text(raw), parse_int=_integer_or_float)
        except json.JSONDecodeError as error:
            raise invalid(BODY, f"is not JSON: {error.msg} (character {error.pos})") from None
        except rules.RuleError as error:
            raise invalid(BODY, error.problems[0].message) from None
        except RecursionError:
            raise invalid(BODY, "is nested too deep") from None
        if isinstance(data, list):
            if data and not any(isinstance(item, dict) for item in data):
                raise invalid(BODY, "must be an object or a list of objects")
            return [self._read_item(item) for item in data[: self._most_items + 1]]
        item = self._read_item(data)
        if isinstance(item, UnreadItem):
            raise Invalid(item.problem)
        return item

    def _read_item(self, value: object) -> T | UnreadItem:
        try:
            rules.check_values(value)
            item: T = converted(value, self._kind)
        except rules.RuleError as error:
            problem = error.problems[0]
            return UnreadItem(value, FieldProblem(problem.path.lstrip("/") or BODY, problem.message))
        except Invalid as error:
            return UnreadItem(value, error.problems[0])
        return item


def _integer_or_float(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)


def row_number(number: int) -> int:
    """Return the number of a row that an address names; raise `NotFound` for one that no database can hold."""
    if abs(number) > LARGEST_ROW:
        raise NotFound("there is no row with this number")
    return number


def entity_tags(request: AnyRequest) -> list[str]:
    """Return the entity tags of If-None-Match without their quotes."""
    return [tag.strip().removeprefix("W/").strip('"') for tag in request.headers.get("if-none-match", "").split(",")]


async def read_body(request: AnyRequest, most_bytes: int = MOST_BODY_BYTES) -> bytes:
    """Read the body like `request.body()`, without the cost of parsing all headers for the announced length."""
    raw, more = b"", True
    while more:
        event: Any = await request.receive()
        if event["type"] == "http.disconnect":
            raise ClientException("the client disconnected")
        raw += event.get("body", b"")
        if len(raw) > most_bytes:
            raise RequestEntityTooLarge
        more = event.get("more_body", False)
    return raw


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
    for name, texts in values.items():
        if len(texts) > 1:
            raise invalid(name[:60], "is given more than once")
    query: T = converted({name: texts[0] for name, texts in values.items()}, kind, strict=False)
    return query


def converted(value: object, kind: Any, *, strict: bool = True) -> Any:
    """Convert plain JSON values to `kind`, in common notations if need be; raise `Invalid` where they do not fit."""
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError:
        value = in_common_notation(value)
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise Invalid(validation_error(error, kind, value)) from None


def loads(raw: bytes, *, most_bytes: int) -> object:
    """Parse JSON strictly; raise `Invalid` with every problem."""
    try:
        return rules.loads(raw, most_bytes=most_bytes)
    except rules.RuleError as error:
        problems = [FieldProblem(problem.path.lstrip("/") or BODY, problem.message) for problem in error.problems]
        raise Invalid(*problems) from None
