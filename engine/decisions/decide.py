"""Decide a request: load the facts, ask the kernel, append to the log, and answer after the commit."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import structlog

from engine.clock import now_ms
from engine.decisions.customers import Hasher, UsageLoader
from engine.decisions.exposures import exposures_of
from engine.decisions.offer_holds import BudgetReader, OfferInput, holds_of, transitions_of
from engine.decisions.queueing.breaker import BreakerOpen, fault_of
from engine.decisions.recorder import HoldRefused, Overloaded, Recorder
from engine.decisions.usage_counter import UseCounter
from engine.intake.context import FactNote
from engine.kernel.experiments.plans import NOTHING_GIVEN, with_assignments
from engine.kernel.kernel import answer_to, fall_back
from engine.kernel.offers.availability import OPTED_OUT, Asking, BudgetState
from engine.kernel.offers.quote import Cart
from engine.kernel.plan import Plan
from engine.learning.active import Active
from engine.learning.credit_settings import Learning
from engine.learning.live import Live
from engine.learning.settled_variants import SettledVariants
from engine.model.decision import Decision
from engine.model.errors import NotFound
from engine.model.experiment import Assignment, GivenChance
from engine.model.facts import UNAVAILABLE, WITHHELD, Facts, derive
from engine.model.offers.hold import Hold
from engine.model.standard_vocabulary import CUSTOMER_ID
from engine.model.timestamps import DAY, MINUTE, rfc3339
from engine.store.customers.usage import UsageRow, history
from engine.store.decisions import DecisionRow
from engine.store.experiments.exposures import Exposure
from rules.json_logic.problems import shown

log = structlog.get_logger()
encode = msgspec.json.Encoder().encode


class DecisionAnswer(NamedTuple):
    """A decision with its inputs; `body` is its JSON, as logged and as sent.

    `notes` say what of the request's context was not understood, and therefore is not among the facts. `plan` is the
    one that decided: with a running experiment, that of a variant. `fault` says why the answer is a fallback, as in
    `fault_of`.
    """

    decision: Decision
    facts: Facts
    plan: Plan
    body: bytes
    notes: Sequence[FactNote] = ()
    assignments: Sequence[Assignment] = ()
    fault: str = ""


class HeldAnswer(NamedTuple):
    """A decision about offers, with the holds of the offers that it shows, in order."""

    answer: DecisionAnswer
    holds: Sequence[Hold]


class CustomerPast(NamedTuple):
    """A customer's usage, and the experiment variants that are already settled."""

    usage: Sequence[UsageRow] = ()
    given: Mapping[str, GivenChance] = NOTHING_GIVEN


class RequestScope(NamedTuple):
    """The merchant, the customer by keyed hash, the request's context, and the time (epoch ms)."""

    merchant_id: int
    customer: str | None
    context: Mapping[str, Any]
    now: int


class CustomerReaders(NamedTuple):
    """Read a customer before a decision: the usage, budgets with holds of offers, and settled variants.

    `weights` are those of usage by its age in days.
    """

    usage: UsageLoader
    budgets: BudgetReader
    settled: SettledVariants
    weights: Sequence[float]


