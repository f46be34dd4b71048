"""Check the parts of the rule builder: templates that read and write clauses, trees of conditions, rows of effects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.standard_vocabulary import STANDARD
from rules import RuleError, parse_condition
from tests.factories import plan
from web.admin.rules.builder.effects import KINDS, EffectRow, blank_effect, effects_of, part_of, type_of
from web.admin.rules.builder.nodes import (
    EDITED,
    Group,
    Raw,
    Row,
    from_logic,
    joined,
    part_at,
    to_logic,
    with_part,
    with_parts,
    written,
)
from web.admin.rules.builder.operators import BY_TYPE, read
from web.admin.rules.builder.templates import FIELD, FIELD_NAME, Hole, arguments, fill, match

TYPES = {field.name: field.type for field in STANDARD}
TOTAL, COUNTRY, NOW = {"var": "cart.total"}, {"var": "geo.country"}, {"var": "time.now"}
LARGE, GERMAN = {">": [TOTAL, 5_000]}, {"==": [COUNTRY, "DE"]}
ODD = {"<": [{"+": [TOTAL, 1]}, 3]}

# Templates

A, MANY, ALONE = Hole(0), Hole(0, many=True), Hole(0, many=True, alone=True)


@pytest.mark.parametrize(("template", "logic", "values"), [
    ({">": [FIELD, A]}, LARGE, {FIELD_NAME: "cart.total", 0: 5_000}),
    ({">": [FIELD, A]}, {">": [{"var": ["cart.total"]}, 5]}, {FIELD_NAME: "cart.total", 0: 5}),
    ({">": [FIELD, A]}, {">": [TOTAL, {"EUR": 5}]}, {FIELD_NAME: "cart.total", 0: {"EUR": 5}}),
    ({">": [FIELD, A]}, {">": [TOTAL, TOTAL]}, None),
    ({">": [FIELD, A]}, {">": [TOTAL, True]}, None),
    ({">": [FIELD, A]}, {">": [TOTAL]}, None),
    ({">": [FIELD, A]}, {">": [TOTAL, 1, 2]}, None),
    ({">": [FIELD, A]}, {">": [{"var": ["cart.total", 0]}, 5]}, None),
    ({">": [FIELD, A]}, {">": [5, TOTAL]}, None),
    ({">": [FIELD, A]}, {"<": [TOTAL, 5]}, None),
    ({">": [FIELD, A]}, {">": [TOTAL, 5], "x": 1}, None),
    ({"in": [FIELD, MANY]}, {"in": [COUNTRY, ["DE", "AT"]]}, {FIELD_NAME: "geo.country", 0: ["DE", "AT"]}),
    ({"in": [FIELD, MANY]}, {"in": [COUNTRY, []]}, {FIELD_NAME: "geo.country", 0: []}),
    ({"in": [FIELD, MANY]}, {"in": [COUNTRY, "DE"]}, None),
    ({"in": [FIELD, MANY]}, {"in": [COUNTRY, ["DE", COUNTRY]]}, None),
    ({"in": [ALONE, FIELD]}, {"in": ["vip", COUNTRY]}, {FIELD_NAME: "geo.country", 0: ["vip"]}),
    ({"exists": [FIELD]}, {"exists": TOTAL}, {FIELD_NAME: "cart.total"}),
    ({"==": [FIELD, True]}, {"==": [COUNTRY, True]}, {FIELD_NAME: "geo.country"}),
    ({"==": [FIELD, True]}, {"==": [COUNTRY, 1]}, None),
    (FIELD, TOTAL, {FIELD_NAME: "cart.total"}),
    (FIELD, {"var": 5}, None),
    (FIELD, {"var": "a", "b": 1}, None),
])  # fmt: skip
def test_a_template_reads_the_values_of_a_clause_that_fits(template: Any, logic: Any, values: Any) -> None:
    assert match(template, logic) == values


@pytest.mark.parametrize(("template", "values", "logic"), [
    ({">": [FIELD, A]}, (5,), {">": [{"var": "x.y"}, 5]}),
    ({"!": {"in": [FIELD, MANY]}}, (["a"],), {"!": {"in": [{"var": "x.y"}, ["a"]]}}),
    ({"between": [FIELD, A, Hole(1)]}, (1, 2), {"between": [{"var": "x.y"}, 1, 2]}),
    (FIELD, (), {"var": "x.y"}),
])  # fmt: skip
def test_a_template_writes_a_clause_with_its_values(template: Any, values: Any, logic: Any) -> None:
    assert fill(template, "x.y", values) == logic


@pytest.mark.parametrize(("value", "listed"), [([1, 2], [1, 2]), (1, [1]), ([], []), ({"var": "x"}, [{"var": "x"}])])
def test_single_argument_needs_no_list(value: Any, listed: list[Any]) -> None:
    assert arguments(value) == listed


VALUES = {"value": "DE", "many": ["DE"], "weekdays": ["mon"], "clock": "12:00", "zone": "UTC", "day": "2026-11-27"}
SAMPLES: dict[str, Any] = {
    "money": 5, "integer": 5, "number": 5, "date": "2026-11-27", "datetime": "2026-11-27T00:00:00Z", "string": "x",
    "country": "DE", "currency": "EUR", "version": "1.0.0", "list": "vip",
}  # fmt: skip


@pytest.mark.parametrize("type_", list(BY_TYPE))
def test_written_row_is_read_again(type_: str) -> None:
    name = next(field.name for field in STANDARD if field.type == type_)
    for operator in BY_TYPE[type_]:
        values = tuple([SAMPLES.get(type_, "x")] if slot in ("many", "weekdays") else SAMPLES.get(type_, "x")
                       for slot in operator.slots)  # fmt: skip
        clause = read(fill(operator.written, name, values), TYPES)
        assert clause is not None
        assert (clause[0], clause[1].key, clause[2]) == (name, operator.key, values)


# Trees


@pytest.mark.parametrize(("logic", "kind", "parts"), [
    (True, "all", []),
    (LARGE, "all", [Row]),
    ({"and": [LARGE, GERMAN]}, "all", [Row, Row]),
    ({"or": [LARGE, {"and": [LARGE, GERMAN]}]}, "any", [Row, Group]),
    ({"!": {"or": [LARGE, GERMAN]}}, "none", [Row, Row]),
    ({"!": [{"and": [LARGE, GERMAN]}]}, "none", [Group]),
    ({"and": [ODD, LARGE]}, "all", [Raw, Row]),
    (ODD, "all", [Raw]),
    ({"if": [LARGE, GERMAN, False]}, "all", [Raw]),
    (False, "all", [Raw]),
    ("nonsense", "all", [Raw]),
    ({"and": LARGE}, "all", [Row]),
])  # fmt: skip
def test_a_condition_is_a_tree_of_groups_rows_and_json(logic: Any, kind: str, parts: list[type]) -> None:
    tree = from_logic(logic, TYPES)
    assert tree.kind == kind
    assert [type(part) for part in tree.parts] == parts
    assert to_logic(tree) == logic


@pytest.mark.parametrize(("logic", "paths"), [
    ({"and": [LARGE, GERMAN]}, ["/when/and/0", "/when/and/1"]),
    ({"!": {"or": [LARGE, GERMAN]}}, ["/when/!/or/0", "/when/!/or/1"]),
    ({"!": [{"or": [LARGE]}]}, ["/when/!/0/or/0"]),
    ({"and": LARGE}, ["/when/and"]),
    (LARGE, ["/when"]),
])  # fmt: skip
def test_every_part_has_the_pointer_to_its_json(logic: Any, paths: list[str]) -> None:
    assert [part.path for part in from_logic(logic, TYPES).parts] == paths


def test_editing_a_part_writes_only_the_groups_around_it() -> None:
    spelt = {"===": ["DE", COUNTRY]}
    tree = from_logic({"and": [{"or": [spelt, ODD]}, LARGE]}, TYPES)
    row = part_at(tree, (1,))
    assert isinstance(row, Row)
    changed = with_part(tree, (1,), Row(row.field, row.operator, (7_000,)))
    assert to_logic(changed) == {"and": [{"or": [spelt, ODD]}, {">": [TOTAL, 7_000]}]}
    deeper = with_part(tree, (0, 0), Row("geo.country", BY_TYPE["country"][0], ("FR",)))
    assert to_logic(deeper)["and"][0]["or"][1] == ODD  # type: ignore[index]


@pytest.mark.parametrize("steps", [(5,), (0, 0), (-1,), (1, 3)])
def test_invalid_path_finds_no_part(steps: tuple[int, ...]) -> None:
    assert part_at(from_logic({"and": [LARGE, {"or": [GERMAN]}]}, TYPES), steps) is None


def test_empty_path_is_the_root() -> None:
    tree = from_logic({"and": [LARGE]}, TYPES)
    assert part_at(tree, ()) is tree
    assert with_part(tree, (), Raw(ODD)).parts == (Raw(ODD),)


@pytest.mark.parametrize(("parts", "logic"), [
    ((), True), ((Raw(LARGE),), LARGE), ((Raw(LARGE), Raw(GERMAN)), {"and": [LARGE, GERMAN]}),
    ((Group("any", (Raw(LARGE),)),), {"and": [{"or": [LARGE]}]}),
])  # fmt: skip
def test_edited_group_is_written_in_short_form(parts: Any, logic: Any) -> None:
    assert to_logic(with_parts(from_logic({"and": [GERMAN]}, TYPES), parts)) == logic


@pytest.mark.parametrize(("kind", "logic"), [
    ("all", {"and": [1, 2]}), ("any", {"or": [1, 2]}), ("none", {"!": {"or": [1, 2]}}),
])  # fmt: skip
def test_conditions_are_joined_by_the_groups_kind(kind: Any, logic: Any) -> None:
    assert joined(kind, [1, 2]) == logic
    assert written(Group(kind, (Raw(1), Raw(2)), EDITED)) == logic


CLAUSES = st.sampled_from([LARGE, GERMAN, ODD, {"exists": [TOTAL]}, {"!": {"in": [COUNTRY, ["DE"]]}}])
CONDITIONS = st.recursive(
    CLAUSES,
    lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
        lambda parts: st.sampled_from([{"and": parts}, {"or": parts}, {"!": {"or": parts}}, {"!": [parts[0]]}])
    ),
    max_leaves=8,
)


@given(CONDITIONS)
def test_any_condition_keeps_its_json_and_its_meaning(logic: Any) -> None:
    tree = from_logic(logic, TYPES)
    assert to_logic(tree) == logic
    anew = with_parts(tree, tree.parts)
    vocabulary = plan().vocabulary
    assert parse_condition(logic, vocabulary, {}).type in ("boolean", "truth")
    try:
        parse_condition(to_logic(anew), vocabulary, {})
    except RuleError as error:  # pragma: no cover - shows the condition
        pytest.fail(f"{logic} became {to_logic(anew)}: {error}")


# Effects


@pytest.mark.parametrize(("effect", "kind"), [
    ({"exclude": ["a"]}, "exclude"),
    ({"exclude": []}, "exclude"),
    ({"require": ["a", "b"]}, "require"),
    ({"pin": {"candidate": "a", "slot": 1}}, "pin"),
    ({"boost": {"candidates": ["a"], "factor": 2}}, "boost"),
    ({"set": {"name": "x", "value": True}}, "set"),
    ({"set": {"name": "x", "value": "text"}}, "set"),
    ({"exclude": "a"}, ""),
    ({"exclude": [5]}, ""),
    ({"pin": {"candidate": "a"}}, ""),
    ({"pin": {"candidate": ["a"], "slot": 1}}, ""),
    ({"boost": {"candidates": "a", "factor": 2}}, ""),
    ({"hide": ["a"]}, ""),
    ({"exclude": ["a"], "pin": {}}, ""),
    ({}, ""),
    ("exclude", ""),
])  # fmt: skip
def test_an_effect_is_a_row_if_its_json_fits(effect: Any, kind: str) -> None:
    assert effects_of([effect]) == [EffectRow(kind, effect)]


@pytest.mark.parametrize("document", [None, {}, "x", 5])
def test_non_list_has_no_rows(document: Any) -> None:
    assert effects_of(document) == []


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_new_effect_is_a_row_of_its_kind(kind: str) -> None:
    assert effects_of([blank_effect(kind)])[0].kind == kind


def test_parts_of_an_effect_are_found_by_their_key() -> None:
    row = EffectRow("boost", {"boost": {"candidates": ["a"], "factor": 2}})
    assert (part_of(row, "factor"), part_of(row, "candidates")) == (2, ["a"])
    assert part_of(EffectRow("exclude", {"exclude": ["a"]}), "") == ["a"]


@pytest.mark.parametrize(("value", "type_"), [(True, "boolean"), (0, "number"), (1.5, "number"), ("x", "text")])
def test_a_value_of_the_answer_has_a_type(value: Any, type_: str) -> None:
    assert type_of(value) == type_
