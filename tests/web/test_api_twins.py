"""Every form of the admin has its twin in the HTTP API, or a reason why it has none."""

from __future__ import annotations

from litestar import Litestar

from tests.serving import Server

BASE = "/admin/live"
DRAFT = "/v1/placements/{placement}/draft"
EXPERIMENT = "/v1/placements/{placement}/experiments/{id}"

PERSON = "It concerns the own person or session; a key is no person."
PEOPLE = "It decides who may do what; a key of the shop's software must not widen that. Operators have `tap2 user`."
LOGO = "A person uploads it, looking at it; software of the shop has no use for it."
PAGE = "It builds a part of the page and stores nothing."

CANDIDATE = "/v1/placements/{placement}/candidates/{id}"
CANDIDATES: dict[str, tuple[str, ...] | str] = {
    "/-/new": ("POST /v1/placements/{placement}/candidates",),
    "/{id}": (f"PUT {CANDIDATE}",),
    "/{id}/delete": (f"DELETE {CANDIDATE}",),
    "/{id}/move": (f"PUT {DRAFT}/candidate-order",),
    "/{id}/pause": (f"POST {CANDIDATE}/pause",),
    "/{id}/resume": PERSON,
    "/{id}/toggle": (f"PUT {CANDIDATE}",),
}
"""Forms of candidates, which payment methods have at an address of their own."""
TWINS: dict[str, tuple[str, ...] | str] = {
    **{f"/methods{path}": twin for path, twin in CANDIDATES.items()},
    **{f"/placements/{{key}}/candidates{path}": twin for path, twin in CANDIDATES.items()},
    "/methods/-/new/pick": PAGE,
    "/offers/-/new": ("POST /v1/placements/{placement}/candidates",),
    "/offers/{id}": (f"PUT {CANDIDATE}",),
    "/account/logo": LOGO,
    "/account/logo/remove": LOGO,
    "/alerts": ("POST /v1/alert-recipients",),
    "/alerts/{alert_id}": ("PUT /v1/alert-recipients/{id}",),
    "/alerts/{alert_id}/remove": ("DELETE /v1/alert-recipients/{id}",),
    "/audit/{entry_id}/restore": ("POST /v1/placements", "POST /v1/lists", "POST /v1/vocabulary", "POST /v1/budgets"),
    "/budgets/-/new": ("POST /v1/budgets",),
    "/budgets/{id}": ("PUT /v1/budgets/{id}",),
    "/customers/erase": ("POST /v1/personalize/customers/erase",),
    "/customers/export": ("POST /v1/personalize/customers/export",),
    "/customers/link": ("POST /v1/personalize/customer-links",),
    "/customers/look-up": ("POST /v1/personalize/preferences", "POST /v1/personalize/consents/read"),
    "/customers/retention": ("PUT /v1/personalize/retention", "POST /v1/personalize/retention/preview"),
    "/customers/requests": ("POST /v1/personalize/requests",),
    "/customers/requests/{number}/close": ("POST /v1/personalize/requests/{id}/close",),
    "/decisions/{decision_id}/replay": ("POST /v1/decisions/{id}/replay",),
    "/decisions/{decision_id}/scenario": ("POST /v1/decisions/{id}/scenario",),
    "/emergencies/{id}/seen": PERSON,
    "/experiments/audience": PAGE,
    "/experiments/new": ("POST /v1/placements/{placement}/experiments",),
    "/experiments/rule": PAGE,
    "/experiments/{placement}/{id}/edit": (f"PUT {EXPERIMENT}",),
    "/experiments/{placement}/{id}/try": (f"GET {EXPERIMENT}/variant",),
    "/experiments/{placement}/{id}/{act}": tuple(
        f"POST {EXPERIMENT}/{act}"
        for act in ("schedule", "start", "pause", "resume", "stop", "conclude", "archive", "restore", "send-back")
    ),
    "/fields/new": ("POST /v1/vocabulary",),
    "/fields/{name}": ("PUT /v1/vocabulary/{name}",),
    "/fields/{name}/delete": ("DELETE /v1/vocabulary/{name}",),
    "/keys": ("POST /v1/keys",),
    "/keys/{key_id}/revoke": ("DELETE /v1/keys/{id}",),
    "/keys/{key_id}/rotate": ("POST /v1/keys/{id}/rotate",),
    "/lists/-/new": ("POST /v1/lists",),
    "/lists/{name}": ("PUT /v1/lists/{name}",),
    "/lists/{name}/delete": ("DELETE /v1/lists/{name}",),
    "/offers/-/card": PAGE,
    "/offers/-/limits": ("PUT /v1/placements/{placement}",),
    "/offers/{id}/codes": ("POST /v1/placements/{placement}/candidates/{id}/codes",),
    "/offers/{id}/codes/remove": ("DELETE /v1/placements/{placement}/candidates/{id}/codes",),
    "/offers/{id}/cost": ("POST /v1/placements/{placement}/previews",),
    "/placements/-/new": ("POST /v1/placements",),
    "/placements/{key}/changes": (
        f"POST {DRAFT}/publish", f"POST {DRAFT}/review", f"DELETE {DRAFT}/review", f"DELETE {DRAFT}",
        f"POST {DRAFT}/rules/{{id}}/keep", f"DELETE {DRAFT}/rules/{{id}}",
    ),
    "/placements/{key}/changes/{entry_id}/restore": (f"PUT {DRAFT}",),
    "/placements/{key}/changes/{kind}/{id}/back": (f"PUT {DRAFT}/rules/{{id}}",),
    "/placements/{key}/delete": ("DELETE /v1/placements/{placement}",),
    "/placements/{key}/candidates/{id}/available": ("PUT /v1/placements/{placement}/availability",),
    "/placements/{key}/learning/undo-refit": ("POST /v1/placements/{placement}/refits/undo",),
    "/placements/{key}/roll-back": ("POST /v1/placements/{placement}/roll-back",),
    "/placements/{key}/scenarios/-/new": ("POST /v1/placements/{placement}/scenarios",),
    "/placements/{key}/scenarios/{id}": ("PUT /v1/placements/{placement}/scenarios/{id}",),
    "/placements/{key}/scenarios/{id}/delete": ("DELETE /v1/placements/{placement}/scenarios/{id}",),
    "/placements/{key}/settings": (f"PUT {DRAFT}/settings",),
    "/placements/{key}/what-if": ("POST /v1/placements/{placement}/previews",),
    "/placements/{key}/what-if/draft": (f"PUT {DRAFT}/candidates/{{id}}", f"PUT {DRAFT}/rules/{{id}}"),
    "/placements/{key}/what-if/{id}/cancel": ("DELETE /v1/placements/{placement}/previews/{id}",),
    "/reports": ("POST /v1/report-schedules",),
    "/reports/{report_id}": ("PUT /v1/report-schedules/{id}",),
    "/reports/{report_id}/{act}": (
        "PUT /v1/report-schedules/{id}", "DELETE /v1/report-schedules/{id}", "POST /v1/report-schedules/{id}/test",
    ),
    "/review": PEOPLE,
    "/rules/new": (f"PUT {DRAFT}/rules/{{id}}",),
    "/rules/{key}/-/import": (f"PUT {DRAFT}",),
    "/rules/{key}/-/preview": ("POST /v1/placements/{placement}/previews",),
    "/rules/{key}/-/preview/{id}/cancel": ("DELETE /v1/placements/{placement}/previews/{id}",),
    "/rules/{key}/-/switch": (f"PUT {DRAFT}/rules/{{id}}",),
    "/rules/{key}/{id}": (f"PUT {DRAFT}/rules/{{id}}",),
    "/rules/{key}/{id}/before": (f"PUT {DRAFT}/order",),
    "/rules/{key}/{id}/delete": (f"DELETE {DRAFT}/rules/{{id}}",),
    "/rules/{key}/{id}/move": (f"PUT {DRAFT}/order",),
    "/rules/{key}/{id}/toggle": (f"PUT {DRAFT}/rules/{{id}}",),
    "/rules/{key}/{id}/try": (f"POST {DRAFT}/trial",),
    "/rules/{key}/{id}/try/scenario": ("POST /v1/placements/{placement}/scenarios",),
    "/team/invite": PEOPLE,
    "/team/withdraw": PEOPLE,
    "/team/{person_id}/end-sessions": PEOPLE,
    "/team/{person_id}/remove": PEOPLE,
    "/team/{person_id}/role": PEOPLE,
    "/webhooks": ("POST /v1/webhooks",),
    "/webhooks/{hook_id}": ("PUT /v1/webhooks/{id}",),
    "/webhooks/{hook_id}/delete": ("DELETE /v1/webhooks/{id}",),
    "/webhooks/{hook_id}/resend": ("POST /v1/webhooks/{id}/resend",),
    "/webhooks/{hook_id}/rotate": ("POST /v1/webhooks/{id}/rotate",),
    "/webhooks/{hook_id}/test": ("POST /v1/webhooks/{id}/test",),
}  # fmt: skip
"""By the address of a form, operations of the API that do the same; or why there is none."""


def forms(app: Litestar) -> set[str]:
    """The addresses of forms about a merchant, without the part that they share."""
    paths = {route.path_format for route in app.routes if "POST" in getattr(route, "methods", ())}
    return {path.removeprefix(BASE) for path in paths if path.startswith(f"{BASE}/")}


def test_each_form_has_an_api_operation_or_a_reason(server: Server):
    served_forms = forms(server.app)
    assert served_forms - TWINS.keys() == set(), "a form without its twin in the API"
    assert TWINS.keys() - served_forms == set(), "a row of a form that there is not"


def test_named_operations_exist(server: Server):
    operations = {f"{method.upper()} {path}" for path, methods in server.openapi["paths"].items() for method in methods}
    named = {operation for twins in TWINS.values() if not isinstance(twins, str) for operation in twins}
    assert named - operations == set()
