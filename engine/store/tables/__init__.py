"""All tables. SQLite and PostgreSQL alike: JSON is text, times are epoch milliseconds, days are epoch days."""

from __future__ import annotations

from engine.store.tables import accounts, health, people
from engine.store.tables.configuration import (
    active_plans,
    audit,
    draft_changes,
    drafts,
    emergencies,
    plans,
    resources,
)
from engine.store.tables.experiments import (
    experiment_changes,
    experiment_conversions,
    experiment_exposures,
    experiment_outcomes,
    experiment_shares,
    experiment_sums,
)
from engine.store.tables.log import decisions, outcomes
from engine.store.tables.offers import (
    budget_balances,
    budget_caps,
    holds,
    idempotent_answers,
    ledger,
    offer_codes,
    outbox,
)
from engine.store.tables.previews import forecasts, previews
from engine.store.tables.schema import metadata
from engine.store.tables.statistics import (
    amounts,
    arrivals,
    beliefs,
    delays,
    field_days,
    field_faults,
    fits,
    fold_starts,
    minutes,
    observations,
    pending_trials,
    rule_days,
    rule_fired,
    statistics,
    tallies,
    usage,
)

__all__ = [
    "accounts",
    "active_plans",
    "amounts",
    "arrivals",
    "audit",
    "beliefs",
    "budget_balances",
    "budget_caps",
    "decisions",
    "delays",
    "draft_changes",
    "drafts",
    "emergencies",
    "experiment_changes",
    "experiment_conversions",
    "experiment_exposures",
    "experiment_outcomes",
    "experiment_shares",
    "experiment_sums",
    "field_days",
    "field_faults",
    "fits",
    "fold_starts",
    "forecasts",
    "health",
    "holds",
    "idempotent_answers",
    "ledger",
    "metadata",
    "minutes",
    "observations",
    "offer_codes",
    "outbox",
    "outcomes",
    "pending_trials",
    "people",
    "plans",
    "previews",
    "resources",
    "rule_days",
    "rule_fired",
    "statistics",
    "tallies",
    "usage",
]
