"""The actions of each role in each state of an experiment, and the labels of its pages."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.experiments.ending.changes import changes_of_winner
from engine.model.actor import Actor
from engine.model.errors import NotFound
from engine.model.experiment import Experiment, ExperimentStatus, State, Variant
from engine.model.placement import Fixed, Split, Thompson
from tests import factories
from tests.serving import Server, Side
from tests.web.people import add_person
from tests.web.test_admin_experiments import PAGE, PLACEMENT, act, create, stored
from web.admin.experiments.experiment_actions import ACTIONS, action_of, actions_for
from web.admin.shell.frame import Frame
from web.charts.experiment_charts import VariantLift, lifts
from web.experiments.experiment_words import (
    METRICS,
    STATES,
    days_left_text,
    days_run,
    lift_text,
    measured,
    summary,
    value_text,
)
from web.experiments.results_view import changes_of
from web.format import Show, viewer_locale

NOW = 1_795_262_400_000
DAY = 86_400_000
RULE = factories.rule({"exclude": ["card"]})
SHOW = Show(locale=viewer_locale("en-US"), timezone="Europe/Berlin", now=NOW)
GERMAN = Show(locale=viewer_locale("de"), timezone="Europe/Berlin", now=NOW)


def experiment(state: State = "draft", *, variant: Variant | None = None, **status: Any) -> Experiment:
    variants = (Variant(id="a", name="As it is"), variant or Variant(id="b", name="B", order=("paypal",)))
    return Experiment(id="e", name="E", variants=variants, status=ExperimentStatus(state=state, **status))


def person(*, edits: bool, changes: bool, review: bool = False) -> Frame:
    frame = SimpleNamespace(may_edit=edits, may_change=changes, merchant=SimpleNamespace(review=review))
    return cast(Frame, frame)


@pytest.mark.parametrize(
    ("state", "names"),
    [
        ("draft", ["ask-log", "start", "delete"]),
        ("in_review", ["ask-log", "approve", "send-back", "delete"]),
        ("approved", ["ask-log", "send-back", "start", "delete"]),
        ("running", ["pause", "stop", "conclude"]),
        ("paused", ["resume", "stop", "conclude"]),
        ("stopped", ["conclude", "archive"]),
        ("concluded", ["archive"]),
        ("archived", ["restore"]),
    ],
)
def test_each_state_offers_its_actions(state: State, names: list[str]) -> None:
    publisher = person(edits=True, changes=True)
    assert [action.name for action in actions_for(publisher, experiment(state))] == names
    viewer = person(edits=False, changes=False)
    assert actions_for(viewer, experiment(state)) == []


def test_start_under_review_is_requested_first() -> None:
    publisher = person(edits=True, changes=True, review=True)
    assert [action.name for action in actions_for(publisher, experiment())] == ["ask-log", "ask", "delete"]
    approved = actions_for(publisher, experiment("approved"))
    assert "start" in [action.name for action in approved]


def test_editor_prepares_but_does_not_start() -> None:
    editor = person(edits=False, changes=True, review=True)
    offered = {state: {action.name for action in actions_for(editor, experiment(state))} for state in STATES}
    assert offered["draft"] == {"ask-log", "ask", "delete"}
    assert offered["in_review"] == {"ask-log", "send-back", "delete"}
    assert offered["running"] == set()


def test_every_action_confirms_its_effect() -> None:
    assert all(action.notice and action.label for action in ACTIONS)
    assert action_of("pause").needs == "reason"
    with pytest.raises(NotFound):
        action_of("due")


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        (Variant(id="b", name="B"), ["Changes nothing"]),
        (Variant(id="b", name="B", order=("paypal", "gone")), ["First: PayPal, gone"]),
        (Variant(id="b", name="B", candidates_off=("paypal",)), ["Not offered: PayPal"]),
        (Variant(id="b", name="B", rules_off=("r1",)), ["Rules off: r1"]),
        (
            Variant(id="b", name="B", rules=(factories.rule({"exclude": ["card"]}),)),
            ["Rules on, added or changed: The rule"],
        ),
        (Variant(id="b", name="B", policy=Fixed()), ["Chooses by: the merchant's own order"]),
        (Variant(id="b", name="B", policy=Split()), ["Chooses by shares, without learning: all the same"]),
        (Variant(id="b", name="B", policy=Split({"paypal": 70})), ["Chooses by shares, without learning: PayPal 70"]),
        (
            Variant(id="b", name="B", policy=Thompson(drawn=1)),
            ["Learns with other settings: 1% to keep trying, 1 position varies"],
        ),
        (Variant(id="b", name="B", values={"limit": 3}), ["limit = 3"]),
    ],
)
def test_changes_of_a_variant_are_listed(variant: Variant, words: list[str]) -> None:
    assert changes_of(experiment(variant=variant), 1, {"paypal": "PayPal"}) == words


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("conversion", 0.123, "12.3%"),
        ("orders", 1.25, "1.250"),
        ("revenue", 1234.4, "€12.34"),
        ("order_value", 500_000, "€5,000.00"),
        ("revenue", None, "–"),
    ],
)
def test_value_has_its_unit(metric: Any, value: float | None, text: str) -> None:
    assert value_text(metric, value, SHOW, "EUR") == text


def test_every_metric_names_its_denominator() -> None:
    assert measured("conversion", "device") == "Share of devices with a purchase"
    assert {measured(metric, "customer") for metric in METRICS} >= {"Purchases a customer", "Amount a purchase"}


@pytest.mark.parametrize(
    ("days", "text"),
    [(None, ""), (0.0, "less than a day"), (1.2, "about 1 day"), (8.6, "about 9 days"), (1500.0, "about 1,500 days")],
)
def test_days_left_are_rounded(days: float | None, text: str) -> None:
    assert days_left_text(days, SHOW) == text


def test_days_run_end_with_the_experiment() -> None:
    assert days_run(experiment(), NOW) is None
    assert days_run(experiment("running", started_at=NOW - 3 * DAY), NOW) == 3
    assert days_run(experiment("stopped", started_at=NOW - 9 * DAY, ended_at=NOW - 7 * DAY), NOW) == 2


def test_interval_of_changes_has_signs() -> None:
    assert lift_text(-0.01, 0.0254, SHOW) == "-1.0% to +2.5%"
    assert lift_text(None, 0.1, SHOW) == "–"
    assert summary(experiment(), None, SHOW).short == "Not started"


def test_labels_at_the_ends_of_lines_do_not_overlap() -> None:
    points = [
        VariantLift(label=name, position=number, day=20_000, lift=0.1, low=-0.1, high=0.3)
        for number, name in enumerate("BCD")
    ]
    spec = lifts(points, show=GERMAN, measure="Änderung")
    labels = spec["layer"][-1]
    assert (labels["mark"]["align"], labels["mark"]["dx"]) == ("left", 8), "behind the lines, not on them"
    heights = sorted(row["label_at"] for row in labels["data"]["values"])
    assert min(high - low for low, high in pairwise(heights)) >= 0.02
    assert spec["data"]["values"][0]["range_text"] == "-10,0\xa0% to +30,0\xa0%"
    assert spec["usermeta"]["numbers"]["decimal"] == ","


def test_page_links_to_changes_of_a_proposed_winner(server: Server, side: Side) -> None:
    admin, actor, engine = add_person(server, side), Actor(side.merchant.id, "engine"), server.engine
    create(admin)
    act(admin, "start")
    proposal = {"winner": "paypal-on-top", "reason": "by itself: it is better", "note": "in the draft"}
    server.run(engine.experiments.propose(actor, PLACEMENT, "paypal-first", **proposal))
    page = admin.get(PAGE)
    assert "everybody gets the control: by itself: it is better" in page
    assert "Not all changes of “PayPal on top” are in the draft. Conclude publishes them" in page
    configuration = server.run(engine.catalogue.configuration(actor.merchant_id))
    changes = changes_of_winner(configuration, PLACEMENT, stored(server, side), "paypal-on-top")
    for change in changes:
        server.run(engine.drafts.save(actor, PLACEMENT, change.resource.document, revision=None))
    page = admin.get(PAGE)
    assert "The changes of “PayPal on top” wait in the draft." in page
    assert f'/placements/{PLACEMENT}/changes">Look at the draft</a>' in page
    revision = server.run(engine.drafts.get(actor.merchant_id, PLACEMENT)).head.revision
    server.run(engine.releases.publish(actor, PLACEMENT, revision=revision, reason="it is better"))
    assert "The experiment is concluded within a minute." in admin.get(PAGE)
    server.run(engine.supervisor.run())
    page = admin.get(PAGE)
    assert "“PayPal on top” is in force." in page
    assert "Look at the draft" not in page
