"""The web application: API, admin and documentation over one engine."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any
from urllib.parse import urlsplit

import structlog
from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.exceptions import MethodNotAllowedException

from engine.model.errors import EngineError
from engine.service import Engine, open_engine
from engine.settings import Settings
from web import admin, center
from web.api import (
    availability,
    browsers,
    decisions,
    draft_documents,
    drafts,
    feedback,
    health,
    keys,
    log,
    plans,
    previews,
    resources,
    rule_sets,
    trials,
)
from web.api.account import limits
from web.api.customers import aliases, consent_prompt, consents, links, preferences, retention, rights
from web.api.events import event_list, hook_deliveries, hook_endpoints
from web.api.experiments import actions, checks, conversions, documents, given_variants, log_answers, results
from web.api.growthbook import payloads, subscriptions
from web.api.insights import metrics, reports, uses
from web.api.learning import refits
from web.api.mailing import alert_recipients, report_schedules
from web.api.offers import codes, ledger, listing, predictions, redemptions
from web.api.offline import offline_decisions, snapshots
from web.api.openfeature import evaluations, event_streams
from web.api.openfeature.event_streams import OpenStreams
from web.api.segment import intake as segment_intake
from web.demo.background import demo
from web.deprecation.table import DEPRECATED, Deprecation
from web.http import logs, problem_details
from web.http.access import HintLimit
from web.http.dependencies import DEPENDENCIES
from web.http.metrics import count_job
from web.http.middleware.base_path import BasePath
from web.http.middleware.deprecation import DeprecatedOperations, announcements
from web.http.middleware.direct_routes import DirectRoutes
from web.http.middleware.request_times import RequestTimes
from web.http.middleware.security import SecurityMiddleware
from web.http.middleware.specification import SpecificationPaths
from web.http.openid import provider_of
from web.http.process import tune
from web.http.rate_limits import RateLimits
from web.http.request_reading import MOST_BODY_BYTES
from web.http.turns import RequestTurns
from web.mailing.composer import MailComposer
from web.openapi import pages
from web.specification.paths import SPECIFIED

events = structlog.get_logger()

READ_LENIENTLY = {
    "/v1/personalize/decisions": "POST",
    "/v1/personalize/decisions/batch": "POST",
    "/v1/personalize/methods": "GET",
    "/v1/personalize/feedback": "POST",
}
OPEN_TO_BROWSERS = READ_LENIENTLY | {
    preferences.PATH: "GET, POST, PUT, DELETE",
    f"{preferences.PATH}/reset": "POST",
    f"{preferences.PATH}/versions": "POST",
    consents.PATH: "POST",
    f"{consents.PATH}/read": "POST",
    consent_prompt.PROMPT: "POST",
    f"{consents.PATH}/history": "POST",
    f"{rights.CUSTOMERS}/erase": "POST",
    f"{rights.CUSTOMERS}/export": "POST",
    evaluations.PATH: "POST",
    f"{evaluations.PATH}/{{key}}": "POST",
    f"{event_streams.PATH}/{{key}}": "GET",
    f"{subscriptions.PATH}/{{key}}": "GET",
    f"{snapshots.PATH}/{{key}}": "GET",
    offline_decisions.PATH: "POST",
    f"{payloads.FEATURES}/{{key}}": "GET",
    f"{payloads.EVALUATE}/{{key}}": "POST",
}


def create_app(settings: Settings, deprecated: Sequence[Deprecation] = DEPRECATED) -> Litestar:
    """Return an app that opens its engine at the start and writes queued rows at the stop."""

    @asynccontextmanager
    async def engine(app: Litestar) -> AsyncIterator[None]:
        app.state.engine = await _opened(settings)
        app.state.request_times = times
        times.commits = app.state.engine.recorder.commit_latencies
        app.state.rate_limits = RateLimits(settings)
        app.state.turns = RequestTurns()
        app.state.open_streams = OpenStreams()
        app.state.hint_limit = HintLimit()
        app.state.openid = provider_of(settings)
        app.state.engine.mail.mailer.compose = MailComposer(app.state.engine)
        await app.state.engine.start(watch=count_job)
        tune()
        events.info("ready", admin=f"http://{settings.host}:{settings.port}/admin/", process=os.getpid())
        try:
            async with demo(app.state.engine) if settings.demo else nullcontext():
                yield
        finally:
            await app.state.engine.stop()
            events.info("stopped", process=os.getpid())

    logs.configure(settings.log_level)
    times = RequestTimes()
    app = Litestar(
        route_handlers=[
            api(),
            Router("/docs", route_handlers=list[Any](pages.handlers)),
            *admin.routers(),
            *center.routers(),
        ],
        lifespan=[engine],
        exception_handlers={
            Exception: problem_details.answer_to,
            MethodNotAllowedException: admin.wrong_method,
        },
        request_max_body_size=MOST_BODY_BYTES,
        openapi_config=None,
        logging_config=None,
        state=State({"deprecated": deprecated}),
    )
    announced = announcements(deprecated)
    inner = DeprecatedOperations(app.asgi_handler, announced) if announced else app.asgi_handler
    direct = [*decisions.handlers, *feedback.handlers, *listing.handlers]
    secured = SecurityMiddleware(
        DirectRoutes(SpecificationPaths(inner, SPECIFIED), direct, times, announced),
        over_tls=settings.secure_cookies,
        open_to_browsers=OPEN_TO_BROWSERS,
        read_leniently=(*READ_LENIENTLY, listing.PATH),
    )
    base_path = urlsplit(settings.public_url).path
    app.asgi_handler = BasePath(secured, base_path) if base_path else secured
    return app


async def _opened(settings: Settings) -> Engine:
    """Open the engine; log why it cannot be opened, because the server logs only that its start failed."""
    try:
        return await open_engine(settings, wait_seconds=settings.database_wait_seconds)
    except EngineError:
        # The engine has logged the reason.
        raise
    except Exception as error:
        reason = "the database cannot be opened or upgraded"
        if isinstance(error, OSError) and error.filename:
            reason = f"{error.filename}: {error.strerror}"
        events.error("cannot start", reason=reason, settings="TAP2_DATA, TAP2_DATABASE_URL", exc_info=error)
        raise


def api() -> Router:
    """Return the router of the HTTP API."""
    deciding = (decisions, browsers, feedback, segment_intake, snapshots, offline_decisions)
    flags = (evaluations, event_streams, payloads, subscriptions)
    experiments = (documents, actions, results, checks, log_answers, conversions, given_variants)
    configuring = (resources, drafts, draft_documents, rule_sets, trials, previews, plans, refits, keys, limits)
    insights = (uses, metrics, reports)
    mailing = (report_schedules, alert_recipients)
    offers = (listing, predictions, redemptions, codes, ledger)
    webhooks = (event_list, hook_endpoints, hook_deliveries)
    customers = (preferences, consents, consent_prompt, retention, rights, links, aliases)
    answering = (*deciding, *flags, *customers, *offers, *experiments)
    modules = (*answering, *webhooks, *configuring, *insights, *mailing, availability, log, health)
    handlers = [handler for module in modules for handler in list[Any](module.handlers)]
    return Router("/", route_handlers=handlers, dependencies=DEPENDENCIES)
