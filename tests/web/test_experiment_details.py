"""Details of an experiment on demand: the funnel of each variant, segments by any field, what was learned."""

from __future__ import annotations

import math
import re
from html import unescape
from typing import Any

import msgspec
import pytest

from engine.clock import now_ms
from engine.experiments.details import (
    NOT_SENT,
    FieldSegments,
    Funnel,
    FunnelRow,
    Grouping,
    TriggeredGain,
    funnel_of,
    has_segments,
    segments_by,
)
from engine.experiments.results import SegmentResult
from engine.kernel.plan import vocabulary_of
from engine.model.experiment import Experiment, ExperimentStatus
from engine.model.placement import FieldDocument
from engine.model.resource import Resource
from engine.store.experiments.log_sample import EnrolledAnswer, SampledUnit
from tests import factories
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from tests.web.test_admin_experiments import LIST, PAGE, PLACEMENT, act, add_up, create, report
from tests.web.test_experiment_words import HOUR, NOW, RUNNING, SHOW, experiment, look
from web.experiments.funnel_view import funnel_lines, funnel_note
from web.experiments.learned import learned_texts
from web.experiments.results_view import Look, view_of
from web.experiments.segments_view import field_namer, segment_rows, usual_name

HOURS = 3_600_000
TOTAL = FieldDocument(name="cart.total", type="money", label="Cart total")
COUNTRY = FieldDocument(name="geo.country", type="country")
HTMX = {"hx-request": "true"}


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def decide(side: Side, number: int) -> dict[str, Any]:
    """Ask for a customer, from Germany or France by turns, with a cart of its own."""
    country = "DE" if number % 2 else "FR"
    context = {"cart": {"total": 1_000 * (number + 1), "currency": "EUR"}, "geo": {"country": country}}
    body = {"placement": PLACEMENT, "customer_id": f"c_{number}", "context": context}
    answer = side.client.post("/v1/personalize/decisions", json=body)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def outcome(side: Side, decision: dict[str, Any], kind: str) -> None:
    event = {
        "event_id": f"{kind}-{decision['decision_id']}", "decision_id": decision["decision_id"], "type": kind,
        "candidate_id": decision["ranking"][0]["id"],
    }  # fmt: skip
    assert side.client.post("/v1/personalize/feedback", json=event).status_code == 202


@pytest.fixture
def started(server: Server, side: Side, person: Person) -> Resource:
    """An experiment in which 20 customers were: 12 saw the methods, 8 chose, 4 bought."""
    create(person, share="100")
    act(person, "start")
    for number in range(20):
        decision = decide(side, number)
        for kind, most in (("shown", 12), ("selected", 8)):
            if number < most:
                outcome(side, decision, kind)
        if number < 4:
            report(side, decision, f"bought-{number}")
    add_up(server)
    return server.run(server.engine.experiments.get(side.merchant.id, PLACEMENT, "paypal-first"))


# The funnel


def funnel(server: Server, side: Side, resource: Resource, *, later: int) -> Funnel:
    details = server.engine.experiment_details
    return server.run(details.funnel(side.merchant.id, resource, now=now_ms() + later * HOURS))


def test_funnel_counts_outcomes_of_decisions(server: Server, side: Side, started: Resource) -> None:
    rows = funnel(server, side, started, later=3).rows
    assert [row.variant for row in rows] == ["control", "paypal-on-top"]
    assert [sum(getattr(row, name) for row in rows) for name in ("decisions", "shown", "selected", "converted")] == [
        20, 12, 8, 4,
    ]  # fmt: skip


def test_pending_decisions_are_excluded(server: Server, side: Side, started: Resource) -> None:
    assert [row.decisions for row in funnel(server, side, started, later=0).rows] == [0, 0]