class Decider:
    """Answers always: on an error or a timeout, with the placement's fallback order."""

    def __init__(
        self,
        live: Live,
        recorder: Recorder,
        readers: CustomerReaders,
        hasher: Hasher,
        uses: UseCounter,
        *,
        timeout_seconds: float,
    ) -> None:
        self._live = live
        self._recorder = recorder
        self._usage, self._budgets, self._settled, self._weights = readers
        self._hasher = hasher
        self._uses = uses
        self._timeout = timeout_seconds

    async def decide(
        self, merchant_id: int, placements: Sequence[str], customer_id: str | None, context: Mapping[str, Any]
    ) -> list[DecisionAnswer]:
        """Return one answer for each placement, stored on disk; raise `NotFound` if a placement does not exist."""
        actives = [self._active(merchant_id, key) for key in placements]
        return await self._decide(merchant_id, actives, customer_id, context)

    async def decide_each(
        self, merchant_id: int, placements: Sequence[str], customer_id: str | None, context: Mapping[str, Any]
    ) -> list[DecisionAnswer | NotFound]:
        """Return one answer for each placement, stored on disk, or `NotFound` at its position."""
        active: dict[str, Active] = {}
        missing: dict[str, NotFound] = {}
        for key in placements:
            try:
                active[key] = self._active(merchant_id, key)
            except NotFound as error:
                missing[key] = error
        answers = iter(await self._decide(merchant_id, list(active.values()), customer_id, context))
        return [missing[key] if key in missing else next(answers) for key in placements]

    async def _decide(
        self, merchant_id: int, actives: Sequence[Active], customer_id: str | None, context: Mapping[str, Any]
    ) -> list[DecisionAnswer]:
        customer = self._hasher(merchant_id, customer_id) if customer_id else None
        request = RequestScope(merchant_id, customer, context, now_ms())
        ids = [decision_id(request.now) for _ in actives]
        try:
            self._refuse_to_wait()
            async with asyncio.timeout(self._timeout):
                usage = await self._usage_of(request)
                answers, writes = [], []
                for active, key in zip(actives, ids, strict=True):
                    offers = await self._offers(active.plan, request) if active.plan.offers else None
                    past = CustomerPast(usage, await self._given(active, request))
                    answer, row, learning = self._answer(active, request, past, key, offers)
                    ranking = [candidate.id for candidate in answer.decision.ranking]
                    writes.append(self._recorder.append(row, ranking, learning, self._exposures(answer, row)))
                    answers.append(answer)
                for write in writes:
                    await write
                for answer in answers:
                    self._count(answer, request)
                return answers
        except Exception as error:
            fault = self._fault(error, actives)
            return [self._fall_back(active, request, key, fault) for active, key in zip(actives, ids, strict=True)]

    async def decide_offers(
        self,
        merchant_id: int,
        placement: str,
        customer_id: str | None,
        context: Mapping[str, Any],
        *,
        personalization: bool = True,
    ) -> HeldAnswer:
        """Return one answer that holds the offers it shows, stored on disk with the holds.

        The same customer and cart get the same offers for a while. If anything fails, no offer is shown. Without
        `personalization` none is shown either: the customer opted out.
        """
        active = self._active(merchant_id, placement)
        customer = self._hasher(merchant_id, customer_id) if customer_id else None
        request = RequestScope(merchant_id, customer, context, now_ms())
        key = decision_id(request.now)
        try:
            self._refuse_to_wait()
            async with asyncio.timeout(self._timeout):
                return await self._hold(active, request, key, personalization=personalization)
        except Exception as error:
            return HeldAnswer(self._fall_back(active, request, key, self._fault(error, [active])), ())

    def _refuse_to_wait(self) -> None:
        if self._recorder.breaker.is_open:
            raise BreakerOpen

    def _fault(self, error: Exception, actives: Sequence[Active]) -> str:
        """Log an error and return its kind. While the breaker is open, the recorder's lines are enough."""
        fault = fault_of(error)
        if fault == "timeout":
            self._recorder.breaker.fail()
        if fault != "database_away":
            log.error("fell back", placements=[active.plan.placement.key for active in actives], exc_info=error)
        return fault

    async def _usage_of(self, request: RequestScope) -> Sequence[UsageRow]:
        """Return what the customer did before; a decision without it is better than a fallback."""
        if request.customer is None:
            return ()
        try:
            return await self._usage.load(request.merchant_id, request.customer)
        except Exception as error:
            log.error("decided without a past", exc_info=error)
            return ()

    async def _hold(self, active: Active, request: RequestScope, key: str, *, personalization: bool) -> HeldAnswer:
        """Decide until all offers of the answer are held; leave out a refused offer in the next attempt."""
        plan = active.plan
        reading = plan.intake.read(request.context)
        asking = asking_of(plan, request, reading.values)
        budgets = self._budgets.load(plan, asking)
        past = CustomerPast(await self._usage_of(request), await self._given(active, request))
        limits = await self._budgets.limits(plan, asking)
        refused: dict[str, str] = {} if personalization else dict.fromkeys(plan.offers, OPTED_OUT)
        for attempt in range(2 * len(plan.offers) + 1):
            state = await (budgets if attempt == 0 else self._budgets.load(plan, asking))
            if personalization and (same := await self._same(plan, asking, reading.values, state)) is not None:
                return same
            answer, row, learning = self._answer(
                active, request, past, key, OfferInput(reading, asking, state, limits, refused)
            )
            ranking = [candidate.id for candidate in answer.decision.ranking]
            transitions = transitions_of(plan, answer.decision, asking, state)
            exposures = self._exposures(answer, row)
            try:
                codes = await self._recorder.append(row, ranking, learning, exposures, transitions)
            except HoldRefused as error:
                offer, reason = error.refusal
                refused |= {offer: reason} if reason else {}
                continue
            self._count(answer, request)
            held = [transition.hold for transition in transitions]
            return HeldAnswer(answer, [hold._replace(code=codes.get(hold.id, hold.code)) for hold in held])
        raise RuntimeError("the budgets changed with every attempt to hold")

    async def _same(
        self, plan: Plan, asking: Asking, values: Mapping[str, Any], state: BudgetState
    ) -> HeldAnswer | None:
        """Return the answer that the customer has for the same cart already, or None."""
        row = await self._budgets.same_answer(plan, asking, state) if state.own_holds else None
        if row is None:
            return None
        decision = msgspec.json.decode(row.answer, type=Decision)
        kept = holds_of(plan, decision, state.own_holds)
        facts = Facts(msgspec.json.decode(row.facts), {}, row.customer)
        if cart_facts(facts.values) != cart_facts(values):
            return None
        return None if kept is None else HeldAnswer(DecisionAnswer(decision, facts, plan, row.answer.encode()), kept)

    async def _given(self, active: Active, request: RequestScope) -> Mapping[str, GivenChance]:
        if not active.experiments.shares:
            return NOTHING_GIVEN
        values, _ = active.plan.intake.read(request.context)
        return await self._settled.of_request(request.merchant_id, active, Facts(values, {}, request.customer))

    async def _offers(self, plan: Plan, request: RequestScope) -> OfferInput:
        reading = plan.intake.read(request.context)
        asking = asking_of(plan, request, reading.values)
        limits = await self._budgets.limits(plan, asking)
        return OfferInput(reading, asking, await self._budgets.load(plan, asking), limits)

    def _active(self, merchant_id: int, placement: str) -> Active:
        active = self._live.get(merchant_id, placement)
        if active is None:
            raise NotFound(f"there is no placement “{shown(placement)}”", field="placement")
        return active

    def _answer(
        self, active: Active, request: RequestScope, past: CustomerPast, key: str, offers: OfferInput | None = None
    ) -> tuple[DecisionAnswer, DecisionRow, Learning]:
        merchant_id, now = request.merchant_id, request.now
        facts, notes = self._facts(active, request, past.usage, offers)
        deciding, assignments, question = active.evaluate(facts, key, past.given)
        if withheld := active.withheld(facts, assignments, key, past.given):
            facts.values[WITHHELD] = withheld
        plan = deciding.plan
        bucket, beliefs = deciding.for_facts(facts.values)
        decision = with_assignments(answer_to(question, plan, beliefs, expires_at=expires_at(plan, now)), assignments)
        answer = DecisionAnswer(decision, facts, plan, encode(decision), notes, assignments)
        return answer, log_row(answer, merchant_id, bucket, now, closes=True), deciding.learning

    def _facts(
        self, active: Active, request: RequestScope, usage: Sequence[UsageRow], offers: OfferInput | None
    ) -> tuple[Facts, Sequence[FactNote]]:
        """Return what a decision is made of, and what of the request was not understood."""
        plan = active.plan
        values, notes = plan.intake.read(request.context) if offers is None else offers.reading.copy()
        facts = facts_of(plan, values, request, usage, self._weights)
        if offers is not None:
            values[UNAVAILABLE] = offers.unavailable(plan, active.budget_prices)
        return facts, notes

    async def look(
        self, merchant_id: int, placement: str, customer_id: str | None, context: Mapping[str, Any]
    ) -> tuple[Active, Facts]:
        """Return what decides and the facts of a request, without a decision; raise `NotFound`."""
        active = self._active(merchant_id, placement)
        customer = self._hasher(merchant_id, customer_id) if customer_id else None
        request = RequestScope(merchant_id, customer, context, now_ms())
        usage = await self._usage.load(merchant_id, customer) if customer else []
        offers = await self._offers(active.plan, request) if active.plan.offers else None
        return active, self._facts(active, request, usage, offers)[0]

    def _exposures(self, answer: DecisionAnswer, row: DecisionRow) -> list[Exposure]:
        return exposures_of(answer.assignments, answer.facts, row, self._recorder.exposed)

    def _fall_back(self, active: Active, request: RequestScope, key: str, fault: str) -> DecisionAnswer:
        plan = active.plan
        merchant_id, customer, context, now = request
        values, notes = plan.intake.read(context)
        if plan.offers:
            values[UNAVAILABLE] = dict.fromkeys(plan.offers, "no offer is shown when something fails")
        facts = Facts(values, {}, customer)
        decision = fall_back(plan, facts, key, expires_at=expires_at(plan, now))
        answer = DecisionAnswer(decision, facts, plan, encode(decision), notes, fault=fault)
        try:
            self._recorder.replace(log_row(answer, merchant_id, "", now, closes=False))
            self._count(answer, request)
        except Overloaded:
            log.error("answer not logged", placement=plan.placement.key)
        return answer

    def _count(self, answer: DecisionAnswer, request: RequestScope) -> None:
        self._uses.count(request.merchant_id, answer.decision, answer.facts, decided_at=request.now)


