"""Past decisions that an experiment would have reached, and shares of layers, without a database."""

from __future__ import annotations

from typing import Any

import pytest

from engine.experiments.layers import layers_of
from engine.experiments.reach import VariantReach, reaches
from engine.kernel.plan import PlanDocument
from engine.model.experiment import Experiment, ExperimentStatus, Variant
from engine.model.facts import Facts
from engine.model.placement import Fixed, Holdback, Thompson
from engine.model.standard_vocabulary import STANDARD
from tests.factories import candidates, placement, rule

CONTROL = Variant(id="control", name="As it is")
GERMANY = {"==": [{"var": "geo.country"}, "DE"]}
SMALL = {"<": [{"var": "cart.total"}, 5_000]}
RULE = rule({"exclude": ["klarna"]}, id="no-klarna", when=SMALL)
FACTS = [
    Facts({"geo.country": country, "cart.total": total}) for country in ("DE", "FR") for total in (1_000, 4_000, 9_000)
]


def document(**changes: Any) -> PlanDocument:
    setup: dict[str, Any] = {
        "placement": placement(policy=Fixed()),
        "candidates": tuple(candidates("card", "paypal", "klarna")),
        "rules": (RULE,),
        "fields": STANDARD,
        "currency": "EUR",
    }
    return PlanDocument(**(setup | changes))


def experiment(*variants: Variant, **changes: Any) -> Experiment:
    return Experiment(**({"id": "e", "name": "E", "variants": (CONTROL, *variants)} | changes))


@pytest.mark.parametrize(
    ("variant", "differing"),
    [
        (Variant(id="b", name="B", rules_off=("no-klarna",)), 4),
        (Variant(id="b", name="B", candidates_off=("klarna",)), 2),
        (Variant(id="b", name="B", candidates_off=("gone",)), 0),
        (Variant(id="b", name="B", policy=Thompson()), 6),
        (Variant(id="b", name="B", values={"show": True}), 6),
        (Variant(id="b", name="B", rules=(rule({"exclude": ["card"]}, id="x", when=GERMANY),)), 3),
    ],
)
def test_variant_differs_where_its_limits_differ(variant: Variant, differing: int) -> None:
    assert reaches(document(), experiment(variant), FACTS) == [VariantReach("b", 6, differing)]


def test_only_the_audience_is_reached() -> None:
    off = Variant(id="b", name="B", rules_off=("no-klarna",))
    [reach] = reaches(document(), experiment(off, audience=GERMANY), FACTS)
    assert (reach.inside, reach.differing) == (3, 2)


def test_each_variant_is_compared_with_the_control() -> None:
    off, none = Variant(id="b", name="B", rules_off=("no-klarna",)), Variant(id="c", name="C", values={"x": 1})
    assert [(each.variant, each.differing) for each in reaches(document(), experiment(off, none), FACTS)] == [
        ("b", 4), ("c", 6),
    ]  # fmt: skip


def test_share_state_and_holdback_do_not_matter() -> None:
    off = Variant(id="b", name="B", rules_off=("no-klarna",))
    status = ExperimentStatus(state="paused", offset=0.9)
    small = experiment(off, share=0.01, unit="customer", status=status)
    held = document(placement=placement(policy=Fixed(), holdback=Holdback(share=0.5)))
    assert reaches(held, small, FACTS) == [VariantReach("b", 6, 4)]


def test_a_variant_that_makes_no_plan_is_left_out() -> None:
    broken = Variant(id="b", name="B", rules=(rule({"exclude": ["card"]}, id="x", when={"no": [1]}),))
    assert reaches(document(), experiment(broken), FACTS) == []
    assert reaches(document(), experiment(Variant(id="c", name="C", values={"x": 1})), []) == [VariantReach("c", 0, 0)]


@pytest.mark.parametrize(
    ("parts", "free", "largest"),
    [
        ([(0.0, 1.0)], 0.0, 0.0),
        ([(0.0, 0.3)], 0.7, 0.7),
        ([(0.2, 0.3)], 0.7, 0.5),
        ([(0.0, 0.3), (0.5, 0.5)], 0.2, 0.2),
        ([(0.9, 0.1), (0.1, 0.2), (0.3, 0.2)], 0.5, 0.4),
    ],
)
def test_free_share_is_between_the_used_shares(parts: list[tuple[float, float]], free: float, largest: float) -> None:
    documents = [
        experiment(id=f"e{begins}", layer="main", share=share, status=ExperimentStatus(state="running", offset=begins))
        for begins, share in parts
    ]
    [use] = layers_of(documents)
    assert (use.free, use.largest_free) == pytest.approx((free, largest))
    assert [part.begins for part in use.parts] == sorted(begins for begins, _ in parts)


def test_ended_experiment_uses_no_share() -> None:
    states = ("running", "stopped", "draft", "archived")
    documents = [
        experiment(id=state, layer="main", share=0.2, status=ExperimentStatus(state=state)) for state in states
    ]  # type: ignore[arg-type]
    [use] = layers_of([*documents])
    assert [each.experiment for each in use.parts] == ["running"]
    assert use.free == pytest.approx(0.8)
