"""The page of a placement: comparisons of candidates and checkouts, in words, with intervals."""

from __future__ import annotations

import csv
import io
import random
import re

import pytest

from bandits.evaluation.stratified import StratifiedDifference
from engine.clock import now_ms
from engine.insights.comparisons import Performance
from engine.model.placement import Placement
from engine.model.timestamps import DAY
from engine.statistics.checkouts import CheckoutBin, CheckoutFigures, MeanInterval
from engine.statistics.like_for_like import (
    ChoiceRate,
    GroupComparison,
    Lead,
)
from engine.statistics.share import Share
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from web.admin.placements.performance.first_places import first_places_view
from web.admin.placements.performance.headline import headline_view
from web.admin.placements.performance.matrix import matrix_table, matrix_view
from web.admin.placements.performance.period import PagePeriod
from web.charts.candidate_charts import ArmShare, ChartEvent, shares, with_others
from web.charts.candidate_names import CandidateNames
from web.format import Show, viewer_locale

PAGE = "/admin/live/placements/payment_methods"
NAMES = CandidateNames({"card": "Card", "paypal": "PayPal", "ideal": "iDEAL"}, {"card": 0, "paypal": 1, "ideal": 2})
PLACEMENT = Placement(key="payment_methods", name="Payment methods", buckets=("geo.country",), window_minutes=30)
SHOW = Show(locale=viewer_locale("en"), timezone="UTC", now=20_030 * DAY)
NO_CHECKOUTS = CheckoutFigures(False, None, [], None, None, None, None, 1.0)


class Frame:
    show = SHOW


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def difference(value, low, high, p_value=0.001):
    return StratifiedDifference(value, low, high, p_value, 2_000)


def rate(candidate, mean, *, seen=900, offered=1.0):
    return ChoiceRate(candidate, mean, mean - 0.02, mean + 0.02, seen, offered)


def group(bucket, lead=None, beside=None, **means):
    rates = {name: rate(name, mean) if isinstance(mean, float) else mean for name, mean in means.items()}
    return GroupComparison(bucket, 1_200, rates, lead, beside or {})


def performance(*groups, checkouts=NO_CHECKOUTS, days=30, sampled=6_000):
    return Performance(days, 0, 1, sampled, 90_000, groups, 2, checkouts)


SURE = Lead("paypal", "card", difference(0.021, 0.003, 0.039), 1.0, sure=True)


def view(*groups, **changes):
    return matrix_view(Frame(), PLACEMENT, performance(*groups, **changes), NAMES)


def test_sentence_names_leader_difference_and_period():
    germans = group("DE", SURE._replace(since=20_011), card=0.44, paypal=0.46)
    [sentence] = view(germans).sentences
    assert sentence.text == "In Germany, PayPal beats Card by 2.1 points (0.3 to 3.9), since Oct 15, 2024."
    assert sentence.is_sure
    [steady] = view(group("DE", SURE, card=0.44, paypal=0.46), days=7).sentences
    assert steady.text.endswith("(0.3 to 3.9), in the last 7 days.")
    assert view(germans).groups[0].about == "1,200 decisions since Oct 15, 2024"
    part = group("DE", SURE._replace(share=0.62), card=0.44, paypal=0.46)
    assert "for the 62% of customers who could be shown both" in view(part).sentences[0].text


def test_uncertain_difference_is_too_close_to_call():
    close = group("FR", SURE._replace(sure=False, difference=difference(0.01, -0.02, 0.04)), card=0.5, paypal=0.51)
    result = view(close, group("NL", None, card=0.5))
    assert result.sentences[0].text == (
        "In France, PayPal and Card are too close to call: PayPal is 1.0 points ahead (-2.0 to 4.0)."
    )
    assert result.sentences[1].text == "In the Netherlands, there are too few complete results to compare."
    behind = group("FR", SURE._replace(sure=False, difference=difference(-0.002, -0.16, 0.15)), card=0.5, paypal=0.51)
    assert view(behind).sentences[0].text == (
        "In France, PayPal and Card are too close to call: PayPal is 0.2 points behind (-16.0 to 15.0)."
    )
    assert result.title == "No candidate is surely ahead yet"
    assert not any(cell.mark for row in result.rows for cell in row.cells)


