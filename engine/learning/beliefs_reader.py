"""Read the beliefs of a placement from its sums and fit, and cache what its buckets share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import bandits
from bandits.evidence.candidate_delays import Delays, curves_by_candidate
from bandits.evidence.delay import ENOUGH
from bandits.evidence.residuals import CELLS_A_DAY
from engine.kernel.beliefs import ArmBelief, Knowledge
from engine.kernel.kernel import answer_length
from engine.kernel.plan import Plan
from engine.model.placement import Placement
from engine.model.scope import Scope
from engine.model.timestamps import DAY, MINUTE
from engine.statistics.amounts import AmountRow, amounts_by_candidate
from engine.statistics.evidence import (
    FORGOTTEN_AFTER_HALF_LIVES,
    Curves,
    DayRow,
    EvidenceSettings,
    Fit,
    Memory,
    PendingRow,
    arm_beliefs,
    child_priors,
    memory,
    pending_step,
)
from engine.statistics.probing import probe_shares
from engine.statistics.slots import SlotEffects, effects_of, reach_of
from engine.store import fits, folds
from engine.store.connection.database import Database
from engine.store.observations import ChoiceRow, ObservationRow

Row = TypeVar("Row", ObservationRow, ChoiceRow)
CELL = DAY // CELLS_A_DAY
"""Milliseconds of a cell of a model's residuals."""

MOST_COMMON_AGE_MS = 60_000
ENOUGH_NEW_COMMON_TRIALS = 0.02
KNOWN_SHARE = 0.5
"""The share of successes of which the delays by candidate must be known."""


