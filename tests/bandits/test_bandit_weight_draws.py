import os
import subprocess
import sys

import numpy as np
import pytest

import bandits
from bandits.drawing.weight_draws import make_weights, rates_of
from bandits.posterior.logistic_update import Factor, Observations, rate
from bandits.posterior.weight_posterior import WeightEvidence, beliefs_of
from tests.bandits.test_bandit_contextual import TRUE_WEIGHTS, evidence_of, observations
from tests.marks import first_values


def test_the_noise_of_candidates_is_independent():
    evidence = evidence_of(100)
    ids = [f"m{n}" for n in range(10)]
    draws = make_weights(ids, evidence, seed=3, count=20_000).draws
    for feature in range(3):
        assert np.abs(np.corrcoef(draws[:, feature]) - np.eye(10)).max() < 0.05


def test_the_spread_falls_with_the_root_of_the_trials():
    trials = [1000, 4000, 16_000, 64_000]
    x = np.array([[1.0, 0.3, -0.3]])
    spread = []
    for count in trials:
        evidence = WeightEvidence(3).updated({"card": observations(TRUE_WEIGHTS["card"], count)})
        spread.append(make_weights(["card"], evidence, seed=2).score(x)[0].astype(float).std())
    assert np.polyfit(np.log(trials), np.log(spread), 1)[0] == pytest.approx(-0.5, abs=0.03)


def test_draws_follow_the_posterior_with_its_correlations():
    evidence = evidence_of(50)
    belief = beliefs_of(evidence, ["card"])["card"]
    draws = make_weights(["card"], evidence, seed=1, width=1.0, count=100_000).draws[0]
    assert draws.mean(axis=1) == pytest.approx(belief.mean, abs=0.01)
    assert np.cov(draws) == pytest.approx(belief.covariance, abs=0.01)


def test_draws_do_not_depend_on_other_candidates():
    evidence = evidence_of(50)
    both = make_weights(["card", "paypal"], evidence, seed=5).draws
    assert (make_weights(["paypal"], evidence, seed=5).draws[0] == both[1]).all()
    assert (make_weights(["paypal"], evidence, seed=6).draws[0] != both[1]).any()


NEW_PROCESS = """
import numpy as np
from tests.bandits.test_bandit_weight_draws import evidence_of, first_chances
print(first_chances(evidence_of(200)).tolist())
"""


def first_of(weights, features):
    """Return the chances of the first slot for a request."""
    return bandits.first_chances(
        bandits.Candidates.of([str(row) for row in range(len(features))], weights.score(features)[0][0])
    )


def first_chances(evidence):
    weights = make_weights(["card", "klarna", "paypal"], evidence, seed=812)
    return first_of(weights, np.tile([1.0, 0.4, 0.2], (3, 1)))


def test_a_new_process_gives_the_same_answer():
    output = subprocess.run([sys.executable, "-c", NEW_PROCESS], capture_output=True, text=True, check=True).stdout
    assert output.strip() == str(first_chances(evidence_of(200)).tolist())


ON_ANOTHER_PROCESSOR = """
import numpy as np
from tests.bandits.test_bandit_weight_draws import stored_weights_and_features
weights, x = stored_weights_and_features()
print(weights.draws.tobytes().hex(), [weights.score(row)[1].tolist() for row in x])
print([weights.score(row)[0].tobytes().hex() for row in x])
"""


def stored_weights_and_features():
    """Return weights from factors that are given to the last digit, as in a snapshot."""
    rng = np.random.RandomState(4)
    roots, means = rng.standard_normal((3, 11, 11)).round(3), rng.standard_normal((3, 11)).round(3)
    factors = {
        name: Factor(information, (root @ root.T).round(6), 20.0, information)
        for name, root, information in zip("abc", roots, means, strict=True)
    }
    return make_weights(list("abc"), WeightEvidence(11, factors), seed=7, count=64), rng.standard_normal((40, 3, 11))


@pytest.mark.parametrize("kind", first_values(["Prescott", "Nehalem", "Haswell"], 1))
def test_another_kind_of_processor_gives_the_same_draws_and_scores(kind):
    outputs = [
        subprocess.run(
            [sys.executable, "-c", ON_ANOTHER_PROCESSOR],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **extra},
        ).stdout
        for extra in ({}, {"OPENBLAS_CORETYPE": kind})
    ]
    assert outputs[0] == outputs[1]


def test_features_of_a_request_decide_the_first_candidate():
    weights = make_weights(["card", "paypal"], evidence_of(5000), seed=1)
    likes_card, likes_paypal = np.tile([1.0, 2.0, 0.0], (2, 1)), np.tile([1.0, -2.0, 1.0], (2, 1))
    assert first_of(weights, likes_card)[0] > 0.99
    assert first_of(weights, likes_paypal)[1] > 0.99


def test_a_feature_may_differ_by_candidate():
    weights = make_weights(["card", "paypal"], evidence_of(5000), seed=1)
    apart = np.array([[1.0, -2.0, 0.0], [1.0, -2.0, 0.0]])
    together = weights.score(apart)[0][0]
    apart[0, 1] = 2.0
    scores = weights.score(apart)[0][0]
    assert (scores[1] == together[1]).all()
    assert (scores[0] > together[0]).all()


def test_rates_match_the_scores():
    weights = make_weights(["card", "paypal"], evidence_of(5000), seed=1)
    x = np.tile([1.0, 1.0, 0.0], (2, 1))
    scores, rates = weights.score(x)
    assert rates_of(scores[0]).mean(axis=1) == pytest.approx(rates[0], abs=0.01)
    assert rates[0] == pytest.approx([0.5, rate(np.array(-1.5))], abs=0.03)
    assert np.isfinite(rates_of(np.array([[-200.0, 200.0]], np.float32))).all()


def test_single_candidate_gets_the_slot():
    weights = make_weights(["card"], WeightEvidence(3), seed=1)
    assert first_of(weights, [[1.0, 0.0, 0.0]]).tolist() == [1.0]


def test_untried_candidates_have_even_chances_and_beat_a_failed_one():
    x = np.tile([1.0, 0.0, 0.0], (3, 1))
    fresh = first_of(make_weights(["a", "b", "c"], WeightEvidence(3), seed=1), x)
    assert fresh == pytest.approx(np.full(3, 1 / 3), abs=0.06)
    failed = WeightEvidence(3).updated({"a": Observations(np.repeat(x[:1], 200, axis=0), np.ones(200), np.zeros(200))})
    after = first_of(make_weights(["a", "b", "c"], failed, seed=1), x)
    assert after[0] < 0.1


def test_the_draws_cannot_be_changed_by_accident():
    weights = make_weights(["card"], WeightEvidence(3), seed=1)
    with pytest.raises(ValueError, match="read-only"):
        weights.draws[0, 0, 0] = 1
