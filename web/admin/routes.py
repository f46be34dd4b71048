"""All pages under /admin: the log-in for everybody, the others, once for each side, for those who are logged in."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any
from urllib.parse import quote

from litestar import Response, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.types import ExceptionHandlersMap

from engine.model.errors import Conflict, EngineError, NotFound
from web.admin.candidates import candidate_form, candidate_list, method_picker
from web.admin.changes import draft_changes, preview_page, versions, what_if
from web.admin.customers import customer_page, opt_in_page, retention_page
from web.admin.experiments import details_page, experiment_edit, experiment_list, experiment_page
from web.admin.experiments.variants import variant_trial
from web.admin.log import audit, decision_list, decision_page
from web.admin.offers import (
    budget_page,
    code_page,
    ledger_page,
    offer_cost,
    offer_effect,
    offer_form,
    offer_list,
    order_limits_page,
)
from web.admin.overview import overview_page
from web.admin.people import join, profile_page, second_factor_page, sign_up, single_sign_on, team_page
from web.admin.placements import (
    placement_availability,
    placement_learning,
    placement_list,
    placement_model,
    placement_page,
    placement_settings,
)
from web.admin.placements.performance import arm_page, learning_cost
from web.admin.rules import rule_files, rule_list, rule_page, rule_uses, scenarios
from web.admin.rules.trial import try_panel
from web.admin.settings import account_page, alert_list, fields, hook_list, hook_page, keys, lists, report_list
from web.admin.shell import error_pages, login, preferences, search, undo
from web.admin.shell.admission import AnyRequest, enter, provide_frame
from web.admin.shell.frame import SIDES, Frame, path_of
from web.admin.static_files import static_files
from web.http.middleware.base_path import browser_path

PAGES: Sequence[ModuleType] = (
    overview_page, search, undo,
    placement_list, placement_page, arm_page, learning_cost, placement_learning, placement_model, placement_settings,
    candidate_list, method_picker, candidate_form, placement_availability,
    rule_list, rule_files, rule_page, rule_uses, try_panel, scenarios,
    draft_changes, versions, preview_page, what_if,
    offer_list, order_limits_page, offer_form, offer_effect, offer_cost, code_page, budget_page, ledger_page,
    experiment_list, experiment_edit, experiment_page, variant_trial, details_page,
    customer_page, opt_in_page, retention_page, decision_list, decision_page, audit,
    fields, lists, keys, hook_list, hook_page, report_list, alert_list, team_page, account_page,
)  # fmt: skip
"""The modules with pages of one side; each lists its own in `handlers`."""
WITHOUT_SIDE: Sequence[ModuleType] = (preferences, login, profile_page, second_factor_page)
"""The modules whose handlers concern the person, whatever side they look at."""
OUTSIDE: Sequence[ModuleType] = (login, single_sign_on, join, sign_up)
"""The modules with pages for those who are not logged in; each lists them in `outside`."""
MOST_BODY_BYTES = 512 * 1024
ERROR_PAGES: dict[Any, Any] = {
    EngineError: error_pages.engine_error,
    HTTPException: error_pages.http_error,
    Exception: error_pages.unexpected,
}


@get("/", include_in_schema=False)
async def start() -> Redirect:
    """Redirect the address without a path to the overview."""
    return Redirect(browser_path("/admin/"))


@get("/{rest:path}")
async def nothing_here(frame: NamedDependency[Frame], rest: FromPath[str]) -> Response[Any]:
    """Answer 404 for any other address."""
    raise NotFound(f"there is no page “{rest}”")


@get(["/", "/{rest:path}"])
async def last_side(request: AnyRequest, frame: NamedDependency[Frame], rest: FromPath[str] = "/") -> Response[Any]:
    """Redirect an address without a side to the side that was looked at last."""
    query = request.url.query
    return frame.go(f"{frame.base}{quote(rest)}{f'?{query}' if query else ''}")


@post(["/", "/{rest:path}"], status_code=200)
async def no_side(frame: NamedDependency[Frame], rest: FromPath[str] = "/") -> Response[Any]:
    """Refuse a form whose address names no side: it must not change the side that another tab chose."""
    raise Conflict("This form does not say whether it is about live or test, so nothing was changed")


def routers() -> list[Any]:
    """Return the routers of the log-in, the pages behind it, and the files that they load."""
    failing: ExceptionHandlersMap = ERROR_PAGES
    outside = Router("/admin", route_handlers=_outside(), exception_handlers=failing)
    pages = [nothing_here, *_handlers(PAGES)]
    without_side = [last_side, no_side, *_handlers(WITHOUT_SIDE)]
    by_path = {"/admin": without_side, **{path_of(side): pages for side in SIDES}}
    return [start, outside, *(_inside(path, handlers) for path, handlers in by_path.items()), static_files()]


def _outside() -> list[Any]:
    return [handler for module in OUTSIDE for handler in list[Any](module.outside)]


def _handlers(modules: Sequence[ModuleType]) -> list[Any]:
    return [handler for module in modules for handler in list[Any](module.handlers)]


def _inside(path: str, handlers: Sequence[Any]) -> Router:
    """Return the router of pages for those who are logged in."""
    failing: ExceptionHandlersMap = ERROR_PAGES
    return Router(
        path,
        route_handlers=handlers,
        before_request=enter,
        dependencies={"frame": Provide(provide_frame, sync_to_thread=False)},
        exception_handlers=failing,
        include_in_schema=False,
        request_max_body_size=MOST_BODY_BYTES,
    )
