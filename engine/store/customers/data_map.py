"""What the database knows of customers: every table, and what erasing and exporting do with it.

`tests/engine/test_engine_data_map.py` fails for a table that is not listed here.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from engine.store import tables

Erasure = Literal["deleted", "subtracted", "pseudonymized", "proof", "none"]
"""What erasing a customer does: it deletes rows, subtracts the customer from sums, keeps accounts under a random name,
keeps the proof of the erasure, or finds nothing of a customer."""


class DataEntry(NamedTuple):
    """A table: the column that names a customer (or what does so), why it is kept, and whether an export shows it."""

    table: str
    column: str
    purpose: str
    erasure: Erasure
    is_exported: bool = False


def _without_customers(*names: str) -> tuple[DataEntry, ...]:
    return tuple(DataEntry(name, "", "configuration", "none") for name in names)


def _sums(*names: str) -> tuple[DataEntry, ...]:
    return tuple(DataEntry(name, "", "learning and statistics", "subtracted") for name in names)


DATA_MAP: tuple[DataEntry, ...] = (
    DataEntry("customer_settings", "customer", "preferences and consent", "deleted", is_exported=True),
    DataEntry("customer_setting_versions", "customer", "history of preferences", "deleted", is_exported=True),
    DataEntry("customer_consents", "customer", "proof of consent", "deleted", is_exported=True),
    DataEntry("customer_aliases", "customer, alias", "linking anonymous ids", "deleted", is_exported=True),
    DataEntry("audit_customers", "customer", "who looked at a customer, and why", "deleted", is_exported=True),
    DataEntry("decisions", "customer", "the log", "deleted", is_exported=True),
    DataEntry("outcomes", "customer, decision_id", "the log", "deleted", is_exported=True),
    DataEntry("usage", "customer", "the customer's own history", "deleted", is_exported=True),
    DataEntry("lessons", "customer, decision_id", "learning", "subtracted"),
    DataEntry("customer_segments", "entries", "finding decisions of a customer", "deleted"),
    DataEntry("experiment_exposures", "unit", "experiments", "deleted", is_exported=True),
    DataEntry("experiment_outcomes", "unit", "experiments", "deleted"),
    DataEntry("experiment_measures", "unit", "experiments", "deleted"),
    DataEntry("experiment_changes", "unit", "experiments", "deleted"),
    DataEntry("experiment_conversions", "unit", "experiments", "deleted", is_exported=True),
    DataEntry("holds", "customer, balances", "accounting of offers", "pseudonymized", is_exported=True),
    DataEntry("ledger", "customer", "accounting of offers", "pseudonymized"),
    DataEntry("budget_balances", "customer", "accounting of offers", "pseudonymized"),
    DataEntry("offer_codes", "customer", "accounting of offers", "pseudonymized"),
    DataEntry("erasures", "customer", "proof of erasure, and repeating it after a restore", "proof"),
    DataEntry("privacy_requests", "customer", "proof of answered requests", "proof", is_exported=True),
    *_sums("statistics", "waiting", "delays", "arrivals", "amounts", "minutes", "metric_hours"),
    *_sums("experiment_sums", "experiment_measure_sums", "tallies", "rule_days", "field_days"),
    # Made of many customers; they change with the sums.
    *_without_customers(
        "beliefs", "fits", "fold_starts", "refits", "prediction_alarms", "experiment_shares", "experiment_looks"
    ),
    *_without_customers(
        "previews", "forecasts", "rule_fired", "field_faults", "log_dictionaries", "customer_segment_ends"
    ),
    # Name holds and decisions, never customers.
    *_without_customers("outbox", "idempotent_answers", "budget_caps"),
    *_without_customers("webhook_endpoints", "webhook_deliveries", "webhook_attempts"),
    # Of the merchant and its people.
    *_without_customers("report_schedules", "alert_recipients", "mails", "export_counts", "logos"),
    *_without_customers("merchants", "keys", "users", "sessions", "second_factors", "recovery_codes", "identities"),
    # Of the installation itself: fingerprints are of keys.
    *_without_customers(
        "fingerprints",
        "data_keys",
        "signing_keys",
        "schema_readers",
        "leases",
        "metric_alarms",
        "decision_times",
        "tiers",
    ),
    *_without_customers("login_attempts", "invitations", "audit", "audit_heads", "emergencies", "write_probes"),
    *_without_customers(
        "resources", "plans", "active_plans", "drafts", "draft_changes", "candidate_colours", "availability"
    ),
    *_without_customers("preference_defaults", "consent_policies", "retention_policies"),
)

ENTRIES = {entry.table: entry for entry in DATA_MAP}
UNLISTED = frozenset(tables.metadata.tables) - ENTRIES.keys()
"""Tables that somebody added without saying what they know of customers."""
