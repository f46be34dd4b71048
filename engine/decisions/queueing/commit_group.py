"""What is committed together: decisions, fallback answers and reported outcomes, each with whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.decisions.outcome_processor import Receipt
from engine.kernel.offers.ledger import Transition
from engine.learning.credit_settings import Learning
from engine.store.decisions import DecisionRow
from engine.store.experiments.exposures import Exposure
from engine.store.outcomes import OutcomeRow

Codes = Mapping[str, str]
"""Codes by the hold that they were given to."""


class DecisionEntry:
    """A decision to be logged: its row, candidates in order, how outcomes are credited, exposures, holds of offers."""

    __slots__ = ("done", "exposures", "holds", "is_sent", "learning", "ranking", "row")

    def __init__(
        self,
        row: DecisionRow,
        ranking: Sequence[str],
        learning: Learning,
        exposures: Sequence[Exposure] = (),
        holds: Sequence[Transition] = (),
    ) -> None:
        self.row = row
        self.holds = holds
        self.exposures = exposures
        self.ranking = ranking
        self.learning = learning
        self.is_sent = False
        """Whether a client made the decision and sent it, perhaps several times."""
        self.done: asyncio.Future[Codes] = asyncio.get_running_loop().create_future()


class OutcomeReport:
    """Outcomes of one request, to be recorded."""

    __slots__ = ("done", "rows")

    def __init__(self, rows: Sequence[OutcomeRow], done: asyncio.Future[list[Receipt]]) -> None:
        self.rows = rows
        self.done = done


class CommitGroup(NamedTuple):
    """Entries, replacements and reports that are committed together."""

    entries: list[DecisionEntry]
    replacements: list[DecisionRow]
    reports: list[OutcomeReport]

    @property
    def size(self) -> int:
        return len(self.entries) + len(self.replacements) + len(self.reports)

    def pieces(self) -> Iterator[CommitGroup]:
        """Yield every entry, replacement and report as a group of its own."""
        for entry in self.entries:
            yield CommitGroup([entry], [], [])
        for row in self.replacements:
            yield CommitGroup([], [row], [])
        for report in self.reports:
            yield CommitGroup([], [], [report])

    def refuse(self, error: Exception) -> None:
        """Let every future of the group raise the error."""
        futures: list[asyncio.Future[Any]] = [entry.done for entry in self.entries]
        futures += [report.done for report in self.reports]
        for done in futures:
            if not done.done():
                done.set_exception(error)
