import numpy as np

from bandits.evaluation.discovery import discoveries, p_value


def test_false_findings_are_rare_without_effects():
    rng = np.random.default_rng(0)
    false = [discoveries([p_value(z, 1.0) for z in rng.normal(size=208)]).any() for _ in range(400)]
    assert np.mean(false) <= 0.13
    plain = [(np.abs(rng.normal(size=208)) > 1.96).sum() for _ in range(50)]
    assert np.mean(plain) > 8
    weights = rng.lognormal(sigma=1.5, size=208)
    weighted = [discoveries([p_value(z, 1.0) for z in rng.normal(size=208)], weights=weights).any() for _ in range(400)]
    assert np.mean(weighted) <= 0.13


def test_hypotheses_with_little_data_cost_others_little():
    rng, strong = np.random.default_rng(2), np.arange(208) < 32
    pages = [[p_value(z, 1.0) for z in rng.normal(3.3 * (np.arange(208) < 2), 1.0)] for _ in range(300)]
    weighted, plain = (
        np.mean([discoveries(page, weights=weights)[:2].mean() for page in pages])
        for weights in (np.where(strong, 450.0, 100.0), None)
    )
    assert weighted > plain + 0.05


def test_equal_weights_change_nothing():
    values = [0.001, 0.02, 0.03, 0.5]
    assert discoveries(values, weights=[7.0] * 4).tolist() == discoveries(values).tolist()


def test_strong_effects_are_significant_among_many_nulls():
    rng = np.random.default_rng(1)
    p_values = [p_value(z, 1.0) for z in np.concatenate((rng.normal(size=198), rng.normal(6.0, 1.0, 10)))]
    sure = discoveries(p_values)
    assert sure[-10:].mean() >= 0.9
    assert sure[:-10].sum() <= 3


def test_the_textbook_example_is_decided_as_printed():
    # Benjamini and Hochberg (1995), the thrombolysis study: four of fifteen at .05.
    values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
              0.7590, 1.0]  # fmt: skip
    assert discoveries(values, share=0.05).sum() == 4


def test_no_hypotheses_have_no_findings():
    assert discoveries([]).tolist() == []
    assert p_value(1.0, 0.0) == 1.0
