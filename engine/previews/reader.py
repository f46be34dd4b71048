"""Read pieces of the log and try a draft on them. Each process of a preview has one reader."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

import rules
from engine.kernel.beliefs import Knowledge
from engine.kernel.offers.availability import NOTHING_OFF
from engine.kernel.offers.quote import Cart, discount
from engine.kernel.plan import Plan, PlanDocument
from engine.kernel.scores import AnyBeliefs
from engine.learning.active import Active, DecidingPlan, compile_plan
from engine.learning.outcome_effects import AnswerHead, CandidateId
from engine.model.facts import UNAVAILABLE, Facts, History
from engine.model.timestamps import DAY, moment_of
from engine.previews.estimation.comparison import Bounded, Case, Comparison, LoggedAnswer, PlanKey, batches, read_logged
from engine.previews.estimation.totals import Totals, number_of
from engine.previews.estimation.weighing import between
from engine.previews.rewards import Valuation
from engine.store import beliefs as snapshots
from engine.store import decisions, outcomes, plans
from engine.store.beliefs import Snapshot
from engine.store.connection.customer_names import CustomerNames
from engine.store.connection.database import Database, open_database
from engine.store.decisions import DecisionRow
from engine.store.log.pieces import LogPiece
from engine.store.outcomes import OutcomeRow

MOST_BELIEFS = 512
DRAFT, BASE = 0, -1
"""The plan versions that stand for the draft, and for the plan that it is compared with."""

_values = msgspec.json.Decoder(dict[str, object]).decode
_history = msgspec.json.Decoder(History).decode


class PreviewJob(msgspec.Struct, frozen=True):
    """The plan and the decisions to try it on; times in epoch milliseconds, `url` as for `open_database`.

    Only decisions in the `audience` count, which is a condition over facts, or None for all. With an `offer`, its
    discounts are counted. The plan is compared with the logged answers, or with what the plan `base` would have
    answered to the same decisions. `name_keys` are those of `CustomerNames`.
    """

    url: str
    merchant_id: int
    placement: str
    document: PlanDocument
    since: int
    until: int
    now: int
    limit: int
    audience: Any = None
    offer: str = ""
    base: PlanDocument | None = None
    name_keys: tuple[bytes, ...] = ()

    def open_database(self) -> Database:
        """Open the database to read its log."""
        database = open_database(self.url)
        database.name_customers(CustomerNames(self.name_keys))
        return database


class CaseReader:
    """Tries the draft on pieces of the log; loads the plans and beliefs of the log as they are needed."""

    def __init__(self, job: PreviewJob, database: Database) -> None:
        self._job = job
        self._database = database
        self._draft = compile_plan(msgspec.json.encode(job.document).decode(), 0)
        self._base = (
            compile_plan(msgspec.json.encode(job.base).decode(), 0, like=self._draft.plan) if job.base else None
        )
        self._audience = audience_of(job.audience, self._draft.plan)
        self._versions: dict[int, Active | None] = {}
        self._comparisons: dict[PlanKey, Comparison] = {}
        self._base_comparisons: dict[PlanKey, Comparison] = {}
        self._valuations: dict[int, Valuation] = {}
        self._scope = (job.merchant_id, job.placement)
        self._beliefs_cache = _BeliefsCache(self._scope)

    async def read(self, piece: LogPiece) -> Totals:
        """Return the totals of the decisions of a piece."""
        totals = Totals()
        rows = await self._database.look_up(
            lambda connection: decisions.piece(connection, *self._scope, first=piece.first, last=piece.last)
        )
        for version in sorted({row.plan_version for row in rows} - self._versions.keys()):
            self._versions[version] = await self._load(version)
        cases = [self._case(row, totals) for row in rows]
        await self._answer_cases([case for case in cases if case], totals)
        return totals

    def _case(self, row: DecisionRow, totals: Totals) -> Case | None:
        """Return a decision whose answer the draft may change; count the others, and return None."""
        totals.read += 1
        totals.versions[row.plan_version] += 1
        logged = read_logged(row.answer)
        if logged.fallback:
            totals.fallback += 1
            return None
        deciding = self._versions[row.plan_version]
        if deciding is None:
            totals.lost += 1
            return None
        logged_values = _values(row.facts)
        values, is_over = self._with_offer(logged_values), row.closes_at is None or row.closes_at <= self._job.now
        if self._audience is not None and not self._audience.evaluate(values).fired:
            return None
        key = (row.plan_version, deciding.experiments.pick(Facts(values, {}, row.customer), row.id).key.variants)
        comparison = self._comparison(deciding, key)
        firing, rules = comparison.draft.compiled.evaluate(values), comparison.draft.rules
        other, fired_before = self._other(key, values, logged)
        totals.add_matches(
            [rules[number].id for number in firing.fired],
            [rules[number].id for number, _ in firing.skipped],
            fired_before,
        )
        totals.counted += is_over
        bounded = comparison.bounded(values, firing.fired, logged)
        same = bounded.same if other is None else bounded.draft_binding == other.draft_binding
        if same and values.get(UNAVAILABLE) == logged_values.get(UNAVAILABLE):
            totals.add_unchanged(logged.order)
            self._count_offer(totals, logged.order, Facts(values, {}, row.customer), row.id)
            return None
        history = _history(row.history) if row.history != "{}" else {}
        facts = Facts(values, history, row.customer)
        return Case(row.id, facts, logged, bounded, key, row.beliefs_version, is_over, other)

    def _other(
        self, key: PlanKey, values: Mapping[str, Any], logged: LoggedAnswer
    ) -> tuple[Bounded | None, Sequence[str]]:
        """Return what the plan that the draft is compared with leaves, and its rules that fire; None for the log."""
        comparison = self._base_comparisons.get(key)
        if comparison is None:
            return None, logged.rules
        fired = comparison.draft.compiled.evaluate(values).fired
        return comparison.bounded(values, fired, logged), [comparison.draft.rules[number].id for number in fired]

    async def _answer_cases(self, cases: Sequence[Case], totals: Totals) -> None:
        await self._load_beliefs({case.beliefs_version for case in cases})
        answerable = [case for case in cases if self._beliefs_cache.has(case.beliefs_version)]
        totals.lost += len(cases) - len(answerable)
        over = [case.id for case in answerable if case.is_over]
        totals.counted -= sum(case.is_over for case in cases) - len(over)
        events = await self._database.look_up(lambda connection: outcomes.of_decisions(connection, over))
        for batch in batches(answerable):
            self._answer_batch(batch, events, totals)

    def _answer_batch(self, batch: Sequence[Case], events: Mapping[str, Sequence[OutcomeRow]], totals: Totals) -> None:
        (version, variants), first = batch[0].plan_key, batch[0]
        sides = [(self._comparisons[version, variants], batch, DRAFT)]
        if first.other is not None:
            others = [case.of_other for case in batch]
            sides.append((self._base_comparisons[version, variants], others, BASE))
        answers_by_side = [
            side.answers(cases, self._beliefs_of(cases, (plan, variants))) for side, cases, plan in sides
        ]
        for number, case in enumerate(batch):
            order, *instead_of = [answers.orders[number] for answers in answers_by_side]
            totals.add_answer(case, order, *instead_of)
            self._count_offer(totals, order, case.facts, case.id)
        # Only decisions whose window is over count: those with an early outcome are not like the others.
        if first.is_over:
            logged_beliefs = self._beliefs_of(batch, first.plan_key)
            rewards = [self._rewards(case, events.get(case.id)) for case in batch]
            for number, (case, earned) in enumerate(zip(batch, rewards, strict=True)):
                before = case.logged.order if first.other is None else answers_by_side[1].orders[number]
                totals.add_withdrawn(earned, before, answers_by_side[0].orders[number])
            shares = [
                side.weighed(cases, answers, logged_beliefs, rewards)
                for (side, cases, _), answers in zip(sides, answers_by_side, strict=True)
            ]
            totals.add_weighed(
                batch, shares[0] if len(shares) == 1 else between(*shares), revalued=first.sets_other_values
            )

    def _with_offer(self, values: dict[str, object]) -> dict[str, object]:
        """Return logged facts in which only the cart decides whether the previewed offer is available."""
        offer = self._draft.plan.offers.get(self._job.offer)
        if offer is None:
            return values
        cart = Cart.of(values)
        unavailable = values.get(UNAVAILABLE)
        reasons = dict(unavailable) if isinstance(unavailable, dict) else {}
        reasons.pop(self._job.offer, None)
        currency = cart.currency or self._draft.plan.document.currency
        if currency not in (None, offer.currency) or not discount(offer, cart):
            reasons[self._job.offer] = NOTHING_OFF
        return {**values, UNAVAILABLE: reasons}

    def _count_offer(self, totals: Totals, order: Sequence[str], facts: Facts, id: str) -> None:
        offer = self._draft.plan.offers.get(self._job.offer)
        if offer is not None and self._job.offer in order:
            amount = discount(offer, Cart.of(facts.values))
            totals.discounts.append(amount, number_of(facts.customer or id), moment_of(id) // DAY)

    def _beliefs_of(self, batch: Sequence[Case], key: PlanKey) -> list[AnyBeliefs]:
        versions = dict.fromkeys(case.beliefs_version for case in batch)
        beliefs = {version: self._beliefs_cache.of(key, version) for version in versions}
        return [beliefs[case.beliefs_version] for case in batch]

    async def _load_beliefs(self, versions: set[int]) -> None:
        missing = self._beliefs_cache.missing(versions)
        if missing:
            rows = await self._database.look_up(lambda connection: snapshots.some(connection, *self._scope, missing))
            self._beliefs_cache.put(rows, keep=versions)

    def _rewards(self, case: Case, events: Sequence[OutcomeRow] | None) -> dict[str, float]:
        """Return what a decision earned, in the draft's reward and by its fees."""
        if not events:
            return {}
        head = AnswerHead([CandidateId(slot.id) for slot in case.logged.ranking], [], False)
        return self._valuations[case.plan_key[0]].earned(case.facts.values, head, events)

    async def _load(self, version: int) -> Active | None:
        row = await self._database.look_up(lambda connection: plans.get(connection, *self._scope, version))
        return compile_plan(row.document, version, like=self._draft.plan) if row is not None else None

    def _comparison(self, deciding: Active, key: PlanKey) -> Comparison:
        """Return the comparison of the plan that decided with the draft, both with the variants of the request."""
        comparison = self._comparisons.get(key)
        if comparison is None:
            _, variants = key
            before, draft = (active.of_variants(variants) for active in (deciding, self._draft))
            comparison = self._comparisons[key] = Comparison(before.plan, draft.plan)
            self._valuations[key[0]] = Valuation(self._draft.plan.document, deciding.plan.document)
            self._beliefs_cache.add((DRAFT, variants), draft)
            self._beliefs_cache.add(key, draft if comparison.share_beliefs else before)
            if self._base is not None:
                base = self._base.of_variants(variants)
                self._base_comparisons[key] = Comparison(before.plan, base.plan)
                shares_beliefs = Comparison(base.plan, draft.plan).share_beliefs
                self._beliefs_cache.add((BASE, variants), draft if shares_beliefs else base)
        return comparison


