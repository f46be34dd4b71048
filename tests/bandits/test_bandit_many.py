"""Many comparisons at once: the same as statsmodels says, and few false discoveries."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from bandits.evaluation.discovery import discoveries

SHARE = 0.05


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_discoveries_are_those_of_statsmodels(count: int) -> None:
    rng = np.random.default_rng(count)
    for _ in range(200):
        p_values = (rng.random(count) ** rng.integers(1, 6)).tolist()
        expected = multipletests(p_values, alpha=SHARE, method="fdr_bh")[0]
        assert discoveries(p_values, share=SHARE).tolist() == expected.tolist()


def test_no_hypotheses_have_no_findings() -> None:
    assert discoveries([], share=SHARE).tolist() == []
    assert discoveries([0.2, 0.9], share=SHARE).tolist() == [False, False]


def test_false_discoveries_stay_within_their_share() -> None:
    rng = np.random.default_rng(3)
    shares = []
    for _ in range(2_000):
        p_values = [*rng.random(20), *(rng.random(5) * 1e-4)]
        called = discoveries(p_values, share=SHARE)
        shares.append(sum(called[:20]) / max(sum(called), 1))
    assert float(np.mean(shares)) <= SHARE
