"""Which operation of the API answers each path of the specification, and what to use where none does.

`:customer` in a path is the customer's id, and other names that begin with a colon are any text.
"""

from __future__ import annotations

from typing import NamedTuple

PREFERENCES = "/v1/personalize/preferences"
DECISIONS = "/v1/personalize/decisions"
FEEDBACK = "/v1/personalize/feedback"
VARIANTS = "/v1/personalize/variants"
METRICS = "/v1/placements/payment_methods/metrics"
EXPERIMENTS = "/v1/placements/{placement}/experiments"


class SpecifiedPath(NamedTuple):
    """A path of the specification: `target` is the operation that answers it, or `instead` says what to use.

    `target_method` is empty where the operation has the same method.
    """

    method: str
    path: str
    target: str = ""
    instead: str = ""
    target_method: str = ""


LEARNS = f"Placements learn by themselves from POST {FEEDBACK}."
NOT_PLANNED = "It is not planned: the engine decides what a checkout shows, and nothing else."
PLANNED = "It is planned, and nothing answers it yet."
EXPORT = "POST /v1/personalize/customers/export returns everything that is known of a customer."

SPECIFIED = (
    # Experience design
    SpecifiedPath("GET", "/personalization/preferences", PREFERENCES),
    SpecifiedPath("PUT", "/personalization/preferences", PREFERENCES),
    SpecifiedPath("DELETE", "/personalization/preferences", PREFERENCES),
    SpecifiedPath("POST", "/personalization/preferences/import", instead=f"Send PUT {PREFERENCES} for each customer."),
    SpecifiedPath("GET", "/personalization/preferences/export", instead=EXPORT),
    SpecifiedPath("POST", "/personalization/analytics/track", FEEDBACK),
    SpecifiedPath("GET", "/personalization/analytics/profile", instead=EXPORT),
    SpecifiedPath("GET", "/personalization/analytics/patterns", instead=PLANNED),
    SpecifiedPath("GET", "/personalization/analytics/predictions", instead=PLANNED),
    SpecifiedPath("GET", "/personalization/analytics/insights", METRICS),
    SpecifiedPath("POST", "/personalization/engine/generate", DECISIONS),
    SpecifiedPath(
        "POST", "/personalization/engine/evaluate", instead="POST /v1/placements/{placement}/previews tries a draft."
    ),
    SpecifiedPath(
        "POST", "/personalization/engine/apply", instead=f"The checkout itself applies the answer of POST {DECISIONS}."
    ),
    SpecifiedPath("GET", "/personalization/engine/metrics", METRICS),
    SpecifiedPath("POST", "/personalization/engine/optimize", instead=LEARNS),
    SpecifiedPath(
        "GET",
        "/personalization/workflow/:type",
        instead=f"Make a placement for it, and use POST {DECISIONS}.",
    ),
    SpecifiedPath(
        "PUT", "/personalization/workflow/:type/preference", instead=f"Put it into `categories` of PUT {PREFERENCES}."
    ),
    SpecifiedPath(
        "POST",
        "/personalization/workflow/:type/optimize",
        instead=LEARNS,
    ),
    SpecifiedPath(
        "GET", "/personalization/workflow/:type/metrics", instead="Use GET /v1/placements/{placement}/metrics."
    ),
    SpecifiedPath(
        "GET", "/personalization/workflow/:type/bottlenecks", instead="Use GET /v1/placements/{placement}/metrics."
    ),
    SpecifiedPath("POST", "/personalization/abtest", instead=f"Use POST {EXPERIMENTS}."),
    SpecifiedPath("GET", "/personalization/abtest/:id/variant", instead=f"Use POST {VARIANTS}."),
    SpecifiedPath(
        "POST", "/personalization/abtest/:id/conversion", instead=f"Use POST {EXPERIMENTS}/{{experiment}}/conversion."
    ),
    SpecifiedPath(
        "GET", "/personalization/abtest/:id/results", instead=f"Use GET {EXPERIMENTS}/{{experiment}}/results."
    ),
    SpecifiedPath(
        "POST", "/personalization/abtest/:id/conclude", instead=f"Use POST {EXPERIMENTS}/{{experiment}}/conclude."
    ),
    SpecifiedPath("GET", "/personalization/localization/:contentKey", instead=NOT_PLANNED),
    SpecifiedPath("GET", "/personalization/localization/preferences", PREFERENCES),
    SpecifiedPath("PUT", "/personalization/localization/preferences", PREFERENCES),
    SpecifiedPath("GET", "/personalization/localization/available", instead=NOT_PLANNED),
    SpecifiedPath("POST", "/personalization/localization/translate", instead=NOT_PLANNED),
    # Payment element
    SpecifiedPath("POST", "/payment_profile", instead=f"POST {DECISIONS} returns the payment methods to show."),
    # Phase 3
    SpecifiedPath("GET", "/api/v1/personalization/profile/:customer", PREFERENCES),
    SpecifiedPath("POST", "/api/v1/personalization/profile/:customer/update", PREFERENCES, target_method="PUT"),
    SpecifiedPath("POST", "/api/v1/personalization/recommendations", DECISIONS),
    SpecifiedPath("POST", "/api/v1/personalization/learn", FEEDBACK),
    SpecifiedPath("GET", "/api/v1/personalization/predict/:customer/:type", instead=PLANNED),
    SpecifiedPath(
        "POST", "/api/v1/sales-optimization/recommendations", instead="POST /v1/personalize/offers returns offers."
    ),
    SpecifiedPath("GET", "/api/v1/sales-optimization/pricing/:customer", instead=PLANNED),
    SpecifiedPath("GET", "/api/v1/sales-optimization/bundles/:customer", instead=NOT_PLANNED),
    SpecifiedPath("GET", "/api/v1/sales-optimization/cross-sell/:customer", instead=NOT_PLANNED),
    SpecifiedPath("POST", "/api/v1/sales-optimization/cart-recovery", instead=NOT_PLANNED),
    SpecifiedPath("GET", "/api/v1/sales-optimization/analytics", METRICS),
    SpecifiedPath("POST", "/api/v1/predictive-analytics/analyze", instead=PLANNED),
    SpecifiedPath("GET", "/api/v1/predictive-analytics/churn/:customer", instead=NOT_PLANNED),
    SpecifiedPath("GET", "/api/v1/predictive-analytics/ltv/:customer", instead=NOT_PLANNED),
    SpecifiedPath("GET", "/api/v1/predictive-analytics/purchase-probability/:customer", instead=PLANNED),
    SpecifiedPath("GET", "/api/v1/predictive-analytics/next-best-action/:customer", instead=PLANNED),
    SpecifiedPath("GET", "/api/v1/predictive-analytics/seasonal-trends", instead=PLANNED),
    SpecifiedPath(
        "GET", "/api/v1/segmentation/segment/:customer", instead="Send the segment as a fact, and let rules read it."
    ),
    SpecifiedPath("POST", "/api/v1/segmentation/adapt-persona/:customer", instead=NOT_PLANNED),
    SpecifiedPath("GET", "/api/v1/segmentation/analysis", instead="Use GET /v1/placements/{placement}/metrics."),
    SpecifiedPath("POST", "/api/v1/segmentation/targeting", instead="Use POST /v1/placements/{placement}/rules."),
    SpecifiedPath("GET", "/api/v1/integration/customer-intelligence/:customer", instead=EXPORT),
    SpecifiedPath("POST", "/api/v1/integration/enhanced-chat", instead=NOT_PLANNED),
    SpecifiedPath("GET", "/api/v1/integration/health", "/readyz"),
    # Personalization service
    SpecifiedPath("GET", "/api/v1/preferences/:customer", PREFERENCES),
    SpecifiedPath("PUT", "/api/v1/preferences/:customer", PREFERENCES),
    SpecifiedPath("POST", "/api/v1/preferences/:customer/reset", f"{PREFERENCES}/reset"),
    SpecifiedPath("POST", "/api/v1/behavior/track", FEEDBACK),
    SpecifiedPath("GET", "/api/v1/behavior/:customer/history", instead=EXPORT),
    SpecifiedPath("GET", "/api/v1/behavior/:customer/insights", instead=PLANNED),
    SpecifiedPath("GET", "/api/v1/personalize/homepage/:customer", instead=NOT_PLANNED),
    SpecifiedPath("GET", "/api/v1/personalize/content/:customer", instead=NOT_PLANNED),
    SpecifiedPath("POST", "/api/v1/personalize/recommendations/:customer", DECISIONS),
    SpecifiedPath("GET", "/api/v1/ab-test/:customer/variant", VARIANTS),
    SpecifiedPath("POST", "/api/v1/ab-test/track", FEEDBACK),
    SpecifiedPath("GET", "/health", "/healthz"),
)
"""All but the paths that are the API's own: `/metrics`, and those of Tap2 Personalize."""


def described(specified: SpecifiedPath) -> str:
    """Return the row of a path in docs/specification.md."""
    method = specified.target_method or specified.method
    answer = f"`{method} {specified.target}`" if specified.target else f"501. {specified.instead}"
    return f"| {specified.method} | `{specified.path}` | {answer} |"
