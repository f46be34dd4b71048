"""Test the sets of facts that rules are analysed with: boxes, unions of boxes, and regions of values."""

from __future__ import annotations

from datetime import UTC, datetime, time
from itertools import product as pairs
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import Field
from rules.analysis.boxes import EVERYTHING, Box, TooManyCases, Work, covers, lies_in, meet, product, union
from rules.analysis.domains import ORDERED_TYPES, FiniteRegions, IntervalRegions, finite_values, lowest_bit, regions_of
from rules.language.values import READERS

# Boxes: a box restricts `x`, `y` and `z` to some of four regions each.

VARIABLES = ("x", "y", "z")
REGIONS = range(4)
POINTS = [dict(zip(VARIABLES, point, strict=True)) for point in pairs(REGIONS, repeat=3)]
BOXES = st.dictionaries(st.sampled_from(VARIABLES), st.integers(1, 15), max_size=3)
UNIONS = st.lists(BOXES, max_size=4)


def inside(box: Box, point: dict[str, int]) -> bool:
    return all(mask >> point[str(variable)] & 1 for variable, mask in box.items())


def within(boxes: list[Box], point: dict[str, int]) -> bool:
    return any(inside(box, point) for box in boxes)


@given(BOXES, BOXES)
def test_boxes_intersect(first: Box, second: Box) -> None:
    both = meet(first, second)
    for point in POINTS:
        assert (both is not None and inside(both, point)) == (inside(first, point) and inside(second, point))


@given(BOXES, BOXES)
def test_box_is_contained_if_all_points_are(inner: Box, outer: Box) -> None:
    if lies_in(inner, outer):
        assert all(inside(outer, point) for point in POINTS if inside(inner, point))


@given(UNIONS)
def test_a_union_keeps_its_points_with_no_more_boxes(boxes: list[Box]) -> None:
    kept = union(boxes, Work())
    assert len(kept) <= len(boxes)
    for point in POINTS:
        assert within(kept, point) == within(boxes, point)


@given(UNIONS, UNIONS)
def test_a_product_has_the_points_of_both(first: list[Box], second: list[Box]) -> None:
    both = product(first, second, Work())
    for point in POINTS:
        assert within(both, point) == (within(first, point) and within(second, point))


@given(UNIONS, UNIONS)
def test_a_union_covers_another_if_no_point_is_left(outer: list[Box], inner: list[Box]) -> None:
    # The complement of the four regions is the missing value, which a mask of 0 to 15 excludes.
    left = [point for point in POINTS if within(inner, point) and not within(outer, point)]
    if covers(outer, inner, Work()):
        assert left == []


@pytest.mark.parametrize(("outer", "inner", "covered"), [
    ([{}], [{"x": 1}], True),
    ([{"x": 1}], [{}], False),
    ([{"x": 3}, {"x": ~3}], [{}], True),
    ([{"x": 3}, {"x": ~7}], [{}], False),
    ([{"x": 1, "y": 3}, {"x": 1, "y": ~3}], [{"x": 1}], True),
    ([{"x": 1}], [], True),
    ([], [{"x": 1}], False),
])  # fmt: skip
def test_covering_counts_the_missing_value(outer: list[Box], inner: list[Box], covered: bool) -> None:
    assert covers(outer, inner, Work()) == covered


def test_universe_is_the_identity_of_products() -> None:
    boxes: list[Box] = [{"x": 1}, {"y": 2}]
    assert product(EVERYTHING, boxes, Work(0)) == product(boxes, EVERYTHING, Work(0)) == boxes


def test_work_is_bounded() -> None:
    many: list[Box] = [{f"v{number}": 1} for number in range(20)]
    with pytest.raises(TooManyCases):
        product(many, many, Work(100))
    with pytest.raises(TooManyCases):
        union([{f"v{number}": 1} for number in range(500)], Work(10**6))


def test_boxes_that_differ_in_a_single_variable_become_one() -> None:
    assert union([{"x": 1, "y": 2}, {"x": 2, "y": 2}], Work()) == [{"x": 3, "y": 2}]
    assert union([{"x": 1}, {"x": ~1}], Work()) == [{}]
    assert union([{"x": 1, "y": 1}, {"x": 2, "y": 2}], Work()) == [{"x": 1, "y": 1}, {"x": 2, "y": 2}]


# Regions of ordered types


def intervals(type_: str, *cuts: Any) -> IntervalRegions:
    return IntervalRegions(ORDERED_TYPES[type_], cuts)


def samples(regions: Any) -> list[Any]:
    mask, values = regions.present, []
    while mask:
        values.append(regions.value(lowest_bit(mask)))
        mask &= mask - 1
    return values


