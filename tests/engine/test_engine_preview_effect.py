"""The estimate of a draft's effect: right on average over all answers that could have been, or honest where not."""

from __future__ import annotations

from array import array
from math import prod

import numpy as np
import pytest

from benchmarks.checks.preview_log import METHODS, document, make_log
from benchmarks.checks.previews import (
    A_MOMENT,
    DraftBench,
    Setting,
    cover,
    drafts,
    expected,
    rankings,
    with_rule,
    without_overlap,
)
from engine.kernel.kernel import draw_of
from engine.kernel.plan import Plan
from engine.learning.active import Active
from engine.previews.estimation.comparison import Comparison, LoggedAnswer, LoggedSlot
from engine.previews.estimation.effect import effect_of
from engine.previews.estimation.totals import Rows, Totals
from engine.previews.estimation.weighing import between
from tests.factories import rule

GERMANY = {"and": [{"==": [{"var": "geo.country"}, "DE"]}]}


@pytest.fixture(scope="module")
def log():
    return make_log(Plan(document(), version=1), 1, count=3_000, seed=3, until=A_MOMENT)


def averages(log, draft_rule):
    """Over all answers and outcomes that one decision could have had: the mean weight, what counts, and the truth."""
    reports, shares, true_value = all_outcomes(log, draft_rule)
    return (*(float(np.dot(shares, values)) for values in (reports.weight, reports.least, reports.most)), true_value)


def all_outcomes(log, draft_rule):
    """Return what counts of each answer and outcome that one decision could have had, their chances, and the truth."""
    draft = Active(Plan(with_rule(log.plan.document, draft_rule), version=0))
    comparison = Comparison(log.plan, draft.plan)
    case = list(DraftBench(log).touched(draft_rule, comparison))[-1]
    beliefs, before = draft.make(log.snapshots[case.beliefs_version]), case.bounded.before
    then = draw_of(log.plan, beliefs, case.facts, before.limits, "")
    cases, bought, shares = [], [], []
    for order, chance in rankings(then):
        names = [before.offered[index] for index in order]
        moment = [float(slot[index]) for index, slot in zip(order, then.chances_along(order), strict=True)]
        assert prod(moment) == pytest.approx(chance)
        logged = LoggedAnswer([LoggedSlot(*slot) for slot in zip(names, moment, strict=True)], {}, [], False)
        reached = 0.0
        for depth in range(1, len(names) + 2):
            after = log.shoppers.success("DE", tuple(names[:depth])) if depth <= len(names) else 1.0
            cases.append(case._replace(logged=logged))
            bought.append({names[depth - 1]: 1} if depth <= len(names) else {})
            shares.append(chance * (after - reached))
            reached = after
    learned = [beliefs] * len(cases)
    reports = comparison.weighed(cases, comparison.answers(cases, learned), learned, bought)
    return reports, shares, expected(case.bounded.draft, case.request(beliefs), "DE", log.shoppers)


def test_two_plans_are_compared_without_bias_on_the_log_of_a_third(log):
    """The difference of two drafts of the same decision; the weights keep their mean."""
    (first, shares, better), (second, _, worse) = (
        all_outcomes(log, rule({"boost": {"candidates": [method], "factor": factor}}, id="draft", when=GERMANY))
        for method, factor in (("card", 0.7), ("klarna", 1.5))
    )
    both = between(first, second)
    assert np.dot(shares, both.weight) == pytest.approx(1.0)
    for counts in (both.least, both.most):
        assert np.dot(shares, counts - both.logged) == pytest.approx(better - worse, abs=0.01)


@pytest.mark.parametrize(("method", "factor"), [("card", 0.7), ("klarna", 1.5), ("ideal", 1.2)])
def test_a_draft_within_the_logs_support_is_estimated_without_bias(log, method, factor):
    boost = rule({"boost": {"candidates": [method], "factor": factor}}, id="draft", when=GERMANY)
    weight, least, most, true_value = averages(log, boost)
    assert weight == pytest.approx(1.0)
    # The slots that are not drawn may come in another order.
    assert least == most == pytest.approx(true_value, abs=0.01)


@pytest.mark.parametrize("method", METHODS[:3])
def test_a_draft_that_hides_a_method_has_true_bounds(log, method):
    weight, least, most, true_value = averages(log, rule({"exclude": [method]}, id="draft", when=GERMANY))
    assert weight == pytest.approx(1.0)
    assert least - 0.01 <= true_value <= most + 0.01


@pytest.mark.long
def test_intervals_have_nominal_coverage():
    result = cover(Setting(6_000, methods=5, drafts=60), seed=5)
    held = result.whole + result.partly
    assert len(held) >= 14
    assert sum(held) >= 0.8 * len(held)


def test_effect_without_overlap_is_refused(log):
    assert without_overlap(DraftBench(log), 12) == (12, 12)


def test_estimate_is_deterministic(log):
    item, again = (DraftBench(log).try_on(drafts(3, seed=7)[2]).effect for _ in range(2))
    assert item == again


def totals(columns, *, customers):
    rows = Rows(**{name: array("d", values) for name, values in columns.items()}, customer=array("Q", customers))
    return Totals(read=len(customers), counted=len(customers), rows=rows)


@pytest.mark.parametrize("customers", [400, 40, 10])
def test_decisions_of_the_same_customers_widen_the_interval(customers):
    numbers = [number * customers // 400 for number in range(400)]
    weights = [0.5 + number % 2 for number in numbers]
    logged = [float(number % 3 == 0) for number in numbers]
    earned = [weight * reward for weight, reward in zip(weights, logged, strict=True)]
    columns = {"weight": weights, "logged": logged, "least": earned, "most": earned}
    columns |= {"open": [0.0] * 400, "unseen": [0.0] * 400}
    effect, independent = (effect_of(totals(columns, customers=labels)) for labels in (numbers, range(400)))
    width = (effect.high - effect.low) / (independent.high - independent.low)
    assert width == pytest.approx(1) if customers == 400 else width > 2
    assert bool(effect.refused) == (customers == 10)


def test_an_unknown_share_widens_the_interval_on_both_sides():
    rewards = [float(number % 2) for number in range(400)]
    zeros = [0.0] * 400

    def effect(open_share):
        columns = {"weight": [1.0] * 400, "logged": rewards, "least": rewards, "most": rewards, "unseen": zeros}
        columns["open"] = [open_share * reward for reward in rewards]
        return effect_of(totals(columns, customers=range(400)))

    learned, partly = effect(0.0), effect(0.04)
    assert partly.unknown == pytest.approx(0.04)
    assert partly.refused == ""
    assert learned.low - partly.low == pytest.approx(0.5 * 0.04 * 0.5)
    assert partly.high - learned.high == pytest.approx(0.5 * 0.04 * 0.5)
