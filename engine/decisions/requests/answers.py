"""A decision with its inputs, and the row of the log that is made of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from engine.intake.context import FactNote
from engine.kernel.plan import Plan
from engine.model.decision import Decision
from engine.model.experiment import Assignment
from engine.model.facts import PREFERRED, Facts
from engine.model.offers.hold import Hold
from engine.model.timestamps import MINUTE, rfc3339
from engine.store.decisions import DecisionRow

encode = msgspec.json.Encoder().encode


class DecisionAnswer(NamedTuple):
    """A decision with its inputs; `body` is its JSON, as logged and as sent.

    `notes` say what of the request's context was not understood, and therefore is not among the facts. `plan` is the
    one that decided: with a running experiment, that of a variant. `fault` says why the answer is a fallback, as in
    `fault_of`. Not `is_personal`: personalization is refused, and nothing of the decision is stored.
    `prompts`: the customer should be asked for consent.
    """

    decision: Decision
    facts: Facts
    plan: Plan
    body: bytes
    notes: Sequence[FactNote] = ()
    assignments: Sequence[Assignment] = ()
    fault: str = ""
    is_personal: bool = True
    prompts: bool = False


class HeldAnswer(NamedTuple):
    """A decision about offers, with the holds of the offers that it shows, in order."""

    answer: DecisionAnswer
    holds: Sequence[Hold]


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
    if PREFERRED in answer.facts.values:
        return ""
    order_rules = [rule for rule in decision.rules if rule in plan.order_rules]
    return plan.stratum(answer.facts, eligible, order_rules)
