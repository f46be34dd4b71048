"""The page of a preview: started as a plain form, watched, read, cancelled."""

from __future__ import annotations

import re
import time
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from benchmarks.checks.preview_log import create_plan, make_log, store_log
from engine.clock import now_ms
from engine.model.actor import Actor
from engine.model.timestamps import DAY
from engine.previews.estimation.effect import Effect
from engine.previews.estimation.result import Result
from engine.previews.estimation.totals import Places
from tests.factories import rule
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from web.admin.changes.preview_report import (
    ReportPhrasing,
    at_most,
    most_lost,
    reason_of,
    rule_verdict_of,
    verdict_of,
)
from web.format import Show, viewer_locale

PAGE = "/admin/live/rules/payment_methods/-/preview"
WHAT_IF = "/admin/live/placements/payment_methods/what-if"
CHANGES = "/admin/live/placements/payment_methods/changes"
NO_SEPA = rule({"exclude": ["sepa_debit"]}, id="no-sepa", name="No SEPA")
EFFECT = Effect(1000, 500, 0.6, 0.01, 0.008, 0.021, 400, 3, 0.0, 0.0)


@pytest.fixture
def shop(server: Server) -> Side:
    """A merchant with a small log."""
    side, _ = server.sides()
    plan = server.run(create_plan(server.engine, side.merchant.id))
    log = make_log(plan, side.merchant.id, count=400, seed=2, until=now_ms() - DAY)
    server.run(store_log(server.engine.database, log))
    return side


@pytest.fixture
def person(server: Server, shop: Side) -> Person:
    return add_person(server, shop, role="editor")


def draft(server: Server, shop: Side) -> None:
    drafts = server.engine.drafts
    server.run(drafts.save(Actor(shop.merchant.id, "tester"), "payment_methods", NO_SEPA, revision=None))


def read(person: Person, page: str = PAGE) -> str:
    for _ in range(300):
        text = person.get(page)
        if "<progress" not in text:
            return text
        time.sleep(0.1)
    raise AssertionError("the preview did not end")


def test_draft_preview_explains_the_effect_in_words(server: Server, shop: Side, person: Person):
    draft(server, shop)
    assert "The draft with 1 change, compared with past decisions." in person.get(PAGE)
    assert person.send(PAGE, period="7").status_code == 303
    text = read(person)
    assert "Decisions that would change" in text
    assert "SEPA" in text
    assert 'data-chart="chart-preview"' in text
    assert "How is this computed?" in text
    assert "No SEPA" in text
    assert "The draft has changed since" not in text
    shop_drafts = server.engine.drafts
    server.run(shop_drafts.discard(Actor(shop.merchant.id, "tester"), "payment_methods", revision=None))
    assert "The draft has changed since" in person.get(PAGE)


