"""From lessons to weights: reads what settled decisions say, and learns from it in the order in which it came."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import msgspec
import numpy as np

import bandits
from bandits.posterior.logistic_update import Observations, Waiting
from engine.kernel.contextual_beliefs import ContextualState, knows, taught
from engine.kernel.features import Encoding, Floats
from engine.model.facts import History
from engine.model.timestamps import DAY
from engine.store import observations
from engine.store.connection.database import Database
from engine.store.observations import ObservationRow

MOST_AT_ONCE = 2_000
MOST_BATCHES = 50

_history = msgspec.json.Decoder(History).decode


async def update_state(
    database: Database,
    place: observations.Place,
    encoding: Encoding,
    known: ContextualState | None,
    waiting: Mapping[str, Waiting],
    *,
    half_life_days: float,
    now: int,
) -> tuple[ContextualState, bool]:
    """What is known with all new lessons of (merchant, placement, reward) and with what waits now, and whether that was
    all there is.

    Where `known` is of other features, everything is learned from the first lesson on.
    """
    begun = known if knows(known, encoding) else ContextualState(encoding.names)
    async with database.write() as connection:
        last = await observations.last(connection, place)
    learner = OnlineLearner(encoding, begun, waiting, half_life_days)
    for _ in range(MOST_BATCHES):
        async with database.read() as connection:
            rows = await observations.after(connection, place, seq=learner.cursor, up_to=last, limit=MOST_AT_ONCE)
        await asyncio.to_thread(learner.update, rows)
        if len(rows) < MOST_AT_ONCE:
            learner.cursor = max(learner.cursor, last)
            break
    return learner.taught(now // DAY), learner.cursor >= last


class OnlineLearner:
    """Learns lessons in their order; those of each day after those of the days before have faded."""

    def __init__(
        self, encoding: Encoding, known: ContextualState, waiting: Mapping[str, Waiting], half_life_days: float
    ) -> None:
        self._encoding = encoding
        self._waiting = waiting
        self._half_life_days = half_life_days
        self._learned = known.learned()
        self._day = known.day
        self.cursor = known.cursor

    def update(self, rows: Sequence[ObservationRow]) -> None:
        for day, some in groupby(rows, key=lambda row: row.decided_at // DAY):
            self._turn_to(day)
            self._learn(_by_candidate(self._encoding, list(some)))
        if rows:
            self.cursor = rows[-1].seq

    def taught(self, today: int) -> ContextualState:
        self._turn_to(today)
        self._learn({})
        return taught(self._learned, self._encoding, cursor=self.cursor, day=self._day)

    def _learn(self, observations: Mapping[str, Observations]) -> None:
        self._learned = self._learned.after(observations, self._encoding.attributes, self._waiting)

    def _turn_to(self, day: int) -> None:
        """What was learned before a later day fades; late words on an earlier day count as of today."""
        if self._learned.factors and day > self._day:
            self._learned = self._learned.faded(bandits.recency_weight(day - self._day, self._half_life_days))
        self._day = max(day, self._day)


def _by_candidate(encoding: Encoding, rows: Sequence[ObservationRow]) -> dict[str, Observations]:
    told: defaultdict[str, list[tuple[Floats, int, int]]] = defaultdict(list)
    for candidate, features, trials, successes in _net(encoding, rows):
        told[candidate].append((features, trials, successes))
    return {name: _observations(mine) for name, mine in sorted(told.items())}


def _net(encoding: Encoding, rows: Sequence[ObservationRow]) -> Iterator[tuple[str, Floats, int, int]]:
    """What is left of several lessons of one decision on one candidate, with its features."""
    sums: dict[tuple[str, str], list[int]] = {}
    asked = {row.decision_id: row for row in rows}
    for row in rows:
        known = sums.setdefault((row.decision_id, row.candidate), [0, 0])
        known[0] += row.trials
        known[1] += row.successes
    heard = {id: (msgspec.json.decode(row.facts), _history(row.history)) for id, row in asked.items()}
    for (decision_id, candidate), (trials, successes) in sums.items():
        if trials or successes:
            values, history = heard[decision_id]
            yield candidate, encoding.rows(values, history, [candidate])[0], trials, successes


def _observations(told: Sequence[tuple[Floats, int, int]]) -> Observations:
    features, trials, successes = zip(*told, strict=True)
    return Observations(np.array(features), np.array(trials, np.float64), np.array(successes, np.float64))
