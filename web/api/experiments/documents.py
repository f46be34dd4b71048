"""Experiments as documents: list, create, show, replace and delete."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.accounts.accounts import Access
from engine.model.actor import Actor
from engine.model.errors import invalid
from engine.model.experiment import Experiment
from engine.service import Engine
from web.api.resources import fields_of, resource_response, stored_type
from web.http.middleware.base_path import browser_path
from web.http.request_reading import MOST_BULK_BYTES, AnyRequest
from web.http.responses import json_response
from web.openapi import examples
from web.openapi.operation import Answer, Operation

TAG = "Experiments"
COLLECTION = "/v1/placements/{placement:str}/experiments"
ITEM = f"{COLLECTION}/{{id:str}}"
ABOUT = (
    "An experiment compares variants of a placement's plan on randomly assigned customers; the first variant is the "
    "control. `status` is set by its actions, such as `start`, and is ignored in requests."
)
Stored: Any = stored_type(Experiment)


class ExperimentInPlacement(msgspec.Struct, frozen=True):
    """An experiment with the placement that it belongs to."""

    placement: str
    experiment: Stored


class ExperimentList(msgspec.Struct, frozen=True):
    """The experiments of a placement, by id."""

    items: list[Stored]


class AllExperiments(msgspec.Struct, frozen=True):
    """The experiments of all placements, by placement and id."""

    items: list[ExperimentInPlacement]


@get("/v1/experiments", **Operation(TAG, "List all experiments", {200: Answer("All", AllExperiments)}, ABOUT).route())
async def list_everywhere(access: NamedDependency[Access], engine: NamedDependency[Engine]) -> Response[bytes]:
    resources = await engine.experiments.everywhere(access.merchant.id)
    items = [{"placement": resource.placement, "experiment": fields_of(resource)} for resource in resources]
    return json_response({"items": items})


@get(COLLECTION, **Operation(TAG, "List experiments of a placement", {200: Answer("All", ExperimentList)}).route())
async def list_all(
    access: NamedDependency[Access], engine: NamedDependency[Engine], placement: FromPath[str]
) -> Response[bytes]:
    resources = await engine.experiments.page(access.merchant.id, placement)
    return json_response({"items": [fields_of(resource) for resource in resources]})


@post(
    COLLECTION,
    **Operation(
        TAG,
        "Create an experiment",
        {201: Answer("Created as a draft; no customer is enrolled yet", Stored, ("Location", "ETag"))},
        ABOUT,
        body=Experiment,
        example=examples.EXPERIMENT,
        errors=(409,),
        most_bytes=MOST_BULK_BYTES,
    ).route(),
)
async def create(
    request: AnyRequest,
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    document: NamedDependency[Experiment],
) -> Response[bytes]:
    created = await engine.experiments.create(actor, placement, document)
    return resource_response(
        created, status=201, headers={"Location": browser_path(f"{request.url.path}/{created.id}")}
    )


@get(ITEM, **Operation(TAG, "Show an experiment", {200: Answer("The experiment", Stored, ("ETag",))}).route())
async def show(
    access: NamedDependency[Access], engine: NamedDependency[Engine], placement: FromPath[str], id: FromPath[str]
) -> Response[bytes]:
    return resource_response(await engine.experiments.get(access.merchant.id, placement, id))


@put(
    ITEM,
    **Operation(
        TAG,
        "Replace an experiment",
        {200: Answer("Replaced", Stored, ("ETag",))},
        "Once customers are enrolled, only `name`, `hypothesis`, `notes`, `guardrails` and `maximum_days` may change. "
        "A change of `share`, `audience` or the variants' weights begins a new phase, and its results start again.",
        body=Experiment,
        example=examples.EXPERIMENT,
        errors=(409, 412, 428),
        most_bytes=MOST_BULK_BYTES,
    ).route(),
)
async def replace(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    id: FromPath[str],
    document: NamedDependency[Experiment],
    expected_version: NamedDependency[int | None],
) -> Response[bytes]:
    if document.id != id:
        raise invalid("id", "must be the id in the URL; ids cannot change")
    return resource_response(await engine.experiments.update(actor, placement, id, document, version=expected_version))


@delete(
    ITEM,
    **Operation(
        TAG,
        "Delete an experiment",
        {204: Answer("Deleted")},
        "Only if no customer was ever enrolled; archive other experiments.",
        errors=(409, 412, 428),
    ).route(),
)
async def remove(
    actor: NamedDependency[Actor],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    id: FromPath[str],
    expected_version: NamedDependency[int | None],
) -> None:
    await engine.experiments.delete(actor, placement, id, version=expected_version)


handlers = [list_everywhere, list_all, create, show, replace, remove]
