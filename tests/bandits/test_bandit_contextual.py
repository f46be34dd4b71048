import os
import subprocess
import sys

import numpy as np
import pytest

import bandits
from bandits.posterior.logistic_update import MOST_CORRELATED, Factor, Observations, Waiting, rate
from bandits.posterior.weight_draws import make_weights, rates_of
from bandits.posterior.weight_posterior import MOST_TOGETHER, SPREAD, Attributes, Learned, beliefs_of, shared_weights

TRUTH = {"card": np.array([-1.0, 1.0, 0.0]), "paypal": np.array([-1.0, -0.5, 0.5])}


def observations(weights, count, *, seed=0):
    rng = np.random.RandomState(seed)
    x = np.column_stack([np.ones(count), rng.normal(size=(count, len(weights) - 1))])
    return Observations(x, np.ones(count), (rng.random(count) < rate(x @ weights)).astype(float))


def part(told, start, stop):
    return Observations(told.features[start:stop], told.trials[start:stop], told.successes[start:stop])


def taught(count, *, seed=0):
    return Learned(3).after({one: observations(weights, count, seed=seed) for one, weights in TRUTH.items()})


def same(one, other, tolerance=1e-9):
    pairs = ((one.information, other.information), (one.precision, other.precision))
    return all(np.allclose(left, right, atol=tolerance) for left, right in pairs)


def test_the_weights_that_made_the_outcomes_are_found():
    for candidate, belief in beliefs_of(taught(20_000), list(TRUTH)).items():
        assert belief.mean == pytest.approx(TRUTH[candidate], abs=0.08)


def test_the_true_weights_lie_inside_the_95_percent_intervals_as_often_as_they_should():
    inside = []
    for seed in range(60):
        beliefs = beliefs_of(taught(300, seed=seed), list(TRUTH))
        for candidate, belief in beliefs.items():
            away = (belief.mean - TRUTH[candidate]) / np.sqrt(np.diag(belief.covariance))
            inside.extend(np.abs(away) < 1.96)
    assert 0.92 < np.mean(inside) < 0.99


def test_many_small_batches_end_near_one_large_one():
    told = observations(TRUTH["card"], 2000)
    once = Learned(3).after({"card": told})
    bit_by_bit = Learned(3)
    for start in range(0, 2000, 20):
        bit_by_bit = bit_by_bit.after({"card": part(told, start, start + 20)})
    whole, pieces = (beliefs_of(one, ["card"])["card"] for one in (once, bit_by_bit))
    assert pieces.mean == pytest.approx(whole.mean, abs=0.25 * np.sqrt(whole.covariance.max()))
    assert pieces.covariance == pytest.approx(whole.covariance, rel=0.15, abs=1e-4)


def test_the_order_of_lessons_in_a_batch_does_not_matter():
    told = observations(TRUTH["card"], 200)
    turned = Observations(told.features[::-1], told.trials[::-1], told.successes[::-1])
    assert same(
        Learned(3).after({"card": told}).factors["card"], Learned(3).after({"card": turned}).factors["card"], 1e-6
    )


def test_a_refund_in_the_same_batch_is_a_success_that_never_was():
    x = np.array([[1.0, 0.5, -0.5]])
    failed = Learned(3).after({"card": Observations(x, np.array([1.0]), np.array([0.0]))})
    refunded = Learned(3).after(
        {"card": Observations(np.repeat(x, 2, axis=0), np.array([1.0, 0.0]), np.array([1.0, -1.0]))}
    )
    assert same(failed.factors["card"], refunded.factors["card"])


def test_a_refund_that_comes_later_leads_to_nearly_the_same_belief():
    told = observations(TRUTH["card"], 500)
    never = Observations(told.features, told.trials, np.where(np.arange(500) < 50, 0.0, told.successes))
    back = Observations(told.features[:50], np.zeros(50), -told.successes[:50])
    later = Learned(3).after({"card": told}).after({"card": back})
    expected = beliefs_of(Learned(3).after({"card": never}), ["card"])["card"]
    found = beliefs_of(later, ["card"])["card"]
    assert found.mean == pytest.approx(expected.mean, abs=0.35 * np.sqrt(expected.covariance.max()))