def test_funnel_counts_only_decisions_of_the_phase() -> None:
    document = experiment()
    entry = {"id": "paypal", "variant": "b", "phase": "1", "counted": "yes"}
    answers = [
        msgspec.json.encode({"experiments": [entry | change]}).decode()
        for change in ({}, {"counted": "no"}, {"phase": "2"}, {"id": "paypal-2"})
    ]
    numbered = [EnrolledAnswer(f"dec_{number}", None, answer) for number, answer in enumerate(answers)]
    rows = funnel_of(document, numbered, {("dec_0", "shown"), ("dec_1", "converted")}).rows
    assert [(row.variant, row.decisions, row.shown, row.converted) for row in rows] == [("a", 0, 0, 0), ("b", 1, 1, 0)]


def logged(counted: list[str], *, customers: bool = True) -> list[EnrolledAnswer]:
    """Return decisions of customers c0, c1, ... in an experiment, each two times, with whether they count."""
    entries = [{"id": "paypal", "variant": "b", "phase": "1", "counted": each} for each in counted]
    texts = [msgspec.json.encode({"experiments": [entry]}).decode() for entry in entries]
    return [
        EnrolledAnswer(f"dec_{number}", f"c{number // 2}" if customers else None, text)
        for number, text in enumerate(texts)
    ]


def test_the_gain_of_counting_few_is_stated() -> None:
    """Of four customers one counts; 52% of these bought, and 26% of all, whose conversion therefore varies less."""
    answers = logged(["yes", "no", *["no"] * 6] * 25)
    bought = {(each.id, "converted") for each in answers if int(each.customer[1:]) % 8 in (0, 1)}
    funnel = funnel_of(experiment(), answers, bought)
    share, times = 0.25, math.sqrt(0.26 * 0.74 / (0.52 * 0.48)) / math.sqrt(0.25)
    assert funnel.gain is not None
    assert funnel.gain.share == pytest.approx(share)
    assert funnel.gain.times == pytest.approx(times, rel=1e-9)
    note = funnel_note(experiment(), funnel, SHOW)
    assert "Counting only the 25% of customers for whom the variants differ makes the interval 1.8 times" in note
    by_decision = funnel_of(experiment(unit="decision"), logged(["yes", "no"] * 50, customers=False), set())
    assert by_decision.gain == TriggeredGain(0.5, pytest.approx(math.sqrt(2)))


@pytest.mark.parametrize("counted", ["yes", "no"])
def test_without_a_choice_of_units_there_is_no_gain(counted: str) -> None:
    assert funnel_of(experiment(), logged([counted] * 4), set()).gain is None


def test_the_funnel_waits_for_outcomes(person: Person) -> None:
    create(person, share="100")
    assert person.client.get(person.address(f"{PAGE}/funnel")).status_code == 404
    act(person, "start")
    part = person.client.get(person.address(f"{PAGE}/funnel"), headers=HTMX)
    assert "<html" not in part.text
    assert "No outcomes are in yet." in part.text
    assert "No outcomes are in yet." in person.get(f"{PAGE}/funnel")


def test_the_funnel_page_shows_shares_of_decisions() -> None:
    rows = (FunnelRow("a", 200, 0, 50, 20), FunnelRow("b", 0, 0, 0, 0))
    lines = funnel_lines(experiment(), Funnel(10_000, rows), SHOW)
    assert [(step.count, step.share) for step in lines[0].steps] == [("0", "0.0%"), ("50", "25.0%"), ("20", "10.0%")]
    assert [step.share for step in lines[1].steps] == ["", "", ""]
    assert (lines[1].name, lines[1].number) == ("PayPal", 1)


# Segments by a field


VOCABULARY = vocabulary_of(factories.STANDARD, "EUR")


def by_field(server: Server, side: Side, resource: Resource, field: FieldDocument) -> FieldSegments:
    details, grouping = server.engine.experiment_details, Grouping(field, VOCABULARY)
    return server.run(details.by_field(side.merchant.id, resource, grouping, now=now_ms() + 3 * HOURS))


def grouped(field: FieldDocument, units: list[SampledUnit], last: int = HOUR) -> FieldSegments:
    return segments_by(experiment(), Grouping(field, VOCABULARY), units, last)


