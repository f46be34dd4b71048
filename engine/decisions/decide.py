"""Decide a request: load the facts, ask the kernel, append to the log, and answer after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import structlog

from engine.clock import is_simulated, now_ms
from engine.decisions.customers import Hasher
from engine.decisions.exposures import exposures_of
from engine.decisions.offer_holds import BudgetReader, OfferInput, holds_of, transitions_of
from engine.decisions.queueing.breaker import BreakerOpen, fault_of
from engine.decisions.recorder import HoldRefused, Overloaded, Recorder
from engine.decisions.requests.answers import DecisionAnswer, HeldAnswer, decision_id, encode, expires_at, log_row
from engine.decisions.requests.customer_reader import CustomerReader
from engine.decisions.requests.impersonal import impersonal_decision
from engine.decisions.requests.scope import (
    CustomerPast,
    RequestScope,
    add_preferences,
    cart_facts,
    facts_of,
    offer_context_of,
    read_facts,
)
from engine.decisions.requests.visits import Visits
from engine.decisions.usage_counter import UseCounter
from engine.intake.context import FactNote
from engine.kernel.experiments.plans import NOTHING_GIVEN, with_assignments
from engine.kernel.kernel import answer_to, fall_back
from engine.kernel.offers.availability import BudgetState, OfferContext
from engine.kernel.plan import Plan
from engine.learning.active import Active
from engine.learning.credit_settings import Learning
from engine.learning.live import Live
from engine.learning.settled_variants import SettledVariants
from engine.model.decision import Decision
from engine.model.errors import NotFound
from engine.model.experiment import GivenChance
from engine.model.facts import REPORTED, UNAVAILABLE, WITHHELD, Facts
from engine.store.customers.usage import UsageRow
from engine.store.decisions import DecisionRow
from engine.store.experiments.exposures import Exposure
from rules.json_logic.problems import shown

log = structlog.get_logger()


class CustomerReaders(NamedTuple):
    """Read a customer before a decision: what is known, budgets with holds of offers, and settled variants.

    `weights` are those of usage by its age in days. `visits` are noted after the decision.
    """

    customers: CustomerReader
    budgets: BudgetReader
    settled: SettledVariants
    weights: Sequence[float]
    visits: Visits


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
        self._customers, self._budgets, self._settled, self._weights, self._visits = readers
        self._hasher = hasher
        self._uses = uses
        self._timeout = timeout_seconds

    async def decide(
        self,
        merchant_id: int,
        placements: Sequence[str],
        customer_id: str | None,
        context: Mapping[str, Any],
        *,
        personal: bool = True,
    ) -> list[DecisionAnswer]:
        """Return one answer for each placement, stored on disk; raise `NotFound` if a placement does not exist.

        If the customer refused personalization, or this request does (not `personal`), the answers are the merchant's
        own order, and nothing is stored.
        """
        actives = [self._active(merchant_id, key) for key in placements]
        return await self._decide(actives, self._request(merchant_id, customer_id, context, personal=personal))

    async def decide_each(
        self,
        merchant_id: int,
        placements: Sequence[str],
        customer_id: str | None,
        context: Mapping[str, Any],
        *,
        personal: bool = True,
    ) -> list[DecisionAnswer | NotFound]:
        """Return one answer for each placement, as `decide`, or `NotFound` at its position."""
        active: dict[str, Active] = {}
        missing: dict[str, NotFound] = {}
        for key in placements:
            try:
                active[key] = self._active(merchant_id, key)
            except NotFound as error:
                missing[key] = error
        request = self._request(merchant_id, customer_id, context, personal=personal)
        answers = iter(await self._decide(list(active.values()), request))
        return [missing[key] if key in missing else next(answers) for key in placements]

    def _request(
        self, merchant_id: int, customer_id: str | None, context: Mapping[str, Any], *, personal: bool
    ) -> RequestScope:
        customer = self._hasher(merchant_id, customer_id) if customer_id else None
        return RequestScope(merchant_id, customer, context, now_ms(), personal=personal)

    async def _decide(self, actives: Sequence[Active], scope: RequestScope) -> list[DecisionAnswer]:
        ids = [decision_id(scope.now) for _ in actives]
        # Until it is known what the customer said, a fallback is nobody's.
        request = scope.anonymous
        try:
            self._refuse_to_wait()
            async with asyncio.timeout(self._timeout):
                request, usage = await self._customers.read(scope)
                if not request.personal:
                    return [
                        await self._impersonal(active, request, key) for active, key in zip(actives, ids, strict=True)
                    ]
                answers, writes = [], []
                for active, key in zip(actives, ids, strict=True):
                    offers = await self._offers(active.plan, request) if active.plan.offers else None
                    past = CustomerPast(usage, await self._settled_variants(active, request))
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
        personal: bool = True,
    ) -> HeldAnswer:
        """Return one answer that holds the offers it shows, stored on disk with the holds.

        The same customer and cart get the same offers for a while. If anything fails, no offer is shown. None is shown
        either, and nothing stored, if personalization is refused.
        """
        active = self._active(merchant_id, placement)
        scope = self._request(merchant_id, customer_id, context, personal=personal)
        key, request = decision_id(scope.now), scope.anonymous
        try:
            self._refuse_to_wait()
            async with asyncio.timeout(self._timeout):
                request, usage = await self._customers.read(scope)
                if not request.personal:
                    return HeldAnswer(await self._impersonal(active, request, key), [])
                return await self._hold(active, request, usage, key)
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

    async def _impersonal(self, active: Active, request: RequestScope, key: str) -> DecisionAnswer:
        """Return the answer for whoever refuses personalization; it is neither logged nor counted."""
        plan = active.plan
        values, notes = read_facts(plan, request)
        facts = facts_of(plan, values, request._replace(customer=None), (), self._weights)
        values.update(active.availability_facts)
        decision = await impersonal_decision(active, values, key, expires_at=expires_at(plan, request.now))
        return DecisionAnswer(
            decision, facts, plan, encode(decision), notes, is_personal=False, prompts=request.prompts
        )

    async def _hold(self, active: Active, request: RequestScope, usage: Sequence[UsageRow], key: str) -> HeldAnswer:
        """Decide until all offers of the answer are held; leave out a refused offer in the next attempt."""
        plan = active.plan
        reading = read_facts(plan, request)
        offer_context = offer_context_of(plan, request, reading.values)
        budgets = self._budgets.load(plan, offer_context)
        past = CustomerPast(usage, await self._settled_variants(active, request))
        limits = await self._budgets.limits(plan, offer_context)
        refused: dict[str, str] = {}
        for attempt in range(2 * len(plan.offers) + 1):
            state = await (budgets if attempt == 0 else self._budgets.load(plan, offer_context))
            if (held_answer := await self._held_answer(active, offer_context, reading.values, state)) is not None:
                return held_answer
            answer, row, learning = self._answer(
                active, request, past, key, OfferInput(reading, offer_context, state, limits, refused)
            )
            ranking = [candidate.id for candidate in answer.decision.ranking]
            transitions = transitions_of(plan, answer.decision, offer_context, state)
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

    async def _held_answer(
        self, active: Active, offer_context: OfferContext, values: Mapping[str, Any], state: BudgetState
    ) -> HeldAnswer | None:
        """Return the answer that the customer has for the same cart already, or None."""
        plan = active.plan
        row = await self._budgets.same_answer(plan, offer_context, state) if state.own_holds else None
        if row is None:
            return None
        decision = msgspec.json.decode(row.answer, type=Decision)
        holds = holds_of(plan, decision, state.own_holds)
        facts = Facts(msgspec.json.decode(row.facts), {}, row.customer)
        if cart_facts(facts.values) != cart_facts(values):
            return None
        if holds is None or any(hold.offer in active.availability_facts.get(REPORTED, {}) for hold in holds):
            return None
        return HeldAnswer(DecisionAnswer(decision, facts, plan, row.answer.encode()), holds)

    async def _settled_variants(self, active: Active, request: RequestScope) -> Mapping[str, GivenChance]:
        if not active.experiments.shares:
            return NOTHING_GIVEN
        values, _ = read_facts(active.plan, request)
        return await self._settled.of_request(request.merchant_id, active, Facts(values, {}, request.customer))

    async def _offers(self, plan: Plan, request: RequestScope) -> OfferInput:
        reading = read_facts(plan, request)
        offer_context = offer_context_of(plan, request, reading.values)
        limits = await self._budgets.limits(plan, offer_context)
        return OfferInput(reading, offer_context, await self._budgets.load(plan, offer_context), limits)

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
        deciding, assignments, question = active.evaluate(facts, key, past.settled_variants)
        if withheld := active.withheld(facts, assignments, key, past.settled_variants):
            facts.values[WITHHELD] = withheld
        plan = deciding.plan
        bucket, beliefs = deciding.for_facts(facts.values)
        decision = with_assignments(answer_to(question, plan, beliefs, expires_at=expires_at(plan, now)), assignments)
        answer = DecisionAnswer(decision, facts, plan, encode(decision), notes, assignments, prompts=request.prompts)
        return answer, log_row(answer, merchant_id, bucket, now, closes=True), deciding.learning

    def _facts(
        self, active: Active, request: RequestScope, usage: Sequence[UsageRow], offers: OfferInput | None
    ) -> tuple[Facts, Sequence[FactNote]]:
        """Return what a decision is made of, and what of the request was not understood."""
        plan = active.plan
        values, notes = read_facts(plan, request) if offers is None else offers.reading.copy()
        facts = facts_of(plan, values, request, usage, self._weights)
        values.update(active.availability_facts)
        if offers is not None:
            values[UNAVAILABLE] = offers.unavailable(plan, active.budget_prices)
        return facts, notes

    async def look(
        self, merchant_id: int, placement: str, customer_id: str | None, context: Mapping[str, Any]
    ) -> tuple[Active, Facts]:
        """Return what decides and the facts of a request, without a decision; raise `NotFound`."""
        active = self._active(merchant_id, placement)
        request, usage = await self._customers.read(self._request(merchant_id, customer_id, context, personal=True))
        offers = await self._offers(active.plan, request) if active.plan.offers else None
        return active, self._facts(active, request, usage, offers)[0]

    def _exposures(self, answer: DecisionAnswer, row: DecisionRow) -> list[Exposure]:
        return exposures_of(answer.assignments, answer.facts, row, self._recorder.exposed)

    def _fall_back(self, active: Active, request: RequestScope, key: str, fault: str) -> DecisionAnswer:
        plan = active.plan
        merchant_id, customer, _, now, *_ = request
        values, notes = read_facts(plan, request)
        if plan.offers:
            values[UNAVAILABLE] = dict.fromkeys(plan.offers, "no offer is shown when something fails")
        add_preferences(values, plan, request)
        values.update(active.availability_facts)
        facts = Facts(values, {}, customer)
        decision = fall_back(plan, facts, key, expires_at=expires_at(plan, now))
        answer = DecisionAnswer(decision, facts, plan, encode(decision), notes, fault=fault)
        if not request.personal:
            return answer._replace(is_personal=False)
        try:
            self._recorder.replace(log_row(answer, merchant_id, "", now, closes=False))
            self._count(answer, request)
        except Overloaded:
            log.error("answer not logged", placement=plan.placement.key)
        return answer

    def _count(self, answer: DecisionAnswer, request: RequestScope) -> None:
        merchant_id, decided_at = request.merchant_id, request.now
        self._uses.count(merchant_id, answer.decision, answer.facts, decided_at=decided_at)
        placement = answer.decision.placement
        if not is_simulated():
            self._uses.time(merchant_id, placement, decided_at=decided_at, milliseconds=now_ms() - decided_at)
        self._visits.note(request)
