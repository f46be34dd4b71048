"""Check which documents of a merchant's configuration are accepted, and that they keep their JSON."""

from __future__ import annotations

import msgspec
import pytest

from engine.model.facts import Facts, Past
from engine.model.placement import (
    Candidate,
    Contextual,
    Expectation,
    FieldDocument,
    Fixed,
    ListDocument,
    One,
    Placement,
    RuleDocument,
    Scenario,
    Split,
    Subset,
    Thompson,
)
from engine.model.standard_vocabulary import ENGINE_FIELD_NAMES, MERCHANT_FIELDS, STANDARD, merchant_fields
from rules.language.values import READERS
from tests.factories import METHODS, candidate, placement, plan, rule

CANDIDATE = {"id": "card", "label": "Card"}
RULE = {"id": "r", "name": "R", "when": True, "effects": [{"exclude": ["card"]}]}
PLACEMENT = {"key": "p", "name": "P"}
FIELD = {"name": "a.b", "type": "string"}


def accepted(kind, document):
    try:
        msgspec.convert(document, kind)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize(("id", "fits"), [
    ("card", True), ("sepa_debit", True), ("A.b:c-d_9", True), ("9", True), ("x" * 64, True), ("x" * 65, False),
    ("", False), ("_x", False), (".x", False), ("a b", False), ("ä", False), ("a/b", False), ("a\n", False),
    ("a\0", False),
])  # fmt: skip
def test_an_id_is_letters_digits_and_a_few_marks(id, fits):
    assert accepted(Candidate, {**CANDIDATE, "id": id}) == fits
    assert accepted(Placement, {**PLACEMENT, "key": id}) == fits
    assert accepted(RuleDocument, {**RULE, "id": id}) == fits
    assert accepted(ListDocument, {"name": id}) == fits


@pytest.mark.parametrize(("changes", "fits"), [
    ({}, True),
    ({"label": ""}, False),
    ({"label": "x" * 120}, True),
    ({"label": "x" * 121}, False),
    ({"countries": ["DE", "AT"]}, True),
    ({"countries": ["de"]}, False),
    ({"countries": ["DEU"]}, False),
    ({"currencies": ["EUR"]}, True),
    ({"currencies": ["eur"]}, False),
    ({"devices": ["mobile"]}, True),
    ({"devices": [""]}, False),
    ({"min_amount": 0}, True),
    ({"min_amount": -1}, False),
    ({"min_amount": 2**53}, True),
    ({"min_amount": 2**53 + 1}, False),
    ({"min_amount": 1.5}, False),
    ({"min_amount": {"EUR": 5}}, True),
    ({"min_amount": {}}, False),
    ({"min_amount": {"eur": 5}}, False),
    ({"max_amount": None}, True),
    ({"fee_percent": 100}, True),
    ({"fee_percent": 100.1}, False),
    ({"fee_percent": -1}, False),
    ({"fee_fixed": 29}, True),
    ({"fee_fixed": 0.29}, False),
    ({"attributes": {"bank": "one", "months": 3}}, True),
    ({"attributes": {"Bank": "one"}}, False),
    ({"attributes": {"bank": "one\ntwo"}}, False),
    ({"attributes": {"months": 1e10}}, False),
    ({"attributes": {f"a{n}": n for n in range(11)}}, False),
    ({"position": 100_000}, True),
    ({"position": 100_001}, False),
    ({"enabled": False}, True),
    ({"enabled": 1}, False),
    ({"colour": "red"}, False),
])  # fmt: skip
def test_a_candidate_is_accepted_or_refused(changes, fits):
    assert accepted(Candidate, {**CANDIDATE, **changes}) == fits


@pytest.mark.parametrize(("changes", "fits"), [
    ({}, True),
    ({"effects": []}, False),
    ({"effects": [{"exclude": ["a"]}] * 50}, True),
    ({"effects": [{"exclude": ["a"]}] * 51}, False),
    ({"priority": -1_000_000}, True),
    ({"priority": 1_000_001}, False),
    ({"priority": 1.5}, False),
    ({"notes": "x" * 2_000}, True),
    ({"notes": "x" * 2_001}, False),
    ({"active_from": "2026-11-27T18:30:00+01:00"}, True),
    ({"active_from": "2026-11-27T18:30:00.123456789Z"}, True),
    ({"active_from": "2026-11-27T18:30:00"}, False),
    ({"active_from": "2026-11-27"}, False),
    ({"active_from": "2026-11-27t18:30:00z"}, False),
    ({"active_to": None}, True),
    ({"tags": ["a", "b c"]}, True),
    ({"tags": ["x" * 41]}, False),
    ({"tags": ["a\nb"]}, False),
    ({"tags": ["a"] * 21}, False),
    ({"when": {"anything": "goes here"}}, True),
])  # fmt: skip
def test_a_rule_is_accepted_or_refused(changes, fits):
    assert accepted(RuleDocument, {**RULE, **changes}) == fits


