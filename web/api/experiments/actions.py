"""What is done with experiments: review, start, pause, stop, conclude; their size and variants."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.experiments.actions import ACTIONS, ExperimentAction
from engine.experiments.past.size import SizeAnswer
from engine.model.actor import Actor
from engine.model.experiment import Experiment
from engine.model.placement import Id
from engine.service import Engine
from web.api.experiments.documents import COLLECTION, ITEM, TAG, Stored
from web.api.resources import resource_response
from web.experiments.experiment_size import size_in_audience
from web.http.request_reading import MOST_BULK_BYTES
from web.http.responses import NO_STORE, json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation
from web.reader import MerchantReader

Reason = Annotated[str, Meta(max_length=500, description="Other people will read it, here and in the audit log.")]


class ActionReason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why it is done; `pause` and `stop` need a reason."""

    reason: Reason = ""


class Conclusion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The variant that is published, and why."""

    winner: Id
    reason: Reason


class VariantOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The customer whose variant is asked for."""

    customer_id: Annotated[
        str, Meta(max_length=256, description="The customer's id, as the checkout sends it; empty for a guest.")
    ] = ""


class VariantAnswer(msgspec.Struct, frozen=True):
    """The variant of a customer; null for one who is not enrolled, whatever the audience says."""

    experiment: str
    phase: int
    variant: str | None


def _action(action: ExperimentAction) -> HTTPRouteHandler:
    operation = Operation(
        TAG,
        action.summary,
        {200: Answer("The current experiment", Stored, ("ETag",))},
        action.about,
        body=ActionReason,
        example={"reason": "Support gets calls about the new order"},
        errors=(409,),
    )

    @post(f"{ITEM}/{action.name}", **operation.route())
    async def handler(
        actor: NamedDependency[Actor],
        engine: NamedDependency[Engine],
        placement: FromPath[str],
        id: FromPath[str],
        document: NamedDependency[ActionReason],
    ) -> Response[bytes]:
        return resource_response(await action.act(engine.experiments, actor, placement, id, document.reason))

    return handler


@post(
    f"{ITEM}/conclude",
    **Operation(
        TAG,
        "Conclude an experiment",
        {200: Answer("The current experiment", Stored, ("ETag",))},
        "Publishes the changes of the winning variant; the control changes nothing.",
        body=Conclusion,
        example={"winner": "paypal", "reason": "+4% conversion"},
        errors=(409,),
    ).route(),
)
async def conclude(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    id: FromPath[str],
    document: NamedDependency[Conclusion],
) -> Response[bytes]:
    return resource_response(
        await engine.experiments.conclude(actor, placement, id, winner=document.winner, reason=document.reason)
    )


@post(
    f"{COLLECTION}/size",
    **Operation(
        TAG,
        "Calculate the size",
        {200: Answer("Units and days, from the log of the last week", SizeAnswer)},
        "Counts the experiment's units, by the share of the newest 200 decisions that are in the audience. Stores "
        "nothing.",
        body=Experiment,
        example=examples.EXPERIMENT,
        most_bytes=MOST_BULK_BYTES,
    ).route(),
)
async def size(
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    document: NamedDependency[Experiment],
) -> Response[bytes]:
    answer = await size_in_audience(MerchantReader(engine, access.merchant), placement, document)
    return json_response(answer, status=200)


@get(
    f"{ITEM}/variant",
    **Operation(
        TAG,
        "Show a customer's variant",
        {200: Answer("The variant", VariantAnswer)},
        "For experiments whose unit is the customer. Enrols nobody. Where a bandit moves the shares, null before the "
        "first exposure.",
        query=VariantOf,
    ).route(),
)
async def variant(
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    id: FromPath[str],
    parameters: NamedDependency[VariantOf],
) -> Response[bytes]:
    resource = await engine.experiments.get(access.merchant.id, placement, id)
    document: Experiment = resource.document
    customer = parameters.customer_id
    merchant_id, unit = access.merchant.id, engine.hasher(access.merchant.id, customer) if customer else ""
    assigned = await engine.settled.of_unit(merchant_id, placement, document, unit) if unit else None
    answer = VariantAnswer(document.id, document.status.phase, assigned.id if assigned else None)
    return json_response(answer, headers=NO_STORE)


handlers = [*map(_action, ACTIONS), conclude, size, variant]
