import numpy as np
import pytest

from bandits.drawing.weight_draws import make_weights
from bandits.posterior.logistic_update import MOST_CORRELATED, Factor, Observations, PendingTrials, rate
from bandits.posterior.weight_posterior import (
    MOST_JOINT,
    SPREAD,
    Attributes,
    WeightEvidence,
    beliefs_of,
    refitted,
    shared_weights,
)

TRUE_WEIGHTS = {"card": np.array([-1.0, 1.0, 0.0]), "paypal": np.array([-1.0, -0.5, 0.5])}


def observations(weights, count, *, seed=0):
    rng = np.random.RandomState(seed)
    x = np.column_stack([np.ones(count), rng.normal(size=(count, len(weights) - 1))])
    return Observations(x, np.ones(count), (rng.random(count) < rate(x @ weights)).astype(float))


def part(batch, start, stop):
    return Observations(batch.features[start:stop], batch.trials[start:stop], batch.successes[start:stop])


def evidence_of(count, *, seed=0):
    return WeightEvidence(3).updated(
        {item: observations(weights, count, seed=seed) for item, weights in TRUE_WEIGHTS.items()}
    )


def same(first, second, tolerance=1e-9):
    pairs = ((first.information, second.information), (first.precision, second.precision))
    return all(np.allclose(left, right, atol=tolerance) for left, right in pairs)


def test_the_true_weights_are_recovered():
    for candidate, belief in beliefs_of(evidence_of(20_000), list(TRUE_WEIGHTS)).items():
        assert belief.mean == pytest.approx(TRUE_WEIGHTS[candidate], abs=0.08)


def test_95_percent_intervals_hold_the_true_weights():
    inside = []
    for seed in range(60):
        beliefs = beliefs_of(evidence_of(300, seed=seed), list(TRUE_WEIGHTS))
        for candidate, belief in beliefs.items():
            away = (belief.mean - TRUE_WEIGHTS[candidate]) / np.sqrt(np.diag(belief.covariance))
            inside.extend(np.abs(away) < 1.96)
    assert 0.92 < np.mean(inside) < 0.99


@pytest.mark.long
def test_a_refit_is_nearer_to_the_truth_than_small_batches():
    """Batches of rare successes are each approximated; a refit is at the mode of all of them (Newton, 5 rounds)."""
    weights, distances = np.array([-3.5, 1.5, -1.0]), []
    for seed in range(20):
        batch = observations(weights, 1_500, seed=seed)
        bit_by_bit = WeightEvidence(3)
        for start in range(0, 1_500, 5):
            bit_by_bit = bit_by_bit.updated({"card": part(batch, start, start + 5)})
        means = [beliefs_of(each, ["card"])["card"].mean for each in (refitted({"card": batch}, 3), bit_by_bit)]
        distances.append([np.abs(mean - weights).max() for mean in means])
    refit, batches = np.mean(distances, axis=0)
    assert refit < batches


def test_refit_without_data_is_empty():
    assert refitted({}, 3).factors == {}


def test_a_refit_shrinks_a_rare_candidate_to_the_others():
    many, few = observations(TRUE_WEIGHTS["card"], 5_000), observations(TRUE_WEIGHTS["card"], 3)
    beliefs = beliefs_of(refitted({"card": many, "new": few}, 3), ["card", "new"])
    assert beliefs["new"].mean == pytest.approx(TRUE_WEIGHTS["card"], abs=0.8)


def test_many_small_batches_agree_with_a_large_batch():
    batch = observations(TRUE_WEIGHTS["card"], 2000)
    once = WeightEvidence(3).updated({"card": batch})
    bit_by_bit = WeightEvidence(3)
    for start in range(0, 2000, 20):
        bit_by_bit = bit_by_bit.updated({"card": part(batch, start, start + 20)})
    whole, pieces = (beliefs_of(item, ["card"])["card"] for item in (once, bit_by_bit))
    assert pieces.mean == pytest.approx(whole.mean, abs=0.25 * np.sqrt(whole.covariance.max()))
    assert pieces.covariance == pytest.approx(whole.covariance, rel=0.15, abs=1e-4)


