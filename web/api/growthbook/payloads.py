"""What GrowthBook's SDKs ask for: features that are the same for everybody, or the decisions about a customer."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from msgspec import Meta

from engine.decisions.requests.answers import DecisionAnswer
from engine.decisions.requests.constant_answer import constant_answer
from engine.model.errors import FieldProblem, Invalid, invalid
from web.api.growthbook.features import FeaturesPayload, SdkFeature, constant_features, decided_features, tracks_of
from web.api.growthbook.subscriptions import stream_support
from web.api.openfeature.callers import FlagCaller
from web.api.openfeature.client_keys import admitted_client
from web.api.openfeature.contexts import CustomerName, EvaluationContext, OwnNames, context_of
from web.api.openfeature.flags import flags_of
from web.http.access import engine_of
from web.http.lenient_reading import LenientReader
from web.http.rate_limits import admit_more
from web.http.request_reading import AnyRequest, entity_tags
from web.http.responses import JSON, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

FEATURES, EVALUATE = "/api/features", "/api/eval"
TAG = "GrowthBook"
KEY = "The client key is a publishable key."
LIMITS = ("RateLimit", "RateLimit-Policy", "X-SSE-Support")
TAG_LENGTH = 32

_Attributes = Annotated[
    dict[str, Any],
    Meta(
        description="GrowthBook's attributes: `id` is the customer's id, `flags` names up to ten placements, "
        "`customer_token` proves the customer, `personalization` is false where the customer refuses it; "
        "the others are facts by group."
    ),
]
_Unused = Annotated[Any, Meta(description="Not used: nobody chooses what the engine decides.")]


class RemoteEvaluationRequest(msgspec.Struct, frozen=True, rename="camel"):
    """For whom, by which facts, and which placements are decided."""

    attributes: _Attributes
    forced_variations: _Unused = None
    forced_features: _Unused = None
    url: _Unused = None


class _AttributeNames(OwnNames, frozen=True):
    """As `OwnNames`, with GrowthBook's usual name for the customer."""

    customer: CustomerName = msgspec.field(default=None, name="id")


_read = LenientReader(RemoteEvaluationRequest)


@get(
    f"{FEATURES}/{{client_key:str}}",
    opt=Operation(
        TAG,
        "List features that are the same for everybody",
        {
            200: Answer("The features", FeaturesPayload, ("ETag", *LIMITS)),
            304: Answer("The features with the ETag of `If-None-Match` still stand", None, ("ETag", *LIMITS)),
        },
        "Values that rules always set, and orders that depend on nobody. Nothing is decided or logged. Whatever "
        "depends on the customer, on facts, on chance or on an experiment is left out: use remote evaluation. "
        f"{KEY}",
        keys="none",
        errors=(403, 429, 503),
    ).opt,
)
async def list_features(request: AnyRequest, client_key: FromPath[str]) -> Response[bytes]:
    access = await admitted_client(request, client_key)
    actives = engine_of(request).live.placements(access.merchant.id)
    features = {
        key: feature
        for placement in sorted(actives)
        for key, feature in constant_features(
            placement, actives[placement].plan.placement.shape, constant_answer(actives[placement])
        )
    }
    body = msgspec.json.encode(FeaturesPayload(features))
    tag = hashlib.sha256(body).hexdigest()[:TAG_LENGTH]
    headers = {"ETag": f'"{tag}"', **stream_support(request, access)}
    if tag in entity_tags(request):
        return Response(b"", status_code=304, headers=headers)
    return Response(body, media_type=JSON, headers=headers)


@post(
    f"{EVALUATE}/{{client_key:str}}",
    status_code=200,
    opt=Operation(
        TAG,
        "Evaluate features",
        {200: Answer("The features; their decisions are logged before they are sent", FeaturesPayload, LIMITS)},
        "Decides the placements that the attribute `flags` names, up to ten, because each decision is logged and "
        f"learned from. One that does not exist is left out. {KEY}",
        keys="none",
        body=RemoteEvaluationRequest,
        example=examples.REMOTE_EVALUATION,
        errors=(403, 429, 503),
    ).opt,
)
async def evaluate_features(request: AnyRequest, client_key: FromPath[str]) -> Response[bytes]:
    access = await admitted_client(request, client_key)
    document, warnings = await _read(request, with_warnings=access.merchant.mode == "test")
    context = _context_of(document, warnings)
    admit_more(request, access, "decisions", len(context.flags) - 1)
    caller = FlagCaller(request, access, context)
    features: dict[str, SdkFeature] = {}
    for answer in await caller.decide(context.flags):
        if isinstance(answer, DecisionAnswer):
            flags = list(flags_of(*caller.view(answer)))
            active = caller.engine.live.get(access.merchant.id, answer.decision.placement)
            experiments = active.plan.document.experiments if active else ()
            features.update(decided_features(flags, tracks_of(answer, experiments, caller.customer)))
    return json_response(FeaturesPayload(features), headers=stream_support(request, access))


def _context_of(document: RemoteEvaluationRequest, warnings: list[FieldProblem]) -> EvaluationContext:
    """Return the context of the attributes; raise `Invalid`."""
    try:
        context = context_of(document.attributes, warnings, _AttributeNames)
        if not context.flags:
            raise invalid("flags", "name the placements to decide, separated by commas")
        if context.customer_token is not None and context.customer is None:
            raise invalid("customer_token", "proves an id, and none is given")
    except Invalid as error:
        raise Invalid(*(FieldProblem(f"attributes/{each.field}", each.message) for each in error.problems)) from None
    return context


handlers = [list_features, evaluate_features]