def facts_of(
    plan: Plan, values: dict[str, Any], request: RequestScope, usage: Sequence[UsageRow], weights: Sequence[float]
) -> Facts:
    """Return the facts of a request: `values`, completed in place, and the customer's usage."""
    past = history(usage, plan.placement.key, today=request.now // DAY, weight=weights) if usage else {}
    derive(values, past, now=rfc3339(request.now))
    if request.customer and plan.reads_customer:
        values[CUSTOMER_ID] = request.customer
    return Facts(values, past, request.customer)


def cart_facts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts about the cart."""
    return {name: value for name, value in values.items() if name.startswith("cart.")}


def asking_of(plan: Plan, request: RequestScope, values: Mapping[str, Any]) -> Asking:
    """Return the customer and the cart of a request for offers; `values` are the request's facts."""
    currency = plan.document.currency
    return Asking(request.merchant_id, request.customer or "", Cart.of(values), request.now, currency)


def decision_id(now: int) -> str:
    """Return a new time-ordered id: `dec_`, 12 hex digits of epoch milliseconds, 20 random ones."""
    return f"dec_{now:012x}{os.urandom(10).hex()}"


def window_end(plan: Plan, decided_at: int) -> int:
    return decided_at + plan.placement.window_minutes * MINUTE


def expires_at(plan: Plan, decided_at: int) -> str:
    return rfc3339(window_end(plan, decided_at))


def log_row(answer: DecisionAnswer, merchant_id: int, bucket: str, now: int, *, closes: bool) -> DecisionRow:
    decision, facts = answer.decision, answer.facts
    return DecisionRow(
        decision.decision_id,
        merchant_id,
        decision.placement,
        facts.customer,
        now,
        window_end(answer.plan, now) if closes else None,
        decision.plan_version,
        decision.beliefs_version,
        bucket,
        encode(facts.values).decode(),
        encode(facts.history).decode() if facts.history else "{}",
        answer.body.decode(),
        _stratum(answer),
    )


def _stratum(answer: DecisionAnswer) -> str:
    plan, decision = answer.plan, answer.decision
    if not plan.records_strata or decision.fallback:
        return ""
    excluded = {plan.index[candidate.id] for candidate in decision.excluded}
    eligible = tuple([number for number in plan.numbers if number not in excluded]) if excluded else plan.numbers
    order_rules = [rule for rule in decision.rules if rule in plan.order_rules]
    return plan.stratum(answer.facts, eligible, order_rules)
