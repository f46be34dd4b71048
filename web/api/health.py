"""Health and metrics, for load balancers and operators. These endpoints need no key."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import text

from engine.model.errors import Unavailable
from engine.offers.alerts import LEVELS
from engine.service import Engine
from web.http.metrics import BUDGETS, EMERGENCIES, OUTAGES, PREDICTIONS, WAITING, WEBHOOK_MESSAGES, exposition
from web.http.request_reading import AnyRequest
from web.openapi.operation import Answer, Operation


class Status(msgspec.Struct, frozen=True):
    status: str


def _opt(summary: str, answer: Answer, errors: tuple[int, ...] = ()) -> dict[str, Any]:
    return Operation("Health", summary, {200: answer}, keys="none", errors=errors).opt


@get("/healthz", sync_to_thread=False, opt=_opt("The process is up", Answer("It is up", Status)))
def healthz() -> Status:
    return Status("ok")


@get("/readyz", opt=_opt("The database answers and stores", Answer("It can serve", Status), errors=(503,)))
async def readyz(engine: NamedDependency[Engine]) -> Status:
    try:
        async with asyncio.timeout(2), engine.database.read() as connection:
            await connection.execute(text("SELECT 1"))
    except Exception:
        raise Unavailable("the database does not answer") from None
    if not await engine.write_probe.succeeds():
        raise Unavailable("the database does not store anything")
    return Status("ready")


@get(
    "/metrics",
    opt=_opt("Prometheus metrics", Answer("The numbers of all processes of this server", str, media="text/plain")),
)
async def metrics(request: AnyRequest, engine: NamedDependency[Engine]) -> Response[bytes]:
    request.app.state.request_times.flush()
    WAITING.set(engine.recorder.queued)
    for percent in LEVELS:
        BUDGETS.labels(percent).set(engine.alerts.counts[percent])
    OUTAGES.set(engine.live.outage_count)
    PREDICTIONS.set(engine.prediction_watch.count)
    with suppress(Exception):  # the other numbers are wanted most when the database does not answer
        async with asyncio.timeout(1):
            EMERGENCIES.set(await engine.emergencies.count_unseen())
            for state, count in (await engine.webhooks.messages()).items():
                WEBHOOK_MESSAGES.labels(state).set(count)
    return Response(exposition(), headers={"content-type": CONTENT_TYPE_LATEST})


handlers = [healthz, readyz, metrics]
