"""Estimates of an experiment from the log before its start, and their weight while it runs."""

from __future__ import annotations

import msgspec
import pytest

from bandits.experiments.moments import MetricEstimate
from bandits.experiments.past import agrees, allowed_error, units_worth, with_past
from benchmarks.checks.past_experiments import merchants
from benchmarks.checks.preview_log import create_plan, make_log, store_log
from engine.clock import now_ms
from engine.experiments.comparisons import VariantTotals, compare
from engine.experiments.log_answers import ALIKE, CONTROL_CHANGES, OTHER_METRIC, answers_of, digest_of
from engine.experiments.log_evidence import log_evidence, units_of_log
from engine.experiments.results import results_of
from engine.model.actor import Actor
from engine.model.errors import Conflict
from engine.model.experiment import Experiment, ExperimentStatus, LogEstimate, Variant
from engine.model.placement import Fixed
from engine.model.timestamps import DAY
from engine.previews.estimation.effect import Effect
from engine.previews.estimation.result import Result
from engine.previews.previews import Subject
from engine.store.experiments.sums import SumRow, UnitTotals
from engine.store.previews import PreviewRow
from tests.factories import rule
from tests.marks import SQLITE_FIRST

PLACEMENT = "payment_methods"
DECISIONS = 300
"""Few, so that the candidates that are compared stay about as likely as each other."""
IN_GERMANY = {"==": [{"var": "geo.country"}, "DE"]}
CONTROL = Variant(id="control", name="As it is")
NO_SEPA = Variant(id="b", name="No SEPA", rules=(rule({"exclude": ["sepa_debit"]}, id="draft", name="No SEPA"),))
FEW_RULES = Variant(id="c", name="Klarna in Norway", rules_off=("no-klarna-in-norway",))


def experiment(*variants: Variant, **changes: object) -> Experiment:
    setup: dict[str, object] = {"id": "e", "name": "E", "variants": variants or (CONTROL, NO_SEPA), "counts_log": True}
    return Experiment(**(setup | changes))  # type: ignore[arg-type]


# Asking


@pytest.fixture
async def merchant(engine):
    item, _ = await engine.accounts.add_merchant("shop", "Shop")
    made = make_log(await create_plan(engine, item.id), item.id, count=DECISIONS, seed=4, until=now_ms() - DAY)
    await store_log(engine.database, made)
    return item.id


@SQLITE_FIRST
@pytest.mark.anyio
async def test_each_variant_is_estimated_and_stored_at_the_start(engine, merchant):
    actor = Actor(merchant, "tester")
    resource = await engine.experiments.create(actor, PLACEMENT, experiment(CONTROL, NO_SEPA, FEW_RULES))
    assert [each.state for each in await engine.log_questions.answers(merchant, resource)] == ["not_asked"] * 2
    await engine.log_questions.ask(actor, resource)
    with pytest.raises(Conflict, match="another preview"):
        await engine.log_questions.ask(actor, resource)
    await engine.log_questions.finish()
    answers = await engine.log_questions.answers(merchant, resource)
    assert [each.state for each in answers] == ["done", "done"]
    assert answers[0].decisions == DECISIONS
    assert answers[0].low < answers[0].lift < answers[0].high
    assert "never given" in answers[1].refused
    started = await engine.experiments.start(actor, PLACEMENT, "e")
    assert [each.variant for each in started.document.status.log] == ["b"]
    assert await engine.previews.newest(merchant, PLACEMENT) is None


@SQLITE_FIRST
@pytest.mark.anyio
async def test_only_decisions_of_the_audience_are_used(engine, merchant):
    actor = Actor(merchant, "tester")
    resource = await engine.experiments.create(actor, PLACEMENT, experiment(audience=IN_GERMANY))
    await engine.log_questions.ask(actor, resource)
    await engine.log_questions.finish()
    [answer] = await engine.log_questions.answers(merchant, resource)
    assert (answer.done, answer.total) == (DECISIONS, DECISIONS)
    assert 0 < answer.decisions < DECISIONS / 4


@SQLITE_FIRST
@pytest.mark.anyio
async def test_unidentifiable_variant_is_refused(engine, merchant):
    actor = Actor(merchant, "tester")
    changing = msgspec.structs.replace(CONTROL, policy=Fixed())
    resource = await engine.experiments.create(actor, PLACEMENT, experiment(changing, NO_SEPA))
    with pytest.raises(Conflict, match="control changes something"):
        await engine.log_questions.ask(actor, resource)


# Answers


def preview(*, state: str = "done", document: Experiment | None = None, **effect: object) -> PreviewRow:
    numbers = {"counted": 2_000, "touched": 1_000, "earned": 0.5, "value": 0.01, "low": 0.0, "high": 0.02}
    rest = {"effective_sample": 500.0, "largest_weight": 2.0, "unknown": 0.0, "bounded": 0.0}
    made = Effect(**(numbers | rest | effect))  # type: ignore[arg-type]
    result = Result("converted", 2_000, 0, 1, [1], 0, 0, 0, 0, [], [], [], made)
    subject = Subject(experiment="e", variant="b", digest=digest_of(document or experiment()))
    return PreviewRow(
        id="p", placement=PLACEMENT, state=state, since=0, until=1, started_by="me", started_at=0, seen_at=0, done=3,
        total=9, merchant_id=1, draft=msgspec.json.encode(subject).decode(), experiment="e",
        result=msgspec.json.encode(result).decode() if state == "done" else None,
    )  # fmt: skip


