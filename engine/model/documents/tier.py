"""Tiers: what a merchant may use, as the operator sets it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from engine.model.mailing.report_schedule import zone_of
from engine.model.timestamps import to_ms

TIER_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Limits of each side of a merchant; None is no limit. A merchant without a tier has none of them."""

    exports_a_month: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None
    requests_an_hour: Annotated[int, Meta(ge=1, le=999_999_999)] | None = None
    scheduled_mail: bool = True
    logo: bool = True


NO_TIER = Tier()
Tiers = Mapping[str, Tier]
"""Tiers by name."""


class CalendarMonth(NamedTuple):
    """A month in a time zone: its name, as `2026-11`, and the instant at which the next one begins (epoch ms)."""

    name: str
    end: int


def month_of(timezone: str, now: int) -> CalendarMonth:
    """Return the month of an instant (epoch ms) in a time zone."""
    zone = zone_of(timezone)
    moment = datetime.fromtimestamp(now / 1000, zone)
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)
    return CalendarMonth(f"{moment:%Y-%m}", to_ms(datetime(year, month, 1, tzinfo=zone)))
