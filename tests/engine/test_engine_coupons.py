"""Check the benchmark of real coupon campaigns: it learns only from what was known on a campaign's first day."""

import numpy as np
import pytest
from numpy.random import default_rng

from benchmarks.checks.coupons import FACTS, SentCampaign, area_under_curve, score_campaigns

HOUSEHOLDS = 300
JUDGED = 100


def a_campaign(id: str, first_day: int, last_day: int, *, seed: int, reverse: bool = False) -> SentCampaign:
    """Return a campaign that households redeem the more often, the more coupons they used before."""
    random = default_rng(seed)
    coupons = random.poisson(2.0, HOUSEHOLDS)
    redeemed = random.random(HOUSEHOLDS) < np.minimum(0.9, 0.05 + 0.15 * coupons)
    facts = [dict.fromkeys(FACTS, 0) | {"customer.coupons": int(count)} for count in coupons]
    return SentCampaign(id, "A", first_day, last_day, np.arange(HOUSEHOLDS), facts, redeemed ^ reverse)


def test_a_later_campaign_is_predicted_from_earlier_ones():
    scored = score_campaigns([a_campaign("1", 0, 20, seed=1), a_campaign("2", JUDGED, 120, seed=2)], JUDGED)
    assert len(scored.scores) == HOUSEHOLDS
    assert area_under_curve(scored.scores, scored.redeemed) > 0.65


def test_running_campaign_is_not_learned():
    first, judged = a_campaign("1", 0, 20, seed=1), a_campaign("3", JUDGED, 130, seed=3)
    unfinished = [a_campaign("2", 50, JUDGED, seed=2, reverse=reverse) for reverse in (False, True)]
    scores = [score_campaigns([first, other, judged], JUDGED).scores for other in unfinished]
    assert np.array_equal(*scores)


@pytest.mark.parametrize(
    ("scores", "area"),
    [([1.0, 2.0, 3.0], 1.0), ([3.0, 2.0, 1.0], 0.0), ([1.0, 1.0, 1.0], 0.5), ([1.0, 2.0, 2.0], 0.75)],
)
def test_the_area_counts_ties_half(scores: list[float], area: float):
    assert area_under_curve(np.array(scores), np.array([False, False, True])) == pytest.approx(area)
