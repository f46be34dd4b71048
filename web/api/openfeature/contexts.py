"""Read requests of OpenFeature's providers: an evaluation context holds facts, and a few names that are ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from engine.model.errors import FieldProblem, Invalid, invalid
from web.api.browsers import CustomerToken
from web.api.openfeature.flags import SEPARATOR
from web.http.lenient_reading import LONGEST_CUSTOMER_ID, LenientReader, customer_text
from web.http.request_reading import AnyRequest, converted

ErrorCode = Literal["PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT", "FLAG_NOT_FOUND"]
MOST_FLAGS = 10
WITHOUT_SURROGATES = r"\A[^\ud800-\udfff]*\Z"


class EvaluationRefused(Exception):
    """A request that is answered with one of the protocol's error codes."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code: ErrorCode = code
        self.detail = detail


_OWN_NAMES: dict[str, Any] = {
    "targetingKey": {
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_CUSTOMER_ID,
        "description": "The customer's id; without it, a guest.",
    },
    "customer_token": {"type": "string", "description": "With a publishable key: proves the customer."},
    "personalization": {"type": "boolean", "description": "False where the customer refuses it."},
}
_ID = "[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}"
_FLAGS: dict[str, Any] = {
    "anyOf": [
        {"type": "array", "items": {"type": "string", "pattern": f"^{_ID}$"}, "minItems": 1, "maxItems": MOST_FLAGS},
        {"type": "string", "pattern": f"^{_ID}(,{_ID}){{0,{MOST_FLAGS - 1}}}$"},
    ],
    "description": "The placements to decide, as a list or with commas between them.",
}
_FACTS = "OpenFeature's evaluation context: facts by group, and these names."
_PROOF = {"customer_token": ["targetingKey"]}
Context = Annotated[
    dict[str, Any],
    Meta(description=_FACTS, extra_json_schema={"properties": _OWN_NAMES, "dependentRequired": _PROOF}),
]
BulkContext = Annotated[
    dict[str, Any],
    Meta(
        description=_FACTS,
        extra_json_schema={
            "properties": {**_OWN_NAMES, "flags": _FLAGS},
            "dependentRequired": _PROOF,
            "required": ["flags"],
        },
    ),
]


class EvaluationRequest(msgspec.Struct, frozen=True):
    """For whom and by which facts a flag is evaluated."""

    context: Context | None = None


class BulkEvaluationRequest(msgspec.Struct, frozen=True):
    """For whom, by which facts, and which flags are evaluated."""

    context: BulkContext


CustomerName = Annotated[str, Meta(max_length=LONGEST_CUSTOMER_ID, pattern=WITHOUT_SURROGATES)] | int | None


class OwnNames(msgspec.Struct, frozen=True):
    """What of a context is not a fact. A provider with another name for the customer inherits this."""

    customer: CustomerName = msgspec.field(default=None, name="targetingKey")
    customer_token: Annotated[CustomerToken, Meta(pattern=WITHOUT_SURROGATES)] | None = None
    personalization: bool = True
    flags: str | list[str] | None = None


class EvaluationContext(NamedTuple):
    """For whom, by which facts, and for which flags; `warnings` say what of the request was left out."""

    customer: str | None
    customer_token: str | None
    personalization: bool
    facts: dict[str, Any]
    flags: list[str]
    warnings: list[FieldProblem]


_read = LenientReader(EvaluationRequest)


async def read_context(request: AnyRequest, *, with_warnings: bool) -> EvaluationContext:
    """Return the context of a request; raise `EvaluationRefused` where it is none."""
    try:
        document, warnings = await _read(request, with_warnings=with_warnings)
    except Invalid as error:
        raise EvaluationRefused("PARSE_ERROR", error.detail) from None
    try:
        if document.context is None and any(warning.field == "context" for warning in warnings):
            raise invalid("context", "must be an object")
        context = context_of(document.context or {}, warnings, OwnNames)
    except Invalid as error:
        raise EvaluationRefused("INVALID_CONTEXT", error.detail) from None
    if context.customer_token is not None and context.customer is None:
        raise EvaluationRefused("TARGETING_KEY_MISSING", "customer_token: proves a targetingKey, and none is given")
    return context


def context_of(sent: Mapping[str, Any], warnings: list[FieldProblem], kind: type[OwnNames]) -> EvaluationContext:
    """Return a context with the names of `kind` taken out of the facts; raise `Invalid`."""
    facts = dict(sent)
    own = {name: facts.pop(name) for name in kind.__struct_encode_fields__ if name in facts}
    names = converted(own, kind)
    customer, flags = customer_text(names.customer), _flags_of(names.flags)
    return EvaluationContext(customer, names.customer_token, names.personalization, facts, flags, warnings)


def _flags_of(named: str | list[str] | None) -> list[str]:
    """Return the keys of the named flags' placements, each once, from a list or a text with commas."""
    listed = named.split(",") if isinstance(named, str) else named or []
    flags = list(dict.fromkeys(key.partition(SEPARATOR)[0].strip() for key in listed if key.strip()))
    if len(flags) > MOST_FLAGS:
        raise invalid("flags", f"must be at most {MOST_FLAGS} keys")
    return flags