def test_the_order_within_a_batch_does_not_matter():
    batch = observations(TRUE_WEIGHTS["card"], 200)
    turned = Observations(batch.features[::-1], batch.trials[::-1], batch.successes[::-1])
    assert same(
        WeightEvidence(3).updated({"card": batch}).factors["card"],
        WeightEvidence(3).updated({"card": turned}).factors["card"],
        1e-6,
    )


def test_a_refund_in_the_same_batch_cancels_the_success():
    x = np.array([[1.0, 0.5, -0.5]])
    failed = WeightEvidence(3).updated({"card": Observations(x, np.array([1.0]), np.array([0.0]))})
    refunded = WeightEvidence(3).updated(
        {"card": Observations(np.repeat(x, 2, axis=0), np.array([1.0, 0.0]), np.array([1.0, -1.0]))}
    )
    assert same(failed.factors["card"], refunded.factors["card"])


def test_a_later_refund_leads_to_nearly_the_same_belief():
    batch = observations(TRUE_WEIGHTS["card"], 500)
    never = Observations(batch.features, batch.trials, np.where(np.arange(500) < 50, 0.0, batch.successes))
    back = Observations(batch.features[:50], np.zeros(50), -batch.successes[:50])
    later = WeightEvidence(3).updated({"card": batch}).updated({"card": back})
    expected = beliefs_of(WeightEvidence(3).updated({"card": never}), ["card"])["card"]
    result = beliefs_of(later, ["card"])["card"]
    assert result.mean == pytest.approx(expected.mean, abs=0.35 * np.sqrt(expected.covariance.max()))


def test_trials_that_are_taken_back_are_forgotten():
    batch = observations(TRUE_WEIGHTS["card"], 500)
    wrong = Observations(batch.features, np.ones(500), np.ones(500))
    back = Observations(wrong.features[:100], -wrong.trials[:100], -wrong.successes[:100])
    later = WeightEvidence(3).updated({"card": batch}).updated({"card": part(wrong, 0, 100)}).updated({"card": back})
    expected, result = (
        beliefs_of(item, ["card"])["card"] for item in (WeightEvidence(3).updated({"card": batch}), later)
    )
    assert later.factors["card"].trials == 500
    assert result.mean == pytest.approx(expected.mean, abs=0.35 * np.sqrt(expected.covariance.max()))
    assert result.covariance == pytest.approx(expected.covariance, rel=0.25, abs=1e-3)


def test_taking_back_all_trials_leaves_nearly_the_first_belief():
    batch = observations(TRUE_WEIGHTS["card"], 300)
    back = Observations(batch.features, -batch.trials, -batch.successes)
    belief = beliefs_of(WeightEvidence(3).updated({"card": batch}).updated({"card": back}), ["card"])["card"]
    assert np.linalg.eigvalsh(belief.precision).min() > 0
    assert np.diag(belief.covariance) == pytest.approx([SPREAD**2] * 3, rel=0.5)
    assert np.abs(belief.mean).max() < 1.5 * SPREAD


def test_fading_by_half_doubles_the_variance_from_outcomes():
    factor = evidence_of(5000).factors["card"]
    faded = WeightEvidence(3, {"card": factor}).faded(0.5).factors["card"]
    assert np.linalg.inv(faded.precision) == pytest.approx(2 * np.linalg.inv(factor.precision))
    assert np.linalg.solve(faded.precision, faded.information) == pytest.approx(
        np.linalg.solve(factor.precision, factor.information)
    )
    assert faded.trials == factor.trials / 2