def test_trials_that_are_taken_back_are_forgotten():
    told = observations(TRUTH["card"], 500)
    wrong = Observations(told.features, np.ones(500), np.ones(500))
    back = Observations(wrong.features[:100], -wrong.trials[:100], -wrong.successes[:100])
    later = Learned(3).after({"card": told}).after({"card": part(wrong, 0, 100)}).after({"card": back})
    expected, found = (beliefs_of(one, ["card"])["card"] for one in (Learned(3).after({"card": told}), later))
    assert later.factors["card"].trials == 500
    assert found.mean == pytest.approx(expected.mean, abs=0.35 * np.sqrt(expected.covariance.max()))
    assert found.covariance == pytest.approx(expected.covariance, rel=0.25, abs=1e-3)


def test_when_all_trials_are_taken_back_what_is_left_is_a_sound_belief_close_to_the_first():
    told = observations(TRUTH["card"], 300)
    back = Observations(told.features, -told.trials, -told.successes)
    belief = beliefs_of(Learned(3).after({"card": told}).after({"card": back}), ["card"])["card"]
    assert np.linalg.eigvalsh(belief.precision).min() > 0
    assert np.diag(belief.covariance) == pytest.approx([SPREAD**2] * 3, rel=0.5)
    assert np.abs(belief.mean).max() < 1.5 * SPREAD


def test_fading_by_half_doubles_the_spread_that_the_outcomes_leave():
    factor = taught(5000).factors["card"]
    faded = Learned(3, {"card": factor}).faded(0.5).factors["card"]
    assert np.linalg.inv(faded.precision) == pytest.approx(2 * np.linalg.inv(factor.precision))
    assert np.linalg.solve(faded.precision, faded.information) == pytest.approx(
        np.linalg.solve(factor.precision, factor.information)
    )
    assert faded.trials == factor.trials / 2


def test_nothing_but_successes_does_not_blow_up():
    x = np.column_stack([np.ones(5000), np.tile([1.0, -1.0], 2500), np.full(5000, 30.0)])
    for wins in (np.ones(5000), np.zeros(5000), (x[:, 1] > 0).astype(float)):
        learned = Learned(3).after({"card": Observations(x, np.ones(5000), wins)})
        belief = beliefs_of(learned, ["card"])["card"]
        assert np.isfinite(belief.mean).all()
        assert np.abs(belief.mean).max() < 15
        assert rate(x @ belief.mean) == pytest.approx(wins, abs=0.02)


def test_features_far_from_what_was_seen_before_are_learned_from_without_harm():
    learned = taught(1000)
    far = Observations(np.array([[1.0, 200.0, -200.0]]), np.ones(1), np.zeros(1))
    belief = beliefs_of(learned.after({"card": far}), ["card"])["card"]
    assert np.isfinite(belief.mean).all()
    assert np.linalg.eigvalsh(belief.precision).min() > 0


def test_a_candidate_never_tried_starts_at_what_the_others_have_in_common():
    rare = np.array([-3.0, 1.0, 0.0])
    learned = Learned(3).after({f"m{n}": observations(rare, 2000, seed=n) for n in range(8)})
    new = beliefs_of(learned, ["new"])["new"]
    assert new.mean == pytest.approx(shared_weights(learned)[0])
    assert new.mean == pytest.approx(rare, abs=0.4)
    assert new.covariance == pytest.approx(np.eye(3) * SPREAD**2)


# Trials whose outcomes may still come.


def waited(told, share):
    return Waiting(told.features, told.trials, np.full(len(told.trials), share))


def after_waiting(share, count=1000):
    told = observations(TRUTH["card"], count)
    return Learned(3).after({}, waiting={"card": waited(told, share)})


