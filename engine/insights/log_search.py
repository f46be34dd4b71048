"""Search the log by what decisions were about, back from the newest, with bounded work for each page."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.decisions.customers import Hasher
from engine.decisions.logbook import Logged, decoded
from engine.model.timestamps import first_id_of, moment_of
from engine.store import decisions, outcomes
from engine.store.connection.database import Database
from engine.store.decisions import DecisionRow
from engine.store.outcomes import OutcomeRow

MOST_READ = 10_000
FIRST_PIECE, PIECE = 100, 1_000
NOTHING = "none"
"""The outcome of decisions for which nothing was reported."""

_values = msgspec.json.Decoder(dict[str, Any]).decode
_STRONGEST = ("refunded", "converted", "redeemed", "completed", "declined", "selected", "clicked", "abandoned", "shown")


class LogFilter(NamedTuple):
    """A filter of decisions; an empty field lets all pass.

    `least` and `most` bound the cart's total in minor units of `currency`. `outcome` is one that was reported, or
    `NOTHING`. `since` and `until` are epoch milliseconds.
    """

    placement: str = ""
    customer_id: str = ""
    country: str = ""
    first: str = ""
    rule: str = ""
    left_out: str = ""
    fallback: bool | None = None
    least: int | None = None
    most: int | None = None
    currency: str = ""
    outcome: str = ""
    since: int | None = None
    until: int | None = None

    def passes(self, logged: Logged, values: Mapping[str, Any]) -> bool:
        """Return whether a decision passes, whatever its outcomes."""
        decision, ranking = logged.decision, logged.decision.ranking
        return (
            self.placement in ("", logged.row.placement)
            and self.country in ("", values.get("geo.country"))
            and self.first in ("", ranking[0].id if ranking else None)
            and self.rule in ("", *decision.rules)
            and self.left_out in ("", *(each.id for each in decision.excluded))
            and self.fallback in (None, decision.fallback)
            and self._fits_amount(values)
        )

    def _fits_amount(self, values: Mapping[str, Any]) -> bool:
        if self.least is None and self.most is None:
            return True
        total = values.get("cart.total")
        if type(total) is not int or values.get("cart.currency", self.currency) != self.currency:
            return False
        return (self.least is None or total >= self.least) and (self.most is None or total <= self.most)


class LogHit(NamedTuple):
    """A decision that passes the filter, with its facts and outcomes."""

    logged: Logged
    values: Mapping[str, Any]
    outcomes: Sequence[OutcomeRow]

    @property
    def outcome(self) -> str:
        """Return the outcome that says most; empty if nothing was reported."""
        reported = {each.type for each in self.outcomes}
        return next((name for name in _STRONGEST if name in reported), "")


class LogPage(NamedTuple):
    """The newest decisions that pass. `read` were looked at, back to `read_to` (epoch ms; None without any).

    `next_id` is where the next page begins; empty where the log, or the period, ended.
    """

    hits: Sequence[LogHit]
    read: int
    read_to: int | None
    next_id: str


class LogSearch:
    """Reads pieces of the log until a page is full or enough was looked at."""

    def __init__(self, database: Database, hasher: Hasher) -> None:
        self._database = database
        self._hasher = hasher

    async def page(
        self, merchant_id: int, narrowed: LogFilter, *, before_id: str = "", limit: int, most_read: int = MOST_READ
    ) -> LogPage:
        """Return at most `limit` decisions before an id, after at most `most_read` were looked at."""
        customer = self._hasher(merchant_id, narrowed.customer_id) if narrowed.customer_id else None
        until = first_id_of(narrowed.until) if narrowed.until is not None else ""
        since = first_id_of(narrowed.since) if narrowed.since is not None else ""
        before = min(filter(None, (before_id, until)), default="")
        hits: list[LogHit] = []
        read, last, piece = 0, "", FIRST_PIECE
        while len(hits) < limit and read < most_read:
            size = min(piece, most_read - read)
            async with self._database.read() as connection:
                rows = await decisions.newest(
                    connection, merchant_id, customer=customer, before_id=before or None, limit=size
                )
                inside = [row for row in rows if row.id >= since]
                passed = await self._passing(connection, inside, narrowed)
            if len(hits) + len(passed) >= limit:
                passed = passed[: limit - len(hits)]
                last = passed[-1].logged.row.id
                read += sum(row.id >= last for row in inside)
                return LogPage([*hits, *passed], read, moment_of(last), last)
            hits += passed
            read += len(inside)
            last = inside[-1].id if inside else last
            if len(inside) < size:
                return LogPage(hits, read, moment_of(last) if last else None, "")
            before, piece = last, PIECE
        return LogPage(hits, read, moment_of(last) if last else None, last)

    async def _passing(
        self, connection: AsyncConnection, rows: Sequence[DecisionRow], narrowed: LogFilter
    ) -> list[LogHit]:
        passed = await asyncio.to_thread(_passing, rows, narrowed)
        reported = await outcomes.of_decisions(connection, [hit.logged.row.id for hit in passed])
        hits = [hit._replace(outcomes=reported.get(hit.logged.row.id, ())) for hit in passed]
        return [hit for hit in hits if _fits_outcome(hit, narrowed.outcome)]


def _passing(rows: Sequence[DecisionRow], narrowed: LogFilter) -> list[LogHit]:
    hits = (LogHit(Logged(row, decoded(row)), _values(row.facts), ()) for row in rows)
    return [hit for hit in hits if narrowed.passes(hit.logged, hit.values)]


def _fits_outcome(hit: LogHit, outcome: str) -> bool:
    if outcome == NOTHING:
        return not hit.outcomes
    return not outcome or any(each.type == outcome for each in hit.outcomes)