def test_the_title_names_the_leader_of_each_group():
    dutch = group("NL", SURE._replace(leader="ideal"), card=0.3, ideal=0.6)
    result = view(group(None, SURE, card=0.4, paypal=0.5), group("DE", SURE, card=0.44, paypal=0.46), dutch)
    assert result.title == "PayPal leads in Germany; iDEAL leads in the Netherlands"
    assert [head.name for head in result.groups] == ["All customers", "Germany", "Netherlands"]
    assert "6,000 of 90,000 decisions of the last 30 days" in result.basis


def test_customers_are_compared_with_the_leader_if_possible():
    beside = {"card": difference(-0.021, -0.039, -0.003), "ideal": None}
    all_customers = group(None, SURE, beside, card=0.6, paypal=0.5, ideal=rate("ideal", 0.67, offered=0.18))
    cells = {row.id: row.cells[0] for row in view(all_customers).rows}
    assert (cells["card"].figure, cells["card"].interval) == ("-2.1", "-3.9 to -0.3")
    assert cells["ideal"].note == "not comparable: shown to other customers"
    assert (cells["paypal"].figure, cells["paypal"].mark) == ("leads", "Best")
    # The higher raw rates of other customers are not shown.
    assert "67" not in "".join(cell.figure for cell in cells.values())


def test_cells_have_a_rate_or_a_reason():
    few = group("DE", SURE, card=rate("card", 0.4, seen=12), paypal=rate("paypal", 0.46, offered=0.7))
    assert [head.name for head in view(few).groups] == ["Germany", "Compared with the leader"]
    assert "a sample of 6,000 decisions of the last 30 days" in view(few).basis, "90,000 are of all groups"
    cells = {row.id: row.cells[0] for row in view(few).rows}
    assert cells["card"].note == "seen 12 times: too few"
    assert (cells["paypal"].figure, cells["paypal"].interval) == ("46.0%", "44% to 48%")
    assert cells["paypal"].note == "offered to 70%"
    assert cells["ideal"].note == "not shown here"
    table = matrix_table(performance(few))
    assert tuple(table[0][:2]) == ("group", "candidate")
    assert {row[1] for row in table[1:]} == {"card", "paypal"}
    assert all(len(row) == len(table[0]) for row in table)


def test_incomplete_data_names_its_completion_time():
    result = matrix_view(Frame(), PLACEMENT, performance(group(None), sampled=0), NAMES)
    assert (result.title, result.rows) == ("No complete decisions yet", [])
    assert "30 minutes after it was made" in result.basis


def figures(**changes):
    bins = [
        CheckoutBin(
            day * DAY, (day + 1) * DAY, MeanInterval(0.8 + 0.02 * day, 0.79 + 0.02 * day, 0.81 + 0.02 * day, 200)
        )
        for day in range(4)
    ]
    return NO_CHECKOUTS._replace(share=MeanInterval(0.834, 0.829, 0.839, 6_000), bins=bins, **changes)


def headline(checkouts, compare="before", *, has_holdback=False):
    made = performance(checkouts=checkouts)
    return headline_view(Frame(), made, PagePeriod.of(30, compare, None), has_holdback=has_holdback)


def test_the_headline_is_the_share_of_checkouts_with_a_purchase():
    result = headline(figures(before=difference(0.004, 0.001, 0.007)))
    assert result.title == "83.4% of checkouts end in a purchase (82.9% to 83.9%)"
    assert result.compared.startswith("This is 0.4 points more than the 30 days before (0.1 to 0.7).")
    assert result.compared.endswith(" Estimated from 6,000 of 90,000 checkouts.")
    of_group = headline_view(
        Frame(), performance(checkouts=figures()), PagePeriod.of(30, "before", "DE"), has_holdback=False
    )
    assert "Estimated from" not in of_group.compared
    assert result.chart_title == "The share rose from 80.0% to 86.0%"
    worse = headline(figures(before=difference(-0.02, -0.03, -0.01)))
    assert "This is 2.0 points fewer than the 30 days before (1.0 to 3.0)." in worse.compared
    same = headline(figures(before=difference(0.001, -0.01, 0.012)))
    assert "This is not clearly different from the 30 days before: -1.0 to 1.2 points." in same.compared


