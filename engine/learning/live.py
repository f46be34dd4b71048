"""The active plan and beliefs of each placement in this process; new ones are made aside and replaced whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import structlog
from sqlalchemy.exc import IntegrityError

from engine.clock import now_ms
from engine.kernel.beliefs import Knowledge, make_beliefs
from engine.kernel.choice_beliefs import ChoiceBeliefs
from engine.kernel.contextual_beliefs import ContextualBeliefs, ContextualState, matches_encoding
from engine.kernel.encoding.features import Encoding
from engine.kernel.experiments.plans import IN_FORCE, ExperimentPlans, Variants
from engine.kernel.plan import Plan, PlanDocument
from engine.kernel.scores import AnyBeliefs
from engine.kernel.spread import Spread
from engine.learning.beliefs_reader import BeliefsReader
from engine.learning.choice_learner import ChoiceLearner, update_choices
from engine.learning.online_learner import update_state
from engine.learning.outage_watch import Outage, OutageWatch
from engine.learning.outcome_effects import Learning
from engine.learning.pending_decisions import read_pending_choices, read_pending_trials
from engine.model.experiment import Assignment
from engine.model.facts import Facts
from engine.model.placement import Contextual, Placement, Thompson
from engine.model.scope import Scope
from engine.statistics.evidence import Curves
from engine.store import beliefs as snapshots
from engine.store import folds, plans
from engine.store.beliefs import Snapshot
from engine.store.connection.database import Database
from engine.store.folds import News

log = structlog.get_logger()

ENOUGH_NEWS = 0.005
ENOUGH_CONTEXTUAL_NEWS = 0.02
LONGEST_UNREAD_MS = 60_000


class DrawnBeliefs(NamedTuple):
    """The beliefs of a snapshot, drawn for the plan in force and for the plans of variants."""

    beliefs: AnyBeliefs
    by_variants: Mapping[Variants, AnyBeliefs]


class Active:
    """The active plan of a placement, and its beliefs by bucket.

    Beliefs of the bucket "" serve buckets without beliefs of their own; before there are any, flat beliefs do.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.learning = Learning.of(plan.placement)
        self.flat = self.make(Snapshot(0, plan.placement.key, 0, plan.placement.reward, "", Knowledge(), 0))
        self.experiments = ExperimentPlans(plan)
        self.variants = {
            variants: Active(variant_plan)
            for variants, variant_plan in self.experiments.plans.items()
            if variants != IN_FORCE
        }
        self.beliefs: dict[str, AnyBeliefs] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.read_up_to = 0

    def make(self, snapshot: Snapshot) -> AnyBeliefs:
        """Draw the beliefs of a snapshot."""
        plan, policy, knowledge, version = self.plan, self.plan.placement.policy, snapshot.knowledge, snapshot.version
        floor = policy.floor if isinstance(policy, Thompson | Contextual) else 0.0
        spread = Spread.of(plan.ids, knowledge.away, floor, knowledge.probes)
        if plan.learns_choices:
            return ChoiceBeliefs(
                plan.ids,
                knowledge.choice,
                version=version,
                spread=spread,
                amounts=knowledge.amounts(plan.ids, plan.placement, version),
            )
        if plan.encoding is not None:
            return ContextualBeliefs(
                plan.ids,
                plan.hashes,
                plan.encoding,
                knowledge.contextual,
                version=version,
                spread=spread,
                amounts=knowledge.amounts(plan.ids, plan.placement, version),
            )
        return make_beliefs(plan, knowledge, version=version, bucket=snapshot.bucket, spread=spread)

    def draw(self, snapshot: Snapshot) -> DrawnBeliefs:
        """Draw the beliefs of a snapshot for the plan and for all variants; equal ones are shared."""
        made = self.make(snapshot)
        by_variants = {
            variants: made if self._believes_like(active.plan) else active.make(snapshot)
            for variants, active in self.variants.items()
        }
        return DrawnBeliefs(made, by_variants)

    def _believes_like(self, plan: Plan) -> bool:
        return (plan.ids, plan.placement.policy) == (self.plan.ids, self.plan.placement.policy)

    def pick(self, facts: Facts, key: str) -> tuple[Active, tuple[Assignment, ...]]:
        """Return what decides for a request, and the request's assignments to experiments."""
        if self.experiments.is_empty:
            return self, ()
        variants, assignments = self.experiments.pick(facts, key)
        return self.variants.get(variants, self), assignments

    def beliefs_of(self, snapshot: Snapshot) -> AnyBeliefs:
        """Return the beliefs of a snapshot; version 0 stands for the flat ones."""
        return self.make(snapshot) if snapshot.version else self.flat

    def for_facts(self, values: Mapping[str, Any]) -> tuple[str, AnyBeliefs]:
        """Return the bucket of a request, and the beliefs that serve it."""
        bucket = self.plan.bucket(values)
        return bucket, self.beliefs_for(bucket)

    def beliefs_for(self, bucket: str) -> AnyBeliefs:
        if self.plan.learns_choices:
            # A choice model has the buckets in its strata.
            bucket = ""
        return self.beliefs.get(bucket) or self.beliefs.get("", self.flat)

    def is_newer(self, snapshot: Snapshot) -> bool:
        current = self.snapshots.get(snapshot.bucket)
        return current is None or current.version < snapshot.version

    def put(self, snapshot: Snapshot, drawn: DrawnBeliefs) -> None:
        """Replace the beliefs of a bucket, unless a newer version arrived while these were drawn."""
        if self.is_newer(snapshot):
            self.snapshots[snapshot.bucket] = snapshot
            self.beliefs[snapshot.bucket] = drawn.beliefs
            for variants, beliefs in drawn.by_variants.items():
                self.variants[variants].beliefs[snapshot.bucket] = beliefs

    def enough_news(self, bucket: str) -> float:
        """Return the new trials that a bucket needs for new beliefs: one at first, later a share of its trials.

        The share is larger for contextual beliefs: their snapshots are larger, and larger batches learn no worse.
        """
        snapshot = self.snapshots.get(bucket)
        encoding = self.plan.encoding
        if snapshot is None or (encoding is not None and not matches_encoding(snapshot.knowledge.contextual, encoding)):
            return 1.0
        is_large = encoding is not None or self.plan.learns_choices
        share = ENOUGH_CONTEXTUAL_NEWS if is_large else ENOUGH_NEWS
        return max(1.0, share * snapshot.knowledge.trials)

    @property
    def version(self) -> int:
        return max((snapshot.version for snapshot in self.snapshots.values()), default=0)


