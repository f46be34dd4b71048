"""Results of an experiment besides the verdict: the metric by day, power, the log, and the PDF."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

import web
from engine.experiments.details import Funnel, FunnelRow
from engine.experiments.log_answers import LogAnswer
from engine.experiments.log_evidence import LogEvidence
from engine.experiments.looks.stored import StoredLook
from engine.experiments.results import ExperimentVerdict, Results, VerdictKind
from engine.model.experiment import Experiment, ExperimentStatus, Guardrail, LogEstimate, Method, Variant
from engine.model.timestamps import DAY
from tests.serving import Server, Side
from tests.web.people import Person, add_person
from tests.web.test_admin_experiments import LIST, PAGE, act, create
from tests.web.test_experiment_words import NOW, RUNNING, SHOW, experiment, look
from web.charts.experiment_charts import VariantLift, lifts
from web.charts.paper import COLOURS, svg_of
from web.experiments.experiment_words import summary
from web.experiments.funnel_view import funnel_lines, funnel_note
from web.experiments.log_words import answer_text, counting_text, evidence_texts
from web.experiments.looks_view import at_end, look_lines, verdict_words
from web.experiments.results_pdf import _parts, funnel_part, pdf_of
from web.experiments.results_view import HOLDS, Look, ResultsView, view_of

NO_FUNNEL = funnel_part([], "")
COUNTS = ((4_000, 2_000), (4_000, 2_400))
ARM = re.compile(r"--arm-\d: (#[0-9a-f]{6})")


def view(document: Experiment, results: Results) -> ResultsView:
    return view_of(Look(document, results, SHOW, "EUR", {}))


def paper_of(document: Experiment, results: Results) -> bytes:
    look = Look(document, results, SHOW, "EUR", {})
    return pdf_of(look, view_of(look), summary(document, results, SHOW), NO_FUNNEL)


# The metric by day


@pytest.mark.parametrize(
    ("metric", "text", "value", "title"),
    [
        ("conversion", "50.0%", 0.5, "Conversion"),
        ("revenue", "€25.00", 25.0, "Revenue, EUR"),
        ("order_value", "€50.00", 50.0, "Order value, EUR"),
        ("orders", "0.500", 0.5, "Purchases"),
    ],
)
def test_the_deciding_metric_is_charted_by_day(metric: str, text: str, value: float, title: str) -> None:
    document = experiment(primary=metric)
    chart = view(document, look(document, *COUNTS)).values_chart
    assert chart is not None
    rows = [row for row in chart["data"]["values"] if row["variant"] == "As it is"]
    assert len(rows) == 4
    assert (rows[0]["value_text"], rows[0]["value"]) == (text, pytest.approx(value))
    assert chart["layer"][0]["encoding"]["y"]["title"] == title
    assert {row["variant"] for row in chart["layer"][-1]["data"]["values"]} == {"As it is", "PayPal"}


def test_the_page_says_that_a_bandit_moved_the_shares() -> None:
    fixed, moved = experiment(), experiment(allocation="bandit")
    sentence = "A bandit moved the shares, so each customer is weighted by the chance of its variant"
    for document, is_said in ((fixed, False), (moved, True)):
        assumed = view(document, look(document, *COUNTS)).assumed
        assert any(line.startswith(sentence) for line in assumed) is is_said


def test_without_days_there_is_no_chart() -> None:
    document = experiment()
    assert view(document, look(document, (0, 0), (0, 0))).values_chart is None


def test_wide_intervals_of_the_first_days_do_not_flatten_the_chart() -> None:
    widths = (3.0, 1.0, 0.2, 0.1)
    points = [
        VariantLift(label="PayPal", position=1, day=day, lift=0.05, low=0.05 - width, high=0.05 + width)
        for day, width in enumerate(widths)
    ]
    scale = lifts(points, show=SHOW, measure="Change")["layer"][0]["encoding"]["y"]["scale"]
    assert scale["domain"] == pytest.approx([-0.15, 0.25])


@pytest.mark.parametrize(("days", "mark"), [(1, "rule"), (2, "area")])
def test_interval_of_a_single_day_is_visible(days: int, mark: str) -> None:
    points = [VariantLift(label="B", position=1, day=day, lift=0.0, low=-0.1, high=0.1) for day in range(days)]
    assert lifts(points, show=SHOW, measure="Change")["layer"][0]["mark"]["type"] == mark


def test_interval_is_bounded_at_minus_100_percent() -> None:
    document = experiment(primary="orders")
    [segment, *_] = look(document, (400, 40), (400, 40)).segments
    assert segment.comparisons[0].low == -1.0


# Power


def test_power_names_the_detectable_change() -> None:
    document = experiment()
    few, many = (view(document, look(document, (n, n // 2), (n, n // 2))).power for n in (1_000, 40_000))
    first, second = (float(re.findall(r"change of ([\d.]+)%", text)[0]) for text in (few, many))
    assert first > 5 > second
    assert view(document, look(document, (0, 0), (0, 0))).power == ""


# The log


def test_variants_show_the_evidence_of_the_log() -> None:
    status = msgspec.structs.replace(RUNNING, log=(LogEstimate("b", 0.2, 0.02, 9_000),))
    document = experiment(counts_log=True, status=status)
    [text] = view(document, look(document, *COUNTS)).log
    assert "by the log, which counts as" in text
    assert "the last 28 days being like those of now" in text


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        (LogEvidence("b", 0.1, 0.0, 0.2, 100, 50, False), "it no longer counts"),
        (LogEvidence("b", 0.1, 0.0, 0.2, 100, None, True), "which counts beside the customers"),
        (LogEvidence("b", 0.1, 0.05, 0.15, 100, 1_234, True), "PayPal: +5.0% to +15.0% conversion by the log"),
    ],
)
def test_evidence_of_the_log_is_a_sentence(evidence: LogEvidence, text: str) -> None:
    [sentence] = evidence_texts(experiment(), [evidence], SHOW)
    assert text in sentence


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (LogAnswer("b", "not_asked"), "Not asked."),
        (LogAnswer("b", "running", 1_000, 5_000), "PayPal: 1,000 of 5,000 decisions are read."),
        (LogAnswer("b", "failed", refused="its process ended early"), "its process ended early. Ask again."),
        (LogAnswer("b", "done", refused="it is new"), "cannot be known from the past, because it is new."),
        (LogAnswer("b", "done", 9, 9, 7, 0.1, 0.0, 0.2), "0.0% to +20.0% conversion, by 7 logged decisions."),
        (LogAnswer("b", "done", 9, 9, 7, 0.1, 0.0, 0.2, "", 800), "That is worth 800 customers of the experiment."),
    ],
)
def test_estimates_from_the_log_are_sentences(answer: LogAnswer, text: str) -> None:
    assert text in answer_text(experiment(), answer, SHOW)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "It does not count, unless you tick so under Size."),
        ({"counts_log": True}, "It counts beside the customers."),
        ({"counts_log": True, "method": "fixed"}, "It does not count: only results that hold at every look"),
    ],
)
def test_page_shows_if_the_log_counts(changes: dict[str, Any], text: str) -> None:
    assert counting_text(experiment(**changes)).startswith(text)


# Methods


@pytest.mark.parametrize("method", ["sequential", "group_sequential", "fixed"])
def test_each_method_explains_when_intervals_are_valid(method: Method) -> None:
    document = experiment(method=method)
    assert view(document, look(document, *COUNTS)).assumed[0] == HOLDS[method]


def test_next_look_is_named() -> None:
    document = experiment(method="group_sequential", maximum_days=100)
    early = summary(document, look(document, *COUNTS), SHOW)
    assert early.short == "Keep going"
    assert re.search(r"The next look is on .*\. Until then nothing is compared\.", early.detail)
    document = experiment(method="group_sequential", maximum_days=35)
    even = summary(document, look(document, (4_000, 2_000), (4_000, 2_000)), SHOW)
    assert "At the last one" in even.detail


# Paper


def test_pdf_uses_the_colours_of_light_pages() -> None:
    css = (Path(web.__file__).parent / "static" / "admin.css").read_text("utf-8")
    assert tuple(ARM.findall(css)[:8]) == COLOURS


def test_a_chart_becomes_a_picture_with_its_labels() -> None:
    document = experiment()
    shown = view(document, look(document, *COUNTS))
    assert shown.chart is not None
    picture = svg_of(shown.chart)
    assert picture.startswith("<svg")
    assert "PayPal" in picture


@pytest.mark.parametrize("name", ["PayPal first", '#image("/etc/passwd") $x$ *b* 支払い עברית', "</svg><script>"])
def test_pdf_contains_any_name(name: str) -> None:
    variants = (Variant(id="a", name="As it is"), Variant(id="b", name=name, order=("paypal",)))
    document = experiment(name=name, hypothesis=name, variants=variants)
    results = look(document, *COUNTS)
    paper = pdf_of(
        Look(document, results, SHOW, "EUR", {}), view(document, results), summary(document, results, SHOW), NO_FUNNEL
    )
    assert paper.startswith(b"%PDF-")
    assert len(paper) > 10_000


def test_pdf_contains_the_funnel() -> None:
    funnel = Funnel(10_000, [FunnelRow("a", 200, 200, 100, 50), FunnelRow("b", 100, 100, 60, 0)])
    part = funnel_part(funnel_lines(experiment(), funnel, SHOW), funnel_note(experiment(), funnel, SHOW))
    assert part.rows[1] == ("As it is", "200", "200 (100.0%)", "100 (50.0%)", "50 (25.0%)")
    assert part.note.startswith("Decisions in which the variants could have differed, of the newest 10,000")
    empty = Funnel(10_000, [FunnelRow(name, 0, 0, 0, 0) for name in ("a", "b")])
    assert funnel_part(funnel_lines(experiment(), empty, SHOW), "").rows == []


def test_pdf_without_results_is_valid() -> None:
    document = experiment()
    results = look(document, (0, 0), (0, 0))
    paper = pdf_of(
        Look(document, results, SHOW, "EUR", {}), view(document, results), summary(document, results, SHOW), NO_FUNNEL
    )
    assert paper.startswith(b"%PDF-")


# The pages


@pytest.fixture
def person(server: Server, side: Side) -> Person:
    return add_person(server, side)


def test_results_are_downloaded_as_pdf(person: Person) -> None:
    create(person)
    assert person.client.get(person.address(f"{PAGE}/results.pdf")).status_code == 404
    act(person, "start")
    assert f"{PAGE.split('/admin')[1]}/results.pdf" in person.get(PAGE)
    answer = person.client.get(person.address(f"{PAGE}/results.pdf"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.startswith(b"%PDF-")


def test_stored_look_is_shown_unchanged(server: Server, side: Side, person: Person) -> None:
    create(person)
    act(person, "start")
    assert "Earlier looks" not in person.get(PAGE)
    side.decide("anna")
    act(person, "stop", **{"reason:stop": "enough"})
    server.run(server.engine.supervisor.run())
    assert f"{PAGE.split('/admin')[1]}?phase=1&look=1" in person.get(PAGE)
    text = person.get(f"{PAGE}?look=1")
    assert "This is a stored look: its numbers stay as they were." in text
    assert "results.pdf?phase=1&look=1" in text
    for file, status in (("results.csv?look=1", 200), ("results.csv?look=2", 404)):
        assert person.client.get(person.address(f"{PAGE}/{file}")).status_code == status


def stored(number: int, document: Experiment, *counts: tuple[int, int], as_of: int = NOW) -> StoredLook:
    return StoredLook(number, as_of, 1.0, look(document, *counts).verdict)


def test_looks_are_listed_with_their_verdicts() -> None:
    document = experiment()
    better, unclear = ((4_000, 2_000), (4_000, 2_400)), ((4_000, 2_000), (4_000, 2_040))
    looks = [stored(1, document, *unclear), stored(2, document, *better)]
    lines = look_lines(document, looks, SHOW)
    assert [line.number for line in lines] == [2, 1]
    assert lines[0].verdict.startswith("PayPal was better: +")
    assert lines[1].verdict.startswith("No verdict yet; PayPal: ")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("worse", "PayPal was worse: "),
        ("no_difference", "No difference above 5.0%; PayPal"),
        ("mismatch", "The split did not hold"),
        ("guardrail", "PayPal lost more than a guardrail tolerates"),
        ("too_few", "Too little to compare"),
        ("keep_going", "Too little to compare"),
    ],
)
def test_every_kind_of_look_is_a_sentence(kind: VerdictKind, text: str) -> None:
    assert verdict_words(experiment(), ExperimentVerdict(kind, "b"), SHOW).startswith(text)


def test_verdict_changed_after_the_end_is_shown() -> None:
    status = msgspec.structs.replace(RUNNING, state="concluded", ended_at=NOW - DAY, winner="b")
    document = experiment(status=status)
    better, unclear = ((4_000, 2_000), (4_000, 2_400)), ((4_000, 2_000), (4_000, 2_040))
    looks = [stored(1, document, *unclear, as_of=NOW - 3 * DAY), stored(2, document, *better)]
    changed = at_end(document, looks, look(document, *unclear).verdict, SHOW)
    assert changed.startswith("The look at the end, on Nov 21, 2026, said: PayPal was better: +")
    # Both are in the same paragraph.
    assert summary(document, look(document, *unclear), SHOW).detail.endswith(".")
    assert at_end(document, looks, look(document, *better).verdict, SHOW) == ""
    assert at_end(document, looks[:1], look(document, *unclear).verdict, SHOW) == ""


def test_five_looks_can_be_chosen(person: Person) -> None:
    assert "Look five times" in person.get(f"{LIST}/new")
    create(person, method="group_sequential")
    act(person, "start")
    text = person.get(PAGE)
    assert "The next look is on" in text
    assert "The intervals hold at five looks" in text


# Many variants


def many(**changes: Any) -> Experiment:
    variants = (Variant(id="a", name="As it is"), *(Variant(id=f"v{n}", name=f"Variant {n}") for n in range(1, 10)))
    return experiment(variants=variants, **changes)


def test_only_the_leader_of_many_variants_has_a_band() -> None:
    points = [
        VariantLift(label=f"B{number}", position=number, day=day, lift=number / 100, low=-0.1, high=0.2)
        for number in range(1, 10)
        for day in range(3)
    ]
    for count, banded in ((3, {"B1", "B2", "B3"}), (9, {"B9"})):
        band = lifts(points[: 3 * count], show=SHOW, measure="Change")["layer"][0]
        assert {row["variant"] for row in band["data"]["values"]} == banded


def test_a_guardrail_of_many_variants_is_one_line() -> None:
    document = many(guardrails=(Guardrail(metric="conversion", tolerated_percent=5.0),))
    healthy = view(document, look(document, *((4_000, 2_000),) * 10))
    assert [(row.metric, row.detail) for row in healthy.guardrails] == [
        ("Conversion", "Each variant: at most 5.0% lost")
    ]
    broken = view(document, look(document, *((40_000, 20_000),) * 8, *((40_000, 14_000),) * 2))
    [row] = broken.guardrails
    assert (row.detail, row.is_broken) == ("Variant 8, Variant 9: more than 5.0% lost", True)


def test_pdf_splits_segments_of_many_variants_into_tables() -> None:
    document = many()
    results = look(document, *((4_000, 2_000),) * 10)
    shown = view(document, results)
    parts = [part for part in _parts(Look(document, results, SHOW, "EUR", {}), shown, NO_FUNNEL) if part.is_even]
    assert [len(part.rows[0]) - 2 for part in parts] == [4, 4, 1]
    assert [name for part in parts for name in part.rows[0][2:]] == list(shown.others)


def test_the_days_left_end_with_the_longest_run() -> None:
    status = ExperimentStatus(state="running", started_at=NOW - 20 * DAY, phase_started_at=NOW - 20 * DAY)
    document = experiment(status=status, maximum_days=28)
    words = summary(document, look(document, (400, 200), (400, 204)), SHOW)
    assert words.sentence == "Keep going: at most 8 days"
    assert "longer than it may run" in words.detail
