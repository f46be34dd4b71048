"""What is in force right now: the current plan and beliefs of each placement, compiled aside and swapped whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
import structlog
from sqlalchemy.exc import IntegrityError

import bandits
from engine.clock import now_ms
from engine.kernel.beliefs import Knowledge, make_beliefs
from engine.kernel.contextual_beliefs import ContextualBeliefs, knows
from engine.kernel.features import Encoding
from engine.kernel.plan import Plan, PlanDocument
from engine.kernel.scores import AnyBeliefs
from engine.learning.beliefs_reader import BeliefsReader
from engine.learning.online_learner import update_state
from engine.learning.outcome_effects import Learning
from engine.learning.pending_decisions import still_waiting
from engine.model.placement import Contextual, Placement, Thompson
from engine.store import beliefs as snapshots
from engine.store import folds, plans
from engine.store.beliefs import Snapshot
from engine.store.connection.database import Database
from engine.store.folds import News

log = structlog.get_logger()

ENOUGH_NEWS = 0.005
ENOUGH_NEWS_OF_FACTS = 0.02
LONGEST_UNREAD_MS = 60_000


class Active:
    """A placement in force: its plan, and its beliefs by bucket.

    Those of the bucket "" are for customers of whose bucket nothing is known yet; until there are any, flat ones are.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.learning = Learning.of(plan.placement)
        self.flat = self.make(Snapshot(0, plan.placement.key, 0, plan.placement.reward, "", Knowledge(), 0))
        self.beliefs: dict[str, AnyBeliefs] = {}
        self.known: dict[str, Snapshot] = {}
        self.read_up_to = 0

    def make(self, snapshot: Snapshot) -> AnyBeliefs:
        plan, policy, known, version = self.plan, self.plan.placement.policy, snapshot.known, snapshot.version
        floor = policy.floor if isinstance(policy, Thompson | Contextual) else 0.0
        if plan.encoding is not None:
            return ContextualBeliefs(
                plan.ids,
                plan.hashes,
                plan.encoding,
                known.taught,
                version=version,
                floor=floor,
                amounts=known.amounts(plan.ids, plan.placement, version),
            )
        return make_beliefs(
            plan.ids, plan.hashes, known, plan.placement, version=version, bucket=snapshot.bucket, floor=floor
        )

    def beliefs_of(self, snapshot: Snapshot) -> AnyBeliefs:
        """The beliefs of a snapshot; of version 0, which is nothing, the flat ones."""
        return self.make(snapshot) if snapshot.version else self.flat

    def for_facts(self, values: Mapping[str, Any]) -> tuple[str, AnyBeliefs]:
        bucket = self.plan.bucket(values)
        return bucket, self.at(bucket)

    def at(self, bucket: str) -> AnyBeliefs:
        return self.beliefs.get(bucket) or self.beliefs.get("", self.flat)

    def is_news(self, snapshot: Snapshot) -> bool:
        known = self.known.get(snapshot.bucket)
        return known is None or known.version < snapshot.version

    def put(self, snapshot: Snapshot, made: AnyBeliefs) -> None:
        # Drawing takes a moment, in which another process's later version may have come in.
        if self.is_news(snapshot):
            self.known[snapshot.bucket] = snapshot
            self.beliefs[snapshot.bucket] = made

    def enough_news(self, bucket: str) -> float:
        """Evidence grows by shares: early on each outcome renews the draws, later a half percent does.

        What is known of facts takes more room in a snapshot, and learns from more at once no worse.
        """
        known = self.known.get(bucket)
        encoding = self.plan.encoding
        if known is None or (encoding is not None and not knows(known.known.taught, encoding)):
            return 1.0
        share = ENOUGH_NEWS if encoding is None else ENOUGH_NEWS_OF_FACTS
        return max(1.0, share * known.known.trials)

    @property
    def version(self) -> int:
        return max((snapshot.version for snapshot in self.known.values()), default=0)