def test_a_prediction_is_relative_and_of_decisions_that_change():
    [answer] = answers_of(experiment(), "converted", [preview()], conversion=0.4)
    assert (answer.lift, answer.low, answer.high) == pytest.approx((0.04, 0.0, 0.08))
    assert answer.estimate.error == pytest.approx(0.0204, abs=1e-4)
    assert 5_000 < answer.saved_units < 15_000


@pytest.mark.parametrize(
    ("rows", "state", "refused"),
    [
        ([], "not_asked", ""),
        ([preview(state="running")], "running", ""),
        ([preview(state="interrupted")], "failed", "reading was interrupted"),
        ([preview(refused="too little")], "done", "too little"),
        ([preview(touched=0)], "done", ALIKE),
        ([preview(document=experiment(CONTROL, FEW_RULES))], "not_asked", ""),
    ],
)
def test_answer_has_progress_or_a_reason(rows, state, refused):
    [answer] = answers_of(experiment(), "converted", rows)
    assert (answer.state, answer.refused, answer.estimate) == (state, refused, None)


@pytest.mark.parametrize(
    ("document", "reward", "refused"),
    [
        (experiment(msgspec.structs.replace(CONTROL, values={"a": 1}), NO_SEPA), "converted", CONTROL_CHANGES),
        (experiment(primary="revenue"), "converted", OTHER_METRIC),
        (experiment(), "margin", OTHER_METRIC),
    ],
)
def test_some_experiments_cannot_be_predicted(document, reward, refused):
    [answer] = answers_of(document, reward, [preview(document=document)])
    assert answer.refused == refused


# Evidence


def running(lift: float = 0.04, **changes: object) -> Experiment:
    status = ExperimentStatus(
        state="running", started_at=0, phase_started_at=0, log=(LogEstimate("b", lift, 0.01, 9_000),)
    )
    return experiment(status=status, **changes)


def sold(units: int, bought: int) -> UnitTotals:
    return UnitTotals(units, bought, bought, bought)


TOTALS = VariantTotals(("control", "b"), (sold(4_000, 2_000), sold(4_000, 2_060)))


@pytest.mark.parametrize(("method", "narrower"), [("sequential", True), ("fixed", False)])
def test_log_narrows_always_valid_intervals(method, narrower):
    with_log, without = (
        compare(document, TOTALS, planned_units=20_000)[0]
        for document in (running(method=method), running(method=method, counts_log=False))
    )
    assert (with_log.high - with_log.low < 0.7 * (without.high - without.low)) == narrower
    assert without.lift == pytest.approx(0.03)


def test_a_log_that_the_customers_contradict_does_not_count():
    wrong, without = running(lift=0.5), running(counts_log=False)
    assert compare(wrong, TOTALS, planned_units=2e4) == compare(without, TOTALS, planned_units=2e4)
    [evidence] = log_evidence(wrong, TOTALS)
    assert (evidence.agrees, units_of_log([evidence])) == (False, 0)


def test_log_shortens_the_experiment_and_keeps_segments():
    rows = [SumRow(segment, 0, name, each) for segment in ("", "a=1") for name, each in zip(*TOTALS[:2], strict=True)]
    looks = [results_of(each, PLACEMENT, rows, window_minutes=1, now=DAY) for each in (running(0.03), experiment())]
    with_log, without = (msgspec.structs.replace(each, experiment="e") for each in looks)
    assert with_log.segments[0].comparisons == without.segments[0].comparisons
    assert with_log.log[0].saved_units > 3_000
    assert without.log == []


def test_estimates_are_combined_by_precision():
    own = MetricEstimate(0.0, 4.0, 400)
    together = with_past(own, 0.2, own.error)
    assert (together.value, together.n) == pytest.approx((0.1, 800))
    assert units_worth(own.error, 4.0) == pytest.approx(400)
    assert with_past(MetricEstimate(0.0, 0.0, 10), 0.2, 0.1).value == 0.0
    assert agrees(own, 0.2, 0.1)
    assert not agrees(own, 1.0, 0.1)
    assert allowed_error(0.0, 0.04) == pytest.approx(0.01)


def test_log_evidence_needs_fewer_customers_without_more_errors():
    verdicts = merchants(60)
    assert verdicts.wrong[1].mean() <= 0.05
    assert verdicts.right[1].sum() >= verdicts.right[0].sum() - 1
    assert verdicts.units[1].sum() < 0.8 * verdicts.units[0].sum()
    assert (verdicts.units[0] == verdicts.units[1])[~verdicts.knew].all()
