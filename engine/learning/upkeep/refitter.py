"""Learn each contextual model again from the log once a week, and let the better one of both go on.

The model learns batch by batch, and each batch is approximated. A refit takes all days at once. Both are compared on
the last complete days: by what was known before the first of them, neither has seen a result of these days.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import NamedTuple

import msgspec
import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

import bandits
from bandits.evaluation.held_out import fidelity, is_no_worse
from bandits.posterior.logistic_update import Observations
from bandits.posterior.weight_posterior import WeightEvidence, beliefs_of, refitted
from engine.clock import now_ms
from engine.kernel.contextual_beliefs import ContextualState, matches_encoding, pack_state
from engine.kernel.encoding.features import Encoding
from engine.learning.active import Active
from engine.learning.beliefs_reader import first_open_day
from engine.learning.live import Live
from engine.learning.renewer import Renewer, Superseded
from engine.learning.upkeep.trial_set import most_rows, read_trials
from engine.model.actor import ENGINE, Actor
from engine.model.errors import Conflict, NotFound
from engine.model.offers.refit import REPLACED, RETURNED, Refit, RefitResult
from engine.model.scope import Scope
from engine.model.timestamps import DAY
from engine.store import audit, observations
from engine.store import beliefs as snapshots
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.offers import refits

log = structlog.get_logger()

EVERY_DAYS = 7
HELD_OUT_DAYS = 7
LEAST_SUCCESSES = 20
"""With fewer successes in the held-out days, two models cannot be compared."""
ATTEMPTS = 5
"""Other processes make versions too; a number that one has taken is tried again."""


class Judged(NamedTuple):
    """A refit with its figures, as a state that may go on."""

    state: ContextualState
    result: RefitResult


class Refitter:
    """Refits the models of all placements that learn from facts."""

    def __init__(self, database: Database, live: Live) -> None:
        self._database = database
        self._live = live

    async def run(self, *, now: int) -> int:
        """Refit what is due; return how many models were replaced."""
        replaced = 0
        for scope, active, renewer in self._live.renewers():
            judged = await self._judge_due(scope, active, now)
            if judged is not None:
                replaced += await self._keep_better(scope, active, renewer, judged, now)
        return replaced

    async def page(self, merchant_id: int, placement: str, *, limit: int = 50) -> list[Refit]:
        """Return the refits of a placement, the newest first; raise `NotFound` for an unknown placement."""
        scope, _, _ = self._find(merchant_id, placement)
        async with self._database.read() as connection:
            return await refits.newest(connection, scope, limit=limit)

    async def go_back(self, actor: Actor, placement: str, *, reason: str = "") -> None:
        """Make the model before the last refit the one in force, with all that was learned since.

        Raise `Conflict` if there is none to go back to, `NotFound` for an unknown placement.
        """
        scope, active, renewer = self._find(actor.merchant_id, placement)
        for _ in range(ATTEMPTS):
            refit, state = await self._last_replacement(scope, active)

            async def also(connection: AsyncConnection, version: int, refit: Refit = refit) -> None:
                if not await refits.set_returned(connection, scope, refit, version):
                    raise Superseded
                was, became = {"beliefs_version": refit.version}, {"beliefs_version": version}
                entry = NewEntry(actor, now_ms(), "undid refit", f"placement {placement}", was, became, reason)
                await audit.write(connection, entry)

            if await renewer.replace_model(state, now_ms(), RETURNED, also):
                return
        raise Conflict("the model is being changed; try again")

    async def _last_replacement(self, scope: Scope, active: Active) -> tuple[Refit, ContextualState]:
        async with self._database.read() as connection:
            newest = await refits.newest(connection, scope, limit=50)
            refit = next((refit for refit in newest if refit.version), None)
            if refit is None or refit.returned:
                raise Conflict("no refit is in force")
            snapshot = await snapshots.get(connection, scope.merchant_id, scope.placement, refit.previous)
        state = snapshot.knowledge.contextual if snapshot else None
        if active.plan.encoding is None or not matches_encoding(state, active.plan.encoding):
            raise Conflict("the model before the refit is no longer kept, or has learned from other facts")
        return refit, state

    def _find(self, merchant_id: int, placement: str) -> tuple[Scope, Active, Renewer]:
        for scope, active, renewer in self._live.renewers():
            if scope[:2] == (merchant_id, placement) and scope.reward == active.plan.placement.reward:
                return scope, active, renewer
        raise NotFound(f"there is no placement “{placement}”", field="placement")

    async def _judge_due(self, scope: Scope, active: Active, now: int) -> Judged | None:
        """Refit a model and compare; None if that is not due, or there is too little to compare."""
        encoding, last_day = active.plan.encoding, first_open_day(now, active.plan.placement) - 1
        first_day = last_day - HELD_OUT_DAYS + 1
        async with self._database.read() as connection:
            newest = await refits.newest(connection, scope, limit=1)
            if encoding is None or (newest and now - newest[0].refitted_at < EVERY_DAYS * DAY):
                return None
            before = await snapshots.in_force_at(connection, scope, first_day * DAY)
        state = before.knowledge.contextual if before else None
        if not matches_encoding(state, encoding):
            return None
        held_out = await self._held_out(scope, encoding, state, first_day, last_day)
        if sum(batch.successes.sum() for batch in held_out.values()) < LEAST_SUCCESSES:
            return None
        training = await self._training(scope, encoding, active, state)
        if not training:
            return None
        return await asyncio.to_thread(_judge, encoding, state, training, held_out, (first_day, last_day))

    async def _training(
        self, scope: Scope, encoding: Encoding, active: Active, state: ContextualState
    ) -> dict[str, Observations]:
        """Read what the model knew, the newest observations if there are many; it fades as in the model."""
        half_life = active.plan.placement.half_life_days

        def weight(candidate: str, day: int) -> float:
            is_forgotten = day < state.jumps.get(candidate, 0)
            return 0.0 if is_forgotten else bandits.recency_weight(max(0, state.day - day), half_life)

        async with self._database.read() as connection:
            after = await observations.start_of_last(connection, scope, up_to=state.cursor, count=most_rows(encoding))
        return await read_trials(self._database, scope, encoding, weight, after=after, up_to=state.cursor)

    async def _held_out(
        self, scope: Scope, encoding: Encoding, state: ContextualState, first_day: int, last_day: int
    ) -> dict[str, Observations]:
        """Read what became known since, of decisions of the held-out days."""

        def weight(_candidate: str, day: int) -> float:
            return float(first_day <= day <= last_day)

        async with self._database.write() as connection:
            last = await observations.last(connection, scope)
        return await read_trials(self._database, scope, encoding, weight, after=state.cursor, up_to=last)

    async def _keep_better(self, scope: Scope, active: Active, renewer: Renewer, judged: Judged, now: int) -> bool:
        """Store the refit's figures; make it the model in force if it is no worse."""
        state, result = judged
        if not is_no_worse(result.after, result.before):
            with suppress(IntegrityError):
                async with self._database.write() as connection:
                    await refits.add(connection, scope, Refit(now, result, active.version, 0, 0))
            log.info("refit left out", placement=scope.placement, log_loss=result.after.log_loss)
            return False

        async def also(connection: AsyncConnection, version: int) -> None:
            # The version before is the one that was in force until now, whichever process made it.
            in_force = await snapshots.in_force_at(connection, scope, now + DAY)
            previous = in_force.version if in_force else 0
            await refits.add(connection, scope, Refit(now, result, previous, version, 0))
            await audit.write(connection, _entry(scope, previous, version, result, now))

        for _ in range(ATTEMPTS):
            if await renewer.replace_model(state, now, REPLACED, also):
                log.info("refit in force", placement=scope.placement, log_loss=result.after.log_loss)
                return True
        return False


