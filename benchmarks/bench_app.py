"""The product's application with one more route, which answers a constant: the yardstick of bench_server."""

from __future__ import annotations

import os
from pathlib import Path

from litestar import Litestar, Response, post

from engine.settings import Settings
from web.api.decisions import DecisionRequest
from web.app import create_app

CONSTANT = "/bench/constant"
ANSWER = "constant.json"


def create() -> Litestar:
    """For uvicorn's --factory; `constant.json` in the data folder is what the constant route answers."""
    settings = Settings.from_environment(os.environ)
    body = (Path(settings.data) / ANSWER).read_bytes()

    @post(CONSTANT, status_code=200)
    async def constant(data: DecisionRequest) -> Response[bytes]:
        return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})

    app = create_app(settings)
    app.register(constant)
    return app