def plain(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_preview_compares_the_plan_with_and_without_a_rule(person: Person):
    page = f"{WHAT_IF}?change=off&id=big-carts"
    assert "What does “Klarna helps with big carts” bring?" in plain(person.get(page))
    answer = person.send(WHAT_IF, change="off", id="big-carts", period="30")
    assert answer.headers["location"].endswith("what-if?change=off&id=big-carts")
    text = plain(read(person, page))
    assert re.search(r"This rule brings|Cannot be estimated", text)
    assert re.search(r"In \d+ decisions where it matters: \d|It matters in \d+ decisions of \d+", text)
    assert "Without it With it Change" in text


def test_pause_of_a_method_is_previewed_and_added_to_the_draft(person: Person):
    """From the list of methods, preview a change and add it to the draft, which is unchanged before."""
    assert "what-if?change=paused&id=klarna" in person.get("/admin/live/methods")
    page = f"{WHAT_IF}?change=paused&id=klarna"
    assert "What if Klarna were paused?" in plain(person.get(page))
    assert person.send(WHAT_IF, change="paused", id="klarna", period="30").status_code == 303
    assert "Left empty" in read(person, page)
    assert "Nothing to publish" in person.get(CHANGES)
    put = person.send(f"{WHAT_IF}/draft", change="paused", id="klarna")
    assert put.headers["location"].endswith("/changes")
    assert "Klarna" in person.get(CHANGES)


def test_linked_preview_starts_automatically_but_not_after_a_refusal(person: Person):
    url = f"{WHAT_IF}?change=first&id=klarna"
    assert 'hx-trigger="load, submit"' in person.get(url)
    refused = person.send(WHAT_IF, change="first", id="klarna", period="custom", first="", last="")
    assert (refused.status_code, "preview-start" in refused.text) == (422, True)
    assert 'hx-trigger="load, submit"' not in refused.text


def test_fixed_order_is_previewed_as_a_change(person: Person):
    assert "What if the order were fixed, without learning?" in plain(person.get(WHAT_IF))
    assert person.send(f"{WHAT_IF}/draft", change="fixed").status_code == 303
    assert "Policy" in plain(person.get(CHANGES))
    assert "fixed" in plain(person.get(CHANGES))


def test_minimum_is_entered_as_an_amount(person: Person):
    page = person.get(f"{WHAT_IF}?change=minimum&id=klarna")
    assert "Type an amount." not in page
    assert "Try it on the past" not in page
    answer = person.client.get(f"{WHAT_IF}?change=minimum&id=klarna&amount=")
    assert answer.status_code == 422
    assert "Type an amount." in answer.text
    page = person.get(f"{WHAT_IF}?change=minimum&id=klarna&amount=20,00")
    assert "What if Klarna were offered from €20.00?" in plain(page)


def test_viewer_cannot_preview_questions(server: Server, shop: Side):
    viewer = add_person(server, shop, role="viewer")
    page = viewer.get(f"{WHAT_IF}?change=paused&id=klarna")
    assert "Your role can view previews but not start them." in page
    assert "what-if-draft" not in page
    assert viewer.send(WHAT_IF, change="paused", id="klarna", period="7").status_code == 403
    assert viewer.send(f"{WHAT_IF}/draft", change="paused", id="klarna").status_code == 403


def test_running_preview_can_be_cancelled_and_blocks_others(person: Person):
    for _ in range(5):
        person.send(PAGE, period="7")
        running = person.get(PAGE)
        if "<progress" in running:
            person.send(cancel_in(running))
            # It may have ended before it was cancelled.
            if "The preview was cancelled." in person.get(PAGE):
                break
        read(person)
    else:
        pytest.fail("no preview was caught while it ran")
    assert person.send(PAGE, period="7").status_code == 303
    read(person)


def test_a_viewer_neither_starts_nor_cancels_previews(server: Server, shop: Side, person: Person):
    viewer = add_person(server, shop, role="viewer")
    assert "Your role can view previews but not start them." in viewer.get(PAGE)
    assert "preview-start" not in viewer.get(PAGE)
    assert viewer.send(PAGE, period="7").status_code == 403
    started = server.run(server.engine.previews.newest(shop.merchant.id, "payment_methods"))
    assert started is None
    assert person.send(PAGE, period="7").status_code == 303
    running = server.run(server.engine.previews.newest(shop.merchant.id, "payment_methods"))
    assert running is not None
    assert viewer.send(f"{PAGE}/{running.id}/cancel").status_code == 403
    assert "The preview was cancelled." not in read(person)


def cancel_in(text: str) -> str:
    end = text.index('/cancel"')
    return text[text.rindex('"', 0, end) + 1 : end] + "/cancel"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"first": "", "last": "2026-11-02"}, "Choose a day."),
        ({"first": "2026-11-03", "last": "2026-11-02"}, "Must not be before the first day."),
    ],
)
def test_invalid_day_has_a_message_beside_its_field(person: Person, values: dict[str, str], text: str):
    answer = person.send(PAGE, period="custom", **values)
    assert answer.status_code == 422
    assert text in answer.text


def test_preview_without_outcomes_shows_when_they_will_be_complete(server: Server, shop: Side, person: Person):
    draft(server, shop)
    shop.decide()
    today = datetime.now(ZoneInfo(shop.merchant.timezone)).date().isoformat()
    person.send(PAGE, period="custom", first=today, last=today)
    text = plain(read(person))
    assert "Not known yet: the outcomes are awaited" in text
    assert re.search(
        r"A decision counts \d+ minutes after it was made. The first estimate is possible from .+ on.", text
    )


def test_period_without_decisions_has_a_message(person: Person):
    person.send(PAGE, period="custom", first="2020-01-01", last="2020-01-02")
    assert "There were no decisions in this period" in read(person)


