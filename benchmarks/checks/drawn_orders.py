"""Check logged chances against drawn orders: every policy, with a customer's history, pins and boosts.

`python -m benchmarks.verify drawn-orders`, some minutes: 12 settings x 40,000 orders by the kernel.
tests/engine/test_engine_drawn_orders.py runs a small version.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from bandits.choice.model import ChoiceModel
from bandits.choice.observations import ChoiceObservation, aggregate
from bandits.posterior.logistic_update import Observations
from bandits.posterior.weight_posterior import WeightEvidence
from benchmarks.checks.bandits import chi_squared_p
from engine.kernel.beliefs import ArmBelief, Knowledge
from engine.kernel.choice_beliefs import state_of
from engine.kernel.contextual_beliefs import pack_state
from engine.kernel.kernel import decide
from engine.kernel.plan import Plan, PlanDocument
from engine.kernel.scores import AnyBeliefs
from engine.learning.active import DecidingPlan
from engine.learning.credit_settings import Learning
from engine.model.facts import Facts, Past
from engine.model.placement import Candidate, Contextual, Placement, RuleDocument, Split, Thompson
from engine.model.standard_vocabulary import STANDARD
from engine.store.beliefs import Snapshot

Figure = tuple[str, str, str]
IDS = ("card", "paypal", "klarna", "ideal", "invoice")
ORDERS = 40_000
VERSION = 7
FACTS: Mapping[str, Any] = {"cart.total": 20_000, "cart.currency": "EUR", "device.type": "mobile"}
HISTORY = {"klarna": Past(4.0, 3.0, 3), "card": Past(2.0, 0.5, 1)}
ALWAYS = {"==": [1, 1]}
PIN, BOOST, EXCLUDE = (
    {"pin": {"candidate": "ideal", "slot": 2}},
    {"boost": {"candidates": ["paypal"], "factor": 1.6}},
    {"exclude": ["invoice"]},
)
THOMPSON, WEIGHTS = Thompson(floor=0.05), Contextual(("device.type", "cart.total"), floor=0.05)
RATES = (0.30, 0.28, 0.25, 0.20, 0.15)


class Setting(NamedTuple):
    """A placement with rules, and a customer with or without a past."""

    name: str
    placement: Mapping[str, Any]
    effects: tuple[dict[str, Any], ...] = ()
    history: bool = False


SETTINGS = (
    Setting("trials, history", {"policy": THOMPSON, "credit": "cascade"}, (), True),
    Setting("trials, pin and boost", {"policy": THOMPSON, "credit": "cascade"}, (PIN, BOOST)),
    Setting("trials, history, pin and boost", {"policy": THOMPSON, "credit": "cascade"}, (PIN, BOOST), True),
    Setting("trials, margin, history and boost", {"policy": THOMPSON, "credit": "cascade", "reward": "margin"},
            (BOOST,), True),
    Setting("trials, revenue, history, pin and boost", {"policy": THOMPSON, "credit": "cascade", "reward": "revenue"},
            (PIN, BOOST), True),
    Setting("choices, history", {"policy": THOMPSON}, (), True),
    Setting("choices, pin, boost and exclusion", {"policy": THOMPSON}, (PIN, BOOST, EXCLUDE)),
    Setting("choices, history, pin and boost", {"policy": THOMPSON}, (PIN, BOOST), True),
    Setting("choices, margin, history, pin and boost", {"policy": THOMPSON, "reward": "margin"}, (PIN, BOOST), True),
    Setting("weights, history, pin and boost", {"policy": WEIGHTS, "credit": "cascade"}, (PIN, BOOST), True),
    Setting("weights, revenue, history, pin and boost",
            {"policy": WEIGHTS, "credit": "cascade", "reward": "revenue"}, (PIN, BOOST), True),
    Setting("split, pin and exclusion", {"policy": Split({"card": 3, "klarna": 2})}, (PIN, EXCLUDE)),
)  # fmt: skip


def plan_of(setting: Setting) -> Plan:
    """Compile the plan of a setting."""
    placement = Placement(**{"key": "payment_methods", "name": "Payment methods"} | dict(setting.placement))
    candidates = tuple(
        Candidate(id=name, label=name, position=number, fee_fixed=20 * number) for number, name in enumerate(IDS)
    )
    rule = RuleDocument(id="r1", name="Rule", when=ALWAYS, effects=setting.effects)
    rules = (rule,) if setting.effects else ()
    return Plan(PlanDocument(placement=placement, candidates=candidates, rules=rules, fields=STANDARD), version=1)


def snapshot_of(plan: Plan) -> Snapshot:
    """Return what the plan's policy would have learned from some hundred outcomes."""
    rng = np.random.default_rng(3)
    arms = {
        name: ArmBelief(200.0, round(200 * rate), priced=40.0, amount=40.0 * (5_000 + 400 * number), squares=0.0)
        for number, (name, rate) in enumerate(zip(IDS, RATES, strict=True))
    }
    knowledge = Knowledge(arms)
    if plan.learns_choices:
        seen = [
            ChoiceObservation(tuple(rng.permutation(IDS).tolist()), "s", (int(rng.integers(5)),) if number % 2 else ())
            for number in range(400)
        ]
        model = ChoiceModel.nothing().after(aggregate(seen))
        knowledge = Knowledge(arms, choice=state_of(model, IDS, cursor=1, day=1))
    elif plan.encoding is not None:
        size = len(plan.encoding)
        x = np.column_stack((np.ones(300), rng.normal(0, 0.5, (300, size - 1))))
        rows = {name: Observations(x, np.ones(300), (rng.random(300) < RATES[n]) * 1.0) for n, name in enumerate(IDS)}
        evidence = WeightEvidence(size).updated(rows)
        knowledge = Knowledge(arms, contextual=pack_state(evidence, plan.encoding, cursor=1, day=1))
    return Snapshot(1, plan.placement.key, VERSION, plan.placement.reward, "", knowledge, 0)


def beliefs_of(plan: Plan) -> AnyBeliefs:
    """Return the beliefs of the snapshot, drawn."""
    return DecidingPlan(plan, Learning.of(plan.placement)).make(snapshot_of(plan))


def p_value(setting: Setting, orders: int = ORDERS, *, first: int = 0) -> float:
    """Return the chi-squared p-value of drawn orders against the propensities that the kernel logs with them."""
    plan = plan_of(setting)
    beliefs, facts = beliefs_of(plan), Facts(dict(FACTS), HISTORY if setting.history else {}, None)
    counts: Counter[tuple[str, ...]] = Counter()
    propensities: dict[tuple[str, ...], float] = {}
    for number in range(first, first + orders):
        decision = decide(plan, beliefs, facts, f"{setting.name} {number}", expires_at="")
        order = tuple(ranked.id for ranked in decision.ranking)
        counts[order] += 1
        propensities[order] = decision.propensity
    expected = np.array([orders * propensities[order] for order in counts])
    unseen = max(0.0, orders - float(expected.sum()))
    return chi_squared_p(np.array([*counts.values(), 0.0]), np.append(expected, unseen))


def figures() -> list[Figure]:
    """Return the figures of `make verify`."""
    p_values = {setting.name: p_value(setting) for setting in SETTINGS}
    smallest = min(p_values.values())
    corrected = min(1.0, smallest * len(p_values))
    title = f"{len(SETTINGS)} settings x {ORDERS:,} orders, smallest p and corrected"
    return [
        *((f"{name}: p", "", f"{value:.3f}") for name, value in p_values.items()),
        (title, "p > 1e-4, corrected", f"{smallest:.4f}, {corrected:.3f}"),
    ]
