"""Assignment of units to variants: the numbers of the specification, the weights, and what moves when they change."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from engine.kernel.experiments.assignment import choose, is_within, uniform

SPEC = json.loads((Path(__file__).parents[1] / "specs" / "assignment.json").read_text())
UNITS = [f"unit-{number}" for number in range(20_000)]
CHI_SQUARED_1 = 10.83
"""The quantile of one degree of freedom that one run in a thousand exceeds."""


@pytest.mark.parametrize("case", SPEC["uniform"], ids=lambda case: repr(case["unit"]))
def test_uniforms_are_those_of_the_specification(case):
    assert uniform(case["salt"], case["unit"]) == case["value"]


@pytest.mark.parametrize("case", SPEC["choose"], ids=lambda case: f"{case['unit']} {len(case['weights'])}")
def test_variants_are_those_of_the_specification(case):
    ids, weights = list(case["weights"]), list(case["weights"].values())
    assert ids[choose(case["salt"], case["unit"], ids, weights)] == case["variant"]


def shares(salt: str, weights: dict[str, float]) -> list[int]:
    return [choose(salt, unit, list(weights), list(weights.values())) for unit in UNITS]


@pytest.mark.parametrize("weights", [{"a": 1, "b": 1}, {"a": 7, "b": 3}, {"a": 1, "b": 1, "c": 2}])
def test_units_arrive_in_the_shares_of_the_weights(weights):
    counts, total = Counter(shares("e", weights)), sum(weights.values())
    for index, weight in enumerate(weights.values()):
        expected = len(UNITS) * weight / total
        assert (counts[index] - expected) ** 2 / (expected * (1 - weight / total)) < CHI_SQUARED_1


def test_new_weights_move_the_fewest_customers():
    before, after = shares("e", {"a": 50, "b": 50}), shares("e", {"a": 60, "b": 40})
    moved = sum(old != new for old, new in zip(before, after, strict=True))
    assert moved / len(UNITS) == pytest.approx(0.1, abs=0.01)
    assert all(new == 0 for old, new in zip(before, after, strict=True) if old != new)


def test_removed_variant_moves_only_its_own_customers():
    before, after = shares("e", {"a": 1, "b": 1, "c": 1}), shares("e", {"a": 1, "b": 1})
    assert all(old == new for old, new in zip(before, after, strict=True) if old < 2)


def test_two_experiments_are_independent():
    first, second = shares("e1", {"a": 1, "b": 1}), shares("e2", {"a": 1, "b": 1})
    both = sum(a == b for a, b in zip(first, second, strict=True))
    assert (both - len(UNITS) / 2) ** 2 / (len(UNITS) / 4) < CHI_SQUARED_1


def test_parts_of_a_layer_do_not_overlap():
    first = {unit for unit in UNITS if is_within("main", unit, 0.0, 0.3)}
    second = {unit for unit in UNITS if is_within("main", unit, 0.3, 0.3)}
    assert not first & second
    assert len(first) / len(UNITS) == pytest.approx(0.3, abs=0.015)
