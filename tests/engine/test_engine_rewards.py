"""Rewards of a decision: successes, or money by the settings of another version."""

from __future__ import annotations

import pytest

from engine.kernel.plan import PlanDocument
from engine.learning.outcome_effects import AnswerHead, CandidateId
from engine.previews.rewards import Valuation
from engine.store.outcomes import OutcomeRow
from tests.factories import candidate, placement

ANSWER = AnswerHead([CandidateId("card"), CandidateId("klarna")], [], False)
CART = {"cart.total": 8_000, "cart.currency": "EUR"}


def bought(name, amount=None, currency=None, source="server"):
    return OutcomeRow(1, f"e{amount}{source}", "d", None, "", "converted", name, amount, currency, 1, 1, source)


def plan(*candidates, **changes):
    return PlanDocument(placement=placement(typical_amount=3_000, **changes), candidates=candidates, currency="EUR")


def earned(reward, *outcomes, values=CART):
    document = plan(candidate("card"), candidate("klarna"), reward=reward)
    return Valuation(document, document).earned(values, ANSWER, outcomes)


@pytest.mark.parametrize("reward", ["converted", "revenue", "margin"])
def test_without_a_purchase_the_reward_is_zero(reward):
    assert earned(reward) == {}


def test_a_purchase_is_one_success():
    assert earned("converted", bought("klarna", 9_999, "EUR")) == {"klarna": 1.0}


@pytest.mark.parametrize(
    ("outcome", "values", "amount"),
    [
        (bought("card", 9_999, "EUR"), CART, 9_999),
        (bought("card", 0, "EUR"), CART, 0),
        (bought("card"), CART, 8_000),
        (bought("card", 9_999, "USD"), CART, 8_000),
        (bought("card"), {"cart.total": 8_000}, 8_000),
        (bought("card"), {"cart.total": 8_000, "cart.currency": "JPY"}, 3_000),
        (bought("card"), {}, 3_000),
    ],
)
def test_revenue_is_the_reported_amount_then_the_cart_then_a_typical_amount(outcome, values, amount):
    assert earned("revenue", outcome, values=values) == {"card": amount}


def test_a_browser_does_not_change_an_amount_that_a_server_reported():
    assert earned("revenue", bought("card", 5_000, "EUR"), bought("card", 9_000, "EUR", "browser")) == {"card": 5_000}


def test_margin_is_by_the_fees_of_the_version_or_of_then():
    document = plan(candidate("card", fee_percent=1.0), reward="margin", margin_percent=30.0)
    then = plan(candidate("card", fee_percent=9.0), candidate("klarna", fee_fixed=100), margin_percent=60.0)
    valuation = Valuation(document, then)
    assert valuation.earned(CART, ANSWER, [bought("card")]) == {"card": pytest.approx(8_000 * 0.29)}
    assert valuation.earned(CART, ANSWER, [bought("klarna")]) == {"klarna": pytest.approx(8_000 * 0.30 - 100)}
