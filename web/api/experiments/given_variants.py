"""Show a customer's variants in all running experiments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response, get, post

from engine.accounts.accounts import Access
from engine.experiments.given_variants import GivenVariant
from engine.model.errors import FieldProblem
from web.api.common_types import Slug, Warnings
from web.api.decisions import AnyCustomerId, Context, ContextQuery, context_of
from web.api.experiments.documents import TAG
from web.http.access import check_merchant, engine_of, is_personal, secret_access_of
from web.http.lenient_reading import LenientReader, customer_text, read_query
from web.http.rate_limits import admit
from web.http.request_reading import AnyRequest
from web.http.responses import NO_STORE, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

PATH = "/v1/personalize/variants"
ABOUT = (
    "Of all placements, by the experiments and audiences in force: the variants that decisions for this customer have "
    "now. Enrols nobody. Experiments that assign each decision anew are left out."
)


class GivenVariants(msgspec.Struct, frozen=True):
    """The variants of a customer, at most one of each layer."""

    experiments: list[GivenVariant]
    warnings: Warnings = msgspec.UNSET


class VariantsRequest(msgspec.Struct, frozen=True, kw_only=True):
    customer_id: AnyCustomerId = None
    context: Context | None = None
    merchant_id: Slug | None = None


_read = LenientReader(VariantsRequest)


@post(
    PATH,
    status_code=200,
    opt=Operation(
        TAG,
        "Show a customer's variants",
        {200: Answer("The variants, by placement", GivenVariants)},
        ABOUT,
        body=VariantsRequest,
        example=examples.VARIANTS,
        errors=(403,),
    ).opt,
)
async def variants_for_body(request: AnyRequest) -> Response[bytes]:
    access = secret_access_of(request)
    await admit(request, access, "decisions")
    data, warnings = await _read(request, with_warnings=access.merchant.mode == "test")
    check_merchant(access, data.merchant_id)
    return await _answer(request, access, customer_text(data.customer_id), data.context or {}, warnings)


@get(
    PATH,
    opt=Operation(
        TAG,
        "Show a customer's variants, by parameters",
        {200: Answer("The variants, by placement", GivenVariants)},
        "Same as the POST, which keeps the customer's id out of the URL.",
        query=ContextQuery,
        errors=(403,),
    ).opt,
)
async def variants_for_query(request: AnyRequest) -> Response[bytes]:
    access = secret_access_of(request)
    await admit(request, access, "decisions")
    query, warnings = read_query(request, ContextQuery.__struct_fields__)
    check_merchant(access, query.get("merchant_id"))
    customer = customer_text(query.get("customer_id"))
    return await _answer(request, access, customer, context_of(query), warnings)


async def _answer(
    request: AnyRequest,
    access: Access,
    customer: str | None,
    context: Mapping[str, Any],
    of_request: list[FieldProblem],
) -> Response[bytes]:
    personal = is_personal(request, access)
    reader = engine_of(request).variant_reader
    variants = await reader.of_customer(access.merchant.id, customer, context, personal=personal)
    warnings = of_request if access.merchant.mode == "test" else msgspec.UNSET
    return json_response(GivenVariants(variants, warnings), headers=NO_STORE)


handlers = [variants_for_body, variants_for_query]
