"""What to check before an experiment starts, and how the layers of a placement are used."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.accounts.accounts import Access
from engine.experiments.layers import LayerUse, layers_of
from engine.service import Engine
from web.api.experiments.documents import ITEM, TAG
from web.experiments.checklist import Check, checklist
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation
from web.reader import MerchantReader


class Checklist(msgspec.Struct, frozen=True):
    """The points to check; those that are `needed` and not `done` keep the experiment from starting."""

    items: Sequence[Check]


class LayerList(msgspec.Struct, frozen=True):
    """The layers that experiments of the placement name, by name; archived experiments name none."""

    items: list[LayerUse]


@get(
    f"{ITEM}/checklist",
    **Operation(
        TAG,
        "Show the checklist",
        {200: Answer("The points, in the order of the page", Checklist)},
        "What to check before the start, from the last week's decisions: the audience, the layer, the variants, the "
        "log, the size, whole weeks, guardrails and the second person's approval. `detail` is a sentence with figures "
        "in the merchant's formats. `running` means that the log is being read.",
    ).route(),
)
async def show_checklist(
    access: NamedDependency[Access], engine: NamedDependency[Engine], placement: FromPath[str], id: FromPath[str]
) -> Response[bytes]:
    resource = await engine.experiments.get(access.merchant.id, placement, id)
    configuration = await engine.catalogue.configuration(access.merchant.id)
    points = await checklist(MerchantReader(engine, access.merchant), configuration, resource)
    return json_response(Checklist(points), headers=NO_STORE)


@get(
    "/v1/placements/{placement:str}/layers",
    **Operation(
        TAG,
        "Show the layers",
        {200: Answer("The layers", LayerList)},
        "Experiments in the same layer never share a unit, so each takes up a part of it. Shares are of all units; "
        "paused experiments keep their part.",
    ).route(),
)
async def show_layers(
    access: NamedDependency[Access], engine: NamedDependency[Engine], placement: FromPath[str]
) -> Response[bytes]:
    resources = await engine.experiments.page(access.merchant.id, placement)
    return json_response(LayerList(layers_of([resource.document for resource in resources])), headers=NO_STORE)


handlers = [show_checklist, show_layers]
