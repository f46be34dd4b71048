"""Ask the log what an experiment's variants would have done: a preview of each, one after the other."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from engine.clock import now_ms
from engine.configuration.configuration_cache import ConfigurationCache
from engine.experiments.log_answers import LogAnswer, answers_of, digest_of, refusal_of
from engine.experiments.reach import device_in
from engine.kernel.experiments.overlay import overlaid
from engine.kernel.plan import PlanDocument
from engine.model.actor import Actor
from engine.model.errors import Conflict, EngineError
from engine.model.experiment import Experiment, Variant
from engine.model.resource import Resource
from engine.model.timestamps import DAY
from engine.previews.previews import Period, Previews, Subject
from engine.store import previews as rows
from engine.store.connection.database import Database
from engine.store.experiments import activity
from engine.store.experiments.activity import WeekQuestion

log = structlog.get_logger()

DAYS = 28
"""How much of the log is read: four whole weeks."""


class LogQuestions:
    """Answers are kept as long as previews; those of variants that have changed since do not count."""

    def __init__(self, database: Database, configurations: ConfigurationCache, previews: Previews) -> None:
        self._database = database
        self._configurations = configurations
        self._previews = previews
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, actor: Actor, resource: Resource) -> None:
        """Begin to read the log; `Conflict` while another preview runs, or where the log cannot tell anything."""
        experiment: Experiment = resource.document
        configuration = await self._configurations.load(actor.merchant_id)
        plan = configuration.plan_document(resource.placement)
        refused = refusal_of(experiment, configuration.get("placement", "", resource.placement).document.reward)
        if refused or plan is None:
            raise Conflict(f"the log cannot tell: {refused or 'the placement has no plan yet'}", field="status")
        first, *others = experiment.variants[1:]
        id = await self._start(actor, experiment, plan, first)
        task = asyncio.create_task(self._go_on(actor, experiment, plan, others, id), name=f"log of {experiment.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def answers(self, merchant_id: int, resource: Resource) -> list[LogAnswer]:
        """Return what the log says of each variant but the control."""
        configuration = await self._configurations.load(merchant_id)
        reward = configuration.get("placement", "", resource.placement).document.reward
        async with self._database.read() as connection:
            stored = await rows.of_experiment(connection, merchant_id, resource.placement, resource.id)
            if not stored:
                return answers_of(resource.document, reward, ())
            question = WeekQuestion(resource.document.unit, device_in)
            week = await activity.last_week(connection, merchant_id, resource.placement, question, now=now_ms())
        conversion = week.converted / week.units if week.units else 0.0
        return answers_of(resource.document, reward, stored, conversion=conversion)

    async def finish(self) -> None:
        """Wait until all that was asked is answered."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """Ask nothing more."""
        for task in list(self._tasks):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _go_on(
        self, actor: Actor, experiment: Experiment, plan: PlanDocument, others: list[Variant], id: str
    ) -> None:
        """Wait for a preview and start that of the next variant; end where one was not done."""
        try:
            for variant in others:
                if (await self._previews.finish(actor.merchant_id, id)).state != "done":
                    return
                id = await self._start(actor, experiment, plan, variant)
            await self._previews.finish(actor.merchant_id, id)
        except EngineError as error:
            log.info("the log was not read to the end", experiment=experiment.id, detail=error.detail)

    async def _start(self, actor: Actor, experiment: Experiment, plan: PlanDocument, variant: Variant) -> str:
        now = now_ms()
        subject = Subject(experiment=experiment.id, variant=variant.id, digest=digest_of(experiment))
        document = overlaid(plan, [(experiment, variant)])
        period = Period(now - DAYS * DAY, now)
        started = await self._previews.start(actor, document, period, subject=subject, audience=experiment.audience)
        return started.id
