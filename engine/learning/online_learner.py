"""Update contextual evidence from the observations of settled decisions, in the order in which they were stored."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import msgspec
import numpy as np

import bandits
from bandits.evidence.residuals import logistic_expectation
from bandits.posterior.logistic_update import Observations, PendingTrials
from bandits.posterior.weight_posterior import WeightEvidence, beliefs_of
from engine.kernel.contextual_beliefs import ContextualState, matches_encoding, pack_state
from engine.kernel.encoding.features import Encoding, Floats
from engine.learning.beliefs_reader import CELL, by_cell, first_open_cell
from engine.model.facts import History
from engine.model.placement import Placement
from engine.model.scope import Scope
from engine.model.timestamps import DAY
from engine.store import observations
from engine.store.connection.database import Database
from engine.store.observations import ObservationRow

MOST_AT_ONCE = 2_000
MOST_BATCHES = 50

_history = msgspec.json.Decoder(History).decode


async def update_state(
    database: Database,
    scope: Scope,
    encoding: Encoding,
    state: ContextualState | None,
    pending: Mapping[str, PendingTrials],
    *,
    placement: Placement,
    now: int,
) -> tuple[ContextualState, bool]:
    """Return the state with new observations and the trials pending now, and whether all observations were read.

    If `state` is about other features, learning starts again from the first observation.
    """
    start = state if matches_encoding(state, encoding) else ContextualState(encoding.names)
    async with database.write() as connection:
        last = await observations.last(connection, scope)
    learner = OnlineLearner(encoding, start, pending, placement)
    for _ in range(MOST_BATCHES):
        async with database.read() as connection:
            rows = await observations.after(connection, scope, seq=learner.cursor, up_to=last, limit=MOST_AT_ONCE)
            repeated = await observations.repeated(connection, scope, rows)
        await asyncio.to_thread(learner.update, rows, repeated)
        if len(rows) < MOST_AT_ONCE:
            learner.cursor = max(learner.cursor, last)
            break
    return learner.state(now // DAY), learner.cursor >= last


class OnlineLearner:
    """Learns from observations in their order.

    Before those of a new day, earlier evidence fades; candidates that have jumped by the last
    complete half day start anew.
    """

    def __init__(
        self, encoding: Encoding, state: ContextualState, pending: Mapping[str, PendingTrials], placement: Placement
    ) -> None:
        self._encoding = encoding
        self._pending = pending
        self._placement = placement
        self._evidence = state.evidence()
        self._residuals = state.residuals
        self._jumps = dict(state.jumps)
        self._day = state.day
        self.cursor = state.cursor

    def update(self, rows: Sequence[ObservationRow], repeated: frozenset[tuple[str, str]] = frozenset()) -> None:
        """Learn from the next observations; successes in `repeated`, by decision id and candidate, are left out."""
        counted = [row for row in rows if not row.successes or (row.decision_id, row.candidate) not in repeated]
        for day, group in groupby(counted, key=lambda row: row.decided_at // DAY):
            of_day = list(group)
            self._fade_to(day)
            self._forget_jumped(of_day[0].decided_at // CELL)
            parts = {cell: _by_candidate(self._encoding, part) for cell, part in by_cell(of_day).items()}
            for cell, part in parts.items():
                self._expect(cell, part)
            [observations] = parts.values() if len(parts) == 1 else [_by_candidate(self._encoding, of_day)]
            self._learn(observations)
        if rows:
            self.cursor = rows[-1].seq

    def state(self, today: int) -> ContextualState:
        """Return the state to store, faded up to `today`, an epoch day."""
        self._fade_to(today)
        self._learn({})
        packed = pack_state(self._evidence, self._encoding, cursor=self.cursor, day=self._day)
        return msgspec.structs.replace(packed, residuals=self._residuals, jumps=self._jumps)

    def _expect(self, cell: int, observations: Mapping[str, Observations]) -> None:
        """Note what was expected of observations before they are learned from."""
        beliefs = beliefs_of(self._evidence, list(observations), self._encoding.attributes)
        expectations = {name: logistic_expectation(beliefs[name], batch) for name, batch in observations.items()}
        self._residuals = self._residuals.after(cell, expectations)

    def _learn(self, observations: Mapping[str, Observations]) -> None:
        self._evidence = self._evidence.updated(observations, self._encoding.attributes, self._pending)

    def _fade_to(self, day: int) -> None:
        """Fade evidence up to a later day; late outcomes of an earlier day count as of the current one."""
        if self._evidence.factors and day > self._day:
            self._evidence = self._evidence.faded(
                bandits.recency_weight(day - self._day, self._placement.half_life_days)
            )
        self._day = max(day, self._day)

    def _forget_jumped(self, cell: int) -> None:
        """Forget what was known of candidates whose rate has jumped by the last cell that was complete in `cell`."""
        self._residuals, jumps = self._residuals.tested(first_open_cell(cell, self._placement))
        if jumps:
            self._jumps |= jumps
            remaining = {name: factor for name, factor in self._evidence.factors.items() if name not in jumps}
            self._evidence = WeightEvidence(self._evidence.size, remaining)


def _by_candidate(encoding: Encoding, rows: Sequence[ObservationRow]) -> dict[str, Observations]:
    by_candidate: defaultdict[str, list[tuple[Floats, int, int]]] = defaultdict(list)
    for candidate, features, trials, successes in _net(encoding, rows):
        by_candidate[candidate].append((features, trials, successes))
    return {name: _observations(group) for name, group in sorted(by_candidate.items())}


def _net(encoding: Encoding, rows: Sequence[ObservationRow]) -> Iterator[tuple[str, Floats, int, int]]:
    """Yield the net trials and successes of each candidate in each decision, with its features."""
    sums: dict[tuple[str, str], list[int]] = {}
    decisions = {row.decision_id: row for row in rows}
    for row in rows:
        total = sums.setdefault((row.decision_id, row.candidate), [0, 0])
        total[0] += row.trials
        total[1] += row.successes
    facts = {id: (msgspec.json.decode(row.facts), _history(row.history)) for id, row in decisions.items()}
    for (decision_id, candidate), (trials, successes) in sums.items():
        if trials or successes:
            values, history = facts[decision_id]
            yield candidate, encoding.rows(values, history, [candidate])[0], trials, successes


def _observations(rows: Sequence[tuple[Floats, int, int]]) -> Observations:
    features, trials, successes = zip(*rows, strict=True)
    return Observations(np.array(features), np.array(trials, np.float64), np.array(successes, np.float64))
