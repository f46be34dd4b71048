"""Decide for the flags that a provider asks for, by the walls of the endpoint for decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.accounts.accounts import Access
from engine.decisions.requests.answers import DecisionAnswer
from engine.model.errors import NotFound
from engine.model.placement import Shape
from engine.service import Engine
from web.api.browsers import customer_of, decision_for
from web.api.decisions import count_answers, warnings_of
from web.api.openfeature.contexts import EvaluationContext
from web.api.openfeature.flags import AnyDecision, Primitive
from web.http.access import engine_of, is_personal
from web.http.request_reading import AnyRequest


class FlagCaller(NamedTuple):
    """The key that calls, and the customer that it names."""

    request: AnyRequest
    access: Access
    context: EvaluationContext

    @property
    def engine(self) -> Engine:
        return engine_of(self.request)

    @property
    def customer(self) -> str | None:
        return customer_of(self.engine, self.access, self.context.customer, self.context.customer_token)

    @property
    def personal(self) -> bool:
        return is_personal(self.request, self.access, requested=self.context.personalization)

    def view(self, answer: DecisionAnswer) -> tuple[AnyDecision, Shape, dict[str, Primitive]]:
        """Return the decision as the caller's kind of key gets it, its shape, and further metadata."""
        is_browser = self.access.key.kind == "publishable"
        decision = decision_for(self.engine, self.access, answer) if is_browser else answer.decision
        more: dict[str, Primitive] = {}
        if not answer.is_personal:
            more["personalized"] = False
        if answer.prompts:
            more["prompt_consent"] = True
        warnings = warnings_of(answer, self.context.warnings) if self.access.merchant.mode == "test" else []
        if warnings:
            more["warnings"] = "; ".join(f"{warning.field}: {warning.message}" for warning in warnings)
        return decision, answer.plan.placement.shape, more

    async def decide(self, placements: Sequence[str]) -> list[DecisionAnswer | NotFound]:
        """Decide each placement; the answers are logged when this returns."""
        merchant, facts = self.access.merchant.id, self.context.facts
        decider = self.engine.decider
        answers = await decider.decide_each(merchant, placements, self.customer, facts, personal=self.personal)
        count_answers(self.request, self.access, [each for each in answers if isinstance(each, DecisionAnswer)])
        return answers