def _judge(
    encoding: Encoding,
    state: ContextualState,
    training: dict[str, Observations],
    held_out: dict[str, Observations],
    days: tuple[int, int],
) -> Judged:
    old = state.evidence()
    # Decisions that were pending then count as they did for the model in force.
    new = WeightEvidence(old.size, refitted(training, old.size, encoding.attributes).factors, old.pending)
    names = sorted(held_out)
    before, after = (fidelity(beliefs_of(each, names, encoding.attributes), held_out) for each in (old, new))
    trained = sum(len(batch.trials) for batch in training.values())
    packed = pack_state(new, encoding, cursor=state.cursor, day=state.day)
    # What was expected of the days before stays; the days since are learned, and expected, anew.
    state = msgspec.structs.replace(packed, residuals=state.residuals, jumps=state.jumps)
    return Judged(state, RefitResult(first_day=days[0], last_day=days[1], trained=trained, before=before, after=after))


def _entry(scope: Scope, previous: int, version: int, result: RefitResult, now: int) -> NewEntry:
    was = {"beliefs_version": previous, "log_loss": round(result.before.log_loss, 5)}
    became = {"beliefs_version": version, "log_loss": round(result.after.log_loss, 5)}
    return NewEntry(Actor(scope.merchant_id, ENGINE), now, "refitted", f"placement {scope.placement}", was, became)