def test_weights_are_finite_with_only_successes():
    x = np.column_stack([np.ones(5000), np.tile([1.0, -1.0], 2500), np.full(5000, 30.0)])
    for wins in (np.ones(5000), np.zeros(5000), (x[:, 1] > 0).astype(float)):
        evidence = WeightEvidence(3).updated({"card": Observations(x, np.ones(5000), wins)})
        belief = beliefs_of(evidence, ["card"])["card"]
        assert np.isfinite(belief.mean).all()
        assert np.abs(belief.mean).max() < 15
        assert rate(x @ belief.mean) == pytest.approx(wins, abs=0.02)


def test_outlying_features_are_harmless():
    evidence = evidence_of(1000)
    far = Observations(np.array([[1.0, 200.0, -200.0]]), np.ones(1), np.zeros(1))
    belief = beliefs_of(evidence.updated({"card": far}), ["card"])["card"]
    assert np.isfinite(belief.mean).all()
    assert np.linalg.eigvalsh(belief.precision).min() > 0


def test_an_untried_candidate_starts_at_the_shared_weights():
    rare = np.array([-3.0, 1.0, 0.0])
    evidence = WeightEvidence(3).updated({f"m{n}": observations(rare, 2000, seed=n) for n in range(8)})
    new = beliefs_of(evidence, ["new"])["new"]
    assert new.mean == pytest.approx(shared_weights(evidence)[0])
    assert new.mean == pytest.approx(rare, abs=0.4)
    assert new.covariance == pytest.approx(np.eye(3) * SPREAD**2)


# Trials whose outcomes may still come.


def pending_trials(batch, share):
    return PendingTrials(batch.features, batch.trials, np.full(len(batch.trials), share))


def pending_evidence(share, count=1000):
    batch = observations(TRUE_WEIGHTS["card"], count)
    return WeightEvidence(3).updated({}, pending={"card": pending_trials(batch, share)})


def test_pending_trials_count_as_failures_by_their_share():
    batch = observations(TRUE_WEIGHTS["card"], 1000)
    failed = WeightEvidence(3).updated({"card": Observations(batch.features, batch.trials, np.zeros(1000))})
    assert same(pending_evidence(1.0).pending["card"], failed.factors["card"], 1e-6)
    assert beliefs_of(pending_evidence(0.0), ["card"])["card"].mean == pytest.approx(np.zeros(3), abs=1e-9)


def test_rates_are_right_while_most_successes_are_pending():
    rng = np.random.default_rng(3)
    batch = observations(TRUE_WEIGHTS["card"], 20_000, seed=3)
    age, delay = rng.random(20_000), rng.exponential(0.5, 20_000)
    learned = (batch.successes > 0) & (delay < age)
    still = PendingTrials(batch.features[~learned], batch.trials[~learned], 1 - np.exp(-age[~learned] / 0.5))
    evidence = WeightEvidence(3).updated({"card": batch.where(learned)}, pending={"card": still})
    assert beliefs_of(evidence, ["card"])["card"].mean == pytest.approx(TRUE_WEIGHTS["card"], abs=0.15)
    as_batch = WeightEvidence(3).updated({"card": batch.where(learned)})
    assert beliefs_of(as_batch, ["card"])["card"].mean[0] > 2


def test_pending_trials_are_replaced_by_the_next_update():
    batch = observations(TRUE_WEIGHTS["card"], 500)
    evidence = WeightEvidence(3).updated(
        {"card": batch}, pending={"card": pending_trials(batch, 0.5), "new": pending_trials(batch, 0.5)}
    )
    assert evidence.factors["card"].trials == 500
    assert evidence.factors["new"].trials == 0
    assert evidence.pending["card"].trials > 50
    again = evidence.updated({})
    assert not again.pending
    assert same(again.factors["card"], evidence.factors["card"])


# What candidates of a kind have in common.

KINDS = Attributes(2, {**{f"w{n}": (1.0, 0.0) for n in range(4)}, **{f"b{n}": (0.0, 1.0) for n in range(4)}})


def evidence_of_two_kinds(size=3):
    truths = {name: np.zeros(size) for name in KINDS.rows if name[1] != "3"}
    for name, true_weights in truths.items():
        true_weights[:2] = (-1.0, 1.5 if name[0] == "w" else -1.5)
    return WeightEvidence(size).updated(
        {name: observations(true_weights, 1000, seed=n) for n, (name, true_weights) in enumerate(truths.items())}
    )