class Live:
    """The active placements in this process. Reads never wait; `follow` loads what other processes published."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._active: dict[tuple[int, str], Active] = {}
        self._readers: dict[tuple[int, str], BeliefsReader] = {}
        self._watches: dict[tuple[int, str], OutageWatch] = {}
        self._unread: News = News()
        self._unread_since: dict[tuple[int, str, str, str], int] = {}
        self._loading = asyncio.Lock()

    def get(self, merchant_id: int, placement: str) -> Active | None:
        return self._active.get((merchant_id, placement))

    def placements(self, merchant_id: int) -> dict[str, Active]:
        return {key: active for (owner, key), active in self._active.items() if owner == merchant_id}

    def learning_placements(self) -> list[tuple[int, Placement]]:
        """Return (merchant id, placement) of every placement whose policy learns."""
        placements = [(merchant_id, active.plan.placement) for (merchant_id, _), active in self._active.items()]
        return [pair for pair in placements if isinstance(pair[1].policy, Thompson | Contextual)]

    def add_news(self, news: News) -> None:
        """Note the buckets with new evidence; called after each commit."""
        self._unread.update(news)
        now = now_ms()
        for cell, trials in news.items():
            self._unread_since.setdefault(cell, now)
            reader = self._readers.get(cell[:2])
            if reader is not None:
                reader.add_news(trials)

    async def follow(self, compiled: Mapping[tuple[int, str], Plan] = MappingProxyType({})) -> None:
        """Load the active plan version of every placement; if a plan fails to compile, the old one stays.

        `compiled` are plans by (merchant_id, placement) that need not be compiled again.
        """
        async with self._loading:
            async with self._database.read() as connection:
                versions = await plans.active(connection)
            for key in self._active.keys() - versions.keys():
                del self._active[key], self._readers[key], self._watches[key]
            for key, version in versions.items():
                active = self._active.get(key)
                if active is None or active.plan.version != version:
                    await self._load(*key, version, compiled.get(key))

    async def _load(self, merchant_id: int, placement: str, version: int, compiled: Plan | None) -> None:
        before = self.get(merchant_id, placement)
        async with self._database.read() as connection:
            try:
                if compiled is not None and compiled.version == version:
                    active = await asyncio.to_thread(Active, compiled)
                else:
                    row = await plans.get(connection, merchant_id, placement, version)
                    if row is None:
                        return
                    active = await asyncio.to_thread(
                        compile_plan, row.document, version, like=before.plan if before else None
                    )
            except Exception as error:
                log.error("plan not loaded", placement=placement, version=version, exc_info=error)
                return
            reward = active.plan.placement.reward
            buckets = await folds.buckets(connection, Scope(merchant_id, placement, reward))
            for snapshot in await snapshots.newest(connection, merchant_id, placement, reward):
                active.put(snapshot, await asyncio.to_thread(active.draw, snapshot))
        self._active[merchant_id, placement] = active
        self._readers[merchant_id, placement] = BeliefsReader(merchant_id, active.plan)
        self._watches[merchant_id, placement] = OutageWatch(merchant_id, active.plan.placement, active.plan.ids)
        # Mark every bucket as unread: outcomes after the last snapshot were not read before the restart.
        self.add_news(News({(merchant_id, placement, reward, bucket): 1 for bucket in buckets}))

    async def refresh(self, *, at_once: bool = False) -> None:
        """Make new beliefs for buckets with enough news since their last ones, or whose news is old enough."""
        now = now_ms()
        for cell, trials in list(self._unread.items()):
            merchant_id, placement, reward, bucket = cell
            active = self._active.get((merchant_id, placement))
            if active is None or active.plan.placement.reward != reward:
                self._forget(cell)
                continue
            age = now - self._unread_since.get(cell, now)
            if at_once or age >= LONGEST_UNREAD_MS or trials >= active.enough_news(bucket):
                self._forget(cell)
                try:
                    await self._renew(active, merchant_id, bucket, now, f"{trials:+} outcomes")
                except Exception:
                    self.add_news(News({cell: trials}))
                    raise

    def outages(self, merchant_id: int, placement: str) -> tuple[Outage, ...]:
        """Return the candidates of a placement that seem to be down."""
        watch = self._watches.get((merchant_id, placement))
        return watch.outages if watch is not None else ()

    @property
    def outage_count(self) -> int:
        """Return the number of candidates that seem to be down, in all placements."""
        return sum(len(watch.outages) for watch in self._watches.values())

    async def watch(self) -> None:
        """Detect outages; where one began or ended, make new beliefs for all buckets at once."""
        now = now_ms()
        for key, watch in list(self._watches.items()):
            active, before = self._active.get(key), {outage.candidate for outage in watch.outages}
            if active is None or not isinstance(active.plan.placement.policy, Thompson | Contextual):
                continue
            away = {outage.candidate for outage in await watch.look(self._database, now)}
            changes = [f"{name} {'away' if name in away else 'back'}" for name in sorted(away ^ before)]
            if changes:
                log.warning("outage", placement=key[1], changes=changes)
                for bucket in list(active.snapshots):
                    await self._renew(active, key[0], bucket, now, ", ".join(changes))

    def _forget(self, cell: tuple[int, str, str, str]) -> None:
        self._unread.pop(cell, None)
        self._unread_since.pop(cell, None)

    async def _renew(self, active: Active, merchant_id: int, bucket: str, now: int, reason: str) -> None:
        """Read and store the beliefs of a bucket; `reason` says why, as people read it."""
        reader = self._readers[merchant_id, active.plan.placement.key]
        if active.plan.learns_choices:
            await self._renew_choices(active, reader, merchant_id, now, reason)
            if not bucket:
                return
        elif reader.is_common_due(now):
            await self._put(active, merchant_id, "", await reader.read_common(self._database, now), now, reason)
        knowledge = await reader.read(self._database, bucket, now)
        if active.plan.encoding is not None:
            state = await self._read_state(active, active.plan.encoding, reader.delays(), merchant_id, now)
            knowledge = msgspec.structs.replace(knowledge, contextual=state)
        await self._put(active, merchant_id, bucket, knowledge, now, _with_jumps(reason, reader))

    async def _renew_choices(
        self, active: Active, reader: BeliefsReader, merchant_id: int, now: int, reason: str
    ) -> None:
        """Make the next beliefs about choices; they serve all buckets."""
        placement, last = active.plan.placement, active.snapshots.get("")
        scope = Scope(merchant_id, placement.key, placement.reward)
        knowledge = await reader.read_all(self._database, now)
        learner = ChoiceLearner(
            active.plan.ids, last.knowledge.choice if last else None, reader.jumps(), placement.half_life_days
        )
        pending = await read_pending_choices(self._database, scope, learner, active.learning, reader.delays(), now)
        state, is_complete = await update_choices(self._database, scope, learner, pending, now=now)
        if not is_complete:
            self.add_news(News({(*scope, ""): 1}))
        knowledge = msgspec.structs.replace(knowledge, choice=state)
        await self._put(active, merchant_id, "", knowledge, now, _with_jumps(reason, reader))

    async def _read_state(
        self, active: Active, encoding: Encoding, delays: Curves, merchant_id: int, now: int
    ) -> ContextualState:
        """Update the last contextual state with new observations and with the decisions pending now."""
        placement, last = active.plan.placement, active.snapshots.get("")
        scope = Scope(merchant_id, placement.key, placement.reward)
        pending = await read_pending_trials(self._database, scope, encoding, active.learning, delays, now)
        state, is_complete = await update_state(
            self._database,
            scope,
            encoding,
            last.knowledge.contextual if last else None,
            pending,
            half_life_days=placement.half_life_days,
            now=now,
        )
        if not is_complete:
            self.add_news(News({(*scope, ""): 1}))
        return state

    async def _put(
        self, active: Active, merchant_id: int, bucket: str, knowledge: Knowledge, now: int, reason: str
    ) -> None:
        """Store and draw the next beliefs version of a bucket."""
        placement, last = active.plan.placement, active.snapshots.get(bucket)
        away = {outage.candidate for outage in self.outages(merchant_id, placement.key)}
        knowledge = msgspec.structs.replace(knowledge, away=tuple(sorted(away)))
        if last is not None and last.knowledge == knowledge:
            return
        try:
            async with self._database.write() as connection:
                version = await snapshots.newest_version(connection, merchant_id, placement.key) + 1
                snapshot = Snapshot(
                    merchant_id, placement.key, version, placement.reward, bucket, knowledge, now, reason
                )
                await snapshots.add(connection, snapshot)
        except IntegrityError:
            # Another process made this version, perhaps before this evidence was in.
            self.add_news(News({(merchant_id, placement.key, placement.reward, bucket): 1}))
            return
        active.put(snapshot, await asyncio.to_thread(active.draw, snapshot))

    async def read_others(self) -> None:
        """Load the beliefs that other processes made."""
        async with self._database.read() as connection:
            for (merchant_id, placement), version in (await snapshots.newest_versions(connection)).items():
                active = self._active.get((merchant_id, placement))
                if active is None or active.read_up_to >= version:
                    continue
                reward = active.plan.placement.reward
                for snapshot in await snapshots.newest(
                    connection, merchant_id, placement, reward, after_version=active.read_up_to
                ):
                    if active.is_newer(snapshot):
                        active.put(snapshot, await asyncio.to_thread(active.draw, snapshot))
                active.read_up_to = version


def _with_jumps(reason: str, reader: BeliefsReader) -> str:
    """Add the jumps that the last reading detected to the reason for a version."""
    return ", ".join([reason, *(f"jump of {candidate}" for candidate in reader.new_jumps)])


def compile_plan(document: str, version: int, *, like: Plan | None = None) -> Active:
    """Compile a stored plan; rules that `like` has too are not compiled again."""
    return Active(Plan(msgspec.json.decode(document, type=PlanDocument), version=version, like=like))
