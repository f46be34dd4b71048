"""The time that a page looks back on and what it compares with, as its address names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

DAYS = {1: "Last 24 hours", 7: "Last 7 days", 30: "Last 30 days", 90: "Last 90 days"}
COMPARISONS = {"before": "The time before", "holdback": "The holdback"}
DEFAULT_DAYS, DEFAULT_COMPARISON = 30, "before"


@dataclass(frozen=True)
class PeriodOption:
    """An option of a select."""

    value: str
    name: str


@dataclass(frozen=True)
class PagePeriod:
    """The period in the address: so many `days`, beside the time before or the holdback, of a group or of all."""

    days: int
    compare: str
    bucket: str

    @classmethod
    def of(cls, days: int | None, compare: str | None, bucket: str | None) -> PagePeriod:
        """Return what an address asks for; unknown values count as the usual ones."""
        return cls(
            days if days in DAYS else DEFAULT_DAYS,
            compare if compare in COMPARISONS else DEFAULT_COMPARISON,
            bucket or "",
        )

    @property
    def query(self) -> str:
        """Return the address's query, without what is usual."""
        usual = {"days": DEFAULT_DAYS, "compare": DEFAULT_COMPARISON, "bucket": ""}
        return urlencode({name: value for name in usual if (value := getattr(self, name)) != usual[name]})

    def with_bucket(self, bucket: str) -> str:
        """Return the query of the same page for a customer group, with its question mark."""
        return f"?{replace(self, bucket=bucket).query}"

    @property
    def day_options(self) -> Sequence[PeriodOption]:
        return [PeriodOption(str(days), name) for days, name in DAYS.items()]

    @property
    def comparison_options(self) -> Sequence[PeriodOption]:
        return [PeriodOption(value, name) for value, name in COMPARISONS.items()]


def span_of(days: int) -> str:
    """Return a time in words, as in “the last 7 days”."""
    return "24 hours" if days == 1 else f"{days} days"
