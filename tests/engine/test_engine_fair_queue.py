"""Check that a queue serves merchants in turn, keeps their order, and holds no more than it may."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.decisions.queueing.fair_queue import FairQueue, Overloaded


def queue(*items, most=100, most_of_one=50):
    """Return a queue with items such as "1a": item `1a` of merchant 1; `1a*3` costs three."""
    filled = FairQueue(most=most, most_of_one=most_of_one)
    for text in items:
        name, _, cost = text.partition("*")
        filled.put(int(name[0]), name, name, cost=int(cost or 1))
    return filled


def test_items_of_a_merchant_are_in_order():
    assert queue("1a", "1b", "1c").take(10) == ["1a", "1b", "1c"]


def test_merchants_are_served_in_turn():
    assert queue("1a", "1b", "1c", "2a", "3a", "3b").take(10) == ["1a", "2a", "3a", "1b", "3b", "1c"]


def test_the_next_group_begins_with_another_merchant():
    fair_queue = queue("1a", "1b", "2a", "2b")
    assert [fair_queue.take(1) for _ in range(5)] == [["1a"], ["2a"], ["1b"], ["2b"], []]


def test_group_has_about_the_requested_cost():
    fair_queue = queue("1a*4", "1b*4", "1c*4")
    assert fair_queue.take(4) == ["1a"]
    assert fair_queue.take(5) == ["1b", "1c"]
    assert fair_queue.cost == 0


def test_taking_zero_items_keeps_all():
    fair_queue = queue("1a")
    assert fair_queue.take(0) == []
    assert (len(fair_queue), fair_queue.cost) == (1, 1)


def test_an_item_is_taken_out_by_its_key_once():
    fair_queue = queue("1a*3", "1b")
    assert fair_queue.pop(1, "1a") == "1a"
    assert fair_queue.pop(1, "1a") is None
    assert (len(fair_queue), fair_queue.cost) == (1, 1)
    assert fair_queue.take(9) == ["1b"]


@pytest.mark.parametrize(("merchant", "key"), [(1, "other"), (2, "1a")])
def test_unknown_key_removes_nothing(merchant, key):
    fair_queue = queue("1a")
    assert fair_queue.pop(merchant, key) is None
    assert len(fair_queue) == 1


@pytest.mark.parametrize(("items", "extra", "fits"), [
    (["1a*5"], "1b*5", True),
    (["1a*5"], "1b*6", False),
    (["1a*10"], "2a*10", True),
    (["1a*10", "2a*10"], "3a*1", False),
    (["1a*10"], "1b", False),
    ([], "1a*11", False),
    ([], "1a*10", True),
])  # fmt: skip
def test_capacity_is_limited_in_total_and_by_merchant(items, extra, fits):
    fair_queue = queue(*items, most=20, most_of_one=10)
    before = fair_queue.cost
    name, _, cost = extra.partition("*")
    if fits:
        fair_queue.put(int(name[0]), name, name, cost=int(cost or 1))
        assert fair_queue.cost == before + int(cost or 1)
    else:
        with pytest.raises(Overloaded):
            fair_queue.put(int(name[0]), name, name, cost=int(cost or 1))
        assert fair_queue.cost == before


def test_taken_items_free_capacity():
    fair_queue = queue("1a*10", most=20, most_of_one=10)
    fair_queue.take(10)
    fair_queue.put(1, "1b", "1b", cost=10)
    assert fair_queue.take(10) == ["1b"]


ITEMS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), max_size=40)


@given(ITEMS, st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_every_item_is_taken_once_in_order(items, takes):
    fair_queue = FairQueue(most=10_000, most_of_one=10_000)
    for number, (merchant, cost) in enumerate(items):
        fair_queue.put(merchant, number, (merchant, number), cost=cost)
    assert fair_queue.cost == sum(cost for _, cost in items)
    taken = [item for most in takes for item in fair_queue.take(most)]
    taken += fair_queue.take(10_000)
    assert sorted(number for _, number in taken) == list(range(len(items)))
    assert (len(fair_queue), fair_queue.cost) == (0, 0)
    for merchant in range(1, 5):
        own = [number for owner, number in taken if owner == merchant]
        assert own == sorted(own)