def test_what_has_waited_long_enough_has_failed_and_what_just_began_says_nothing():
    told = observations(TRUTH["card"], 1000)
    failed = Learned(3).after({"card": Observations(told.features, told.trials, np.zeros(1000))})
    assert same(after_waiting(1.0).waiting["card"], failed.factors["card"], 1e-6)
    assert beliefs_of(after_waiting(0.0), ["card"])["card"].mean == pytest.approx(np.zeros(3), abs=1e-9)


def test_rates_are_right_while_most_successes_are_still_to_come():
    rng = np.random.default_rng(3)
    told = observations(TRUTH["card"], 20_000, seed=3)
    age, delay = rng.random(20_000), rng.exponential(0.5, 20_000)
    known = (told.successes > 0) & (delay < age)
    still = Waiting(told.features[~known], told.trials[~known], 1 - np.exp(-age[~known] / 0.5))
    learned = Learned(3).after({"card": told.where(known)}, waiting={"card": still})
    assert beliefs_of(learned, ["card"])["card"].mean == pytest.approx(TRUTH["card"], abs=0.15)
    as_told = Learned(3).after({"card": told.where(known)})
    assert beliefs_of(as_told, ["card"])["card"].mean[0] > 2


def test_what_waits_is_counted_while_it_does_and_not_learned_for_good():
    told = observations(TRUTH["card"], 500)
    learned = Learned(3).after({"card": told}, waiting={"card": waited(told, 0.5), "new": waited(told, 0.5)})
    assert learned.factors["card"].trials == 500
    assert learned.factors["new"].trials == 0
    assert learned.waiting["card"].trials > 50
    again = learned.after({})
    assert not again.waiting
    assert same(again.factors["card"], learned.factors["card"])


# What candidates of a kind have in common.

KINDS = Attributes(2, {**{f"w{n}": (1.0, 0.0) for n in range(4)}, **{f"b{n}": (0.0, 1.0) for n in range(4)}})


def of_two_kinds(size=3):
    truths = {name: np.zeros(size) for name in KINDS.rows if name[1] != "3"}
    for name, truth in truths.items():
        truth[:2] = (-1.0, 1.5 if name[0] == "w" else -1.5)
    return Learned(size).after(
        {name: observations(truth, 1000, seed=n) for n, (name, truth) in enumerate(truths.items())}
    )


def test_a_candidate_never_tried_starts_at_what_those_of_its_kind_have_in_common():
    learned = of_two_kinds()
    beliefs = beliefs_of(learned, ["w3", "b3", "other"], KINDS)
    assert beliefs["w3"].mean[1] > 0.8
    assert beliefs["b3"].mean[1] < -0.8
    assert abs(beliefs["other"].mean[1]) < 0.5
    assert beliefs["w3"].covariance == pytest.approx(np.eye(3) * SPREAD**2)


def test_one_that_knows_itself_goes_its_own_way_whatever_its_kind():
    learned = of_two_kinds().after({"w3": observations(np.array([-1.0, -1.5, 0.0]), 5000, seed=9)}, KINDS)
    assert beliefs_of(learned, ["w3"], KINDS)["w3"].mean[1] == pytest.approx(-1.5, abs=0.3)


def test_attributes_of_which_nobody_has_any_change_nothing():
    learned = taught(200)
    for one, other in zip(
        beliefs_of(learned, list(TRUTH)).values(), beliefs_of(learned, list(TRUTH), KINDS).values(), strict=True
    ):
        assert one.mean == pytest.approx(other.mean)


def test_with_many_features_each_is_shared_apart_and_tells_nearly_the_same():
    size = MOST_TOGETHER // 3 + 1
    assert size < MOST_CORRELATED
    new = beliefs_of(of_two_kinds(size), ["w3", "b3"], KINDS)
    assert new["w3"].mean[1] > 0.7
    assert new["b3"].mean[1] < -0.7


def test_above_two_hundred_features_kinds_still_tell():
    size = MOST_CORRELATED + 1
    new = beliefs_of(of_two_kinds(size), ["w3", "b3"], KINDS)
    assert new["w3"].mean[1] > 0.5
    assert new["b3"].mean[1] < -0.5