def result(**changes: object) -> Result:
    effect = msgspec.structs.replace(EFFECT, **changes)
    return Result("converted", 1000, 0, 0, [1], 0, 0, 500, 0, [], [], [], effect)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Would probably raise conversion by 0.80 to 2.1 percentage points"),
        ({"low": -0.021, "high": -0.008}, "Would probably lower conversion by 0.80 to 2.1 percentage points"),
        ({"low": -0.002, "high": 0.005}, "No clear effect on conversion: between -0.20 and +0.50 percentage points"),
        ({"refused": "so"}, "Cannot be estimated from past decisions"),
    ],
)
def test_verdict_names_direction_and_size(changes: dict[str, object], text: str):
    show = Show(locale=viewer_locale("en"), timezone="UTC", now=0)
    assert verdict_of(ReportPhrasing(show, "EUR"), result(**changes))[1] == text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "This rule brings +0.80 to +2.1 percentage points of conversion"),
        ({"low": -0.021, "high": -0.008}, "This rule brings -2.1 to -0.80 percentage points of conversion: a loss"),
        (
            {"low": -0.002, "high": 0.005},
            "This rule brings -0.20 to +0.50 percentage points of conversion: no clear effect",
        ),
        ({"refused": "so"}, "Cannot be estimated from past decisions"),
    ],
)
def test_verdict_of_a_rule_names_its_effect(changes: dict[str, object], text: str):
    show = Show(locale=viewer_locale("en"), timezone="UTC", now=0)
    assert rule_verdict_of(ReportPhrasing(show, "EUR"), result(**changes))[1] == text


def test_changed_decisions_are_listed_before_the_total():
    """Of 1,000 decisions, 500 matter: what is +1 point in total is +2 points there."""
    show = Show(locale=viewer_locale("en"), timezone="UTC", now=0)
    text = reason_of(ReportPhrasing(show, "EUR"), result())
    assert text == (
        "In 500 decisions where it matters: 60.0% → 62.0% (+1.6 to +4.2 percentage points). "
        "Over all 1,000 decisions with a known outcome: +1.0 (+0.80 to +2.1 percentage points)."
    )
    refused = reason_of(ReportPhrasing(show, "EUR"), result(refused="too few"))
    assert refused == "Too few. It matters in 500 decisions of 1,000 with a known outcome: 60.0% now."
    positions = [Places("klarna", "Klarna", (9, 0), (9, 0), (9, 0))]
    paused = msgspec.structs.replace(result(refused="too few"), position_counts=positions, withdrawn={"klarna": 40})
    assert reason_of(ReportPhrasing(show, "EUR"), paused).endswith(
        "60.0% now. There, Klarna was chosen in 40 decisions (8.0%). "
        "An experiment can tell how many of these customers would choose something else."
    )
    awaited = reason_of(ReportPhrasing(show, "EUR"), result(touched=0))
    assert awaited == "The outcomes of the decisions that would change are still awaited."


KLARNA, CARD = Places("klarna", "Klarna", (9, 0), (9, 0), (90, 0)), Places("card", "Card", (1, 9), (9, 9), (90, 90))
PAUSED = msgspec.structs.replace(result(refused="too few"), position_counts=[KLARNA, CARD], withdrawn={"klarna": 40})
"""Klarna is paused: customers chose it in 40 of 1,000 decisions, and nobody else is shown more often."""


def test_pause_without_an_estimate_has_a_maximum_cost():
    phrasing = ReportPhrasing(Show(locale=viewer_locale("en"), timezone="UTC", now=0), "EUR")
    assert most_lost(PAUSED) == KLARNA
    verdict, reason = at_most(phrasing, PAUSED, KLARNA)
    assert verdict == "Costs at most 4.0 percentage points of conversion"
    assert reason.startswith(
        "Klarna was chosen in 40 decisions of 1,000 with a known outcome. If everybody else chooses"
    )
    assert reason.endswith("There is no closer estimate: too few.")


@pytest.mark.parametrize(
    "changes",
    [
        {"reward": "revenue"},
        {"withdrawn": {"klarna": 40, "card": 1}},
        {"withdrawn": msgspec.UNSET},
        {"position_counts": [KLARNA, Places("new", "New", (0, 9), (0, 9), (0, 90))]},
        {"effect": EFFECT},
    ],
    ids=["money", "two candidates", "an older preview", "a new candidate", "an estimate"],
)
def test_only_a_candidate_offered_less_has_a_maximum_cost(changes: dict[str, object]):
    assert most_lost(msgspec.structs.replace(PAUSED, **changes)) is None


@pytest.mark.parametrize("reward", ["revenue", "margin"])
def test_money_is_written_for_100_decisions(reward: str):
    show = Show(locale=viewer_locale("en"), timezone="UTC", now=0)
    money = msgspec.structs.replace(result(value=140.0, low=80.0, high=210.0), reward=reward)
    text = verdict_of(ReportPhrasing(show, "EUR"), money)[1]
    assert text == f"Would probably raise {reward} by €80.00 to €210.00 for each 100 decisions"