class Live:
    """The placements in force in this process. Reading never waits; `follow` brings in what others published."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._active: dict[tuple[int, str], Active] = {}
        self._readers: dict[tuple[int, str], BeliefsReader] = {}
        self._unread: News = News()
        self._waiting_since: dict[tuple[int, str, str, str], int] = {}
        self._loading = asyncio.Lock()

    def get(self, merchant_id: int, placement: str) -> Active | None:
        return self._active.get((merchant_id, placement))

    def placements(self, merchant_id: int) -> dict[str, Active]:
        return {key: active for (owner, key), active in self._active.items() if owner == merchant_id}

    def learning_placements(self) -> list[tuple[int, Placement]]:
        """(merchant, placement) of those whose bandit learns."""
        placements = [(merchant_id, active.plan.placement) for (merchant_id, _), active in self._active.items()]
        return [(owner, one) for owner, one in placements if isinstance(one.policy, Thompson | Contextual)]

    def learned(self, news: News) -> None:
        """Called after each commit: these buckets have new evidence."""
        self._unread.update(news)
        now = now_ms()
        for cell, trials in news.items():
            self._waiting_since.setdefault(cell, now)
            reader = self._readers.get(cell[:2])
            if reader is not None:
                reader.heard(trials)

    async def follow(self, made: Mapping[tuple[int, str], Plan] = MappingProxyType({})) -> None:
        """Bring every placement to its active plan version; a plan that fails to compile leaves the old one.

        `made` are plans by (merchant_id, placement) that need not be compiled again.
        """
        async with self._loading:
            async with self._database.read() as connection:
                wanted = await plans.active(connection)
            for key in self._active.keys() - wanted.keys():
                del self._active[key], self._readers[key]
            for key, version in wanted.items():
                known = self._active.get(key)
                if known is None or known.plan.version != version:
                    await self._load(*key, version, made.get(key))

    async def _load(self, merchant_id: int, placement: str, version: int, made: Plan | None) -> None:
        before = self.get(merchant_id, placement)
        async with self._database.read() as connection:
            try:
                if made is not None and made.version == version:
                    active = await asyncio.to_thread(Active, made)
                else:
                    row = await plans.get(connection, merchant_id, placement, version)
                    if row is None:
                        return
                    active = await asyncio.to_thread(
                        compile_plan, row.document, version, like=before.plan if before else None
                    )
            except Exception as error:
                log.error("plan not loaded", placement=placement, version=version, error=str(error))
                return
            reward = active.plan.placement.reward
            buckets = await folds.buckets(connection, (merchant_id, placement, reward))
            for snapshot in await snapshots.newest(connection, merchant_id, placement, reward):
                active.put(snapshot, await asyncio.to_thread(active.make, snapshot))
        self._active[merchant_id, placement] = active
        self._readers[merchant_id, placement] = BeliefsReader(merchant_id, active.plan)
        # What was learned after the last snapshot, and before a stop, is still to be read.
        self.learned(News({(merchant_id, placement, reward, bucket): 1 for bucket in buckets}))

    async def refresh(self, *, at_once: bool = False) -> None:
        """Make new beliefs of the buckets that learned enough, or have waited long enough, since their last ones."""
        now = now_ms()
        for cell, trials in list(self._unread.items()):
            merchant_id, placement, reward, bucket = cell
            active = self._active.get((merchant_id, placement))
            if active is None or active.plan.placement.reward != reward:
                self._forget(cell)
                continue
            waited = now - self._waiting_since.get(cell, now)
            if at_once or waited >= LONGEST_UNREAD_MS or trials >= active.enough_news(bucket):
                self._forget(cell)
                try:
                    await self._renew(active, merchant_id, bucket, now)
                except Exception:
                    self.learned(News({cell: trials}))
                    raise

    def _forget(self, cell: tuple[int, str, str, str]) -> None:
        self._unread.pop(cell, None)
        self._waiting_since.pop(cell, None)

    async def _renew(self, active: Active, merchant_id: int, bucket: str, now: int) -> None:
        reader = self._readers[merchant_id, active.plan.placement.key]
        if reader.is_common_due(now):
            await self._put(active, merchant_id, "", await reader.read_common(self._database, now), now)
        known = await reader.read(self._database, bucket, now)
        if active.plan.encoding is not None:
            known = await self._with_facts(active, active.plan.encoding, known, reader.delays(), merchant_id, now)
        await self._put(active, merchant_id, bucket, known, now)

    async def _with_facts(
        self,
        active: Active,
        encoding: Encoding,
        known: Knowledge,
        delays: bandits.DelayCurve,
        merchant_id: int,
        now: int,
    ) -> Knowledge:
        """What is known, with what the lessons since the last beliefs version and open decisions say of facts."""
        placement, last = active.plan.placement, active.known.get("")
        place = (merchant_id, placement.key, placement.reward)
        waiting = await still_waiting(self._database, place, encoding, active.learning, delays, now)
        taught, is_all = await update_state(
            self._database,
            place,
            encoding,
            last.known.taught if last else None,
            waiting,
            half_life_days=placement.half_life_days,
            now=now,
        )
        if not is_all:
            self.learned(News({(*place, ""): 1}))
        return msgspec.structs.replace(known, taught=taught)

    async def _put(self, active: Active, merchant_id: int, bucket: str, known: Knowledge, now: int) -> None:
        """Make the next beliefs version of a bucket."""
        placement, last = active.plan.placement, active.known.get(bucket)
        if last is not None and last.known == known:
            return
        try:
            async with self._database.write() as connection:
                version = await snapshots.newest_version(connection, merchant_id, placement.key) + 1
                snapshot = Snapshot(merchant_id, placement.key, version, placement.reward, bucket, known, now)
                await snapshots.add(connection, snapshot)
        except IntegrityError:
            # Another process made this version, perhaps before this evidence was in.
            self.learned(News({(merchant_id, placement.key, placement.reward, bucket): 1}))
            return
        active.put(snapshot, await asyncio.to_thread(active.make, snapshot))

    async def read_others(self) -> None:
        """Take over the beliefs that other processes made."""
        async with self._database.read() as connection:
            for (merchant_id, placement), version in (await snapshots.newest_versions(connection)).items():
                active = self._active.get((merchant_id, placement))
                if active is None or active.read_up_to >= version:
                    continue
                reward = active.plan.placement.reward
                for snapshot in await snapshots.newest(
                    connection, merchant_id, placement, reward, after_version=active.read_up_to
                ):
                    if active.is_news(snapshot):
                        active.put(snapshot, await asyncio.to_thread(active.make, snapshot))
                active.read_up_to = version


def compile_plan(document: str, version: int, *, like: Plan | None = None) -> Active:
    """A stored plan as it decides; what `like` has of it is not compiled again."""
    return Active(Plan(msgspec.json.decode(document, type=PlanDocument), version=version, like=like))