@pytest.mark.parametrize(("changes", "fits"), [
    ({}, True),
    ({"shape": {"type": "one"}}, True),
    ({"shape": {"type": "subset", "limit": 100}}, True),
    ({"shape": {"type": "subset", "limit": 0}}, False),
    ({"shape": {"type": "subset", "limit": 101}}, False),
    ({"shape": {"type": "circle"}}, False),
    ({"shape": {"type": "one", "limit": 3}}, False),
    ({"shape": {}}, False),
    ({"policy": {"type": "fixed"}}, True),
    ({"policy": {"type": "split", "weights": {"a": 1.5}}}, True),
    ({"policy": {"type": "split", "weights": {"a": -1}}}, False),
    ({"policy": {"type": "thompson", "floor": 0.5, "drawn": 10}}, True),
    ({"policy": {"type": "thompson", "floor": 0.51}}, False),
    ({"policy": {"type": "thompson", "drawn": 0}}, False),
    ({"policy": {"type": "thompson", "drawn": 11}}, False),
    ({"policy": {"type": "contextual", "features": ["a.b"]}}, True),
    ({"policy": {"type": "contextual", "features": ["A.b"]}}, False),
    ({"policy": {"type": "contextual", "values": {"a.b": []}}}, False),
    ({"reward": "revenue"}, True),
    ({"reward": "clicks"}, False),
    ({"goal": "minimise"}, True),
    ({"credit": "cascade"}, True),
    ({"credit": "last"}, False),
    ({"buckets": ["a.b", "c.d", "e.f"]}, True),
    ({"buckets": ["a.b", "c.d", "e.f", "g.h"]}, False),
    ({"half_life_days": 1}, True),
    ({"half_life_days": 0.5}, False),
    ({"examination": [1, 0.5]}, True),
    ({"examination": [0]}, False),
    ({"examination": [1.1]}, False),
    ({"window_minutes": 43_200}, True),
    ({"window_minutes": 43_201}, False),
    ({"window_minutes": 0}, False),
    ({"margin_percent": 101}, False),
    ({"typical_amount": -1}, False),
])  # fmt: skip
def test_a_placement_is_accepted_or_refused(changes, fits):
    assert accepted(Placement, {**PLACEMENT, **changes}) == fits


@pytest.mark.parametrize(("changes", "fits"), [
    ({}, True),
    ({"name": "a.b.c.d"}, True),
    ({"name": "a"}, False),
    ({"name": "a.b.c.d.e"}, False),
    ({"name": "a.B"}, False),
    ({"name": "a.9b"}, False),
    ({"name": "a..b"}, False),
    ({"type": "text"}, False),
    ({"allowed": ["x"]}, True),
    ({"allowed": ["a\x00"]}, False),
    ({"allowed": ["\x1f"]}, False),
    ({"purpose": ""}, False),
    ({"examples": list(range(11))}, False),
])  # fmt: skip
def test_a_field_is_accepted_or_refused(changes, fits):
    assert accepted(FieldDocument, {**FIELD, **changes}) == fits


@pytest.mark.parametrize(("changes", "fits"), [
    ({}, True),
    ({"expect": {"shown": ["a"], "hidden": ["b"], "pinned": [{"candidate": "a", "slot": 1}]}}, True),
    ({"expect": {"pinned": [{"candidate": "a", "slot": 0}]}}, False),
    ({"expect": {"values": {"x": True, "y": 1.5, "z": "text"}}}, True),
    ({"expect": {"values": {"x": None}}}, False),
    ({"expect": {"seen": ["a"]}}, False),
    ({"context": []}, False),
])  # fmt: skip
def test_a_scenario_is_accepted_or_refused(changes, fits):
    assert accepted(Scenario, {"id": "s", "name": "S", "context": {}, "expect": {}, **changes}) == fits


