"""Check the benchmark that compares the learned choice of offers with rules and priority."""

from __future__ import annotations

import pytest
from numpy.random import default_rng

from benchmarks.checks import offer_choice, offer_shop
from benchmarks.checks.offer_choice import Learned, Priority, play
from benchmarks.checks.offer_shop import DAYS, OfferShop
from engine.model.facts import Facts

BUDGET = 28_000


@pytest.fixture(autouse=True)
def _small_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offer_shop, "VISITS_A_DAY", 25)
    monkeypatch.setattr(offer_choice, "BUDGET", BUDGET)


@pytest.mark.parametrize("chooser", [Priority, Learned])
def test_no_way_to_choose_spends_more_than_the_budget(chooser: type[Priority] | type[Learned]):
    month = play(OfferShop(default_rng(1)), chooser())
    assert 0.5 * BUDGET < month.spent <= BUDGET
    assert month.redemptions > 0


def test_a_month_has_the_same_visits_for_every_way_to_choose():
    assert OfferShop(default_rng(1)).visits == OfferShop(default_rng(1)).visits


def test_priority_shows_the_first_offer_that_applies():
    visit = OfferShop(default_rng(1)).visits[0]._replace(category="fashion", total=5_000)
    chooser = Priority()
    assert chooser.choose(visit, Facts(visit.facts), "dec_1") == "fashion-15"
    home = visit._replace(category="home")
    assert chooser.choose(home, Facts(home.facts), "dec_1") == "ten-percent"


def test_incremental_orders_exclude_organic_orders():
    shop = OfferShop(default_rng(1))
    visit = next(visit for visit in shop.visits if not visit.buys)._replace(use=0.0, kept=0.0)
    assert shop.show(visit, "five-off", 500) == (True, True)
    assert shop.show(visit._replace(kept=1.0), "five-off", 500) == (False, False)
    assert shop.show(visit._replace(use=1.0), "five-off", 500) == (False, False)
    assert len(shop.visits) == DAYS * 25
