"""The results of experiments: as they are now, and as they were at stored looks."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.clock import now_ms
from engine.experiments.looks.stored import StoredLook
from engine.experiments.results import Results
from engine.service import Engine
from web.api.experiments.documents import ITEM, TAG
from web.http.responses import NO_STORE, json_response
from web.openapi.operation import Answer, Operation

Phase = Annotated[int, Meta(ge=0, le=1001, description="0 for the latest phase.")]


class PhaseOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The phase whose looks are asked for."""

    phase: Phase = 0


class LookOf(PhaseOf, frozen=True, forbid_unknown_fields=True):
    """The phase and the look whose results are asked for."""

    look: Annotated[int, Meta(ge=0, le=2**31 - 1, description="A stored look; 0 for the results now.")] = 0


class LookList(msgspec.Struct, frozen=True):
    """The stored looks at a phase, the first one first."""

    items: list[StoredLook]


@get(
    f"{ITEM}/results",
    **Operation(
        TAG,
        "Look at the results",
        {200: Answer("One look: all numbers are from `as_of`", Results)},
        "Intervals of the method `sequential` are valid at every look, however often you ask. A stored look never "
        "changes.",
        query=LookOf,
    ).route(),
)
async def results(
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    id: FromPath[str],
    parameters: NamedDependency[LookOf],
) -> Response[bytes]:
    resource = await engine.experiments.get(access.merchant.id, placement, id)
    look = await engine.experiment_looks.read(
        access.merchant.id, resource, now=now_ms(), phase=parameters.phase, number=parameters.look
    )
    return json_response(look, headers=NO_STORE)


@get(
    f"{ITEM}/looks",
    **Operation(
        TAG,
        "List the stored looks",
        {200: Answer("The looks, the first one first", LookList)},
        "A look is stored once a day where numbers changed, also after the end, and at the end of the experiment. "
        "A later refund makes a new look.",
        query=PhaseOf,
    ).route(),
)
async def list_looks(
    access: NamedDependency[Access],
    engine: NamedDependency[Engine],
    placement: FromPath[str],
    id: FromPath[str],
    parameters: NamedDependency[PhaseOf],
) -> Response[bytes]:
    resource = await engine.experiments.get(access.merchant.id, placement, id)
    looks = await engine.experiment_looks.page(access.merchant.id, resource, phase=parameters.phase)
    return json_response(LookList(looks), headers=NO_STORE)


handlers = [results, list_looks]
