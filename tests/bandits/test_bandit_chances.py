import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bandits import Candidates, Requests, arrange
from bandits.drawing.compiled import LATER_DRAWS
from benchmarks.checks.bandits import cases, chances_without, slot_p_value, slot_without, sum_error


def scores_of(candidates, draws, seed=0):
    return np.random.default_rng(seed).random((candidates, draws), np.float32)


def candidates_of(scores, floor=0.0):
    return Candidates.of([str(index) for index in range(len(scores))], scores, floor=floor)


def split_chances(weights, taken=()):
    candidates, slots = candidates_of(np.ones((len(weights), 1))).split(), slot_without(len(weights), taken)
    return arrange(candidates, slots, Requests.of("", weights=np.array([weights], np.float64))).first


def counted_by_hand(scores, taken):
    """Chances without a floor, draw by draw."""
    draws = scores if not taken else scores[:, :LATER_DRAWS]
    wins = np.zeros(len(scores))
    for column in draws.T:
        left = {i: score for i, score in enumerate(column) if i not in taken}
        winners = [i for i, score in left.items() if score == max(left.values())]
        wins[winners] += 1 / len(winners)
    return wins / draws.shape[1]


few_values = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 6), st.integers(1, 300)), elements=st.sampled_from([0, 0.25, 0.5])
)


@given(few_values, st.randoms(use_true_random=False))
def test_chances_equal_a_simple_count_with_ties(scores, random):
    taken = tuple(random.sample(range(len(scores)), random.randrange(len(scores))))
    assert chances_without(candidates_of(scores), taken) == pytest.approx(counted_by_hand(scores, taken), abs=1e-12)


@pytest.mark.parametrize("taken", [(), (3,), (7, 0), (1, 2, 3)])
def test_chances_equal_a_simple_count(taken):
    scores = scores_of(8, 1024)
    assert chances_without(candidates_of(scores), taken) == pytest.approx(counted_by_hand(scores, taken), abs=1e-12)


def test_equal_candidates_have_equal_chances():
    assert list(chances_without(candidates_of(np.zeros((5, 1024)), 0.01))) == pytest.approx([0.2] * 5)


def test_a_floor_gives_everyone_left_a_share():
    scores = np.array([[0.9] * 8, [0.1] * 8, [0.2] * 8], np.float32)
    assert list(chances_without(candidates_of(scores, 0.3))) == pytest.approx([0.8, 0.1, 0.1])
    assert list(chances_without(candidates_of(scores, 0.3), (0,))) == pytest.approx([0, 0.15, 0.85])


def test_without_a_floor_chances_sum_to_exactly_1():
    assert chances_without(candidates_of(scores_of(9, 1024))).sum() == 1


@pytest.mark.parametrize("case", [*cases(12, np.random.default_rng(1))], ids=lambda case: case.name)
def test_chances_sum_to_1_and_the_taken_have_none(case):
    assert sum_error(case) <= 1e-12
    assert not chances_without(case.candidates, case.taken)[list(case.taken)].any()


def test_replayed_keys_agree_with_the_chances():
    selected_cases = [case for case in cases(12, np.random.default_rng(2)) if case.count % 3 == 2]
    assert min(slot_p_value(case, 4_000) for case in selected_cases) > 1e-4 / len(selected_cases)


def test_scores_are_unchanged():
    scores = scores_of(4, 512)
    before = scores.copy()
    chances_without(candidates_of(scores, 0.01), (2,))
    assert (scores == before).all()


def test_nan_score_is_refused():
    with pytest.raises(ValueError, match="scores must be numbers"):
        chances_without(candidates_of(np.full((2, 8), np.nan)))


@pytest.mark.parametrize("floor", [-0.1, 1.1])
def test_a_floor_outside_0_to_1_is_refused(floor):
    with pytest.raises(ValueError, match="floor must lie between 0 and 1"):
        candidates_of(scores_of(2, 8), floor)


def test_no_candidates_are_refused():
    with pytest.raises(ValueError, match="at least one candidate"):
        candidates_of(np.empty((0, 8), np.float32))


def test_a_split_keeps_its_weights():
    assert list(split_chances([50, 30, 20])) == [0.5, 0.3, 0.2]


def test_split_redistributes_shares_of_taken_candidates():
    assert list(split_chances([50, 30, 20], (0,))) == [0, 0.6, 0.4]


def test_remaining_zero_weights_share_evenly():
    assert list(split_chances([1, 0, 0], (0,))) == [0, 0.5, 0.5]