def audience_of(condition: object, plan: Plan) -> rules.CompiledRules | None:
    """Return the condition as a rule that fires for decisions in the audience; None for everybody."""
    if condition is None:
        return None
    source = {"id": "audience", "when": condition, "effects": [{"set": {"name": "audience", "value": True}}]}
    parsed = rules.parse_rules([source], plan.vocabulary, plan.lists)
    return rules.compile_rules(parsed, plan.vocabulary, plan.lists)


class _BeliefsCache:
    """Keep the last used beliefs by plan and beliefs version."""

    def __init__(self, scope: tuple[int, str]) -> None:
        self._by_plan: dict[PlanKey, DecidingPlan] = {}
        self._snapshots: dict[int, Snapshot] = {0: Snapshot(*scope, 0, "", "", Knowledge(), 0)}
        self._made: OrderedDict[tuple[int, int], AnyBeliefs] = OrderedDict()

    def add(self, key: PlanKey, active: DecidingPlan) -> None:
        self._by_plan[key] = active

    def missing(self, versions: set[int]) -> set[int]:
        return versions - self._snapshots.keys()

    def put(self, rows: Mapping[int, Snapshot], *, keep: set[int]) -> None:
        self._snapshots = {
            version: snapshot for version, snapshot in self._snapshots.items() if version in keep or not version
        }
        self._snapshots.update(rows)

    def has(self, version: int) -> bool:
        return version in self._snapshots

    def of(self, plan: PlanKey, version: int) -> AnyBeliefs:
        active = self._by_plan[plan]
        key = (id(active), version)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = active.beliefs_of(self._snapshots[version])
            if len(self._made) > MOST_BELIEFS:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(key)
        return made


class _WorkerState:
    """The reader and the event loop of a pool process, kept from one piece of the log to the next."""

    reader: CaseReader
    loop: asyncio.AbstractEventLoop


def give_way() -> None:
    """Lower this process's priority: on Linux decisions preempt it at once, elsewhere they get most of a core."""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(19)


def begin(job: bytes) -> None:
    """Prepare a process; called once in each."""
    give_way()
    # What is read makes no cycles, and going through it in search of some would take a tenth of the time.
    gc.disable()
    decoded = msgspec.msgpack.decode(job, type=PreviewJob)
    _WorkerState.loop = asyncio.new_event_loop()
    _WorkerState.reader = CaseReader(decoded, decoded.open_database())


def read_piece(piece: LogPiece) -> Totals:
    return _WorkerState.loop.run_until_complete(_WorkerState.reader.read(piece))
