"""The plan and the counts of a request, compared with a simple implementation without caches."""

from __future__ import annotations

from hashlib import blake2b
from math import log
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernel.experiments.assignment import choose, uniform
from engine.kernel.experiments.overlay import changes_something, overlaid
from engine.kernel.experiments.plans import with_assignments
from engine.kernel.experiments.units import unit_of
from engine.kernel.kernel import answer_to, bounds_for, decide, eligible_of
from engine.kernel.plan import Plan, PlanDocument
from engine.learning.active import Active
from engine.model.experiment import CONTROLLED, Assignment, Experiment, ExperimentStatus, Variant
from engine.model.facts import Facts
from engine.model.placement import Fixed, Thompson
from engine.model.standard_vocabulary import STANDARD
from engine.store.experiments.exposed_units import ExposedUnits
from engine.store.experiments.exposures import Exposure
from tests.factories import candidates, placement, rule

VARIANTS = (
    Variant(id="control", name="As it is"),
    Variant(id="order", name="Order", order=("paypal",)),
    Variant(id="last", name="Same order of three", order=("card", "paypal", "klarna", "ideal")),
    Variant(id="off", name="Off", candidates_off=("klarna",)),
    Variant(id="rules", name="Rules", rules_off=("mixed",)),
    Variant(id="policy", name="Policy", policy=Fixed()),
    Variant(id="values", name="Values", values={"x": 2}),
)
AUDIENCES = (None, {"==": [{"var": "geo.country"}, "DE"]}, {">": [{"var": "cart.total"}, 5_000]})
variants = st.lists(st.sampled_from(VARIANTS), min_size=2, max_size=3, unique_by=lambda variant: variant.id)


@st.composite
def running(draw: Any, number: int) -> Experiment:
    state = draw(st.sampled_from(("running", "running", "running", "paused", "stopped")))
    status = ExperimentStatus(state=state, offset=draw(st.sampled_from((0.0, 0.3, 0.5))), started_at=0)
    return Experiment(
        id=f"e{number}",
        name="E",
        layer=draw(st.sampled_from(("main", "other"))),
        unit=draw(st.sampled_from(("customer", "customer", "device", "decision"))),
        share=draw(st.sampled_from((0.2, 0.5, 1.0))),
        audience=draw(st.sampled_from(AUDIENCES)),
        learning=draw(st.sampled_from(("apart", "shared"))),
        variants=tuple(draw(variants)),
        status=status,
    )


experiments = st.integers(1, 4).flatmap(lambda count: st.tuples(*(running(number) for number in range(count))))
requests = st.tuples(
    st.sampled_from((None, "anna", "bert", "carl", "dora")),
    st.sampled_from((None, "phone", "laptop")),
    st.sampled_from((None, "DE", "AT")),
    st.sampled_from((None, 1_000, 9_000)),
)


def document(*tried: Experiment) -> PlanDocument:
    german = {"==": [{"var": "geo.country"}, "DE"]}
    rules = (
        rule({"exclude": ["paypal"]}, {"boost": {"candidates": ["card"], "factor": 2}}, id="mixed", when=german),
        rule({"pin": {"candidate": "klarna", "slot": 1}}, id="pin", when={">": [{"var": "cart.total"}, 5_000]}),
    )
    return PlanDocument(
        placement=placement(policy=Thompson()),
        candidates=candidates("card", "paypal", "klarna", "ideal"),
        rules=rules,
        fields=STANDARD,
        experiments=tried,
    )


def facts_of(customer: str | None, device: str | None, country: str | None, total: int | None) -> Facts:
    values = {"device.id": device, "geo.country": country, "cart.total": total}
    return Facts({name: value for name, value in values.items() if value is not None}, {}, customer)


def is_inside(audience: Any, facts: Facts) -> bool:
    name, least = ("geo.country", "DE") if audience and "==" in audience else ("cart.total", 5_001)
    value = facts.values.get(name)
    return audience is None or (value == least if name == "geo.country" else bool(value and value >= least))


