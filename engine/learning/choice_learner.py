"""Learn merits from choices: read the observations since the last beliefs version and what open decisions say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec
import numpy as np

import bandits
from bandits.choice.expected import choice_expectations
from bandits.choice.identified import contradicting_effects
from bandits.choice.model import DEFAULT_PRIOR, ChoiceModel, ChoicePrior
from bandits.choice.observations import NOTHING, ChoiceObservation, ChoiceTable, aggregate
from bandits.choice.utilities import own_offsets
from engine.kernel.choice_beliefs import ChoiceState, state_of, with_identified
from engine.learning.beliefs_reader import CELL, by_cell, first_open_cell
from engine.learning.outcome_effects import read_answer
from engine.model.facts import History
from engine.model.placement import Placement
from engine.model.scope import Scope
from engine.model.timestamps import DAY
from engine.statistics.slots import SlotEffects
from engine.store import observations
from engine.store.connection.database import Database
from engine.store.observations import ChoiceRow

MOST_AT_ONCE = 2_000
MOST_BATCHES = 50

_history = msgspec.json.Decoder(History).decode


async def update_choices(
    database: Database,
    scope: Scope,
    learner: ChoiceLearner,
    pending: ChoiceTable,
    *,
    now: int,
) -> tuple[ChoiceState, bool]:
    """Return the state after the observations that were stored since, and whether all of them were read."""
    async with database.write() as connection:
        last = await observations.last(connection, scope)
    for _ in range(MOST_BATCHES):
        async with database.read() as connection:
            rows = await observations.choices_after(
                connection, scope, seq=learner.cursor, up_to=last, limit=MOST_AT_ONCE
            )
            repeated = await observations.repeated(connection, scope, rows)
        await asyncio.to_thread(learner.update, rows, repeated)
        if len(rows) < MOST_AT_ONCE:
            learner.cursor = max(learner.cursor, last)
            break
    return await asyncio.to_thread(learner.state, pending, now // DAY), learner.cursor >= last


class ChoiceLearner:
    """Learn choices in the order in which they became known.

    Before those of a new day, earlier evidence fades; candidates that have jumped by the last complete half day
    start anew. `slots` are effects from exact chances, which take the place of learned ones that contradict them.
    """

    def __init__(
        self,
        ids: Sequence[str],
        state: ChoiceState | None,
        placement: Placement,
        slots: SlotEffects | None = None,
    ) -> None:
        self._ids = tuple(ids)
        begun = state or ChoiceState()
        self._placement = placement
        self._day = begun.day
        self.cursor = begun.cursor
        self._jumps = dict(begun.jumps)
        self._residuals = begun.residuals
        self._model = begun.model() if state else ChoiceModel.nothing()
        self._belief = self._model.belief(candidates=self._ids)
        self._prior = DEFAULT_PRIOR
        if slots is not None:
            # The belief without identified effects: whether they are contradicted is asked anew each time.
            self._prior = ChoicePrior(identified=contradicting_effects(self._belief, slots.logs, slots.variances))
            self._belief = self._model.belief(self._prior, self._ids)

    def update(self, rows: Sequence[ChoiceRow], repeated: frozenset[tuple[str, str]] = frozenset()) -> None:
        """Learn a batch of observations, each day's after the evidence before it has faded.

        Those in `repeated`, by decision id and candidate, are left out.
        """
        counted = [row for row in rows if (row.decision_id, row.candidate) not in repeated]
        for day, group in groupby(counted, key=lambda row: row.decided_at // DAY):
            of_day = list(group)
            self._fade_to(day)
            self._forget_jumped(of_day[0].decided_at // CELL)
            parts = {cell: aggregate(list(self._observed(part))) for cell, part in by_cell(of_day).items()}
            for cell, part in parts.items():
                self._residuals = self._residuals.after(cell, choice_expectations(self._belief, part))
            [table] = parts.values() if len(parts) == 1 else [aggregate(list(self._observed(of_day)))]
            self._model = self._model.after(table, expected=self._prior)
            self._belief = self._model.belief(self._prior, self._ids)
        if rows:
            self.cursor = rows[-1].seq

    def state(self, pending: ChoiceTable, today: int) -> ChoiceState:
        """Return what is stored, with what the decisions still open say at the moment."""
        self._fade_to(today)
        model = self._model.after(NOTHING, pending, self._prior)
        state = state_of(model, self._ids, cursor=self.cursor, day=self._day, jumps=self._jumps)
        state = msgspec.structs.replace(state, residuals=self._residuals)
        return with_identified(state, model, self._prior, self._ids)

    def offsets(self, order: Sequence[str], stratum: str, history: History) -> tuple[float, ...]:
        """Return what a customer's own past adds to the utility of each slot's candidate; empty without a past."""
        own = [history[name].successes if name in history else 0.0 for name in order]
        if not any(own) or not {*order} <= {*self._belief.layout.candidates}:
            return ()
        return tuple(np.round(own_offsets(self._belief.utilities(order, stratum), own), 3).tolist())

    def _observed(self, rows: Sequence[ChoiceRow]) -> Iterator[ChoiceObservation]:
        for row in rows:
            order = tuple(candidate.id for candidate in read_answer(row.answer).ranking)
            if row.candidate and row.candidate not in order:
                continue
            chosen = (order.index(row.candidate),) if row.candidate else ()
            past = _history(row.history) if row.history != "{}" else {}
            offsets = self.offsets(order, row.stratum, past)
            yield ChoiceObservation(order, row.stratum, chosen, float(row.trials), offsets)

    def _fade_to(self, day: int) -> None:
        if self._day and day > self._day:
            self._model = self._model.faded(bandits.recency_weight(day - self._day, self._placement.half_life_days))
        self._day = max(day, self._day)

    def _forget_jumped(self, cell: int) -> None:
        """Forget what was known of candidates whose utility has jumped by the last cell that was complete in `cell`."""
        self._residuals, jumps = self._residuals.tested(first_open_cell(cell, self._placement))
        if jumps:
            self._jumps |= jumps
            self._model = self._model.without(jumps)
            self._belief = self._model.belief(self._prior, self._ids)
