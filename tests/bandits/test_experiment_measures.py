"""A small version of the check of metrics with heavy tails, on seeds of its own."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.checks.experiment_measures import (
    A_LOOK,
    DRAWS,
    cap_before,
    estimates_at_looks,
    excluded,
    rejected,
)
from engine.experiments.comparisons import VariantTotals, compare
from engine.model.documents.metric import METRICS, MetricName
from engine.model.experiment import Experiment, Variant
from engine.store.experiments.sums import UnitTotals

FIRST_SEED = 10**6
"""`make verify` judges by the seeds from 0 on."""


@pytest.mark.parametrize("metric", DRAWS)
def test_equal_variants_are_rarely_rejected(metric: MetricName) -> None:
    assert sum(rejected(metric, FIRST_SEED + seed, units=2_000) for seed in range(30)) <= 4


@pytest.mark.parametrize("metric", DRAWS)
def test_a_cap_leaves_one_in_a_thousand_above(metric: MetricName) -> None:
    rng = np.random.default_rng(FIRST_SEED)
    cap = cap_before(metric, rng)
    drawn = DRAWS[metric](rng, 400_000, np.inf)
    amounts = drawn.amounts[drawn.times == 1]
    assert (amounts > cap).mean() == pytest.approx(0.001, abs=0.0006)


@pytest.mark.parametrize("metric", DRAWS)
def test_the_check_looks_as_the_product_does(metric: MetricName) -> None:
    rng, units = np.random.default_rng(FIRST_SEED), 3_000
    drawn = [DRAWS[metric](rng, units // 2, 50_000), DRAWS[metric](rng, units // 2, 60_000)]
    estimates = [estimates_at_looks(each, metric) for each in drawn]
    outside = excluded(*estimates, units)
    measured = [[UnitTotals.of_measure(int(n), int(a), 0) for n, a in zip(*each, strict=True)] for each in drawn]
    variants = (Variant(id="a", name="A"), Variant(id="b", name="B", order=("x",)))
    experiment = Experiment(id="e", name="E", variants=variants, primary=metric)
    for look in (3, 20, 59):
        count = (look + 1) * A_LOOK // 2
        totals = tuple(sum(each[:count], UnitTotals()) for each in measured)
        both = VariantTotals(("a", "b"), (UnitTotals(count),) * 2, {METRICS[metric].measure or metric: totals})
        [comparison] = compare(experiment, both, planned_units=units, has_chances=False)
        assert comparison.control_value == pytest.approx(estimates[0].value[look])
        assert comparison.value == pytest.approx(estimates[1].value[look])
        assert (comparison.is_better or comparison.is_worse) == outside[look]
