"""Reads pieces of the log and tries a draft on them. Each process of a preview has one reader."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import msgspec

from engine.beliefs import Knowledge
from engine.facts import Facts, History
from engine.learn import AnswerHead, Learning, Named, earned
from engine.live import Active, compile_plan
from engine.odds import AnyBeliefs
from engine.plan import PlanDocument
from engine.preview import Case, Comparison, read_logged
from engine.preview_totals import Totals
from engine.store import beliefs as snapshots
from engine.store import outcomes, plans, previews
from engine.store.beliefs import Snapshot
from engine.store.database import Database, open_database
from engine.store.outcomes import OutcomeRow
from engine.store.previews import LogRow

NICENESS = 19
MOST_BELIEFS = 512

_values = msgspec.json.Decoder(dict[str, object]).decode
_history = msgspec.json.Decoder(History).decode


class Job(msgspec.Struct, frozen=True):
    """What is to be tried on what; times in epoch milliseconds, `url` as `open_database` wants it."""

    url: str
    merchant_id: int
    placement: str
    document: PlanDocument
    since: int
    until: int
    now: int
    limit: int


class Reader:
    """The draft, and the plans and beliefs of the log as they are met."""

    def __init__(self, job: Job, database: Database) -> None:
        self._job = job
        self._database = database
        self._draft = compile_plan(msgspec.json.encode(job.document).decode(), 0)
        self._learning = Learning.of(self._draft.plan.placement)
        self._comparisons: dict[int, Comparison | None] = {}
        self._place = (job.merchant_id, job.placement)
        self._mind = _Mind(self._draft, self._place)

    async def piece(self, first: str, last: str) -> Totals:
        """The totals of the decisions from one id to another."""
        totals = Totals()
        rows = await self._database.look_up(
            lambda connection: previews.log(connection, *self._place, first=first, last=last)
        )
        cases = []
        for row in rows:
            comparison = await self._comparison(row.plan_version)
            case = self._case(row, comparison, totals)
            if case is not None and comparison is not None:
                cases.append((row, case, comparison))
        if cases:
            await self._redo(cases, totals)
        return totals

    def _case(self, row: LogRow, comparison: Comparison | None, totals: Totals) -> Case | None:
        """A decision that the draft's rules may treat otherwise; the others are only counted."""
        totals.read += 1
        totals.versions[row.plan_version] += 1
        logged = read_logged(row.answer)
        if logged.fallback:
            totals.fallback += 1
            return None
        if comparison is None:
            totals.lost += 1
            return None
        values = _values(row.facts)
        firing, rules = comparison.draft.compiled.evaluate(values), comparison.draft.rules
        totals.fired.update(rules[number].id for number in firing.fired)
        totals.skipped.update(rules[number].id for number, _ in firing.skipped)
        totals.fired_before.update(logged.rules)
        totals.counted += self._is_over(row)
        bounded = comparison.bounded(values, firing.fired, logged)
        if bounded.same:
            totals.stays(logged.order)
            return None
        history = _history(row.history) if row.history != "{}" else {}
        return Case(row.id, Facts(values, history, row.customer), logged, bounded)

    async def _redo(self, cases: Sequence[tuple[LogRow, Case, Comparison]], totals: Totals) -> None:
        await self._remember({row.beliefs_version for row, _, _ in cases})
        over = [row.id for row, _, _ in cases if self._is_over(row)]
        events = await self._database.look_up(lambda connection: outcomes.of_decisions(connection, over))
        for row, case, comparison in cases:
            if not self._mind.knows(row.beliefs_version):
                totals.lost += 1
                totals.counted -= self._is_over(row)
                continue
            redone = comparison.redone(case, self._mind.of(0, row.beliefs_version))
            totals.moves(case, redone)
            if self._is_over(row):
                then = self._mind.of(row.plan_version, row.beliefs_version)
                weighed = comparison.weighed(case, redone, then, self._succeeded(case, events.get(row.id, [])))
                totals.weighs(weighed, revalued=case.bounded.before.values != case.bounded.draft.values)

    async def _remember(self, versions: set[int]) -> None:
        missing = self._mind.missing(versions)
        if missing:
            found = await self._database.look_up(lambda connection: snapshots.some(connection, *self._place, missing))
            self._mind.learn(found, keep=versions)

    def _is_over(self, row: LogRow) -> bool:
        """Its window, and not whether something happened: those of which one hears early are not like the others."""
        return row.closes_at is None or row.closes_at <= self._job.now

    def _succeeded(self, case: Case, events: Sequence[OutcomeRow]) -> dict[str, int]:
        head = AnswerHead([Named(one.id) for one in case.logged.ranking], [], False)
        credit = earned(self._learning, head, events, closed=True)
        return {name: int(worth.successes) for name, worth in credit.items() if worth.successes}

    async def _comparison(self, version: int) -> Comparison | None:
        if version not in self._comparisons:
            row = await self._database.look_up(lambda connection: plans.get(connection, *self._place, version))
            self._comparisons[version] = None
            if row is not None:
                then = compile_plan(row.document, version)
                comparison = self._comparisons[version] = Comparison(then.plan, self._draft.plan)
                self._mind.add(version, self._draft if comparison.believe_alike else then)
        return self._comparisons[version]


class _Mind:
    """What was believed, as the draft (plan version 0) and the plans of then make it; the last used are remembered."""

    def __init__(self, draft: Active, place: tuple[int, str]) -> None:
        self._by_plan = {0: draft}
        self._snapshots: dict[int, Snapshot] = {0: Snapshot(*place, 0, "", "", Knowledge(), 0)}
        self._made: OrderedDict[tuple[int, int], AnyBeliefs] = OrderedDict()

    def add(self, plan_version: int, active: Active) -> None:
        self._by_plan[plan_version] = active

    def missing(self, versions: set[int]) -> set[int]:
        return versions - self._snapshots.keys()

    def learn(self, found: Mapping[int, Snapshot], *, keep: set[int]) -> None:
        self._snapshots = {version: one for version, one in self._snapshots.items() if version in keep or not version}
        self._snapshots.update(found)

    def knows(self, version: int) -> bool:
        return version in self._snapshots

    def of(self, plan_version: int, version: int) -> AnyBeliefs:
        active = self._by_plan[plan_version]
        key = (0 if active is self._by_plan[0] else plan_version, version)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = active.beliefs_of(self._snapshots[version])
            if len(self._made) > MOST_BELIEFS:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(key)
        return made


class _Process:
    """What a process of the pool holds between its pieces."""

    reader: Reader
    loop: asyncio.AbstractEventLoop


def begin(job: bytes) -> None:
    """Called once in each process: decisions go before previews."""
    os.nice(NICENESS)
    decoded = msgspec.msgpack.decode(job, type=Job)
    _Process.loop = asyncio.new_event_loop()
    _Process.reader = Reader(decoded, open_database(decoded.url))


def read_piece(first: str, last: str) -> Totals:
    return _Process.loop.run_until_complete(_Process.reader.piece(first, last))
