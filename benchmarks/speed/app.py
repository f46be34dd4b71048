"""The product's application with one more route, which answers a constant: the yardstick of bench_server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, post
from litestar.response.base import ASGIResponse

from engine.settings import Settings
from web.api.decisions import DecisionRequest
from web.app import create_app
from web.http.lenient_reading import LenientReader
from web.http.responses import JSON, NO_STORE

CONSTANT = "/bench/constant"
ANSWER = "constant.json"


def create() -> Litestar:
    """For uvicorn's --factory; `constant.json` in the data folder is what the constant route answers."""
    settings = Settings.from_environment(os.environ)
    body = (Path(settings.data) / ANSWER).read_bytes()
    read = LenientReader(DecisionRequest)

    @post(CONSTANT, status_code=200)
    async def constant(request: Request[Any, Any, Any]) -> ASGIResponse:
        await read(request, with_warnings=False)
        return ASGIResponse(body=body, media_type=JSON, headers=NO_STORE)

    app = create_app(settings)
    app.register(constant)
    return app
