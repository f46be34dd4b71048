"""Trials of the log with their features: what a refit learns from, and what it is judged by."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import numpy as np

from bandits.posterior.logistic_update import Observations
from engine.kernel.encoding.features import Encoding, Floats
from engine.model.facts import History
from engine.model.scope import Scope
from engine.model.timestamps import DAY
from engine.store import observations
from engine.store.connection.database import Database
from engine.store.observations import ObservationRow

PAGE = 2_000
MOST_ROWS = 100_000
MOST_NUMBERS = 2**23
"""Numbers that the features of all trials may have: 64 MB."""

Weight = Callable[[str, int], float]
"""Takes a candidate and the epoch day of a decision; 0 leaves the trial out."""

_history = msgspec.json.Decoder(History).decode


def most_rows(encoding: Encoding) -> int:
    """Return how many observations fit into memory."""
    return min(MOST_ROWS, MOST_NUMBERS // len(encoding))


class NetTrial(NamedTuple):
    """A candidate in a decision: its features (d,), its weight, and its counts of trials and successes so far."""

    features: Floats
    weight: float
    counts: list[int]


class TrialSet:
    """Net trials and successes of each candidate in each decision. A correction is added to what it corrects."""

    def __init__(self, encoding: Encoding, weight: Weight) -> None:
        self._encoding = encoding
        self._weight = weight
        self._trials: dict[tuple[str, str], NetTrial] = {}

    def add(self, rows: list[ObservationRow], repeated: frozenset[tuple[str, str]]) -> None:
        """Add observations; successes in `repeated`, by decision id and candidate, are left out."""
        for row in rows:
            weight = self._weight(row.candidate, row.decided_at // DAY)
            if weight <= 0 or (row.successes and (row.decision_id, row.candidate) in repeated):
                continue
            cell = row.decision_id, row.candidate
            if cell not in self._trials:
                [features] = self._encoding.rows(msgspec.json.decode(row.facts), _history(row.history), [row.candidate])
                self._trials[cell] = NetTrial(features, weight, [0, 0])
            counts = self._trials[cell].counts
            counts[0] += row.trials
            counts[1] += row.successes

    def observations(self) -> dict[str, Observations]:
        """Return weighted trials by candidate id; those that were taken back as a whole are left out."""
        by_candidate: defaultdict[str, list[NetTrial]] = defaultdict(list)
        for (_, candidate), trial in self._trials.items():
            if 0 < trial.counts[0] >= trial.counts[1] >= 0:
                by_candidate[candidate].append(trial)
        return {name: _observations(trials) for name, trials in sorted(by_candidate.items())}


def _observations(trials: list[NetTrial]) -> Observations:
    weights = np.array([trial.weight for trial in trials])
    counts = np.array([trial.counts for trial in trials], np.float64)
    return Observations(np.array([trial.features for trial in trials]), weights * counts[:, 0], weights * counts[:, 1])


async def read_trials(
    database: Database, scope: Scope, encoding: Encoding, weight: Weight, *, after: int, up_to: int
) -> dict[str, Observations]:
    """Return the trials of observations behind the number `after`, `most_rows` at most, by candidate id."""
    trials, left = TrialSet(encoding, weight), most_rows(encoding)
    while left > 0:
        limit = min(PAGE, left)
        async with database.read() as connection:
            rows = await observations.after(connection, scope, seq=after, up_to=up_to, limit=limit)
            repeated = await observations.repeated(connection, scope, rows)
        await asyncio.to_thread(trials.add, rows, repeated)
        if len(rows) < limit:
            break
        after, left = rows[-1].seq, left - len(rows)
    return await asyncio.to_thread(trials.observations)
