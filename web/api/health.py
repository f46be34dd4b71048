"""For load balancers and operators: is the process up, can it serve, what are its numbers."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Request, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from web.access import engine_of
from web.errors import Unavailable
from web.metrics import WAITING


@get("/healthz", summary="The process is up", sync_to_thread=False)
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@get("/readyz", summary="The database answers and plans are loaded")
async def readyz(request: Request[Any, Any, Any]) -> dict[str, str]:
    try:
        async with asyncio.timeout(2), engine_of(request).database.read() as connection:
            await connection.execute(text("SELECT 1"))
    except Exception:
        raise Unavailable("the database does not answer") from None
    return {"status": "ready"}


@get("/metrics", summary="Prometheus metrics", media_type="text/plain")
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    WAITING.set(engine_of(request).recorder.waiting)
    return Response(generate_latest(), headers={"content-type": CONTENT_TYPE_LATEST})


handlers = [healthz, readyz, metrics]