@pytest.mark.parametrize("document", [
    Candidate(**CANDIDATE),
    candidate("x", countries=("DE",), min_amount={"EUR": 5}, attributes={"a": "b", "n": 1.5}),
    RuleDocument(**{**RULE, "effects": tuple(RULE["effects"])}),
    rule({"set": {"name": "x", "value": True}}, active_from="2026-11-27T18:30:00Z", tags=("a",)),
    placement(shape=Subset(2), policy=Split({"a": 1.0})),
    placement(shape=One(), policy=Fixed()),
    placement(policy=Contextual(("geo.country",), {"geo.country": ("DE",)})),
    placement(policy=Thompson(floor=0.1, drawn=2, history=False), examination=(1.0, 0.5)),
    FieldDocument(name="a.b", type="list", allowed=("x",), examples=(["x"],)),
    ListDocument(name="blocked", values=("a", "b")),
    Scenario(id="s", name="S", context={"a": {"b": 1}}, expect=Expectation(values={"x": 1})),
])  # fmt: skip
def test_document_round_trips(document):
    assert msgspec.json.decode(msgspec.json.encode(document), type=type(document)) == document


@pytest.mark.parametrize(("changes", "learns"), [
    ({"credit": "choice"}, True), ({"credit": "cascade"}, False), ({"credit": "choice", "policy": Split()}, False),
    ({"credit": "choice", "policy": Contextual()}, False),
])  # fmt: skip
def test_choices_are_learned_with_thompson_sampling_only(changes, learns):
    assert placement(**changes).learns_choices == learns


# The standard vocabulary


def test_every_merchant_starts_with_facts_of_every_kind():
    names = [field.name for field in STANDARD]
    assert len(set(names)) == len(names)
    assert {field.type for field in STANDARD} >= set(READERS) - {"date"} - {"datetime"}
    assert all(field.label for field in STANDARD)


@pytest.mark.parametrize("field", [field for field in STANDARD if field.examples], ids=lambda field: field.name)
def test_examples_of_a_fact_are_of_its_type(field):
    for example in field.examples:
        assert READERS[field.type](example) is not None
        assert not field.allowed or example in field.allowed


def test_engine_facts_are_not_the_merchants():
    assert merchant_fields(STANDARD) == MERCHANT_FIELDS
    assert {"time.now", "customer.id", "history.purchases", "history.favourite"} == ENGINE_FIELD_NAMES


# Plans


@pytest.mark.parametrize(("values", "bucket"), [
    ({"device.type": "mobile", "geo.country": "DE", "customer.returning": True}, "mobile|DE|yes"),
    ({"device.type": "mobile", "geo.country": "DE", "customer.returning": False}, "mobile|DE|no"),
    ({}, "-|-|-"),
    ({"device.type": "fridge", "geo.country": "XX", "customer.returning": "yes"}, "-|-|-"),
    ({"device.type": ["mobile"], "geo.country": 7, "customer.returning": 1}, "-|-|-"),
])  # fmt: skip
def test_bucket_consists_of_known_values(values, bucket):
    tested_plan = plan(placement=placement(buckets=("device.type", "geo.country", "customer.returning")))
    assert tested_plan.bucket(values) == bucket


def test_candidates_are_in_the_merchants_order():
    several = (candidate("b", position=1), candidate("a", position=1), candidate("z"), candidate("off", enabled=False))
    assert plan(candidates=several).ids == ("z", "a", "b")


def test_stratum_is_named_by_eligible_candidates():
    tested_plan = plan(placement=placement(credit="choice", buckets=("geo.country",)))
    everyone, fewer = tuple(range(len(METHODS))), tuple(range(len(METHODS) - 1))
    base = tested_plan.stratum(Facts({"geo.country": "DE"}), everyone, [])
    assert base == tested_plan.stratum(Facts({"geo.country": "DE", "cart.total": 5}), everyone, [])
    others = {
        tested_plan.stratum(Facts({"geo.country": "FR"}), everyone, []),
        tested_plan.stratum(Facts({"geo.country": "DE"}), fewer, []),
        tested_plan.stratum(Facts({"geo.country": "DE"}), everyone, ["r1"]),
        tested_plan.stratum(Facts({"geo.country": "DE"}, {"card": Past(1.0, 1.0, 1)}), everyone, []),
    }
    assert len(others) == 4
    assert base not in others
    assert plan().stratum(Facts({}), everyone, []) == ""
