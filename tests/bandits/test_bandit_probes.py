import numpy as np
import pytest

from bandits.drawing.probes import LEAST, MOST, Recent, floor_multiple, make_probes
from benchmarks.checks import floor

IDS = tuple(f"c{number}" for number in range(10))
RATES = np.array([0.06, *np.linspace(0.05, 0.02, 9)])


def probes(successes=0.0, trials=20.0):
    won, tried = RATES * 20, np.full(10, 20.0)
    tried[9], won[9] = trials, successes
    return make_probes(IDS, RATES, Recent(tried, won), visits_a_day=1_000)


def test_the_floor_falls_as_traffic_grows():
    multiples = [floor_multiple(40, visits) for visits in (10, 1_000, 10_000, 1_000_000)]
    assert multiples == pytest.approx([MOST, 6.0, 0.6, LEAST])


def test_two_thirds_of_probes_are_uniform():
    assert probes().shares.sum() == pytest.approx(1.0)
    assert probes().shares.min() >= 0.065


def test_a_candidate_that_seems_to_have_improved_gets_the_probes():
    assert probes(5.0).shares[9] > 0.25
    assert probes(0.0).shares[9] < 0.15


def test_the_best_needs_no_probes():
    assert probes().shares[0] == pytest.approx(0.065)


def test_the_same_evidence_makes_the_same_shares():
    assert probes(3.0).shares.tobytes() == probes(3.0).shares.tobytes()


def test_single_candidate_gets_all_probes():
    shares = make_probes(["a"], [0.1], Recent(np.array([5.0]), np.array([1.0])), visits_a_day=100).shares
    assert shares.tolist() == [1.0]


def test_improvement_is_detected_within_ninety_days():
    assert floor.day_found(0, spent=True, most=90) <= 90


def test_probes_cost_less_with_more_traffic():
    assert floor.cost_a_day(0, 20_000, spent=True) < 0.5 * floor.cost_a_day(0, 20_000, spent=False)
