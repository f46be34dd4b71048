"""The application: API, admin and documentation over one engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from litestar import Litestar, Router
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from engine.errors import EngineError
from engine.service import open_engine
from engine.settings import Settings
from web import admin, errors
from web.access import PublicLimit
from web.api import decisions, feedback, health
from web.demo.background import demo

MOST_BODY_BYTES = 64 * 1024


def create_app(settings: Settings) -> Litestar:
    """An app that opens its engine when it starts and writes what is waiting when it stops."""

    @asynccontextmanager
    async def engine(app: Litestar) -> AsyncIterator[None]:
        app.state.engine = await open_engine(settings)
        app.state.public_limit = PublicLimit(settings.public_rate)
        await app.state.engine.start()
        try:
            async with demo(app.state.engine) if settings.demo else nullcontext():
                yield
        finally:
            await app.state.engine.stop()

    return Litestar(
        route_handlers=[api(), Router("/", route_handlers=list[Any](health.handlers)), *admin.routers()],
        lifespan=[engine],
        exception_handlers={
            EngineError: errors.engine_error,
            ValidationException: errors.invalid_request,
            HTTPException: errors.http_error,
            Exception: errors.unexpected,
        },
        request_max_body_size=MOST_BODY_BYTES,
        openapi_config=OpenAPIConfig(
            title="Tap2 Personalize",
            version="1",
            path="/docs",
            components=Components(security_schemes={"key": SecurityScheme(type="http", scheme="bearer")}),
        ),
    )


def api() -> Router:
    return Router("/", route_handlers=[*decisions.handlers, *feedback.handlers], security=[{"key": []}])