def test_customers_are_grouped_by_a_field_of_their_first_exposure(
    server: Server, side: Side, started: Resource
) -> None:
    countries = by_field(server, side, started, COUNTRY)
    assert countries.units == 20
    assert {each.segment: each.units for each in countries.segments} == {"geo.country=DE": 10, "geo.country=FR": 10}
    totals = by_field(server, side, started, TOTAL)
    assert len(totals.segments) == 4
    assert sum(each.units for each in totals.segments) == 20


def test_missing_field_is_a_segment() -> None:
    units = [unit(number, {"geo.country": "DE"} if number % 2 else {}) for number in range(10)]
    segments = grouped(COUNTRY, units).segments
    assert {each.segment: each.units for each in segments} == {"geo.country=DE": 5, f"geo.country={NOT_SENT}": 5}


def test_amounts_of_other_currencies_are_not_compared() -> None:
    carts = [(total, "EUR") for total in (100, 2_000, 3_000, 2_500_000)] + [(50, "GBP"), (60, "")]
    facts = [{"cart.total": total} | ({"cart.currency": code} if code else {}) for total, code in carts]
    segments = grouped(TOTAL, [unit(number, each) for number, each in enumerate(facts)]).segments
    names = [each.segment.removeprefix("cart.total=") for each in segments]
    assert names == ["..1525", "1525..2500", "2500..627250", "627250..", "another currency", "not sent"]


def test_rare_values_are_one_segment() -> None:
    field = FieldDocument(name="cart.kind", type="string")
    units = [unit(number, {"cart.kind": f"k{min(number, 40 - number)}"}) for number in range(40)]
    segments = grouped(field, units).segments
    assert len(segments) == 13
    assert next(each.units for each in segments if each.segment == "cart.kind=others") == 40 - 2 * 12


def test_pending_units_are_in_no_segment() -> None:
    assert grouped(COUNTRY, [unit(0, {})], HOUR - 1).units == 0


def unit(number: int, facts: dict[str, Any]) -> SampledUnit:
    text = msgspec.json.encode(facts).decode()
    return SampledUnit(f"u{number:03}", "ab"[number % 2], NOW, 0, 1, 5_000, "{}", text)


@pytest.mark.parametrize(
    ("kind", "is_grouped"), [("country", True), ("money", True), ("boolean", True), ("list", False), ("date", False)]
)
def test_only_some_fields_make_groups(kind: Any, is_grouped: bool) -> None:
    assert has_segments(FieldDocument(name="cart.x", type=kind)) is is_grouped
    assert not has_segments(FieldDocument(name="customer.id", type="string"))


def test_segments_are_chosen_on_the_page(person: Person) -> None:
    create(person)
    act(person, "start")
    page = person.get(PAGE)
    assert '<option value="geo.country">' in page
    part = person.client.get(person.address(f"{PAGE}/segments?field=geo.country"), headers=HTMX)
    assert '<option value="geo.country" selected>' in part.text
    assert "No customer's outcomes are in yet" in unescape(part.text)
    assert "Segments" in person.get(f"{PAGE}/segments")
    assert person.client.get(person.address(f"{PAGE}/segments?field=geo.none")).status_code == 404
    assert person.client.get(person.address(f"{LIST}/{PLACEMENT}/none/segments")).status_code == 404


@pytest.mark.parametrize(
    ("field", "segment", "name"),
    [
        (TOTAL, "cart.total=..2500", "up to €25.00"),
        (TOTAL, "cart.total=2500..6000", "€25.00 to €60.00"),
        (TOTAL, "cart.total=6000..", "over €60.00"),
        (TOTAL, "cart.total=not sent", "not sent"),
        (TOTAL, "cart.total=..", "every value"),
        (FieldDocument(name="cart.n", type="integer"), "cart.n=2..5", "2 to 5"),
        (COUNTRY, "geo.country=DE", "Germany"),
        (COUNTRY, "geo.country=others", "others"),
    ],
)
def test_a_segment_has_a_name(field: FieldDocument, segment: str, name: str) -> None:
    assert field_namer(field, SHOW, "EUR")(segment) == name


