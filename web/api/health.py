"""For load balancers and operators: is the process up, can it serve, what are its numbers."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import Request, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from web.http.access import engine_of
from web.http.metrics import WAITING
from web.http.problem_details import Unavailable
from web.openapi.operation import Answer, Operation


class Status(msgspec.Struct, frozen=True):
    status: str


def _says(summary: str, answer: Answer, errors: tuple[int, ...] = ()) -> dict[str, Any]:
    return Operation("Health", summary, {200: answer}, keys="none", errors=errors).opt


@get("/healthz", sync_to_thread=False, opt=_says("The process is up", Answer("It is up", Status)))
def healthz() -> Status:
    return Status("ok")


@get("/readyz", opt=_says("The database answers and plans are loaded", Answer("It can serve", Status), errors=(503,)))
async def readyz(request: Request[Any, Any, Any]) -> Status:
    try:
        async with asyncio.timeout(2), engine_of(request).database.read() as connection:
            await connection.execute(text("SELECT 1"))
    except Exception:
        raise Unavailable("the database does not answer") from None
    return Status("ready")


@get("/metrics", opt=_says("Prometheus metrics", Answer("The numbers of this process", str, media="text/plain")))
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    WAITING.set(engine_of(request).recorder.queued)
    return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})


handlers = [healthz, readyz, metrics]