def test_untried_candidate_starts_from_the_weights_of_its_attributes():
    evidence = evidence_of_two_kinds()
    beliefs = beliefs_of(evidence, ["w3", "b3", "other"], KINDS)
    assert beliefs["w3"].mean[1] > 0.8
    assert beliefs["b3"].mean[1] < -0.8
    assert abs(beliefs["other"].mean[1]) < 0.5
    assert beliefs["w3"].covariance == pytest.approx(np.eye(3) * SPREAD**2)


def test_tried_candidate_can_differ_from_its_attributes():
    evidence = evidence_of_two_kinds().updated({"w3": observations(np.array([-1.0, -1.5, 0.0]), 5000, seed=9)}, KINDS)
    assert beliefs_of(evidence, ["w3"], KINDS)["w3"].mean[1] == pytest.approx(-1.5, abs=0.3)


def test_attributes_that_no_candidate_has_change_nothing():
    evidence = evidence_of(200)
    for item, second in zip(
        beliefs_of(evidence, list(TRUE_WEIGHTS)).values(),
        beliefs_of(evidence, list(TRUE_WEIGHTS), KINDS).values(),
        strict=True,
    ):
        assert item.mean == pytest.approx(second.mean)


def test_many_features_are_solved_separately_with_nearly_the_same_result():
    size = MOST_JOINT // 3 + 1
    assert size < MOST_CORRELATED
    new = beliefs_of(evidence_of_two_kinds(size), ["w3", "b3"], KINDS)
    assert new["w3"].mean[1] > 0.7
    assert new["b3"].mean[1] < -0.7


def test_kinds_still_matter_above_two_hundred_features():
    size = MOST_CORRELATED + 1
    new = beliefs_of(evidence_of_two_kinds(size), ["w3", "b3"], KINDS)
    assert new["w3"].mean[1] > 0.5
    assert new["b3"].mean[1] < -0.5


def test_other_candidate_hardly_changes_a_tried_candidate():
    learned = observations(TRUE_WEIGHTS["card"], 5000)
    alone = beliefs_of(WeightEvidence(3).updated({"card": learned}), ["card"])["card"]
    beside = beliefs_of(
        WeightEvidence(3).updated({"card": learned, "odd": observations(-3 * TRUE_WEIGHTS["card"], 5000)}), ["card"]
    )["card"]
    assert beside.mean == pytest.approx(alone.mean, abs=0.02)


def test_observations_with_other_features_are_refused():
    with pytest.raises(ValueError, match="card: observations need 4 features"):
        WeightEvidence(4).updated({"card": observations(TRUE_WEIGHTS["card"], 5)})


def test_above_two_hundred_features_only_the_diagonal_is_kept():
    size = MOST_CORRELATED + 50
    rng = np.random.default_rng(4)
    weights = np.concatenate([[-1.0, 1.5], np.zeros(size - 2)])
    x = np.column_stack([np.ones(4000), (rng.random((4000, size - 1)) < 0.1).astype(float)])
    batch = Observations(x, np.ones(4000), (rng.random(4000) < rate(x @ weights)).astype(float))
    evidence = WeightEvidence(size).updated({"card": batch})
    assert evidence.factors["card"].precision.shape == (size,)
    belief = beliefs_of(evidence, ["card"])["card"]
    assert belief.mean[:2] == pytest.approx(weights[:2], abs=0.4)
    drawn = make_weights(["card"], evidence, seed=1, width=1.0)
    assert drawn.draws[0].std(axis=1) == pytest.approx(np.sqrt(belief.covariance), rel=0.15)


# Draws, scores and chances.


def test_factors_add():
    both = evidence_of(10).factors["card"] + evidence_of(10, seed=1).factors["card"]
    assert both.trials == 20
    assert same(both + Factor.nothing(3), both)
