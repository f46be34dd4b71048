"""Read requests for decisions: they never fail for what a checkout sends around the facts.

What is not understood is left out and named in warnings. A request is refused only where it is no JSON, or where it
does not say what to decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

import rules
from engine.model.errors import FieldProblem, Invalid, invalid
from rules.json_logic.problems import nearest, shown
from rules.sent.lenient_json import loads_leniently
from web.http.request_reading import AnyRequest, converted, read_body
from web.http.validation_errors import BODY

T = TypeVar("T", bound=msgspec.Struct)

MOST_BRACKETS = 64
LONGEST_CUSTOMER_ID = 256
FLAGS = frozenset({"personalization", "hold"})
FLAG_TEXTS = {"true": True, "1": True, "false": False, "0": False}
NO_IDS = frozenset({"undefined", "null", "None", "NaN", "[object Object]"})
"""Each would be one customer with the past of all those whose id a checkout failed to fill in."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONG_NUMBER = b"0" * 16
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")


class ReadRequest(NamedTuple, Generic[T]):
    """A request, and what of it was left out."""

    data: T
    warnings: list[FieldProblem]


class LenientReader(Generic[T]):
    """Reads the bodies of requests for decisions.

    A body without mistakes is decoded at once. Any other is read piece by piece, and so is every body where the caller
    wants warnings: the quick decoder does not notice duplicate keys and unknown fields.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._decode = msgspec.json.Decoder(kind).decode

    async def __call__(self, request: AnyRequest, *, with_warnings: bool) -> ReadRequest[T]:
        raw = await read_body(request)
        if not with_warnings and not _needs_care(raw):
            try:
                return ReadRequest(self._decode(raw), [])
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass
        return self._read_with_care(raw)

    def _read_with_care(self, raw: bytes) -> ReadRequest[T]:
        try:
            document, problems = loads_leniently(raw)
        except rules.RuleError as error:
            raise Invalid(*(FieldProblem(BODY, problem.message) for problem in error.problems)) from None
        if not isinstance(document, dict):
            raise invalid(BODY, "must be an object")
        warnings = [FieldProblem(problem.path, problem.message) for problem in problems]
        names = self._kind.__struct_fields__
        fields = {name: value for name, value in document.items() if name in names and value is not None}
        warnings += _unknown_fields(document, names)
        warnings += _without_misfits(fields)
        _refuse_what_is_no_text(fields)
        return ReadRequest(converted(fields, self._kind), warnings)


def read_query(request: AnyRequest, names: Iterable[str]) -> ReadRequest[Any]:
    """Return the query parameters of these names as a dict; empty ones count as not given, and the last of several."""
    parameters = {name: values[-1] for name, values in request.query_params.dict().items()}
    warnings = _unknown_fields(parameters, names)
    for name, values in request.query_params.dict().items():
        if len(values) > 1:
            warnings.append(FieldProblem(shown(name), "is given more than once; the last one counts"))
    fields = {name: value for name, value in parameters.items() if name in names and value}
    warnings += _without_misfits(fields)
    return ReadRequest(fields, warnings)


def customer_text(customer_id: str | int | None) -> str | None:
    """Return the customer's id as a text; a blank one is a guest, and so is the text of a missing value."""
    text = "" if customer_id is None else str(customer_id)
    return None if is_no_id(text) else text


def is_no_id(text: str) -> bool:
    """Return whether a text is blank, or what JavaScript, PHP or Python write for a value that is missing."""
    return not text or text.isspace() or text in NO_IDS


def _needs_care(raw: bytes) -> bool:
    """Return whether a body may hold values that the quick decoder accepts and that could not be kept."""
    nested = raw.count(b"[") > MOST_BRACKETS or raw.count(b"{") > MOST_BRACKETS
    # Translating all digits to 0 finds long numbers six times faster than a pattern.
    return nested or _LONG_NUMBER in raw.translate(_DIGITS_TO_ZERO)


def _unknown_fields(document: dict[str, Any], names: Iterable[str]) -> list[FieldProblem]:
    unknown = [name for name in document if name not in names][:20]
    return [FieldProblem(shown(name), f"is not a known field{nearest(name, names)}") for name in unknown]


def _without_misfits(fields: dict[str, Any]) -> list[FieldProblem]:
    """Take out a customer and a context that are not understood; return why."""
    warnings = []
    problem = _problem_with_customer(fields.get("customer_id"))
    if problem:
        del fields["customer_id"]
        warnings.append(FieldProblem("customer_id", f"{problem}; the customer counts as a guest"))
    token = fields.get("customer_token", "")
    if not isinstance(token, str) or _SURROGATE.search(token):
        del fields["customer_token"]
        warnings.append(FieldProblem("customer_token", "must be a text"))
    if not isinstance(fields.get("context", {}), dict):
        del fields["context"]
        warnings.append(FieldProblem("context", "must be an object of facts by group"))
    if not fields.get("merchant_id"):
        fields.pop("merchant_id", None)
    for name in fields.keys() & FLAGS:
        fields[name] = flag(fields[name])
    return warnings


def flag(value: object) -> object:
    """Return true or false for what programs write for them; any other value stays, because it is never guessed."""
    text = str(value).strip().lower() if isinstance(value, str | int) else ""
    return FLAG_TEXTS.get(text, value)


def _refuse_what_is_no_text(fields: dict[str, Any]) -> None:
    """Raise `Invalid` for half of a surrogate pair outside the facts: an answer could not repeat it."""
    for name, value in fields.items():
        texts = value if isinstance(value, list) else [value]
        if name != "context" and any(isinstance(text, str) and _SURROGATE.search(text) for text in texts):
            raise invalid(name, "has half of a surrogate pair, which is not text")


def _problem_with_customer(value: object) -> str | None:
    if value is None or type(value) is int:
        return None
    if not isinstance(value, str):
        return "must be a text"
    if value in NO_IDS:
        return f"is the text {value}, which stands for a missing value"
    if len(value) > LONGEST_CUSTOMER_ID:
        return f"has {len(value)} characters; at most {LONGEST_CUSTOMER_ID} are read"
    return "has half of a surrogate pair, which is not text" if _SURROGATE.search(value) else None
