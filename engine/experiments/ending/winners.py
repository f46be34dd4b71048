"""Publish the winner of an experiment by itself; its changes go into the draft where a second person must approve."""

from __future__ import annotations

import math

import structlog

from engine.configuration.configuration import Configuration
from engine.configuration.configuration_cache import ConfigurationCache
from engine.configuration.drafts import Drafts
from engine.configuration.release import Releases
from engine.experiments.ending.changes import changes_of_winner, has_winner
from engine.experiments.experiments import Experiments
from engine.experiments.results import ExperimentResults, Results
from engine.model.actor import Actor
from engine.model.errors import EngineError
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from engine.model.timestamps import DAY, MINUTE

log = structlog.get_logger()

WEEK_DAYS = 7
ENOUGH_TO_WIN = 0.95
AFTER_THE_END = DAY
"""How long after its last outcome a planned end may still publish a winner: the engine may have been down."""


class Winners:
    """Ends experiments that publish their winner. `conclude` returns whether it ended, or proposed, anything.

    An experiment whose winner was proposed is concluded once all that the winner changes is in force.
    """

    def __init__(
        self,
        experiments: Experiments,
        results: ExperimentResults,
        configurations: ConfigurationCache,
        releases: tuple[Drafts, Releases],
    ) -> None:
        self._experiments = experiments
        self._results = results
        self._configurations = configurations
        self._drafts, self._releases = releases

    async def conclude(self, actor: Actor, resource: Resource, *, now: int) -> bool:
        """Publish the winner where the experiment says so and has one, as late as its planned end (epoch ms).

        Where it was proposed, conclude once it is published.
        """
        document: Experiment = resource.document
        configuration = await self._configurations.load(actor.merchant_id)
        if document.status.state == "stopped" and document.status.winner:
            return await self._complete(actor, resource, configuration)
        window = configuration.get("placement", "", resource.placement).document.window_minutes * MINUTE
        if not may_conclude(document, window, now):
            return False
        results = await self._results.look(actor.merchant_id, resource, now=now, has_details=False)
        winner = winner_of(document, results)
        if not winner:
            return False
        reason = reason_of(document, results, winner)
        if configuration.review and changes_of_winner(configuration, resource.placement, document, winner):
            await self._propose(actor, resource, winner, reason)
        else:
            log.warning("winner published", placement=resource.placement, experiment=resource.id, reason=reason)
            await self._experiments.conclude(actor, resource.placement, resource.id, winner=winner, reason=reason)
        return True

    async def _complete(self, actor: Actor, resource: Resource, configuration: Configuration) -> bool:
        """Conclude an experiment whose proposed winner somebody has published meanwhile."""
        placement, document = resource.placement, resource.document
        if not has_winner(configuration, placement, document):
            return False
        reason = f"{document.status.reason}; its changes are published"
        await self._experiments.complete(actor, placement, resource.id, reason=reason)
        log.info("winner concluded", placement=placement, experiment=resource.id, reason=reason)
        return True

    async def _propose(self, actor: Actor, resource: Resource, winner: str, reason: str) -> None:
        """Stop the experiment, and put what its winner changes into the draft; ask for a review of what is new."""
        placement, configuration = resource.placement, await self._configurations.load(actor.merchant_id)
        changes = changes_of_winner(configuration, placement, resource.document, winner)
        is_free = not (await self._drafts.get(actor.merchant_id, placement)).changes
        where = "its changes wait in the draft for approval"
        try:
            for change in changes:
                version = change.before.version if change.before is not None else 0
                await self._drafts.save(actor, placement, change.resource.document, revision=version)
            if is_free:
                revision = (await self._drafts.get(actor.merchant_id, placement)).head.revision
                await self._releases.ask(actor, placement, revision=revision, reason=reason)
        except EngineError as error:
            where = f"its changes are not in the draft: {error.detail}"
        log.warning("winner proposed", placement=placement, experiment=resource.id, reason=reason)
        await self._experiments.propose(actor, placement, resource.id, winner=winner, reason=reason, note=where)


def may_conclude(document: Experiment, window: int, now: int) -> bool:
    """Return whether a winner may be published now (epoch ms): whole weeks are over, and no person ended it.

    After the planned end, the last outcomes come within the `window` (ms).
    """
    status = document.status
    began = status.phase_started_at
    if not document.publishes_winner or began is None or status.winner:
        return False
    if status.state == "running":
        return now - began >= math.ceil(document.minimum_days / WEEK_DAYS) * WEEK_DAYS * DAY
    ended, planned = status.ended_at or 0, (status.started_at or began) + document.maximum_days * DAY
    return status.state == "stopped" and ended >= planned and now <= ended + window + AFTER_THE_END


def winner_of(document: Experiment, results: Results) -> str:
    """Return the variant that the verdict says is the best, the control where all others are worse; else empty.

    A bandit's winner also has a chance of `ENOUGH_TO_WIN` to be the best.
    """
    primary = [each for each in results.comparisons if each.metric == document.primary]
    if results.verdict.kind == "better":
        winner, chance = results.verdict.variant, max(each.chance_to_win for each in primary)
    elif results.verdict.kind == "worse":
        winner, chance = document.control.id, 1.0 - sum(each.chance_to_win for each in primary)
    else:
        return ""
    return winner if chance >= ENOUGH_TO_WIN or not document.is_adaptive else ""


def reason_of(document: Experiment, results: Results, winner: str) -> str:
    """Return why a winner is published, as people read it."""
    names = {variant.id: variant.name for variant in document.variants}
    verdict, metric = results.verdict, document.primary.replace("_", " ")
    interval = f"{100 * (verdict.low or 0):+.1f}% to {100 * (verdict.high or 0):+.1f}% {metric}"
    if winner == document.control.id:
        return f"by itself: every other variant is worse, {names[verdict.variant]} {interval}"
    return f"by itself: {names[winner]} is better, {interval}"
