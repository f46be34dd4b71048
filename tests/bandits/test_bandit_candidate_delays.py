import numpy as np
import pytest

from bandits.evidence.candidate_delays import Delays, curves_by_candidate, fit_strength
from bandits.evidence.delay import EDGES, NOT_YET, DelayCurve, PendingCount, bin_of

MINUTE, DAY = 60_000, 86_400_000
WEEK = 7 * DAY


def in_bin_of(delay_ms, count):
    counts = [0] * len(EDGES)
    counts[bin_of(delay_ms)] = count
    return counts


def spread(delay_ms, count, seed=0):
    """Delays about that long, over several bins."""
    counts = [0] * len(EDGES)
    for delay in np.random.default_rng(seed).lognormal(np.log(delay_ms), 0.7, count):
        counts[bin_of(int(delay))] += 1
    return counts


def test_each_candidate_has_its_own_delays():
    curves = curves_by_candidate(
        {"a": Delays(in_bin_of(5 * MINUTE, 300)), "b": Delays(in_bin_of(2 * DAY, 300))}, window_ms=WEEK
    )
    assert curves["a"].share(DAY) > 0.95
    assert curves["b"].share(DAY) < 0.05
    assert curves["b"].share(4 * DAY) > 0.95


def test_candidates_that_are_alike_share_their_delays():
    alike = {name: Delays(spread(5 * MINUTE, 200, seed)) for seed, name in enumerate("abcd")}
    alike["new"] = Delays(in_bin_of(5 * MINUTE, 1))
    assert curves_by_candidate(alike, window_ms=WEEK)["new"].share(DAY) > 0.9


def test_of_one_without_successes_silence_tells_less():
    few = curves_by_candidate({"a": Delays(in_bin_of(5 * MINUTE, 300)), "b": Delays()}, window_ms=WEEK)
    assert few["b"].share(DAY) < 0.6


def test_open_decisions_tell_of_late_candidates():
    age = bin_of(3 * DAY)
    pending = [PendingCount(age, bin_of(2 * DAY), 30, 0), PendingCount(age, NOT_YET, 0, 270)]
    curves = curves_by_candidate({"a": Delays(in_bin_of(5 * MINUTE, 300)), "b": Delays((), pending)}, window_ms=WEEK)
    assert curves["b"].share(DAY) < 0.1


def test_strengths_follow_how_alike_candidates_are():
    counts = {"a": np.array(spread(MINUTE, 80), float), "b": np.array(spread(MINUTE, 90, seed=1), float)}
    shapes = {"a": counts["b"] / 90, "b": counts["a"] / 80}
    assert fit_strength(counts, shapes) >= 75
    apart = {"a": counts["a"], "b": np.array(in_bin_of(DAY, 90), float)}
    assert fit_strength(apart, {"a": apart["b"] / 90, "b": apart["a"] / 80}) <= 2


def test_a_candidate_alone_has_the_curve_it_had():
    alone = curves_by_candidate({"a": Delays(in_bin_of(MINUTE, 50))}, in_bin_of(WEEK - 1, 100), window_ms=WEEK)["a"]
    before = DelayCurve(in_bin_of(MINUTE, 50), in_bin_of(WEEK - 1, 100), window_ms=WEEK)
    for age in (MINUTE // 2, 2 * MINUTE, DAY):
        assert alone.share(age) == pytest.approx(before.share(age))
