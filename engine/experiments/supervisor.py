"""Watch running experiments: bring their sums up to date, start and end them by the clock, stop what does harm."""

from __future__ import annotations

from collections.abc import Awaitable

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.experiments.experiments import Experiments
from engine.experiments.results import ExperimentResults, Results
from engine.learning.live import Live
from engine.model.actor import Actor
from engine.model.errors import EngineError
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from engine.model.timestamps import DAY
from engine.store import resources
from engine.store.connection.database import Database
from engine.store.experiments import exposures

log = structlog.get_logger()

ENGINE = "engine"
"""The actor's name in the audit log for what no person did."""

UNITS_A_TRANSACTION = 200
"""Decisions wait for the writer, so each transaction is short."""


class Supervisor:
    """Runs as a job. Stopping gives everybody the control, with the reason in the audit log and on the page."""

    def __init__(self, database: Database, live: Live, experiments: Experiments, results: ExperimentResults) -> None:
        self._database = database
        self._live = live
        self._experiments = experiments
        self._results = results

    async def run(self) -> None:
        """Do all that is due."""
        await self.add_up()
        now = now_ms()
        for merchant_id, placement, id in await self._experiments.due(now):
            await _try(self._experiments.start(Actor(merchant_id, ENGINE), placement, id, reason="planned start"))
        async with self._database.read() as connection:
            rows = await resources.everywhere(connection, "experiment")
        for merchant_id, resource in rows:
            if resource.document.status.state == "running":
                await self._look_after(merchant_id, resource, now)

    async def add_up(self) -> None:
        """Bring the sums of all experiments up to date."""
        count = UNITS_A_TRANSACTION
        while count == UNITS_A_TRANSACTION:
            count = await self._database.transact(_add_up)

    async def _look_after(self, merchant_id: int, resource: Resource, now: int) -> None:
        active = self._live.get(merchant_id, resource.place)
        if active is None:
            return
        window = active.plan.placement.window_minutes
        results = await self._results.look(merchant_id, resource, window_minutes=window, now=now)
        reason = reason_to_stop(resource.document, results, now)
        if reason:
            log.warning("experiment stopped", placement=resource.place, experiment=resource.id, reason=reason)
            stopping = self._experiments.stop(Actor(merchant_id, ENGINE), resource.place, resource.id, reason=reason)
            await _try(stopping)


async def _add_up(connection: AsyncConnection) -> int:
    return await exposures.add_up(connection, limit=UNITS_A_TRANSACTION)


async def _try(action: Awaitable[Resource]) -> None:
    """Run an action that another process may have done first."""
    try:
        await action
    except EngineError as error:
        log.info("experiment left as it is", detail=error.detail)


def reason_to_stop(experiment: Experiment, results: Results, now: int) -> str:
    """Return why an experiment must stop, as people read it; empty where it may go on."""
    if results.verdict.kind == "mismatch":
        return "customers do not arrive in the shares of the split, so the comparison cannot be trusted"
    names = {variant.id: variant.name for variant in experiment.variants}
    for state in results.guardrails:
        if state.is_broken:
            metric = state.metric.replace("_", " ")
            return f"guardrail: {names[state.variant]} loses more than {state.tolerated_percent:g}% of {metric}"
    began = experiment.status.started_at
    if began is not None and now - began >= experiment.maximum_days * DAY:
        return f"it ran for {experiment.maximum_days} days, the most that was planned"
    return ""
