"""Check which facts are read from a request's context, and the warnings for all else."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.intake.context import MOST_FACTS, MOST_NOTES, FactNote, Intake
from engine.model.placement import FieldDocument
from engine.model.standard_vocabulary import STANDARD

EXTRA = (
    FieldDocument(name="customer.mood", type="string", allowed=("Glad", "Sad")),
    FieldDocument(name="customer.tags", type="list", allowed=("VIP", "staff")),
    FieldDocument(name="cart.deep.weight", type="number"),
)
INTAKE = Intake((*STANDARD, *EXTRA))


def read(context):
    reading = INTAKE.read(context)
    return reading.values, [(note.kind, note.field) for note in reading.notes]


def warnings(context):
    return [(warning.field, warning.message) for warning in INTAKE.warnings(INTAKE.read(context).notes)]


@pytest.mark.parametrize(("context", "values"), [
    ({}, {}),
    ({"cart": {"total": 12_900, "currency": "EUR"}}, {"cart.total": 12_900, "cart.currency": "EUR"}),
    ({"cart": {"total": 12_900.0, "currency": "eur"}}, {"cart.total": 12_900, "cart.currency": "EUR"}),
    ({"geo": {"country": "DEU"}}, {"geo.country": "DE"}),
    ({"device": {"type": "Mobile"}}, {"device.type": "mobile"}),
    ({"device": {"app_version": "2.4"}}, {"device.app_version": "2.4.0"}),
    ({"customer": {"mood": "GLAD"}}, {"customer.mood": "Glad"}),
    ({"customer": {"tags": ["vip", "Staff"]}}, {"customer.tags": ["VIP", "staff"]}),
    ({"cart": {"deep": {"weight": 2.5}}}, {"cart.deep.weight": 2.5}),
    ({"cart": {"total": None}, "geo": None}, {}),
    ({"cart": {}}, {}),
])  # fmt: skip
def test_facts_that_are_understood_are_read_without_a_word(context, values):
    assert read(context) == (values, [])
    assert INTAKE.values(context) == values


@pytest.mark.parametrize(("context", "values", "warning"), [
    ({"cart": {"totl": 5}}, {}, ("cart.totl", "is not a declared fact; did you mean cart.total?")),
    ({"weather": {"rain": True}}, {}, ("weather", "is not a declared fact")),
    ({"weather": 5}, {}, ("weather", "is not a declared fact")),
    ({"cart": {"total": "12.90"}}, {}, (
        "cart.total", '"12.90" is not a whole number of minor units, such as 4999 for 49.99',
    )),
    ({"cart": {"total": {"amount": 5}}}, {}, (
        "cart.total", "an object is not a whole number of minor units, such as 4999 for 49.99",
    )),
    ({"cart": 5}, {}, ("cart", "must be an object of facts; got 5")),
    ({"cart": [1]}, {}, ("cart", "must be an object of facts; got a list")),
    ({"device": {"type": "fridge"}}, {"device.type": "fridge"}, (
        "device.type", '"fridge" is not one of desktop, mobile, tablet',
    )),
    ({"customer": {"tags": ["VIP", "new"]}}, {"customer.tags": ["VIP", "new"]}, (
        "customer.tags", "a list is not one of VIP, staff",
    )),
    ({"customer": {"segment": "x" * 300}}, {}, ("customer.segment", "has 300 characters; at most 256 are read")),
    ({"cart": {"categories": ["x"] * 201}}, {}, (
        "cart.categories", "has over 200 texts, or texts of over 256 characters",
    )),
    ({"cart": {"categories": ["x" * 300]}}, {}, (
        "cart.categories", "has over 200 texts, or texts of over 256 characters",
    )),
    ({"geo": {"position": [91, 0]}}, {}, (
        "geo.position", "a list is not latitude and longitude in degrees, such as [52.52, 13.405]",
    )),
    ({"time": {"now": "2026-11-27T18:30:00Z"}}, {}, ("time.now", "is filled by the engine")),
    ({"history": {"purchases": 5}}, {}, ("history.purchases", "is filled by the engine")),
    ({"customer": {"id": "c1"}}, {}, ("customer.id", "is filled by the engine")),
    ({"cart": {"deep": {"wight": 1}}}, {}, (
        "cart.deep.wight", "is not a declared fact; did you mean cart.deep.weight?",
    )),
    ({"cart": {"deep": 5}}, {}, ("cart.deep", "must be an object of facts; got 5")),
])  # fmt: skip
def test_invalid_value_is_named_with_the_expected_type(context, values, warning):
    assert INTAKE.values(context) == values
    assert warnings(context) == [warning]


def test_invalid_fields_do_not_affect_valid_facts():
    values, notes = read({"cart": {"total": 5, "items": "many"}, "geo": {"country": "Mars", "region": "BY"}, "x": 1})
    assert values == {"cart.total": 5, "geo.region": "BY"}
    assert notes == [("ill_formed", "cart.items"), ("ill_formed", "geo.country"), ("undeclared", "x")]


def test_facts_of_the_engine_are_named_one_by_one():
    _, notes = read({"history": {"purchases": 1, "favourite": "card", "other": 2}})
    assert notes == [("engine", "history.favourite"), ("engine", "history.purchases")]
    assert read({"history": 5})[1] == [("engine", "history.favourite"), ("engine", "history.purchases")]


def test_facts_of_the_engine_have_defaults():
    own = Intake(STANDARD, with_engine_fields=True)
    context = {"time": {"now": "2026-11-27T18:30:00Z"}, "history": {"purchases": 5}}
    assert own.values(context) == {"time.now": "2026-11-27T18:30:00Z", "history.purchases": 5}


def test_only_so_many_facts_are_read():
    fields = tuple(FieldDocument(name=f"cart.f{number}", type="integer") for number in range(MOST_FACTS + 2))
    many = Intake(fields)
    reading = many.read({"cart": {f"f{number}": number for number in range(MOST_FACTS + 2)}})
    assert len(reading.values) == MOST_FACTS
    assert [note.field for note in reading.notes] == ["cart.f200", "cart.f201"]
    assert many.warnings(reading.notes)[0].message == "is beyond the 200 facts of a request"


def test_only_so_many_warnings_are_given_and_the_rest_counted():
    context = {f"x{number}": 1 for number in range(MOST_NOTES + 5)}
    given = warnings(context)
    assert len(given) == MOST_NOTES + 1
    assert given[-1] == ("context", "5 more facts were left out")
    assert len(warnings({f"x{number}": 1 for number in range(MOST_NOTES)})) == MOST_NOTES


def test_a_long_name_is_shortened_in_its_warning():
    [(field, message)] = warnings({"y" * 5_000: 1})
    assert len(field) < 200
    assert message == "is not a declared fact"


def test_a_list_of_allowed_values_is_named_in_part():
    field = FieldDocument(name="a.b", type="string", allowed=tuple(f"v{number}" for number in range(50)))
    many = Intake([field])
    [warning] = many.warnings(many.read({"a": {"b": "w"}}).notes)
    assert warning.message.endswith("v18, v19")


def test_notes_keep_the_value_for_the_fields_page():
    reading = INTAKE.read({"device": {"type": "fridge"}})
    assert reading.notes == [FactNote("not_allowed", "device.type", "fridge")]


def test_value_in_another_case_is_normalised():
    twins = Intake([FieldDocument(name="a.b", type="string", allowed=("x", "X"))])
    assert [twins.values({"a": {"b": text}})["a.b"] for text in ("x", "X")] == ["x", "X"]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=300),
    st.sampled_from(["DE", "de", "EUR", "mobile", "Glad", "GLAD", "2.4", "2.4.0", "2026-11-30", "VIP"]),
    st.lists(st.sampled_from(["vip", "staff", "other", 5]), max_size=3),
    st.just([52.5, 13.4]),
)
NAMES = [field.name.split(".") for field in (*STANDARD, *EXTRA)]


@given(st.lists(st.tuples(st.sampled_from([*NAMES, ["cart", "x"], ["no", "y"], ["cart"], ["z"]]), VALUES), max_size=12))
def test_groups_that_are_read_at_once_mean_the_same(pairs):
    context = {}
    for (*groups, leaf), value in pairs:
        node = context
        for group in groups:
            node = node.setdefault(group, {}) if isinstance(node, dict) else {}
        if isinstance(node, dict):
            node[leaf] = value
    slowly = Intake((*STANDARD, *EXTRA))
    slowly._readers = {}
    assert INTAKE.read(context).values == slowly.read(context).values
    assert Counter(map(repr, INTAKE.read(context).notes)) == Counter(map(repr, slowly.read(context).notes))
