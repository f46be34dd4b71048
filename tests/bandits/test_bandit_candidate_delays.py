import numpy as np
import pytest

from bandits import effective_trials
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


def test_similar_candidates_share_their_delays():
    alike = {name: Delays(spread(5 * MINUTE, 200, seed)) for seed, name in enumerate("abcd")}
    alike["new"] = Delays(in_bin_of(5 * MINUTE, 1))
    assert curves_by_candidate(alike, window_ms=WEEK)["new"].share(DAY) > 0.9


def silent(age_ms, trials, **other):
    return Delays(unresolved=in_bin_of(age_ms, trials), **other)


@pytest.mark.parametrize("trials", [100, 1_000, 10_000])
def test_silence_without_successes_counts_as_few_failures_however_long(trials):
    quick = Delays(in_bin_of(5 * MINUTE, 300), settled=(3_000, 300))
    curve = curves_by_candidate({"a": quick, "b": silent(DAY // 2, trials)}, window_ms=WEEK)["b"]
    assert trials * curve.share(DAY // 2) < 60
    assert curve.share(WEEK) == 1.0


def test_missing_outcome_is_a_failure_if_others_are_fast():
    quick = {name: Delays(spread(5 * MINUTE, 100, seed), settled=(1_000, 100)) for seed, name in enumerate("cdefgh")}
    few = {"a": Delays(in_bin_of(5 * MINUTE, 300), settled=(3_000, 300)), "b": silent(DAY // 2, 200)}
    counted = [
        200 * curves_by_candidate(delays, window_ms=WEEK)["b"].share(DAY // 2) for delays in (few, {**few, **quick})
    ]
    assert counted[1] > 2 * counted[0]


def test_trials_without_outcomes_are_failures_with_known_delays():
    settled = Delays(spread(5 * MINUTE, 300), settled=(3_000, 300), unresolved=in_bin_of(DAY, 1_000))
    curve = curves_by_candidate({"a": settled, "b": Delays(spread(DAY, 100))}, window_ms=WEEK)["a"]
    assert curve.share(DAY) > 0.97


@pytest.mark.parametrize("seed", range(3))
def test_rate_of_a_slow_candidate_is_estimated_before_its_outcomes(seed):
    """Five days of trials, delays of two days: what the curve says of the rate is near the truth, and not below."""
    rng, rate, trials = np.random.default_rng(seed), 0.12, 4_000
    ages = rng.uniform(0, 5 * DAY, trials)
    delays = np.where(rng.random(trials) < rate, 2 * DAY * np.exp(0.5 * rng.normal(size=trials)), np.inf)
    seen = delays < ages
    unresolved = np.bincount([bin_of(int(age)) for age in ages[~seen]], minlength=len(EDGES))
    pending = [
        PendingCount(bin_of(int(age)), bin_of(int(delay)), 1, 0)
        for age, delay in zip(ages[seen], delays[seen], strict=True)
    ]
    late = Delays((), pending, settled=(seen.sum(), seen.sum()), unresolved=unresolved)
    quick = Delays(in_bin_of(5 * MINUTE, 400), settled=(4_000, 400))
    curve = curves_by_candidate({"a": quick, "b": late}, window_ms=WEEK)["b"]
    tried = [[seen.sum(), *np.ones(trials - seen.sum())]]
    won = [[seen.sum(), *np.zeros(trials - seen.sum())]]
    weights = [1.0, *(curve.share(age) for age in ages[~seen])]
    assert seen.sum() / effective_trials(tried, won, weights)[0] == pytest.approx(rate, rel=0.25)


def test_pending_decisions_show_slow_candidates():
    age = bin_of(3 * DAY)
    pending = [PendingCount(age, bin_of(2 * DAY), 30, 0), PendingCount(age, NOT_YET, 0, 270)]
    curves = curves_by_candidate({"a": Delays(in_bin_of(5 * MINUTE, 300)), "b": Delays((), pending)}, window_ms=WEEK)
    assert curves["b"].share(DAY) < 0.1


def test_strength_follows_the_similarity_of_candidates():
    counts = {"a": np.array(spread(MINUTE, 80), float), "b": np.array(spread(MINUTE, 90, seed=1), float)}
    shapes = {"a": counts["b"] / 90, "b": counts["a"] / 80}
    assert fit_strength(counts, shapes) >= 75
    apart = {"a": counts["a"], "b": np.array(in_bin_of(DAY, 90), float)}
    assert fit_strength(apart, {"a": apart["b"] / 90, "b": apart["a"] / 80}) <= 2


def test_single_candidate_keeps_its_curve():
    alone = curves_by_candidate({"a": Delays(in_bin_of(MINUTE, 50))}, in_bin_of(WEEK - 1, 100), window_ms=WEEK)["a"]
    before = DelayCurve(in_bin_of(MINUTE, 50), in_bin_of(WEEK - 1, 100), window_ms=WEEK)
    for age in (MINUTE // 2, 2 * MINUTE, DAY):
        assert alone.share(age) == pytest.approx(before.share(age))