def test_what_one_candidate_did_hardly_moves_one_that_knows_itself():
    known = observations(TRUTH["card"], 5000)
    alone = beliefs_of(Learned(3).after({"card": known}), ["card"])["card"]
    beside = beliefs_of(Learned(3).after({"card": known, "odd": observations(-3 * TRUTH["card"], 5000)}), ["card"])[
        "card"
    ]
    assert beside.mean == pytest.approx(alone.mean, abs=0.02)


def test_lessons_with_other_features_are_refused():
    with pytest.raises(ValueError, match="card: lessons need 4 features"):
        Learned(4).after({"card": observations(TRUTH["card"], 5)})


def test_above_two_hundred_features_only_the_diagonal_is_kept():
    size = MOST_CORRELATED + 50
    rng = np.random.default_rng(4)
    weights = np.concatenate([[-1.0, 1.5], np.zeros(size - 2)])
    x = np.column_stack([np.ones(4000), (rng.random((4000, size - 1)) < 0.1).astype(float)])
    told = Observations(x, np.ones(4000), (rng.random(4000) < rate(x @ weights)).astype(float))
    learned = Learned(size).after({"card": told})
    assert learned.factors["card"].precision.shape == (size,)
    belief = beliefs_of(learned, ["card"])["card"]
    assert belief.mean[:2] == pytest.approx(weights[:2], abs=0.4)
    drawn = make_weights(["card"], learned, seed=1, width=1.0)
    assert drawn.draws[0].std(axis=1) == pytest.approx(np.sqrt(belief.covariance), rel=0.15)


# Draws, scores and chances.


def test_the_noise_of_candidates_is_independent():
    learned = taught(100)
    ids = [f"m{n}" for n in range(10)]
    draws = make_weights(ids, learned, seed=3, count=20_000).draws
    for feature in range(3):
        assert np.abs(np.corrcoef(draws[:, feature]) - np.eye(10)).max() < 0.05


def test_the_spread_of_scores_falls_as_one_over_the_root_of_the_trials():
    trials = [1000, 4000, 16_000, 64_000]
    x = np.array([[1.0, 0.3, -0.3]])
    spread = []
    for count in trials:
        learned = Learned(3).after({"card": observations(TRUTH["card"], count)})
        spread.append(make_weights(["card"], learned, seed=2).scores(x).astype(float).std())
    assert np.polyfit(np.log(trials), np.log(spread), 1)[0] == pytest.approx(-0.5, abs=0.03)


def test_draws_follow_the_posterior_with_its_correlations():
    learned = taught(50)
    belief = beliefs_of(learned, ["card"])["card"]
    draws = make_weights(["card"], learned, seed=1, width=1.0, count=100_000).draws[0]
    assert draws.mean(axis=1) == pytest.approx(belief.mean, abs=0.01)
    assert np.cov(draws) == pytest.approx(belief.covariance, abs=0.01)


def test_a_candidates_draws_do_not_depend_on_who_else_takes_part():
    learned = taught(50)
    both = make_weights(["card", "paypal"], learned, seed=5).draws
    assert (make_weights(["paypal"], learned, seed=5).draws[0] == both[1]).all()
    assert (make_weights(["paypal"], learned, seed=6).draws[0] != both[1]).any()


NEW_PROCESS = """
import numpy as np
from tests.bandits.test_bandit_contextual import taught, first_chances
print(first_chances(taught(200)).tolist())
"""


def first_chances(learned):
    weights = make_weights(["card", "klarna", "paypal"], learned, seed=812)
    return bandits.WinProbabilities(weights.scores(np.tile([1.0, 0.4, 0.2], (3, 1)))).chances()


def test_a_new_process_gives_the_same_answer():
    told = subprocess.run([sys.executable, "-c", NEW_PROCESS], capture_output=True, text=True, check=True).stdout
    assert told.strip() == str(first_chances(taught(200)).tolist())