def test_too_few_checkouts_have_a_reason_and_no_chart():
    result = headline(NO_CHECKOUTS)
    assert result.title.startswith("Too few complete checkouts")
    assert result.chart is None
    assert "too few checkouts in the 30 days before" in headline(figures()).compared
    assert "no holdback" in headline(figures(), "holdback").compared
    assert "Too few customers in the holdback" in headline(figures(), "holdback", has_holdback=True).compared
    held = headline(figures(held_back=difference(0.02, 0.01, 0.03)), "holdback", has_holdback=True)
    assert "This is 2.0 points more than customers in the holdback (1.0 to 3.0)." in held.compared
    assert "end in a choice" in headline(figures(is_choice=True)).title


def test_addresses_keep_period_and_comparison():
    assert PagePeriod.of(None, None, None).query == ""
    assert PagePeriod.of(7, "holdback", "DE").query == "days=7&compare=holdback&bucket=DE"
    assert PagePeriod.of(8, "nothing", None) == PagePeriod(30, "before", "")
    assert PagePeriod.of(7, None, None).with_bucket("NL|mobile") == "?days=7&bucket=NL%7Cmobile"


# Who came first


def firsts(*leaders, each=100):
    rows = []
    for number, leader in enumerate(leaders):
        minute = 20_000 * 1440 + number * 720
        rows += [Share(minute, leader, each), Share(minute, "ideal", each // 4)]
    return rows


def seen(*leaders, events=(), days=30, **more):
    return first_places_view(Frame(), firsts(*leaders, **more), NAMES, events, days=days)


def test_title_names_the_overtaking_candidate_and_date():
    assert seen(*["card"] * 6, *["paypal"] * 5).title == "PayPal overtook Card on Oct 7, 2024"
    assert seen(*["card"] * 11).title == "Card came first most often: in 80% of decisions"
    # A single exception is no change.
    assert seen(*["card"] * 6, "paypal", "card", "card").title.startswith("Card came first")
    assert seen().title == "No decisions in the last 30 days"


def test_no_line_is_drawn_through_a_single_point():
    result = seen("card")
    assert result.chart is None
    assert "too few to draw" in result.title


def test_events_are_marked_in_the_chart():
    events = [
        ChartEvent(moment=20_001 * DAY, mark="v7", text="Version 7: iDEAL first at weekends"),
        ChartEvent(moment=19_000 * DAY, mark="v1", text="Version 1 was published"),
    ]
    result = seen(*["card"] * 9, events=events)
    assert [event.mark for event in result.events] == ["v7"]
    texts = [
        row["text"]
        for layer in result.chart["layer"]
        if "data" in layer
        for row in layer["data"]["values"]
        if "text" in row
    ]
    assert "Version 7: iDEAL first at weekends" in texts
    assert any(layer["mark"].get("strokeDash") for layer in result.chart["layer"])


def test_at_most_ten_lines_are_drawn_and_the_rest_added_up():
    arms = [ArmShare(label=f"m{n}", colour=n, points=[(0, n / 780), (60_000, n / 780)]) for n in range(40)]
    drawn = with_others(arms)
    assert len(drawn) == 10
    assert [arm.label for arm in drawn] == [*(f"m{n}" for n in range(31, 40)), "31 others"]
    assert sum(arm.points[1][1] for arm in drawn) == pytest.approx(1.0)
    spec = shares(drawn, show=SHOW)
    assert {row["colour"] for row in spec["data"]["values"] if row["candidate"] == "31 others"} == {"others"}
    assert with_others(arms[:10]) == arms[:10]


# On the page


def shopped(server: Server, side: Side, count: int = 240) -> None:
    """Customers buy with what they see, PayPal most; all windows have ended."""
    engine, luck, rows = server.engine, random.Random(4), []
    for number in range(count):
        decision = side.decide(f"c{number}")
        names = [ranked["id"] for ranked in decision["ranking"]]
        chosen = next((name for name in names if luck.random() < (0.7 if name == "paypal" else 0.2)), None)
        type, candidate = ("converted", chosen) if chosen else ("abandoned", names[0])
        rows.append(
            {"event_id": f"e{number}", "decision_id": decision["decision_id"], "type": type, "candidate_id": candidate}
        )
    assert side.client.post("/v1/personalize/feedback", json=rows).status_code == 202
    server.run(engine.recorder.close_due(now_ms() + 2 * DAY))


def test_the_page_compares_once_windows_have_ended(server: Server, side: Side, person: Person) -> None:
    shopped(server, side)
    text = person.get(f"{PAGE}?days=7&compare=holdback")
    assert "Conversion rate" not in text
    assert '<option value="7" selected>Last 7 days' in text
    assert "There is no holdback" in text
    assert re.search(r"PayPal beats \w+ by [\d.]+ points \([\d.]+ to [\d.]+\), in the last 24 hours\.", text)
    assert re.search(r"[\d.]+% of checkouts end in a purchase \([\d.]+% to [\d.]+%\)", text)
    tables = {
        name: list(csv.DictReader(io.StringIO(person.get(f"{PAGE}/arms/{name}.csv?days=7"))))
        for name in ("matrix", "checkouts", "shares")
    }
    leading = [row for row in tables["matrix"] if row["leads"] == "True"]
    assert {row["candidate"] for row in leading} == {"paypal"}
    assert set(tables["shares"][0]) == {"epoch_ms", "candidate", "share"}
    assert person.client.get(f"{PAGE}/arms/none.csv").status_code == 404


# One candidate

HIDING = {"id": "hide-paypal", "name": "No PayPal for small carts", "when": {"<": [{"var": "cart.total"}, 500]},
          "effects": [{"exclude": ["paypal"]}]}  # fmt: skip
RULES = "/v1/placements/payment_methods/rules"


def test_the_table_leads_to_a_page_of_each_candidate(server: Server, side: Side, person: Person) -> None:
    shopped(server, side, 420)
    assert f'href="{PAGE}/performance/paypal?days=7"' in person.get(f"{PAGE}?days=7")
    text = person.get(f"{PAGE}/performance/paypal?days=7")
    assert "PayPal beats" in text
    assert re.search(r"PayPal (stayed between|rose|fell)", text)
    assert text.count("<caption") >= 2
    rows = list(csv.DictReader(io.StringIO(person.get(f"{PAGE}/performance/paypal/course.csv"))))
    assert all(0.5 < float(row["share"]) < 0.9 for row in rows)
    assert sum(int(row["seen"]) for row in rows) > 300


def test_candidate_page_lists_its_rules(side: Side, person: Person) -> None:
    on = {
        **HIDING,
        "effects": [{"pin": {"candidate": "paypal", "slot": 1}}],
        "id": "pin-paypal",
        "name": "PayPal first",
    }
    boost = {"id": "boost", "name": "A head start", "when": HIDING["when"],
             "effects": [{"boost": {"candidates": ["paypal"], "factor": 1.5}}], "enabled": False}  # fmt: skip
    other = {**HIDING, "id": "other", "name": "About the card", "effects": [{"exclude": ["card"]}]}
    for rule in (HIDING, on, boost, other):
        assert side.client.post(RULES, json=rule).status_code == 201
    text = person.get(f"{PAGE}/performance/paypal")
    for name in ("No PayPal for small carts", "PayPal first", "A head start"):
        assert name in text
    assert "About the card" not in text
    assert "PayPal is hidden" in text, "the rule's sentence"
    assert "Too few complete decisions to draw a course" in text
    assert "created by" in text


def test_an_unknown_candidate_has_no_page(person: Person) -> None:
    assert person.client.get(f"{PAGE}/performance/nobody").status_code == 404
    assert person.client.get(f"{PAGE}/performance/nobody/course.csv").status_code == 404


def test_learning_page_recommends_a_holdback(server: Server, side: Side, person: Person) -> None:
    shopped(server, side, 120)
    text = person.get(f"{PAGE}/learning")
    assert "What learning brings in money is not known" in text
    assert "Set up a holdback" in text
    assert "chart-money" not in text, "nothing is drawn before it says something"
    assert person.get(f"{PAGE}/learning/money.csv").startswith("until_epoch_ms,gain_a_checkout,low,high")
