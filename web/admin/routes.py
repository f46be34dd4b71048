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

from engine.errors import EngineError, NotFound
from web.admin import (
    audit,
    candidate,
    candidates,
    changes,
    decision,
    decisions,
    failures,
    fields,
    keys,
    login,
    overview,
    placement,
    placement_learning,
    placement_settings,
    placements,
    preferences,
    preview,
    rule,
    rule_files,
    rule_uses,
    rules,
    scenarios,
    search,
    try_panel,
    undo,
    versions,
)
from web.admin.door import enter, provide_frame
from web.admin.frame import Frame
from web.admin.render import STATIC

MOST_BODY_BYTES = 512 * 1024
HANDLERS: dict[Any, Any] = {
    EngineError: failures.engine_error,
    HTTPException: failures.http_error,
    Exception: failures.unexpected,
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
        placements.placements_page,
        placement.placement_page, placement.arms_fragment, placement.arms_csv,
        placement_learning.learning_page, placement_learning.learning_csv,
        placement_settings.new_placement, placement_settings.create_placement,
        placement_settings.settings_page, placement_settings.save_settings,
        placement_settings.delete_placement,
        changes.changes_page, changes.act_on_changes, changes.restore_changes, changes.choose_review,
        versions.versions_page, versions.version_page, versions.roll_back,
        scenarios.scenarios_page, scenarios.new_scenario, scenarios.create_scenario, scenarios.scenario_page,
        scenarios.save_scenario, scenarios.delete_scenario, scenarios.scenario_from_decision,
        candidates.candidates_page, candidates.toggle_candidate, candidates.move_candidate,
        candidates.delete_candidate,
        candidate.new_candidate, candidate.create_candidate, candidate.candidate_page, candidate.save_candidate,
        preview.preview_page, preview.preview_box, preview.start_preview, preview.cancel_preview,
        rules.rules_page, rules.toggle_rule, rules.move_rule, rules.switch_rules, rules.delete_rule,
        rules.undo_delete, rule.unsave_rule,
        rule_files.export_rules, rule_files.import_rules,
        rule_uses.rule_uses,
        try_panel.try_page, try_panel.try_customer, try_panel.save_as_scenario,
        rule.new_rule, rule.post_new_rule, rule.rule_page, rule.post_rule,
        decisions.decisions_page, decision.decision_page, decision.replay_decision,
        fields.fields_page, fields.new_field, fields.create_field, fields.field_page, fields.save_field,
        fields.delete_field,
        keys.keys_page, keys.create_key, keys.rotate_key, keys.revoke_key,
        audit.audit_page, undo.restore,
        preferences.choose_theme, preferences.choose_mode,
        search.search_page,
        nothing_here,
    ]  # fmt: skip