ON_ANOTHER_PROCESSOR = """
import numpy as np
from tests.bandits.test_bandit_contextual import drawn_from_what_is_kept
weights, x = drawn_from_what_is_kept()
print(weights.draws.tobytes().hex(), [weights.rates(row).tolist() for row in x])
"""


def drawn_from_what_is_kept():
    """Of factors that are given to the last digit, as in a snapshot."""
    rng = np.random.RandomState(4)
    roots, told = rng.standard_normal((3, 11, 11)).round(3), rng.standard_normal((3, 11)).round(3)
    factors = {
        name: Factor(information, (root @ root.T).round(6), 20.0, information)
        for name, root, information in zip("abc", roots, told, strict=True)
    }
    return make_weights(list("abc"), Learned(11, factors), seed=7, count=64), rng.standard_normal((40, 3, 11))


@pytest.mark.parametrize("kind", ["Prescott", "Nehalem", "Haswell"])
def test_another_kind_of_processor_draws_the_same_and_says_the_same_rates(kind):
    told = [
        subprocess.run(
            [sys.executable, "-c", ON_ANOTHER_PROCESSOR],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **more},
        ).stdout
        for more in ({}, {"OPENBLAS_CORETYPE": kind})
    ]
    assert told[0] == told[1]


def test_the_features_of_a_request_decide_who_is_first():
    weights = make_weights(["card", "paypal"], taught(5000), seed=1)
    likes_card, likes_paypal = np.tile([1.0, 2.0, 0.0], (2, 1)), np.tile([1.0, -2.0, 1.0], (2, 1))
    assert bandits.WinProbabilities(weights.scores(likes_card)).chances()[0] > 0.99
    assert bandits.WinProbabilities(weights.scores(likes_paypal)).chances()[1] > 0.99


def test_a_feature_may_differ_by_candidate():
    weights = make_weights(["card", "paypal"], taught(5000), seed=1)
    apart = np.array([[1.0, -2.0, 0.0], [1.0, -2.0, 0.0]])
    together = weights.scores(apart)
    apart[0, 1] = 2.0
    assert (weights.scores(apart)[1] == together[1]).all()
    assert (weights.scores(apart)[0] > together[0]).all()


def test_rates_are_what_the_scores_stand_for():
    weights = make_weights(["card", "paypal"], taught(5000), seed=1)
    x = np.tile([1.0, 1.0, 0.0], (2, 1))
    assert rates_of(weights.scores(x)).mean(axis=1) == pytest.approx(weights.rates(x), abs=0.01)
    assert weights.rates(x) == pytest.approx([0.5, rate(np.array(-1.5))], abs=0.03)
    assert np.isfinite(rates_of(np.array([[-200.0, 200.0]], np.float32))).all()


def test_one_candidate_gets_the_slot():
    weights = make_weights(["card"], Learned(3), seed=1)
    assert bandits.WinProbabilities(weights.scores([[1.0, 0.0, 0.0]])).chances().tolist() == [1.0]


def test_candidates_never_tried_have_about_even_chances_and_may_beat_one_that_failed():
    x = np.tile([1.0, 0.0, 0.0], (3, 1))
    fresh = bandits.WinProbabilities(make_weights(["a", "b", "c"], Learned(3), seed=1).scores(x)).chances()
    assert fresh == pytest.approx(np.full(3, 1 / 3), abs=0.06)
    failed = Learned(3).after({"a": Observations(np.repeat(x[:1], 200, axis=0), np.ones(200), np.zeros(200))})
    after = bandits.WinProbabilities(make_weights(["a", "b", "c"], failed, seed=1).scores(x)).chances()
    assert after[0] < 0.1


def test_the_draws_cannot_be_changed_by_accident():
    weights = make_weights(["card"], Learned(3), seed=1)
    with pytest.raises(ValueError, match="read-only"):
        weights.draws[0, 0, 0] = 1


def test_factors_add():
    both = taught(10).factors["card"] + taught(10, seed=1).factors["card"]
    assert both.trials == 20
    assert same(both + Factor.nothing(3), both)
