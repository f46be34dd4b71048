"""All pages under /admin: the log-in outside, everything else behind the door."""

from __future__ import annotations

from typing import Any

from litestar import Response, Router, get
from litestar.config.compression import CompressionConfig
from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException
from litestar.middleware import DefineMiddleware
from litestar.middleware.compression import CompressionMiddleware
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.static_files import create_static_files_router
from litestar.types import ExceptionHandlersMap

from engine.model.errors import EngineError, NotFound
from web.admin.candidates import candidate_form, candidate_list
from web.admin.changes import draft_changes, preview_page, versions
from web.admin.log import audit, decision_list, decision_page
from web.admin.placements import overview, placement_learning, placement_list, placement_page, placement_settings
from web.admin.rules import rule_files, rule_list, rule_page, rule_uses, scenarios
from web.admin.rules.trial import try_panel
from web.admin.settings import fields, keys
from web.admin.shell import error_pages, login, preferences, search, undo
from web.admin.shell.admission import enter, provide_frame
from web.admin.shell.frame import Frame
from web.admin.shell.render import STATIC

MOST_BODY_BYTES = 512 * 1024
HANDLERS: dict[Any, Any] = {
    EngineError: error_pages.engine_error,
    HTTPException: error_pages.http_error,
    Exception: error_pages.unexpected,
}


@get("/", include_in_schema=False)
async def start() -> Redirect:
    """The address without a path leads to the overview."""
    return Redirect("/admin/")


@get("/{rest:path}")
async def nothing_here(frame: NamedDependency[Frame], rest: FromPath[str]) -> Response[Any]:
    """Whatever page there is not."""
    raise NotFound(f"there is no page “{rest}”")


def routers() -> list[Any]:
    """The log-in, the pages behind it, and the files that they load."""
    failing: ExceptionHandlersMap = HANDLERS
    door = Router("/admin", route_handlers=[login.login_page, login.log_in], exception_handlers=failing)
    inside = Router(
        "/admin",
        route_handlers=_pages(),
        before_request=enter,
        dependencies={"frame": Provide(provide_frame, sync_to_thread=False)},
        exception_handlers=failing,
        include_in_schema=False,
        request_max_body_size=MOST_BODY_BYTES,
    )
    return [start, door, inside, _files()]


def _files() -> Router:
    """Style sheets and scripts, compressed: they hold nothing of anyone. Pages are not, as they hold secrets."""
    return create_static_files_router(
        "/static",
        directories=[STATIC],
        include_in_schema=False,
        cache_control=CacheControlHeader(public=True, max_age=3600),
        middleware=[DefineMiddleware(CompressionMiddleware, config=CompressionConfig(backend="gzip"))],
    )


def _pages() -> list[Any]:
    return [
        login.log_out,
        overview.overview_page, overview.glance_fragment,
        placement_list.placements_page,
        placement_page.placement_page, placement_page.arms_fragment, placement_page.arms_csv,
        placement_learning.learning_page, placement_learning.learning_csv,
        placement_settings.new_placement, placement_settings.create_placement,
        placement_settings.settings_page, placement_settings.save_settings,
        placement_settings.delete_placement,
        draft_changes.changes_page, draft_changes.act_on_changes, draft_changes.restore_changes,
        draft_changes.choose_review,
        versions.versions_page, versions.version_page, versions.roll_back,
        scenarios.scenarios_page, scenarios.new_scenario, scenarios.create_scenario, scenarios.scenario_page,
        scenarios.save_scenario, scenarios.delete_scenario, scenarios.scenario_from_decision,
        candidate_list.candidates_page, candidate_list.toggle_candidate, candidate_list.move_candidate,
        candidate_list.delete_candidate,
        candidate_form.new_candidate, candidate_form.create_candidate, candidate_form.candidate_page,
        candidate_form.save_candidate,
        preview_page.preview_page, preview_page.preview_box, preview_page.start_preview, preview_page.cancel_preview,
        rule_list.rules_page, rule_list.toggle_rule, rule_list.move_rule, rule_list.switch_rules, rule_list.delete_rule,
        rule_list.undo_delete, rule_page.unsave_rule,
        rule_files.export_rules, rule_files.import_rules,
        rule_uses.rule_uses,
        try_panel.try_page, try_panel.try_customer, try_panel.save_as_scenario,
        rule_page.new_rule, rule_page.post_new_rule, rule_page.rule_page, rule_page.post_rule,
        decision_list.decisions_page, decision_page.decision_page, decision_page.replay_decision,
        fields.fields_page, fields.new_field, fields.create_field, fields.field_page, fields.save_field,
        fields.delete_field,
        keys.keys_page, keys.create_key, keys.rotate_key, keys.revoke_key,
        audit.audit_page, undo.restore,
        preferences.choose_theme, preferences.choose_mode,
        search.search_page,
        nothing_here,
    ]  # fmt: skip