def expected(tested_plan: PlanDocument, facts: Facts, key: str) -> tuple[PlanDocument, list[Assignment]]:
    """Return the plan that decides, and the assignments, by the definition."""
    chosen: list[tuple[Experiment, Variant]] = []
    assignments, taken = [], set()
    for experiment in tested_plan.experiments:
        unit = unit_of(experiment.unit, facts, key)
        first = experiment.status.offset
        if experiment.layer in taken or not is_inside(experiment.audience, facts):
            continue
        if unit is not None and not first <= uniform(experiment.layer, unit) < first + experiment.share:
            continue
        taken.add(experiment.layer)
        variant = experiment.control
        if unit is not None and experiment.status.state not in CONTROLLED:
            ids, weights = [each.id for each in experiment.variants], [each.weight for each in experiment.variants]
            variant = experiment.variants[choose(experiment.salt, unit, ids, weights)]
            answers = [seen(tested_plan, experiment, each, facts) for each in experiment.variants]
            differs = any(answer != answers[0] for answer in answers)
            assignments.append(Assignment(experiment.id, variant.id, 1, unit, differs))
        chosen.append((experiment, variant))
    return overlaid(tested_plan, [pair for pair in chosen if changes_something(pair[1])]), assignments


def seen(tested_plan: PlanDocument, experiment: Experiment, variant: Variant, facts: Facts) -> tuple[Any, ...]:
    """Return what an answer of a variant alone may depend on."""
    plan = Plan(overlaid(tested_plan, [(experiment, variant)]), version=1)
    bounds = bounds_for(plan, facts.values, tuple(plan.rules[n] for n in plan.compiled.evaluate(facts.values).fired))
    named = [{plan.ids[number] if isinstance(number, int) else number: value for number, value in each.items()}
             for each in (bounds.boosts, {number: slot for slot, number in bounds.pins.items()})]  # fmt: skip
    return plan.placement.policy, [plan.ids[n] for n in eligible_of(plan, bounds)], named, bounds.values


@settings(max_examples=60, deadline=None)
@given(experiments, st.lists(requests, min_size=1, max_size=8))
def test_answers_and_exposures_follow_the_definition(tried, requests):
    tested_plan = document(*tried)
    active = Active(Plan(tested_plan, version=1))
    for number, request in enumerate(requests * 2):
        facts, key = facts_of(*request), f"dec_{number % len(requests)}"
        deciding, assignments, question = active.evaluate(facts, key)
        plan, assigned = expected(tested_plan, facts, key)
        assert list(assignments) == assigned
        answer = with_assignments(answer_to(question, deciding.plan, deciding.flat, expires_at=""), assignments)
        fresh = decide(Plan(plan, version=1), deciding.flat, facts, key, expires_at="")
        assert msgspec.json.encode(answer) == msgspec.json.encode(with_assignments(fresh, assigned))


@given(st.text(max_size=9), st.text(max_size=9), st.lists(st.floats(0.1, 9), min_size=2, max_size=4))
def test_units_are_assigned_as_specified(salt, unit, weights):
    scores = [-log(specified(f"{salt}\nv{number}", unit)) / weight for number, weight in enumerate(weights)]
    ids = [f"v{number}" for number in range(len(weights))]
    assert uniform(salt, unit) == specified(salt, unit)
    assert choose(salt, unit, ids, weights) == scores.index(min(scores))


def specified(salt, unit):
    """Return a unit's number as tests/specs/assignment.json defines it."""
    hashed = blake2b(f"{salt}\n{unit}".encode(), digest_size=8).digest()
    return ((int.from_bytes(hashed, "little") >> 11) + 0.5) * 2.0**-53


def test_unit_cache_evicts_old_units():
    exposed = ExposedUnits(most=10)
    for number in range(100):
        exposed.add([Exposure(1, "p", "e", 1, str(number), "control", 0, (), 0)])
    remembered = [number for number in range(100) if (1, "p", "e", 1, str(number)) in exposed]
    assert 5 <= len(remembered) <= 10
    assert remembered == list(range(remembered[0], 100))
