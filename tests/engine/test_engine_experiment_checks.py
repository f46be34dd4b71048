"""Checks of experiments: invalid fields, states, and free shares of layers, without a database."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.configuration.configuration import Change, Configuration, alters_answers, is_in_force
from engine.experiments.checks import changed_fields, free_offset, problems_of_experiment
from engine.kernel.experiments.overlay import changes_something
from engine.kernel.experiments.plans import variant_of
from engine.model.experiment import Experiment, ExperimentStatus, Guardrail, Variant
from engine.model.placement import Contextual, Fixed, ListDocument, Split, Thompson
from engine.model.resource import Resource
from engine.model.standard_vocabulary import STANDARD
from tests.factories import candidates, placement, rule

PLACEMENT = "payment_methods"
CONTROL = Variant(id="control", name="As it is")
PAYPAL = Variant(id="paypal", name="PayPal first", order=("paypal",))
OFF = Variant(id="off", name="No Klarna", candidates_off=("klarna",))
STATES = ("draft", "in_review", "approved", "running", "paused", "stopped", "concluded", "archived")


def experiment(*variants: Variant, **changes: object) -> Experiment:
    status = ExperimentStatus(state="running", started_at=0, phase_started_at=0)
    setup: dict[str, object] = {"id": "e", "name": "E", "variants": variants or (CONTROL, PAYPAL), "status": status}
    return Experiment(**(setup | changes))  # type: ignore[arg-type]


def configuration(policy: object = None, *fields: object) -> Configuration:
    documents = [
        ("placement", "", PLACEMENT, placement(policy=policy or Thompson())),
        *(("candidate", PLACEMENT, each.id, each) for each in candidates("card", "paypal", "klarna")),
        ("rule", PLACEMENT, "no-klarna", rule({"exclude": ["klarna"]}, id="no-klarna")),
        ("list", "", "vip", ListDocument(name="vip", values=("a",))),
        *(("field", "", field.name, field) for field in (*STANDARD, *fields)),  # type: ignore[attr-defined]
    ]
    return Configuration([Resource(*each[:3], 1, each[3], 0) for each in documents], 1, currency="EUR")  # type: ignore[arg-type]


def problems(document: Experiment, policy: object = None) -> list[tuple[str, str]]:
    return [
        (problem.field, problem.message)
        for problem in problems_of_experiment(configuration(policy), PLACEMENT, document)
    ]


# Checks


@pytest.mark.parametrize(
    ("document", "field", "message"),
    [
        (experiment(CONTROL, PAYPAL, PAYPAL), "variants/2/id", "there are two variants “paypal”"),
        (
            experiment(starts_at="2026-02-30T09:00:00Z"),
            "starts_at",
            'must be a moment with its offset, such as "2026-11-27T18:30:00+01:00"',
        ),
        (experiment(CONTROL, Variant(id="b", name="B")), "variants", "at least one variant must change something"),
        (
            experiment(CONTROL, PAYPAL, msgspec.structs.replace(PAYPAL, id="c", name="Again")),
            "variants",
            "“PayPal first” and “Again” change the same",
        ),
        (experiment(audience={">": [{"var": "cart.totl"}, 1]}), "audience", "cart.total"),
        (experiment(audience={"in_list": [{"var": "geo.country"}, "vips"]}), "audience", "vip"),
        (experiment(audience={"nonsense": []}), "audience", ""),
        (experiment(unit="device"), "unit", "device needs the fact “device.id”"),
        (experiment(minimum_days=29), "maximum_days", "must not be below minimum_days"),
        (
            experiment(guardrails=(Guardrail(metric="revenue"), Guardrail(metric="revenue", tolerated_percent=1))),
            "guardrails/1/metric",
            "there are two guardrails on revenue: keep the stricter",
        ),
        (
            experiment(CONTROL, msgspec.structs.replace(PAYPAL, name="As it is")),
            "variants/1/name",
            "there are two variants “As it is”",
        ),
        (
            experiment(CONTROL, msgspec.structs.replace(PAYPAL, order=("paypal", "card", "paypal"))),
            "variants/1/order",
            "“paypal” is there twice",
        ),
        (
            experiment(CONTROL, msgspec.structs.replace(PAYPAL, candidates_off=("paypal",))),
            "variants/1/order",
            "“paypal” cannot come first: the variant does not offer it",
        ),
        (
            experiment(allocation="bandit", guardrails=(Guardrail(metric="order_value"),)),
            "guardrails",
            "a bandit compares means of a unit, such as conversion and revenue, not order_value",
        ),
        (
            experiment(CONTROL, Variant(id="b", name="B", order=("wire",))),
            "variants/1",
            "there is no candidate “wire”",
        ),
        (
            experiment(CONTROL, Variant(id="b", name="B", candidates_off=("wire",))),
            "variants/1",
            "there is no candidate “wire”",
        ),
        (
            experiment(CONTROL, Variant(id="b", name="B", candidates_off=("card", "paypal", "klarna"))),
            "variants/1/candidates_off",
            "must leave at least one candidate",
        ),
        (
            experiment(CONTROL, Variant(id="b", name="B", rules_off=("no-card",))),
            "variants/1/rules_off",
            "there is no rule “no-card”",
        ),
        (
            experiment(CONTROL, Variant(id="b", name="B", rules=(rule({"exclude": ["wire"]}, id="x"),))),
            "variants/1/rules/0/effects/0",
            "there is no candidate “wire”",
        ),
        (
            experiment(CONTROL, Variant(id="b", name="B", policy=Contextual(features=("cart.total",)))),
            "variants/1/policy",
            "set this policy on the placement",
        ),
    ],
)
def test_a_mistake_is_named_beside_its_field(document, field, message):
    assert [text for path, text in problems(document) if path.startswith(field) and message in text]


@pytest.mark.parametrize(
    "document",
    [
        experiment(),
        experiment(CONTROL, PAYPAL, OFF),
        experiment(audience={">": [{"var": "cart.total"}, 1]}),
        experiment(audience={"in_list": [{"var": "geo.country"}, "vip"]}),
        experiment(minimum_days=28, maximum_days=28),
        experiment(CONTROL, Variant(id="b", name="B", rules_off=("no-klarna",))),
        experiment(CONTROL, Variant(id="b", name="B", rules=(rule({"exclude": ["card"]}, id="x"),))),
        experiment(CONTROL, Variant(id="b", name="B", policy=Fixed())),
        experiment(CONTROL, Variant(id="b", name="B", policy=Split(weights={"card": 1.0}))),
        experiment(CONTROL, Variant(id="b", name="B", policy=Thompson(floor=0.1))),
        experiment(CONTROL, Variant(id="b", name="B", values={"headline": "Hi"})),
        experiment(CONTROL, Variant(id="b", name="B", candidates_off=("card", "paypal"))),
    ],
)
def test_an_experiment_that_makes_sense_has_no_problems(document):
    assert problems(document) == []


def test_device_unit_requires_its_declared_fact():
    device = next(field for field in STANDARD if field.type == "string")
    declared = configuration(None, msgspec.structs.replace(device, name="device.id", allowed=()))
    assert list(problems_of_experiment(declared, PLACEMENT, experiment(unit="device"))) == []


@pytest.mark.parametrize("own", [Thompson(), Contextual(features=("cart.total",))])
def test_a_variant_may_keep_the_kind_of_policy_that_learns(own):
    variant = Variant(id="b", name="B", policy=msgspec.structs.replace(own, floor=0.2))
    assert problems(experiment(CONTROL, variant), own) == []


def test_variants_with_the_same_values_in_another_order_are_equal():
    first, second = (
        Variant(id=id, name=id, values=values) for id, values in (("b", {"x": 1, "y": 2}), ("c", {"y": 2, "x": 1}))
    )
    assert problems(experiment(CONTROL, first, second)) == [("variants", "“b” and “c” change the same")]


@pytest.mark.parametrize(
    ("variant", "does"),
    [
        (CONTROL, False),
        (msgspec.structs.replace(CONTROL, name="Other", weight=5.0), False),
        (PAYPAL, True),
        (OFF, True),
        (Variant(id="v", name="V", rules_off=("r",)), True),
        (Variant(id="v", name="V", rules=(rule({"exclude": ["card"]}),)), True),
        (Variant(id="v", name="V", policy=Fixed()), True),
        (Variant(id="v", name="V", values={"x": False}), True),
    ],
)
def test_variant_without_changes_is_allowed_only_with_a_name(variant, does):
    assert changes_something(variant) == does


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"name": "Other"}, {"name"}),
        ({"notes": "n", "hypothesis": "h"}, {"notes", "hypothesis"}),
        ({"guardrails": (Guardrail(metric="orders"),)}, {"guardrails"}),
        ({"maximum_days": 30}, {"maximum_days"}),
        ({"share": 0.5}, {"share"}),
        ({"audience": True, "name": "Other"}, {"audience", "name"}),
        ({"variants": (CONTROL, OFF)}, {"variants"}),
        ({"unit": "decision"}, {"unit"}),
        ({"layer": "other"}, {"layer"}),
        ({"status": ExperimentStatus()}, set()),
    ],
)
def test_changed_fields_are_named(changes, fields):
    before = experiment()
    changed = changed_fields(before, msgspec.structs.replace(before, **changes))
    assert changed == fields


# States


@pytest.mark.parametrize("state", STATES)
def test_only_active_experiments_change_answers(state):
    document = experiment(status=ExperimentStatus(state=state))
    resource = Resource("experiment", PLACEMENT, "e", 1, document, 0)
    is_active = state in ("running", "paused", "stopped")
    assert is_in_force(document) == is_active
    assert alters_answers(Change(None, resource)) == is_active
    after = configuration().with_changes([Change(None, resource)])
    assert [each.id for each in after.plan_document(PLACEMENT).experiments] == (["e"] if is_active else [])
    assert configuration().touched_by([Change(None, resource)]) == ([PLACEMENT] if is_active else [])


def test_an_experiment_that_ends_alters_answers_too():
    running = Resource("experiment", PLACEMENT, "e", 1, experiment(), 0)
    ended = running._replace(document=experiment(status=ExperimentStatus(state="concluded")))
    assert alters_answers(Change(running, ended))
    assert not alters_answers(Change(ended, ended._replace(version=2)))


def test_experiments_are_sorted_by_start():
    def began(id: str, started_at: int) -> Change:
        document = experiment(id=id, status=ExperimentStatus(state="running", started_at=started_at))
        return Change(None, Resource("experiment", PLACEMENT, id, 1, document, 0))

    after = configuration().with_changes([began("b", 5), began("a", 5), began("c", 1)])
    assert [each.id for each in after.experiments_in_force(PLACEMENT)] == ["c", "a", "b"]


# Layers


def taking(id: str, offset: float, share: float, state: str = "running", layer: str = "main") -> Experiment:
    status = ExperimentStatus(state=state, offset=offset)  # type: ignore[arg-type]
    return experiment(id=id, share=share, layer=layer, status=status)


@pytest.mark.parametrize(
    ("share", "others", "offset"),
    [
        (1.0, [], 0.0),
        (1.0, [taking("a", 0.0, 0.01)], None),
        (0.5, [taking("a", 0.0, 0.5)], 0.5),
        (0.5, [taking("a", 0.5, 0.5)], 0.0),
        (0.3, [taking("a", 0.0, 0.2), taking("b", 0.5, 0.5)], 0.2),
        (0.31, [taking("a", 0.0, 0.2), taking("b", 0.5, 0.5)], None),
        (0.2, [taking("a", 0.1, 0.2), taking("b", 0.5, 0.3)], 0.3),
        (0.2, [taking("b", 0.5, 0.3), taking("a", 0.1, 0.2)], 0.3),
        (0.5, [taking("a", 0.0, 0.9, "paused")], None),
        (0.5, [taking("a", 0.0, 0.9, "stopped")], 0.0),
        (0.5, [taking("a", 0.0, 0.9, "draft")], 0.0),
        (0.5, [taking("a", 0.0, 0.9, layer="other")], 0.0),
        (0.5, [taking("new", 0.0, 0.9)], 0.0),
        (0.3, [taking("a", 0.0, 0.1), taking("b", 0.1, 0.2), taking("c", 0.3, 0.4)], 0.7),
        (0.1, [taking(str(n), n / 10, 0.1) for n in range(9)], 0.9),
    ],
)
def test_share_uses_the_first_sufficient_gap(share, others, offset):
    free = free_offset(experiment(id="new", share=share), others)
    assert free == (None if offset is None else pytest.approx(offset))


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=8))
def test_experiments_of_a_layer_never_share_a_unit(shares):
    running: list[Experiment] = []
    for number, share in enumerate(shares):
        new = experiment(id=str(number), share=share)
        offset = free_offset(new, running)
        if offset is not None:
            running.append(taking(str(number), offset, share))
    for unit in map(str, range(50)):
        assert sum(variant_of(each, unit) is not None for each in running) <= 1
