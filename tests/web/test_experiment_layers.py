"""Layers on pages, and the checklist: room, whole weeks, and how often the variants could have differed."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from engine.experiments.layers import layers_of
from engine.model.experiment import Experiment, ExperimentStatus
from engine.model.resource import Resource
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from tests.web.test_admin_experiments import FORM, LIST, PAGE, PLACEMENT, act, create
from tests.web.test_experiment_words import NOW, RUNNING, SHOW, experiment, look
from web.admin.experiments.layers import free_text, layer_views
from web.experiments.checklist import _layer, _weeks
from web.experiments.experiment_words import summary

DAY = 86_400_000


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def open_one(id: str, offset: float, share: float, *, layer: str = "main", state: Any = "running") -> Experiment:
    status = ExperimentStatus(state=state, offset=offset, started_at=1, phase_started_at=1)
    return experiment(id=id, name=id.title(), share=share, layer=layer, status=status)


def resources(*documents: Experiment) -> list[Resource]:
    return [Resource("experiment", PLACEMENT, each.id, 1, each, NOW) for each in documents]


# Words


@pytest.mark.parametrize(
    ("documents", "text"),
    [
        ([open_one("a", 0.0, 1.0)], "Nothing is free"),
        ([open_one("a", 0.0, 0.3)], "70% free"),
        ([open_one("a", 0.0, 0.3), open_one("b", 0.5, 0.3)], "40% free, 20% in one piece"),
        ([open_one("a", 0.2, 0.3)], "70% free, 50% in one piece"),
    ],
)
def test_free_share_of_a_layer_is_shown(documents: list[Experiment], text: str) -> None:
    [use] = layers_of(documents)
    assert free_text(use, SHOW) == text


def test_each_layer_with_an_open_experiment_is_a_bar() -> None:
    documents = [
        open_one("b", 0.3, 0.2, state="paused"),
        open_one("a", 0.0, 0.3),
        open_one("c", 0.0, 0.5, layer="second"),
        open_one("d", 0.0, 0.5, layer="third", state="stopped"),
    ]
    main, second = layer_views(resources(*documents), {PLACEMENT: "Payment methods"}, "/admin/live", SHOW)
    assert (main.name, main.placement, second.name) == ("main", "Payment methods", "second")
    assert [(part.name, part.start, part.width, part.share) for part in main.parts] == [
        ("A", "0.00", "30.00", "30%"), ("B", "30.00", "20.00", "20%"),
    ]  # fmt: skip
    assert main.parts[0].href == f"/admin/live/experiments/{PLACEMENT}/a"


def test_full_layer_is_reported_before_the_start() -> None:
    others = [open_one("a", 0.0, 0.6), open_one("b", 0.8, 0.2)]
    fits, full = (_layer(experiment(share=share), others, SHOW) for share in (0.2, 0.3))
    assert fits.is_done
    assert fits.text == "It takes 20% of the layer “main”, of which 20% is free."
    assert full.is_needed
    assert not full.is_done
    assert "at most 20% is free in one piece" in full.text


@pytest.mark.parametrize(
    ("days", "is_done", "text"),
    [
        (7, True, "At least 1 week: each weekday counts alike."),
        (28, True, "At least 4 weeks: each weekday counts alike."),
        (10, False, "At least 10 days: some weekdays count more. Set 14 days."),
        (0, False, "No least time is set: some weekdays count more. Set 7 days."),
    ],
)
def test_whole_weeks_are_recommended(days: int, is_done: bool, text: str) -> None:
    check = _weeks(experiment(minimum_days=days), SHOW)
    assert (check.is_done, check.text, check.is_needed) == (is_done, text, False)


def test_a_better_variant_cannot_win_before_the_least_time() -> None:
    document = experiment(minimum_days=14)
    early = summary(document, look(document, (4_000, 2_000), (4_000, 2_400)), SHOW)
    assert re.search(r"It can win from .* on, after 14 days at least\.", early.detail)
    for later in (
        experiment(minimum_days=7),
        experiment(minimum_days=14, status=msgspec.structs.replace(RUNNING, state="paused")),
        experiment(minimum_days=0),
    ):
        assert "It can win from" not in summary(later, look(later, (4_000, 2_000), (4_000, 2_400)), SHOW).detail


# Pages


def test_list_shows_the_share_of_each_experiment(person: Person) -> None:
    assert "Layers" not in person.get(LIST)
    create(person, share="30")
    assert "Layers" not in person.get(LIST)
    act(person, "start")
    text = person.get(LIST)
    assert "main</strong>" in text
    assert "70% free" in text
    assert 'width="30.00"' in text


def test_experiment_waits_for_a_free_share_of_its_layer(person: Person) -> None:
    create(person, share="80")
    act(person, "start")
    create(person, name="Second", share="30")
    page = person.get(f"{LIST}/{PLACEMENT}/second")
    assert "but at most 20% is free in one piece" in page
    refused = person.send(f"{LIST}/{PLACEMENT}/second/start")
    assert refused.status_code == 409
    assert "lower the share, or use another layer" in refused.text
    act(person, "pause", **{"reason:pause": "Support calls"})
    assert person.send(f"{LIST}/{PLACEMENT}/second/start").status_code == 409, "a paused one keeps its customers"
    act(person, "stop", **{"reason:stop": "Wrong audience"})
    assert person.send(f"{LIST}/{PLACEMENT}/second/start").status_code == 303


def test_layers_have_separate_shares(person: Person) -> None:
    create(person, share="100")
    act(person, "start")
    form = person.get(f"{LIST}/new")
    assert '<option value="main">Nothing is free</option>' in form
    assert "In “main” now: nothing is free." in form
    create(person, name="Second", share="100", layer="second", **{"v1.order": ["ideal", "", ""]})
    assert person.send(f"{LIST}/{PLACEMENT}/second/start").status_code == 303
    assert person.get(LIST).count("Nothing is free") == 2


def test_archived_experiment_frees_its_share_and_can_be_restored(person: Person) -> None:
    create(person, share="100")
    act(person, "start")
    act(person, "stop", **{"reason:stop": "Wrong audience"})
    act(person, "archive")
    text = person.get(LIST)
    assert "1 archived experiment" in text
    assert "Layers" not in text
    act(person, "restore")
    text = person.get(LIST)
    assert "archived experiment" not in text
    assert ">Concluded<" in text


def test_checklist_shows_how_often_variants_can_differ(side: Side, person: Person) -> None:
    side.decide("c_1")
    side.decide("c_2")
    create(person)
    reach = "2 of the latest 2 decisions in the audience (100%)."
    assert f"PayPal on top could have differed in {reach}" in person.get(PAGE)
    rule = {"v1.order": ["", "", ""], "v1.rules_off": ["no-invoice-for-large-carts"]}
    create(person, name="No rule", **rule)
    text = person.get(f"{LIST}/{PLACEMENT}/no-rule")
    assert "PayPal on top could not have differed in any of the latest 2 decisions." in text


def test_draft_without_decisions_lists_its_checks(person: Person) -> None:
    create(person)
    assert "No two variants change the same, and what they name is there." in person.get(PAGE)


def test_a_longest_run_below_the_shortest_is_refused(person: Person) -> None:
    answer = person.send(f"{LIST}/new", **(FORM | {"minimum_days": "21", "maximum_days": "14"}))
    assert answer.status_code == 422
    assert "Must not be below the shortest run." in answer.text