@pytest.mark.parametrize(("type_", "cuts", "values"), [
    ("integer", (), [0]),
    ("integer", (5,), [0, 5, 6]),
    ("integer", (-5, 5), [-6, -5, 0, 5, 6]),
    ("integer", (5, 6), [0, 5, 6, 7]),
    ("integer", (5, 7), [0, 5, 6, 7, 8]),
    ("integer", (2**53,), [0, 2**53]),
    ("money", (5_000,), [0, 5_000, 5_001]),
    ("integer", (5.5,), [0, 6]),
    ("date", ("2026-11-27",), ["2026-11-26", "2026-11-27", "2026-11-28"]),
    ("date", ("2026-11-27", "2026-11-28"), ["2026-11-26", "2026-11-27", "2026-11-28", "2026-11-29"]),
    ("date", ("9999-12-31",), ["9999-12-30", "9999-12-31"]),
    ("clock", (time(8),), [time(0), time(8), time(8, 0, 0, 1)]),
])  # fmt: skip
def test_each_region_has_a_sample_that_is_easy_to_read(type_: str, cuts: tuple[Any, ...], values: list[Any]) -> None:
    assert samples(intervals(type_, *cuts)) == values


@given(st.lists(st.integers(-20, 20), max_size=4), st.integers(-30, 30))
def test_a_number_is_in_the_region_of_its_sample(cuts: list[int], number: int) -> None:
    regions = intervals("integer", *cuts)
    bit = regions.region(number)
    sample = regions.value(bit)
    assert regions.present >> bit & 1
    assert [sample < cut for cut in cuts] == [number < cut for cut in cuts]
    assert [sample == cut for cut in cuts] == [number == cut for cut in cuts]


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=4, unique=True), st.data())
def test_a_mask_holds_the_values_for_which_a_clause_is_true(cuts: list[int], data: st.DataObject) -> None:
    regions = intervals("integer", *cuts)
    cut = data.draw(st.sampled_from(cuts))
    masks = {
        "<": regions.where([cut], lambda value: value < cut),
        "==": regions.where([cut], lambda value: value == cut),
        ">": regions.where([cut], lambda value: value > cut),
    }
    assert masks["<"] | masks["=="] | masks[">"] == regions.present
    assert masks["<"] & masks["=="] == masks["=="] & masks[">"] == 0
    for number in range(-25, 26):
        held = [name for name, mask in masks.items() if mask >> regions.region(number) & 1]
        assert held == ["<" if number < cut else "==" if number == cut else ">"]


VERSIONS = ["1.0.0-rc.1", "1.0.0", "1.0.1-alpha", "1.2.3", "2.0.0"]


def test_versions_are_ordered_by_precedence() -> None:
    read = READERS["version"]
    regions = intervals("version", *map(read, VERSIONS))
    values = samples(regions)
    assert values == sorted(values)
    assert [regions.region(read(version)) for version in VERSIONS] == [2, 4, 6, 8, 10]


def test_times_are_compared_with_any_offset() -> None:
    cut = datetime(2026, 11, 27, 12, tzinfo=UTC)
    regions = intervals("datetime", cut)
    early, same, late = samples(regions)
    assert early < cut == same < late


# Regions of single values


@pytest.mark.parametrize(("field", "values"), [
    (Field("a.b", "boolean"), (False, True)),
    (Field("a.b", "string", allowed=("x", "y")), ["x", "y"]),
    (Field("a.b", "country", allowed=("DE", "XX")), ["DE"]),
    (Field("a.b", "string"), None),
    (Field("a.b", "list", allowed=("x",)), None),
    (Field("a.b", "integer"), None),
])  # fmt: skip
def test_a_field_with_few_values_is_tried_with_each(field: Field, values: object) -> None:
    assert finite_values(field) == values


def test_countries_and_currencies_are_finite() -> None:
    for type_, code in (("country", "DE"), ("currency", "EUR")):
        values = finite_values(Field("a.b", type_))
        assert values
        assert code in values
        assert len(values) > 100


def test_a_text_has_a_region_for_each_cut_and_the_rest() -> None:
    regions = regions_of(Field("a.b", "string"), ["x", "other"])
    assert samples(regions) == ["other-", "x", "other"]
    assert regions.region("anything") == regions.region("else") == 1
    assert regions.where(["x"], lambda text: text == "x") == 1 << regions.region("x")
    assert regions.where(["x"], lambda text: text != "x") == regions.present & ~(1 << regions.region("x"))


def test_a_closed_type_has_no_other_values() -> None:
    regions = FiniteRegions(["a", "b", "a"])
    assert samples(regions) == ["a", "b"]
    assert regions.where(["a"], lambda text: text == "a") == 1 << regions.region("a")


@pytest.mark.parametrize(("mask", "bit"), [(1, 0), (2, 1), (12, 2), (1 << 70, 70), (-1, 0)])
def test_lowest_bit_of_a_mask(mask: int, bit: int) -> None:
    assert lowest_bit(mask) == bit
