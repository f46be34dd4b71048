"""Summarise a replayed bandit log, in numbers and in words. Pure.

Rejection replay: Li, Chu, Langford, Wang, "Unbiased offline evaluation of contextual-bandit-based news article
recommendation algorithms", WSDM 2011, arXiv 1003.5956. A logged row counts if the new policy chooses the item that the
log shows; for a log of uniform choices these rows are a fair sample of the new policy's own traffic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bandits.evaluation.intervals import Z95, wilson_interval
from evaluation.bandit_log import LoggedRow

Z80 = 0.8416212335729143
UNIFORM = 1.001
"""Propensities that differ by less than this factor are equal except for rounding."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its 95 % interval; `weight` is the equivalent number of equally weighted rows."""

    value: float
    low: float
    high: float
    weight: float


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """The outcome of a replay. Rates are clicks per row, latencies milliseconds as the client measured them.

    `fallbacks` are answers in the fallback order; they are neither matched nor learned from.
    """

    rows: int
    matches: int
    clicks: int
    fallbacks: int
    logged: Rate
    learned: Rate | None
    uniform: bool
    decisions_per_second: float
    p50: float
    p95: float
    p99: float


def report(
    rows: Sequence[LoggedRow],
    matched: Sequence[LoggedRow],
    *,
    seconds: float,
    latencies: Sequence[float],
    fallbacks: int = 0,
) -> ReplayReport:
    """Summarise a replay: `rows` were requested, `matched` are those that count; `latencies` in seconds."""
    ordered = sorted(latencies)
    p50, p95, p99 = (1e3 * ordered[math.ceil(share * len(ordered)) - 1] for share in (0.50, 0.95, 0.99))
    propensities = [row.propensity for row in rows]
    return ReplayReport(
        rows=len(rows),
        matches=len(matched),
        clicks=sum(row.clicked for row in matched),
        fallbacks=fallbacks,
        logged=wilson(sum(row.clicked for row in rows) / len(rows), len(rows)),
        learned=learned_rate(matched) if matched else None,
        uniform=max(propensities) <= UNIFORM * min(propensities),
        decisions_per_second=len(rows) / seconds,
        p50=p50,
        p95=p95,
        p99=p99,
    )


def learned_rate(matched: Sequence[LoggedRow]) -> Rate:
    """Return the clicks per row of the learning policy, each match weighted by 1 / propensity.

    Items that the log shows often match often; the weights correct for that (Hájek's estimate, with Kish's effective
    number of rows in the interval). With equal propensities this is the plain share.
    """
    weights = [1 / row.propensity for row in matched]
    weight_sum = sum(weights)
    value = sum(weight for weight, row in zip(weights, matched, strict=True) if row.clicked) / weight_sum
    return wilson(value, weight_sum**2 / sum(weight**2 for weight in weights))


def wilson(share: float, count: float) -> Rate:
    """Return a share with Wilson's interval, which holds for rare events, where the normal interval fails."""
    return Rate(share, *wilson_interval(share, count), count)


def matches_to_see_double(rate: float) -> int:
    """Return the number of matches that would show a doubled click rate with 80 % power at the 5 % level."""
    double = min(2 * rate, 1.0)
    spread = Z95 * math.sqrt(rate * (1 - rate)) + Z80 * math.sqrt(double * (1 - double))
    return math.ceil((spread / (double - rate)) ** 2)


def verdict(replay: ReplayReport) -> str:
    """Return the conclusion in plain words."""
    if replay.learned is None:
        return "No row matched, so this log says nothing about the learned order."
    learned, logged = replay.learned, replay.logged
    if learned.low > logged.high:
        return "The learned order gets more clicks than the log's: the intervals do not overlap."
    if learned.high < logged.low:
        return "The learned order gets fewer clicks than the log's: the intervals do not overlap."
    words = "The log cannot tell the learned order and its own apart: the intervals overlap."
    if logged.value <= 0:
        return words
    needed = matches_to_see_double(logged.value)
    rows = math.ceil(needed * replay.rows / replay.matches)
    return f"{words} Seeing a doubled click rate would take about {needed:,} matches, or {rows:,} rows like these."


def caveat(replay: ReplayReport) -> str:
    """Return how far the learned rate can be trusted, in plain words."""
    if replay.uniform:
        return "The log chose uniformly, so the rows that match are a fair sample of the learned order's traffic."
    return "The log did not choose uniformly; matches are weighted by 1 / propensity to make up for it."
