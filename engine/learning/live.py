"""The active placements in this process; new plans and beliefs are made aside and replaced whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

import structlog

from engine.clock import now_ms
from engine.kernel.experiments.shares import HourlyShares
from engine.kernel.plan import Plan
from engine.learning.active import Active, BeliefsStream, compile_plan
from engine.learning.outage_watch import Outage, OutageWatch
from engine.learning.paced_budgets import differ, is_paced, next_prices
from engine.learning.renewer import Renewer
from engine.model.documents.availability import Availability
from engine.model.facts import REPORTED
from engine.model.placement import Contextual, Placement, Thompson
from engine.model.scope import Scope, counts_for
from engine.store import beliefs as snapshots
from engine.store import folds, plans
from engine.store.connection.database import Database
from engine.store.experiments import shares
from engine.store.experiments.sums import PhaseKey
from engine.store.folds import NewTrials
from engine.store.releases import availability

log = structlog.get_logger()

LONGEST_UNREAD_MS = 60_000


class Live:
    """The active placements in this process. Reads never wait; `follow` loads what other processes published."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._active: dict[tuple[int, str], Active] = {}
        self._renewers: dict[tuple[int, str], dict[str, Renewer]] = {}
        self._watches: dict[tuple[int, str], OutageWatch] = {}
        self._unread: NewTrials = NewTrials()
        self._unread_since: dict[tuple[int, str, str, str], int] = {}
        self._changes: dict[int, asyncio.Event] = {}
        self._loading = asyncio.Lock()
        self._refreshing = asyncio.Lock()

    def get(self, merchant_id: int, placement: str) -> Active | None:
        return self._active.get((merchant_id, placement))

    def versions(self) -> dict[tuple[int, str], int]:
        """Return the plan version in force of every placement of every merchant."""
        return {key: active.plan.version for key, active in self._active.items()}

    async def wait_for_change(self, merchant_id: int) -> None:
        """Wait until a plan of a merchant, or what its plans may offer, changes in this process."""
        await self._changes.setdefault(merchant_id, asyncio.Event()).wait()

    def placements(self, merchant_id: int) -> dict[str, Active]:
        return {key: active for (owner, key), active in self._active.items() if owner == merchant_id}

    def renewers(self) -> list[tuple[Scope, Active, Renewer]]:
        """Return every learner with what makes its beliefs."""
        return [
            (Scope(merchant_id, placement, learner), self._active[merchant_id, placement], renewer)
            for (merchant_id, placement), renewers in self._renewers.items()
            for learner, renewer in renewers.items()
        ]

    def learning_placements(self) -> list[tuple[int, Placement]]:
        """Return (merchant id, placement) of every placement whose policy learns."""
        placements = [(merchant_id, active.plan.placement) for (merchant_id, _), active in self._active.items()]
        return [pair for pair in placements if isinstance(pair[1].policy, Thompson | Contextual)]

    def add_new_trials(self, new_trials: NewTrials) -> None:
        """Note the buckets with new evidence, for all who learn from it; called after each commit."""
        for (merchant_id, placement, track, bucket), trials in new_trials.items():
            for learner in self._renewers.get((merchant_id, placement), {}):
                if counts_for(track, learner):
                    self._add_unread((merchant_id, placement, learner, bucket), trials)

    def _add_unread(self, cell: tuple[int, str, str, str], trials: int) -> None:
        merchant_id, placement, learner, _ = cell
        self._unread[cell] += trials
        self._unread_since.setdefault(cell, now_ms())
        renewers = self._renewers.get((merchant_id, placement), {})
        if learner in renewers:
            renewers[learner].add_new_trials(trials)

    async def follow(self, compiled: Mapping[tuple[int, str], Plan] = MappingProxyType({})) -> None:
        """Load the active plan version of every placement; if a plan fails to compile, the old one stays.

        `compiled` are plans by (merchant_id, placement) that need not be compiled again.
        """
        async with self._loading:
            async with self._database.read() as connection:
                versions = await plans.active(connection)
                reports = await availability.all_reported(connection)
            for key in self._active.keys() - versions.keys():
                del self._active[key], self._renewers[key], self._watches[key]
                self._note_change(key[0])
            for key, version in versions.items():
                active = self._active.get(key)
                if active is None or active.plan.version != version:
                    await self._load(*key, version, compiled.get(key))
                elif active.experiments.shares:
                    await self._read_shares(key[0], active)
            self._take_over(reports)

    def _take_over(self, reports: Mapping[tuple[int, str], Availability]) -> None:
        """Exclude what merchants report as unavailable from now on."""
        now = now_ms()
        for key, active in self._active.items():
            reasons = reports[key].reasons(now) if key in reports else {}
            facts = {REPORTED: reasons} if reasons else {}
            if facts != active.availability_facts:
                active.availability_facts = facts
                self._note_change(key[0])

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
            await self._read_shares(merchant_id, active)
            if before is not None:
                active.availability_facts = before.availability_facts
            reward = active.plan.placement.reward
            buckets = await folds.buckets(connection, Scope(merchant_id, placement, reward))
        watch = OutageWatch(merchant_id, active.plan.placement, active.plan.ids)
        renewers = {learner: self._renewer(merchant_id, active, stream) for learner, stream in active.streams.items()}
        for renewer in renewers.values():
            await renewer.begin(now_ms())
        key = (merchant_id, placement)
        self._active[key], self._renewers[key], self._watches[key] = active, renewers, watch
        self._note_change(merchant_id)
        # Mark every bucket as unread: outcomes after the last snapshot were not read before the restart.
        for learner in active.streams:
            for bucket in buckets:
                self._add_unread((*key, learner, bucket), 1)

    def _note_change(self, merchant_id: int) -> None:
        if merchant_id in self._changes:
            self._changes.pop(merchant_id).set()

    async def _read_shares(self, merchant_id: int, active: Active) -> None:
        """Take over the shares that a bandit moved, also for the hours to come."""
        moved = {}
        for experiment in active.plan.document.experiments:
            if experiment.id in active.experiments.shares:
                key = PhaseKey(merchant_id, active.plan.placement.key, experiment.id, experiment.status.phase)
                async with self._database.read() as connection:
                    moved[experiment.id] = HourlyShares(experiment, await shares.of_phase(connection, key))
        active.experiments.shares = moved

    def _renewer(self, merchant_id: int, active: Active, stream: BeliefsStream) -> Renewer:
        placement = active.plan.placement.key

        def suspended() -> set[str]:
            return {outage.candidate for outage in self.outages(merchant_id, placement)}

        def read_again(bucket: str) -> None:
            self._add_unread((merchant_id, placement, stream.learner, bucket), 1)

        return Renewer(self._database, merchant_id, active, stream, suspended=suspended, read_again=read_again)

    async def refresh(self, *, at_once: bool = False) -> None:
        """Make new beliefs for buckets whose new trials are enough, or old enough.

        A refresh that runs already ends first, so that its beliefs are in force when this one returns.
        """
        async with self._refreshing:
            now = now_ms()
            for cell, trials in list(self._unread.items()):
                await self._refresh_cell(cell, trials, now, at_once=at_once)

    async def _refresh_cell(self, cell: tuple[int, str, str, str], trials: int, now: int, *, at_once: bool) -> None:
        merchant_id, placement, learner, bucket = cell
        active = self._active.get((merchant_id, placement))
        if active is None or learner not in active.streams:
            self._forget(cell)
            return
        age = now - self._unread_since.get(cell, now)
        if not (at_once or age >= LONGEST_UNREAD_MS or trials >= active.streams[learner].enough_new_trials(bucket)):
            return
        self._forget(cell)
        try:
            renewer = self._renewers[merchant_id, placement][learner]
            await renewer.renew(bucket, now, f"{trials:+} outcomes")
        except Exception:
            self._add_unread(cell, trials)
            raise

    def outages(self, merchant_id: int, placement: str) -> tuple[Outage, ...]:
        """Return the candidates of a placement that seem to be down."""
        watch = self._watches.get((merchant_id, placement))
        return watch.outages if watch is not None else ()

    def watched(self) -> dict[tuple[int, str], tuple[Outage, ...]]:
        """Return the outages by merchant and placement, of those that this process has looked at."""
        return {key: watch.outages for key, watch in self._watches.items() if watch.has_looked}

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
            suspended = {outage.candidate for outage in await watch.look(self._database, now)}
            changes = [f"{name} {'away' if name in suspended else 'back'}" for name in sorted(suspended ^ before)]
            if changes:
                log.warning("outage", placement=key[1], changes=changes)
                for learner, renewer in self._renewers[key].items():
                    for bucket in list(active.streams[learner].snapshots):
                        await renewer.renew(bucket, now, ", ".join(changes))

    async def pace(self) -> None:
        """Make the prices of paced budgets anew; where one changed, all beliefs of its placement follow."""
        now = now_ms()
        for (merchant_id, placement), active in list(self._active.items()):
            before = active.prices
            if not before and not any(is_paced(budget, now) for budget in active.plan.budgets.values()):
                continue
            async with self._database.read() as connection:
                prices = await next_prices(connection, merchant_id, active.plan, before, now=now)
            if differ(before, prices):
                for renewer in self._renewers[merchant_id, placement].values():
                    await renewer.reprice(prices, now)

    def _forget(self, cell: tuple[int, str, str, str]) -> None:
        self._unread.pop(cell, None)
        self._unread_since.pop(cell, None)

    async def read_others(self) -> None:
        """Load the beliefs that other processes made."""
        async with self._database.read() as connection:
            for (merchant_id, placement), version in (await snapshots.newest_versions(connection)).items():
                active = self._active.get((merchant_id, placement))
                if active is None or active.read_up_to >= version:
                    continue
                for learner, stream in active.streams.items():
                    for snapshot in await snapshots.newest(
                        connection, merchant_id, placement, learner, after_version=active.read_up_to
                    ):
                        if stream.is_newer(snapshot):
                            stream.put(snapshot, await asyncio.to_thread(stream.draw, snapshot))
                active.read_up_to = version
