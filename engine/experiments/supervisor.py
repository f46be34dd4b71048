"""Watch running experiments: bring their sums up to date, start and end them by the clock, stop what does harm."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.experiments.adaptive.allocation import move_shares
from engine.experiments.checks import is_due
from engine.experiments.comparisons import has_mismatch
from engine.experiments.ending.winners import ENOUGH_TO_WIN, Winners, winner_of
from engine.experiments.experiments import Experiments
from engine.experiments.looks.stored import StoredLooks
from engine.experiments.results import ExperimentResults, Health, Results
from engine.model.actor import ENGINE, Actor
from engine.model.documents.metric import METRICS
from engine.model.errors import EngineError
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from engine.model.timestamps import DAY
from engine.store.connection.database import Database
from engine.store.experiments import exposures

log = structlog.get_logger()
Result = TypeVar("Result")

UNITS_A_TRANSACTION = 200
"""Decisions wait for the writer, so each transaction is short."""


class Supervisor:
    """Runs as a job. Stopping gives everybody the control, with the reason in the audit log and on the page."""

    def __init__(
        self, database: Database, experiments: Experiments, results: ExperimentResults, winners: Winners
    ) -> None:
        self._database = database
        self._winners = winners
        self._experiments = experiments
        self._results = results
        self.looks = StoredLooks(database, results)

    async def run(self) -> None:
        """Do all that is due; an experiment that fails keeps no other from being stopped."""
        await self.add_up()
        now, experiments = now_ms(), await self._experiments.of_all_merchants()
        for work in (self._look_after, self._keep_looks):
            for merchant_id, resource in experiments:
                try:
                    await work(Actor(merchant_id, ENGINE), resource, now)
                except Exception:
                    log.exception("experiment not looked after", placement=resource.placement, experiment=resource.id)

    async def add_up(self) -> None:
        """Bring the sums of all experiments up to date."""
        count = UNITS_A_TRANSACTION
        while count == UNITS_A_TRANSACTION:
            count = await self._database.transact(_add_up)

    async def _look_after(self, actor: Actor, resource: Resource, now: int) -> None:
        state = resource.document.status.state
        if state == "approved" and is_due(resource.document, now):
            await _try(self._experiments.start(actor, resource.placement, resource.id, reason="planned start"))
        if state == "stopped":
            await _try(self._winners.conclude(actor, resource, now=now))
        if state != "running":
            return
        health = await self._results.health(actor.merchant_id, resource)
        reason = reason_to_stop(resource.document, health, now)
        if not is_harmed(health) and await _try(self._winners.conclude(actor, resource, now=now)):
            return
        if not reason and resource.document.is_adaptive:
            await move_shares(self._database, actor.merchant_id, resource, now)
            results = await self._results.look(actor.merchant_id, resource, now=now, has_details=False)
            reason = reason_to_end(resource.document, results, now)
        if reason:
            log.warning("experiment stopped", placement=resource.placement, experiment=resource.id, reason=reason)
            await _try(self._experiments.stop(actor, resource.placement, resource.id, reason=reason))

    async def _keep_looks(self, actor: Actor, resource: Resource, now: int) -> None:
        status = resource.document.status
        if status.started_at is not None and status.state != "archived":
            await self.looks.keep(actor.merchant_id, resource, now=now)


async def _add_up(connection: AsyncConnection) -> int:
    return await exposures.add_up(connection, limit=UNITS_A_TRANSACTION)


async def _try(action: Awaitable[Result]) -> Result | None:
    """Run an action that another process may have done first: then return None."""
    try:
        return await action
    except EngineError as error:
        log.info("experiment left as it is", detail=error.detail)
        return None


def is_harmed(health: Health) -> bool:
    """Return whether the split is denied, or a variant certainly loses too much."""
    return has_mismatch(health.mismatch_p_value) or any(state.is_broken for state in health.guardrails)


def reason_to_end(experiment: Experiment, results: Results, now: int) -> str:
    """Return which variant a bandit has found the best, as people read it; empty where it may go on."""
    began = experiment.status.phase_started_at or now
    if now - began < experiment.minimum_days * DAY:
        return ""
    best = winner_of(experiment, results)
    if not best:
        return ""
    name = next(variant.name for variant in experiment.variants if variant.id == best)
    return f"{name} wins: it is the best with a chance of at least {100 * ENOUGH_TO_WIN:g}%, and the interval agrees"


def reason_to_stop(experiment: Experiment, health: Health | Results, now: int) -> str:
    """Return why an experiment must stop, as people read it; empty where it may go on."""
    if has_mismatch(health.mismatch_p_value):
        return "customers do not arrive in the shares of the split, so the comparison is not valid"
    names = {variant.id: variant.name for variant in experiment.variants}
    for state in health.guardrails:
        if state.is_broken:
            metric, name, percent = (
                state.metric.replace("_", " "),
                names[state.variant],
                f"{state.tolerated_percent:g}%",
            )
            if METRICS[state.metric].falls:
                return f"guardrail: {name} raises {metric} by more than {percent}"
            return f"guardrail: {name} loses more than {percent} of {metric}"
    began = experiment.status.started_at
    if began is not None and now - began >= experiment.maximum_days * DAY:
        return f"it ran for {experiment.maximum_days} days, the planned maximum"
    return ""
