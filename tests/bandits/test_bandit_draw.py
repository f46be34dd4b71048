import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandits import Candidates, Requests, Slots, arrange, candidate_hash, fill, seed_of
from benchmarks.checks.bandits import order_p_value
from tests.bandits.numpy_drawing import uniforms

ROOT = Path(__file__).parents[2]
SPEC = json.loads((ROOT / "tests/specs/bandits_uniforms.json").read_text(encoding="utf-8"))


def hashes_of(*ids):
    return np.array([candidate_hash(item) for item in ids], np.uint64)


def split(*ids):
    return Candidates.of(ids, np.ones((len(ids), 1))).split()


def picked(weights, keys, ids):
    """Return the index in the first slot of a split, by key."""
    requests = Requests(np.array([seed_of(key) for key in keys], np.uint64), weights=np.array([weights], np.float64))
    return fill(split(*ids), Slots(1, 1), requests)[0][:, 0].tolist()


def arranged(weights=(5, 3, 2, 1), *, key="dec_1", rest=None, length=None, drawn=3, pins=None):
    count = len(weights)
    candidates = split(*map(str, range(count))).in_order(np.array(weights if rest is None else rest, np.float64))
    slots = Slots(count if length is None else length, drawn, pins or {})
    if not drawn:
        return arrange(candidates, slots, Requests.of(key))
    return arrange(candidates, slots, Requests.of(key, weights=np.array([weights], np.float64)))


@pytest.mark.parametrize("case", SPEC["uniforms"], ids=lambda case: f"{case['key']} {case['slot']} {case['candidate']}")
def test_uniforms_equal_the_specified_values(case):
    assert seed_of(case["key"]) == int(case["seed"], 16)
    assert candidate_hash(case["candidate"]) == int(case["hash"], 16)
    u = uniforms(seed_of(case["key"]), hashes_of(case["candidate"]), case["slot"] + 1)
    assert u[case["slot"], 0] == case["uniform"]


@pytest.mark.parametrize("case", SPEC["picks"], ids=lambda case: f"{case['key']} {case['chances']}")
def test_picks_equal_the_specified_values(case):
    (index,) = picked(case["chances"], [case["key"]], case["candidates"])
    assert case["candidates"][index] == case["picked"]


def test_the_reference_in_the_documentation_gives_the_pinned_uniforms():
    block = (ROOT / "docs/learning-formulas.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    names: dict = {}
    exec(block, names)
    for case in SPEC["uniforms"]:
        assert names["uniform"](case["key"], case["slot"], case["candidate"]) == case["uniform"]


def test_uniforms_are_uniform_and_independent_across_slots_and_candidates():
    u = np.array([uniforms(seed_of(f"dec_{n}"), hashes_of("a", "b", "c"), 2).ravel() for n in range(20_000)])
    assert u.mean(axis=0) == pytest.approx([0.5] * 6, abs=0.01)
    assert u.var(axis=0) == pytest.approx([1 / 12] * 6, abs=0.003)
    assert np.abs(np.corrcoef(u.T) - np.eye(6)).max() < 0.03
    assert u.min() > 0
    assert u.max() < 1


def test_the_extreme_hashes_stay_inside_the_open_interval():
    # The finaliser maps 0 to 0, the smallest uniform there is.
    zero = np.array([-0x9E3779B97F4A7C15 % 2**64], np.uint64)
    assert uniforms(0, zero, 1)[0, 0] == 2.0**-53


def test_a_chance_of_0_is_never_picked():
    assert set(picked([0.0, 1.0, 0.0], [str(n) for n in range(500)], "abc")) == {1}


def test_smaller_weight_moves_only_its_customers():
    customers = [f"customer {n}" for n in range(3_000)]
    pairs = list(zip(picked([5, 3, 2], customers, "abc"), picked([5, 3, 1], customers, "abc"), strict=True))
    assert all(old in (new, 2) for old, new in pairs)
    moved = sum(old != new for old, new in pairs)
    assert moved == pytest.approx(3_000 * (0.2 - 0.1 / 0.9), rel=0.25)


def test_every_candidate_gets_one_slot():
    assert sorted(arranged().order) == [0, 1, 2, 3]


def test_an_answer_depends_on_its_key():
    assert arranged(key="dec_1").order == arranged(key="dec_1").order
    assert len({arranged(key=f"dec_{n}").order for n in range(50)}) > 5


def test_the_propensity_is_the_product_of_the_drawn_slots_chances():
    answer = arranged(length=3, drawn=2)
    first, second = answer.order[:2]
    weights = [5, 3, 2, 1]
    expected = weights[first] / 11 * weights[second] / (11 - weights[first])
    assert answer.propensity == pytest.approx(expected)
    assert answer.chances[2] == 1


def test_slots_that_are_not_drawn_follow_the_scores():
    assert arranged(rest=[0.2, 0.9, 0.2, 0.5], drawn=0).order == (1, 3, 0, 2)


def test_an_answer_without_drawn_slots_was_certain():
    answer = arranged(drawn=0)
    assert answer.propensity == 1
    assert list(answer.first) == [1, 0, 0, 0]


def test_the_first_chances_are_those_of_the_first_slot():
    assert list(arranged().first) == pytest.approx([5 / 11, 3 / 11, 2 / 11, 1 / 11])


def test_a_pin_holds_its_slot_and_no_other():
    for n in range(100):
        answer = arranged(key=f"dec_{n}", pins={1: 3})
        assert answer.order[1] == 3
        assert answer.chances[1] == 1
        assert list(answer.first) == pytest.approx([0.5, 0.3, 0.2, 0])


def test_a_pin_to_the_first_slot_is_certain():
    assert list(arranged(pins={0: 2}).first) == [0, 0, 1, 0]


def test_pins_beyond_the_last_slot_move_up_in_their_order():
    assert arranged(drawn=0, pins={7: 0, 9: 1}).order == (2, 3, 0, 1)


def test_pin_beyond_the_length_excludes_its_candidate():
    for n in range(50):
        assert 0 not in arranged(key=f"dec_{n}", length=2, pins={3: 0}).order


@pytest.mark.parametrize("length", [0, 1, 4, 99])
def test_an_answer_is_no_longer_than_its_candidates(length):
    assert len(arranged(length=length).order) == min(length, 4)


@given(
    st.integers(1, 9),
    st.integers(0, 9),
    st.integers(0, 5),
    st.dictionaries(st.integers(0, 12), st.integers(0, 8), max_size=4),
)
def test_any_pins_give_a_permutation_with_its_propensity(count, length, drawn, wished):
    pins = {slot: item for item, slot in {item: slot for slot, item in wished.items() if item < count}.items()}
    scores = np.random.default_rng(count).random((count, 64), np.float32)
    candidates = Candidates.of([str(index) for index in range(count)], scores, floor=0.05)
    answer = arrange(candidates, Slots(length, drawn, pins), Requests.of("dec_1"))
    assert len(set(answer.order)) == len(answer.order) == len(answer.chances) == min(length, count)
    assert answer.propensity == pytest.approx(np.prod(answer.chances))
    assert all(
        answer.order[slot] == item for slot, item in pins.items() if slot < len(answer.order) and max(pins) < count
    )


def test_frequency_of_orders_equals_their_propensity():
    assert order_p_value(3, 6_000) > 1e-4
