"""The beliefs that each outcome updates: groups, tracks and learners, without a database."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.checks.experiment_learning import bias_of, true_rates
from engine.kernel.experiments.teaching import groups_of, learner_of, teaching_of
from engine.kernel.plan import Plan, PlanDocument
from engine.learning.active import Active
from engine.learning.credit_settings import EnrolmentHead, Learning
from engine.learning.renewer import _wider
from engine.model.experiment import Experiment, ExperimentStatus, Variant
from engine.model.facts import Facts
from engine.model.placement import Holdback
from engine.model.scope import counts_for, track_of
from tests.factories import candidates, placement

CONTROL, OTHER = Variant(id="control", name="As it is"), Variant(id="other", name="Other", order=("paypal",))
STARTED = 1_000


def experiment(id: str, learning: str, **changes: Any) -> Experiment:
    status = ExperimentStatus(state="running", started_at=STARTED, phase_started_at=STARTED)
    setup = {"id": id, "name": id, "layer": id, "variants": (CONTROL, OTHER), "learning": learning, "status": status}
    return Experiment(**(setup | changes))


APART, SHARED, CONTROL_ONLY = (experiment(name, name) for name in ("apart", "shared", "control_only"))
ALL = teaching_of((APART, SHARED, CONTROL_ONLY))


@pytest.mark.parametrize(
    ("enrolled", "track", "learner"),
    [
        ({}, "converted|apart=", "converted|control_only=control"),
        ({"shared": "other"}, "converted|apart=", "converted|control_only=control"),
        ({"apart": "other"}, "converted|apart=other", "converted|apart=other|control_only=control"),
        ({"control_only": "control"}, "converted|apart=", "converted|control_only=control"),
        ({"control_only": "other"}, "converted|apart=|control_only=other", "converted|control_only=control"),
    ],
)
def test_groups_name_the_track_and_the_learner(enrolled: dict[str, str], track: str, learner: str) -> None:
    groups = groups_of(ALL, enrolled)
    assert track_of("converted", groups) == track
    assert track_of("converted", learner_of(ALL, groups)) == learner


@pytest.mark.parametrize(
    ("track", "learner", "counts"),
    [
        ("converted", "converted|a=x", True),
        ("converted|a=x", "converted", True),
        ("converted|a=x", "converted|a=x", True),
        ("converted|a=y", "converted|a=x", False),
        ("converted|a=", "converted|a=x", False),
        ("converted|b=y", "converted|a=x", True),
        ("converted|a=x|b=y", "converted|a=x|b=z", False),
        ("selected|a=x", "converted|a=x", False),
    ],
)
def test_a_track_counts_unless_a_group_differs(track: str, learner: str, counts: bool) -> None:
    assert counts_for(track, learner) is counts


def test_variant_starts_from_the_nearest_beliefs() -> None:
    assert _wider("converted|a=x|b=y") == ["converted|a=x", "converted|b=y", "converted"]
    assert _wider("converted|a=x") == ["converted"]


@pytest.mark.parametrize(("decided_at", "is_learned"), [(STARTED - 1, True), (STARTED, False)])
def test_pending_decisions_before_the_start_update_every_variant(decided_at: int, is_learned: bool) -> None:
    learning = Learning.of(placement(), experiments=(APART,))
    assert learning.teaches("converted|apart=other", [], decided_at) is is_learned
    own = [EnrolmentHead("apart", "other", 1, "no")]
    assert learning.teaches("converted|apart=other", own, STARTED)


def active(*experiments: Experiment, **changes: Any) -> Active:
    document = PlanDocument(
        placement=placement(**changes), candidates=candidates("card", "paypal"), experiments=experiments
    )
    return Active(Plan(document, version=1))


def test_logged_answers_lead_to_the_track_that_decided() -> None:
    deciding = active(experiment("apart", "apart", share=0.7), CONTROL_ONLY, holdback=Holdback(share=0.2))
    learning = Learning.of(deciding.plan.placement, experiments=deciding.plan.document.experiments)
    tracks = set()
    for customer in map(str, range(300)):
        plan, assignments = deciding.pick(Facts({}, {}, customer), "dec_1")
        named = [EnrolmentHead(each.experiment, each.variant, each.phase, "yes") for each in assignments]
        assert learning.of_answer(named).track == plan.learning.track
        tracks.add(plan.learning.track)
    groups = {"apart=", "apart=control", "apart=other"}
    assert tracks == {f"converted|{group}{end}" for group in groups for end in ("", "|control_only=other")}


def test_variants_that_share_beliefs_have_one_stream() -> None:
    assert set(active(SHARED).streams) == {"converted"}
    assert set(active(APART).streams) == {"converted", "converted|apart=control", "converted|apart=other"}
    assert set(active(CONTROL_ONLY).streams) == {"converted|control_only=control"}


def test_paused_experiment_learns_in_the_common_track() -> None:
    paused = ExperimentStatus(state="paused", started_at=STARTED, phase_started_at=STARTED)
    deciding = active(experiment("apart", "apart", status=paused))
    assert set(deciding.streams) == {"converted"}
    assert {plan.learning.track for plan in (deciding, *deciding.variants.values())} == {"converted|apart="}


def test_shared_learning_flatters_a_bandit_and_apart_does_not() -> None:
    """See `python -m benchmarks.verify experiment-learning` for more runs."""
    real = true_rates(10, 500)
    apart, shared = (bias_of(learning, real, 10, 500) for learning in ("apart", "shared"))
    assert abs(apart.mean) < 3 * apart.error
    assert shared.mean > 3 * shared.error
