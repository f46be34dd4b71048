"""The days after which a merchant's data is deleted, by kind. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

RetentionKind = Literal["decisions", "preference_versions", "inactive_customers", "webhook_deliveries", "mails"]
KINDS: tuple[RetentionKind, ...] = (
    "decisions",
    "preference_versions",
    "inactive_customers",
    "webhook_deliveries",
    "mails",
)
SHORTEST: dict[RetentionKind, int] = {
    "decisions": 90,
    "preference_versions": 30,
    "inactive_customers": 90,
    "webhook_deliveries": 7,
    "mails": 7,
}
"""In days. Learning, experiments and metrics need decisions of 90 days; younger messages may have to be sent again."""
LONGEST = 3650


class RetentionPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The days after which each kind is deleted; null keeps it as long as the server does.

    `decisions`: with their outcomes and facts, customers' histories, observations and units of experiments.
    `preference_versions`: earlier versions of customers' preferences, never the one in force. `inactive_customers`:
    preferences and aliases of customers who did not come back for so long; refusals stay. `webhook_deliveries` and
    `mails`: the logs of what was sent.
    """

    decisions: Annotated[int, Meta(ge=SHORTEST["decisions"], le=LONGEST)] | None = None
    preference_versions: Annotated[int, Meta(ge=SHORTEST["preference_versions"], le=LONGEST)] | None = None
    inactive_customers: Annotated[int, Meta(ge=SHORTEST["inactive_customers"], le=LONGEST)] | None = None
    webhook_deliveries: Annotated[int, Meta(ge=SHORTEST["webhook_deliveries"], le=LONGEST)] | None = None
    mails: Annotated[int, Meta(ge=SHORTEST["mails"], le=LONGEST)] | None = None

    def days(self, kind: RetentionKind) -> int | None:
        """Return the merchant's own days of a kind, or None."""
        days: int | None = getattr(self, kind)
        return days


NO_RETENTION_POLICY = RetentionPolicy()
