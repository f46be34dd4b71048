"""Make the next beliefs of one stream from what was learned since, and store them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import combinations

import msgspec
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.kernel.beliefs import BudgetPrice, Knowledge
from engine.kernel.contextual_beliefs import ContextualState
from engine.kernel.encoding.features import Encoding
from engine.learning.active import Active, BeliefsStream, newest_prices
from engine.learning.beliefs_reader import BeliefsReader
from engine.learning.choice_learner import ChoiceLearner, update_choices
from engine.learning.online_learner import update_state
from engine.learning.pending_decisions import read_pending_choices, read_pending_trials
from engine.model.scope import Scope
from engine.statistics.evidence import Curves
from engine.store import beliefs as snapshots
from engine.store.beliefs import Snapshot
from engine.store.connection.database import Database
from engine.store.events.notices import note_jumps
from engine.store.offers import refits

BEGINS = "begins with what was learned before"

AlsoStore = Callable[[AsyncConnection, int], Awaitable[None]]
"""Stores in the transaction that stores a beliefs version, and gets its number; `Superseded` rolls both back."""


class Superseded(Exception):
    """Another process replaced the model meanwhile."""


class Renewer:
    """Renews the beliefs of one stream of a placement.

    `read_again` is called with a bucket whose evidence was not read to the end, `suspended` gives the candidates that
    seem to be down.
    """

    def __init__(
        self,
        database: Database,
        merchant_id: int,
        active: Active,
        stream: BeliefsStream,
        *,
        suspended: Callable[[], set[str]],
        read_again: Callable[[str], None],
    ) -> None:
        self._database = database
        self._plan = active.plan
        self._learning = active.learning
        self._stream = stream
        self._scope = Scope(merchant_id, active.plan.placement.key, stream.learner)
        self._reader = BeliefsReader(self._scope, active.plan)
        self._suspended = suspended
        self._read_again = read_again

    def add_new_trials(self, trials: int) -> None:
        """Count new trials."""
        self._reader.add_new_trials(trials)

    async def begin(self, now: int) -> None:
        """Load the newest beliefs; those of a variant that never learned are the ones it starts with."""
        for snapshot in await self._begun(now):
            self._stream.put(snapshot, await asyncio.to_thread(self._stream.draw, snapshot))

    async def _begun(self, now: int) -> list[Snapshot]:
        async with self._database.read() as connection:
            newest = await snapshots.newest(connection, *self._scope)
        if newest or "|" not in self._scope.reward:
            return newest
        try:
            async with self._database.write() as connection:
                await self._copy(connection, now)
        except IntegrityError:
            # Another process began them at the same time.
            self._read_again("")
        async with self._database.read() as connection:
            return await snapshots.newest(connection, *self._scope)

    async def _copy(self, connection: AsyncConnection, now: int) -> None:
        """Store the newest beliefs of the nearest learner under this one, unless that has been done."""
        merchant_id, placement, learner = self._scope
        if await snapshots.newest(connection, *self._scope):
            return
        version = await snapshots.newest_version(connection, merchant_id, placement)
        for nearest in _wider(learner):
            begun = await snapshots.newest(connection, merchant_id, placement, nearest)
            for number, snapshot in enumerate(begun, version + 1):
                copied = snapshot._replace(version=number, reward=learner, made_at=now, reason=BEGINS)
                await snapshots.add(connection, copied)
            if begun:
                return

    async def renew(self, bucket: str, now: int, reason: str) -> None:
        """Read and store the beliefs of a bucket; `reason` says why, as people read it."""
        if self._plan.learns_choices:
            await self._renew_choices(now, reason)
            if not bucket:
                return
        elif self._reader.is_common_due(now):
            await self._put("", await self._reader.read_common(self._database, now), now, reason)
        last = self._stream.snapshots.get("")
        before = last.knowledge.jumps if last else {}
        self._reader.forget_before(before)
        knowledge = await self._reader.read(self._database, bucket, now)
        jumped: Iterable[str] = self._reader.new_jumps
        if self._plan.encoding is not None:
            before_state = last.knowledge.contextual if last else None
            state, is_complete = await self._updated(self._plan.encoding, before_state, self._reader.delays(), now)
            if not is_complete:
                self._read_again("")
            knowledge = msgspec.structs.replace(knowledge, contextual=state)
            jumped = _newly(knowledge.jumps, before)
        await self._put(bucket, knowledge, now, reason, based_on=last, jumped=jumped)

    async def replace_model(self, state: ContextualState, now: int, reason: str, also: AlsoStore) -> bool:
        """Make a model the one in force, brought up to date with all observations; `also` is stored with it.

        Return False if another process made the next version first, or `also` raised `Superseded`.
        """
        encoding, is_complete = self._plan.encoding, False
        if encoding is None:
            return False
        knowledge = await self._reader.read(self._database, "", now)
        while not is_complete:
            state, is_complete = await self._updated(encoding, state, self._reader.delays(), now)
        knowledge = msgspec.structs.replace(knowledge, contextual=state, prices=newest_prices(self._stream.snapshots))
        return await self._add("", knowledge, now, reason, also)

    async def _renew_choices(self, now: int, reason: str) -> None:
        """Make the next beliefs about choices; they serve all buckets."""
        last = self._stream.snapshots.get("")
        before = last.knowledge.jumps if last else {}
        self._reader.forget_before(before)
        knowledge = await self._reader.read_all(self._database, now)
        learner = ChoiceLearner(
            self._plan.ids,
            last.knowledge.choice if last else None,
            self._plan.placement,
            self._reader.slot_effects(),
        )
        pending = await read_pending_choices(
            self._database, self._scope, learner, self._learning, self._reader.delays(), now
        )
        state, is_complete = await update_choices(self._database, self._scope, learner, pending, now=now)
        if not is_complete:
            self._read_again("")
        knowledge = msgspec.structs.replace(knowledge, choice=state)
        await self._put("", knowledge, now, reason, jumped=_newly(state.jumps, before))

    async def _updated(
        self, encoding: Encoding, state: ContextualState | None, delays: Curves, now: int
    ) -> tuple[ContextualState, bool]:
        """Update a contextual state with new observations and the decisions pending now; tell whether it read all."""
        pending = await read_pending_trials(self._database, self._scope, encoding, self._learning, delays, now)
        placement = self._plan.placement
        return await update_state(self._database, self._scope, encoding, state, pending, placement=placement, now=now)

    async def _put(
        self,
        bucket: str,
        knowledge: Knowledge,
        now: int,
        reason: str,
        *,
        based_on: Snapshot | None = None,
        jumped: Iterable[str] = (),
    ) -> None:
        """Store and draw the next beliefs version of a bucket, with the prices as they are."""
        prices = newest_prices(self._stream.snapshots)
        knowledge = msgspec.structs.replace(knowledge, prices=prices)
        await self._store(bucket, knowledge, now, reason, based_on=based_on, jumped=tuple(jumped))

    async def reprice(self, prices: dict[str, BudgetPrice], now: int) -> None:
        """Store and draw beliefs of every bucket with other prices of paced budgets."""
        reason = f"prices of {', '.join(sorted(prices))}" if prices else "prices ended"
        latest: dict[str, Snapshot | None] = {**self._stream.snapshots}
        for bucket, last in (latest or {"": None}).items():
            knowledge = msgspec.structs.replace(last.knowledge if last else Knowledge(), prices=prices)
            await self._store(bucket, knowledge, now, reason, based_on=last)

    async def _store(
        self,
        bucket: str,
        knowledge: Knowledge,
        now: int,
        reason: str,
        *,
        based_on: Snapshot | None,
        jumped: Sequence[str] = (),
    ) -> None:
        """Store beliefs that were made from `based_on`, unless they are the same or its model was replaced since."""
        last = self._stream.snapshots.get(bucket)
        knowledge = msgspec.structs.replace(knowledge, suspended=tuple(sorted(self._suspended())))
        if last is not None and last.knowledge == knowledge:
            return

        async def check_and_note(connection: AsyncConnection, _version: int) -> None:
            replaced = await refits.newest_replacement(connection, self._scope) if knowledge.contextual else 0
            if replaced > (based_on.version if based_on else 0):
                raise Superseded
            if self._plan.placement.reward == self._scope.reward:
                await note_jumps(connection, self._scope, jumped, now=now)

        if not await self._add(bucket, knowledge, now, _with_jumps(reason, jumped), check_and_note):
            self._read_again(bucket)

    async def _add(self, bucket: str, knowledge: Knowledge, now: int, reason: str, also: AlsoStore) -> bool:
        """Store and draw a version; return False if another process made it or `also` raised `Superseded`.

        The number is read before `also`: a replacement that is committed in between has taken it.
        """
        merchant_id, placement, learner = self._scope
        try:
            async with self._database.write() as connection:
                version = await snapshots.newest_version(connection, merchant_id, placement) + 1
                await also(connection, version)
                snapshot = Snapshot(merchant_id, placement, version, learner, bucket, knowledge, now, reason)
                await snapshots.add(connection, snapshot)
        except (IntegrityError, Superseded):
            return False
        self._stream.put(snapshot, await asyncio.to_thread(self._stream.draw, snapshot))
        return True


def _newly(jumps: Mapping[str, int], before: Mapping[str, int]) -> list[str]:
    """Return the candidates that jumped later than before."""
    return sorted(name for name, day in jumps.items() if day > before.get(name, -1))


def _with_jumps(reason: str, candidates: Iterable[str]) -> str:
    """Add the jumps of candidates to the reason for a version."""
    return ", ".join([reason, *(f"jump of {candidate}" for candidate in candidates)])


def _wider(learner: str) -> list[str]:
    """Return the learners that begin a learner, those that share most of its groups first."""
    reward, *groups = learner.split("|")
    return [
        "|".join((reward, *names)) for size in range(len(groups) - 1, -1, -1) for names in combinations(groups, size)
    ]