def test_different_segments_are_marked() -> None:
    document = experiment()
    clear = look(document, (40_000, 20_000), (40_000, 24_000)).segments
    same = look(document, (4_000, 2_000), (4_000, 2_000)).segments
    many = [*clear, *(SegmentResult(f"geo.country={number}", 9, same[0].comparisons) for number in range(20))]
    rows = segment_rows(document, many, SHOW, lambda name: usual_name(name, SHOW))
    assert [lift.differs for row in rows for lift in row.lifts] == [True, *[False] * 20]
    assert rows[0].name == "Device: mobile"


def test_segments_of_moved_traffic_are_not_compared(person: Person) -> None:
    moved = experiment(allocation="bandit")
    results = look(experiment(), (40_000, 20_000), (40_000, 24_000))
    assert segment_rows(moved, results.segments, SHOW, lambda name: usual_name(name, SHOW)) == []
    create(person, allocation="bandit")
    act(person, "start")
    assert "customers of one segment cannot be compared by plain means" in person.get(PAGE)


# Learned results


def ended(**changes: Any) -> Experiment:
    return experiment(status=msgspec.structs.replace(RUNNING, state="concluded", winner="b", ended_at=NOW, **changes))


def learned(document: Experiment, *counts: tuple[int, int]) -> list[str]:
    results = look(document, *counts)
    rows = segment_rows(document, results.segments, SHOW, lambda name: usual_name(name, SHOW))
    return learned_texts(document, results, rows, SHOW, "EUR")


def test_running_experiment_has_no_summary() -> None:
    assert learned(experiment(), (4_000, 2_000), (4_000, 2_400)) == []


def test_summary_has_values_and_different_segments() -> None:
    [text] = learned(ended(), (4_000, 2_000), (4_000, 2_400))
    assert re.fullmatch(r"PayPal: \+[\d.]+% to \+[\d.]+% conversion \(60\.0% beside 50\.0%\)\.", text)


@pytest.mark.parametrize(
    ("overall", "is_told"), [((4_000, 2_400), False), ((4_000, 2_010), True), ((4_000, 1_600), True)]
)
def test_summary_names_a_segment_with_another_effect(overall: tuple[int, int], is_told: bool) -> None:
    document = ended()
    results = look(document, (4_000, 2_000), overall)
    segments = look(document, (4_000, 2_000), (4_000, 2_400)).segments
    rows = segment_rows(document, segments, SHOW, lambda name: usual_name(name, SHOW))
    texts = learned_texts(document, results, rows, SHOW, "EUR")
    assert any(text.startswith("Device: mobile, PayPal: +") for text in texts) is is_told


def test_summary_names_the_absence_of_a_difference() -> None:
    [text] = learned(ended(), (4_000, 2_000), (4_000, 2_010))
    assert text.endswith("No difference was shown.")
    assert "too few customers" in learned(ended(), (40, 20), (40, 20))[0]


def test_concluded_experiment_has_a_summary(person: Person) -> None:
    create(person)
    act(person, "start")
    assert "What was learned" not in person.get(PAGE)
    act(person, "conclude", winner="control", **{"reason:conclude": "Enough seen"})
    text = person.get(PAGE)
    assert "What was learned" in text
    assert "Expected:" in text


def test_power_is_shown_for_the_latest_end() -> None:
    document = experiment()
    results = look(document, (4_000, 2_000), (4_000, 2_000))
    power = view_of(Look(document, results, SHOW, "EUR", {})).power
    now, later = (float(text) for text in re.findall(r"([\d.]+)%(?: is seen|\.$)", power))
    assert now > later
    stopped = experiment(status=ExperimentStatus(state="stopped", started_at=1, phase_started_at=1, ended_at=NOW))
    assert "At the latest end" not in view_of(Look(stopped, results, SHOW, "EUR", {})).power
