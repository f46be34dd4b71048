"""The candidates of a placement that cannot be had now, as the merchant's own systems report them."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from engine.model.documents.field_types import Id, Moment
from engine.model.timestamps import ms_of

EXCLUDED = "not available"
MOST_UNAVAILABLE = 500
"""As many as a placement may have candidates: all of them may be away at once."""

Reason = Annotated[str, Meta(min_length=1, max_length=200, description="Why; the log and explanations show it.")]


class UnavailableCandidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Why a candidate cannot be had; from `until` on it is available again, without it once a report says so."""

    reason: Reason
    until: Moment | None = None


Unavailable = Annotated[
    dict[Id, UnavailableCandidate],
    Meta(max_length=MOST_UNAVAILABLE, description="By candidate id. All others are available."),
]


class Availability(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The candidates that cannot be had now."""

    unavailable: Unavailable = {}

    def reasons(self, now: int) -> dict[str, str]:
        """Return why candidates are excluded at an instant (epoch ms), by id."""
        return {
            id: f"{EXCLUDED}: {each.reason}"
            for id, each in self.unavailable.items()
            if each.until is None or (ms_of(each.until) or 0) > now
        }


class AvailabilityReport(NamedTuple):
    """The last report about a placement; version 0 before the first one."""

    version: int
    document: Availability


NO_REPORT = AvailabilityReport(0, Availability())