class BeliefsReader:
    """Reads the beliefs of one learner of an active placement, again for each beliefs version.

    How late outcomes come and how customers look at slots is fitted to the outcomes of all learners together.
    """

    def __init__(self, scope: Scope, plan: Plan) -> None:
        placement, self._ids = plan.placement, plan.ids
        self._length = answer_length(placement, len(plan.ids))
        self._scope = scope
        self._fitted = scope._replace(reward=placement.reward)
        self._placement = placement
        self._fit = Fit()
        self._curves: tuple[Fit, Curves] | None = None
        self._parents: dict[str, ArmBelief] = {}
        self._read_at = 0
        self._new_trials = 0
        self._memories: dict[tuple[str | None, int], Memory] = {}
        self._jumps: dict[str | None, frozenset[tuple[str, int]]] = {}
        self._has_model = plan.learns_choices or plan.encoding is not None
        self._model_jumps: Mapping[str, int] = {}
        self.new_jumps: tuple[str, ...] = ()
        """The candidates whose jump was detected by the last reading."""

    def add_new_trials(self, trials: int) -> None:
        """Count new trials anywhere in the placement."""
        self._new_trials += trials

    def is_common_due(self, now: int) -> bool:
        """Return whether what all buckets share should be read again."""
        if not self._placement.buckets or not self._new_trials:
            return False
        trials = sum(parent.trials for parent in self._parents.values())
        return self._new_trials > ENOUGH_NEW_COMMON_TRIALS * trials or now - self._read_at > MOST_COMMON_AGE_MS

    async def read_common(self, database: Database, now: int) -> Knowledge:
        """Read what all buckets share; return the beliefs of a bucket without evidence."""
        self._read_at, self._new_trials = now, 0
        self._parents = await self._arms(database, None, now)
        arms = {name: ArmBelief(0.0, 0.0, prior.mean, prior.strength) for name, prior in self._priors().items()}
        return Knowledge(arms, self._fit.customer_strength)

    async def read_all(self, database: Database, now: int) -> Knowledge:
        """Return the evidence of all buckets together, and how the floor is divided."""
        self.new_jumps = ()
        self._parents, days = await self._arms_of_days(database, None, now)
        probes = probe_shares(self._ids, self._parents, days, today=now // DAY, length=self._length)
        return Knowledge(self._parents, self._fit.customer_strength, probes=probes)

    def forget_before(self, jumps: Mapping[str, int]) -> None:
        """Leave out days before a candidate's jump (epoch days by candidate), as its model found them.

        Raw rates move with audiences and slots, so they are not tested where a model knows what to expect.
        """
        self._model_jumps = jumps

    async def read(self, database: Database, bucket: str, now: int) -> Knowledge:
        """Return the beliefs of a bucket."""
        self.new_jumps = ()
        return Knowledge(await self._arms(database, bucket, now), self._fit.customer_strength)

    def slot_effects(self) -> SlotEffects | None:
        """Return what slots are worth in choices by the fit that was read last; None while too little is known."""
        return effects_of(self._fit.slots)

    def delays(self) -> Curves:
        """Return the delay curves of the fit that was read last; cached, as fits change every few minutes."""
        if self._curves is None or self._curves[0] != self._fit:
            self._curves = self._fit, delay_curves(self._fit, self._placement)
        return self._curves[1]

    def _priors(self) -> dict[str, bandits.Prior]:
        return child_priors(self._parents, self._fit.bucket_strength)

    async def _arms(self, database: Database, bucket: str | None, now: int) -> dict[str, ArmBelief]:
        """Read the beliefs of a bucket, with priors from all buckets; without `bucket`, those of all together."""
        return (await self._arms_of_days(database, bucket, now))[0]

    async def _arms_of_days(
        self, database: Database, bucket: str | None, now: int
    ) -> tuple[dict[str, ArmBelief], list[DayRow]]:
        """Read the same, and the sums by day that they are made from."""
        first_day = now // DAY - int(FORGOTTEN_AFTER_HALF_LIVES * self._placement.half_life_days)
        async with database.read() as connection:
            self._fit = await fits.get(connection, self._fitted) or Fit()
            days = await folds.days(connection, self._scope, bucket=bucket, since_day=first_day)
            pending = await folds.waiting_trials(connection, self._scope, bucket=bucket)
            amounts = await folds.amount_rows(connection, self._scope, bucket=bucket, since_day=first_day)
        return await asyncio.to_thread(self._beliefs, bucket, (days, pending, amounts), now), days

    def _beliefs(
        self, bucket: str | None, rows: tuple[Sequence[DayRow], Sequence[PendingRow], Sequence[AmountRow]], now: int
    ) -> dict[str, ArmBelief]:
        days, pending, amount_rows = rows
        priors = self._priors() if bucket is not None and self._placement.buckets else {}
        settings = EvidenceSettings(
            self._placement.half_life_days,
            self._examination,
            self.delays(),
            self._memory(bucket, days, first_open_day(now, self._placement)),
            now,
            pending_step(self._placement.window_minutes),
            self._reach(bucket),
        )
        amounts = amounts_by_candidate(amount_rows, days, settings.fade, typical=max(1, self._placement.typical_amount))
        return arm_beliefs(days, pending, priors, settings, amounts)

    def _memory(self, bucket: str | None, days: Sequence[DayRow], before: int) -> Memory:
        """Detect jumps up to the day `before`; cached, as complete days do not change."""
        if self._has_model:
            jumps = self._model_jumps
            return {(row.candidate, row.day): 0.0 for row in days if row.day < jumps.get(row.candidate, 0)}
        weights = self._memories.get((bucket, before))
        if weights is None:
            self._memories = {key: weights for key, weights in self._memories.items() if key[1] == before}
            weights = self._memories[bucket, before] = memory(days, self._examination, before_day=before)
            self._note_jumps(bucket, weights)
        return weights

    def _note_jumps(self, bucket: str | None, weights: Memory) -> None:
        """Note the candidates that jumped since the last look; the first look after a start notes none."""
        last_days: dict[str, int] = {}
        for (name, day), weight in weights.items():
            if not weight:
                last_days[name] = max(day, last_days.get(name, day))
        jumps = frozenset(last_days.items())
        self.new_jumps = tuple(sorted(name for name, _ in jumps - self._jumps.get(bucket, jumps)))
        self._jumps[bucket] = jumps

    def _reach(self, bucket: str | None) -> dict[str, float]:
        """Return by candidate how likely a trial of a cascade was examined."""
        if self._placement.credit != "cascade":
            return {}
        return reach_of(self._fit.slots, self._fit.examination, bucket)

    @property
    def _examination(self) -> tuple[float, ...]:
        return self._placement.examination or self._fit.examination


def first_open_day(now: int, placement: Placement) -> int:
    """Return the first epoch day with decisions whose outcomes may still come."""
    return (now - placement.window_minutes * MINUTE) // DAY


def by_cell(rows: Iterable[Row]) -> dict[int, list[Row]]:
    """Return the rows by the cell of a model's residuals in which their decisions were made, the earliest first."""
    cells: dict[int, list[Row]] = {}
    for row in rows:
        cells.setdefault(row.decided_at // CELL, []).append(row)
    return dict(sorted(cells.items()))


def first_open_cell(cell: int, placement: Placement) -> int:
    """Return the first cell of a model's residuals with decisions that may still succeed when `cell` begins."""
    return (cell * CELL - placement.window_minutes * MINUTE) // CELL


def delay_curves(fit: Fit, placement: Placement) -> Curves:
    """Return the delay curves that a fit describes.

    Candidates have curves of their own unless delays by candidate are missing for most successes, as they are at first
    in a database that is older than they.
    """
    successes, failures = _by_bin((bin, won) for bin, won, _ in fit.delays), _by_bin((b, n) for b, _, n in fit.delays)
    window = placement.window_minutes * MINUTE
    common = bandits.DelayCurve(successes, failures, window_ms=window, pending=fit.pending)
    if sum(won for *_, won in fit.arrivals) < min(ENOUGH, KNOWN_SHARE * sum(successes)):
        return Curves(common)
    names = sorted({name for name, *_ in fit.arrivals} | fit.candidates_pending.keys())
    delays = {
        name: Delays(
            _by_bin((bin, won) for other, bin, won in fit.arrivals if other == name),
            fit.candidates_pending.get(name, ()),
            fit.settled.get(name, (0, 0)),
            _by_bin(fit.unresolved.get(name, ())),
        )
        for name in names
    }
    return Curves(common, curves_by_candidate(delays, failures, window_ms=window))


def _by_bin(rows: Iterable[tuple[int, int]]) -> list[int]:
    """Return counts by bin from rows of (bin, count)."""
    counts = dict(rows)
    return [counts.get(bin, 0) for bin in range(max(counts, default=-1) + 1)]
