"""Check that what a merchant saves makes sense, and that every problem names its field."""

from __future__ import annotations

import pytest

from engine.configuration.configuration import Change, Configuration
from engine.configuration.validation import check, compiled
from engine.model.errors import Invalid, NotFound, Stale
from engine.model.placement import (
    Contextual,
    Expectation,
    FieldDocument,
    ListDocument,
    Pinned,
    Scenario,
    Split,
    Thompson,
)
from engine.model.resource import Resource
from engine.model.resource_kinds import KINDS, id_of, kind_of
from engine.model.standard_vocabulary import MERCHANT_FIELDS
from tests.factories import CART_OVER_100, candidate, candidates, placement, plan, rule

KEY = "payment_methods"
SEGMENTS = FieldDocument(name="customer.plan", type="string", allowed=("basic", "gold"))


def resource(document, placement_key=None, version=1):
    kind = kind_of(document)
    inside = KEY if KINDS[kind].in_placement else ""
    return Resource(kind, inside if placement_key is None else placement_key, id_of(document), version, document, 0)


def configuration(*documents, fields=(*MERCHANT_FIELDS, SEGMENTS), **more):
    basic = (placement(), *candidates("card", "klarna"), *fields, ListDocument(name="blocked", values=("c1",)))
    return Configuration([resource(document) for document in (*basic, *documents)], 1, **more)


def problems(*documents, placement_key=None, **more):
    """Return the problems that documents have in a configuration that holds them."""
    changes = [Change(None, resource(document, placement_key)) for document in documents]
    try:
        check(configuration(**more).with_changes(changes), changes)
    except Invalid as error:
        return [(problem.field, problem.message) for problem in error.problems]
    return []


# Placements


@pytest.mark.parametrize(("changes", "expected"), [
    ({}, []),
    ({"buckets": ("geo.country", "customer.plan", "customer.returning")}, []),
    ({"buckets": ("geo.contry",)}, [("buckets/0", "there is no field “geo.contry”")]),
    (
        {"buckets": ("geo.country", "geo.region")},
        [("buckets/1", "“geo.region” needs a list of allowed values to make buckets")],
    ),
    ({"buckets": ("cart.total",)}, [("buckets/0", "“cart.total” needs a list of allowed values to make buckets")]),
    ({"policy": Split({"card": 1, "klarna": 0})}, []),
    ({"policy": Split()}, []),
    ({"policy": Split({"card": 0, "klarna": 0})}, [("policy/weights", "at least one weight must be above 0")]),
    ({"policy": Contextual(("device.type", "cart.total"))}, []),
    ({"policy": Contextual(("device.typ",))}, [("policy/features/0", "there is no field “device.typ”")]),
    (
        {"policy": Contextual(("device.type", "device.type"))},
        [("policy/features/0", "“device.type” is named twice"), ("policy/features/1", "“device.type” is named twice")],
    ),
    (
        {"policy": Contextual(("geo.region",))},
        [(
            "policy/features/0",
            "“geo.region” has no list of allowed values: name the values to distinguish in values",
        )],
    ),
    ({"policy": Contextual(("geo.region",), {"geo.region": ("BY", "BE")})}, []),
    (
        {"policy": Contextual(("device.type",), {"device.type": ("fridge",)})},
        [("policy/features/0", "“fridge” is not an allowed value of “device.type”")],
    ),
    (
        {"policy": Contextual(("device.type",), {"geo.region": ("BY",)})},
        [("policy/values/geo.region", "values are for fields that are named in features")],
    ),
    (
        {"policy": Contextual(("geo.position",))},
        [(
            "policy/features/0",
            "“geo.position” is of type location, which the policy cannot use; use one of boolean, integer, number, "
            "money, datetime, string, country, currency",
        )],
    ),
    (
        {"policy": Contextual(("geo.region",), {"geo.region": tuple(f"r{n}" for n in range(300))}), "name": "Many"},
        [],
    ),
    (
        {"policy": Contextual(("device.type",)), "buckets": ("geo.country",)},
        [("buckets", "must be empty: the policy learns from facts instead")],
    ),
    (
        {"policy": Contextual(("device.type",)), "credit": "position"},
        [("credit", "must be cascade, first or shown if the policy learns from facts")],
    ),
    ({"policy": Thompson(), "credit": "position", "buckets": ("geo.country",)}, []),
])  # fmt: skip
def test_a_placement_names_fields_that_fit(changes, expected):
    assert problems(placement(**changes)) == expected


def test_a_policy_weighs_only_so_many_values():
    values = tuple(f"r{number}" for number in range(300))
    policy = Contextual(("geo.region", "customer.segment"), {"geo.region": values, "customer.segment": values})
    assert problems(placement(policy=policy)) == [
        ("policy/features", "these fields have more than 400 values together; name fewer in values")
    ]


# Candidates


@pytest.mark.parametrize(("limits", "expected"), [
    ({"min_amount": 5, "max_amount": 5}, []),
    ({"min_amount": 6, "max_amount": 5}, [("max_amount", "must not be below min_amount")]),
    ({"min_amount": {"EUR": 6}, "max_amount": {"EUR": 5}}, [("max_amount", "must not be below min_amount")]),
    ({"min_amount": {"EUR": 6}, "max_amount": {"USD": 5}}, []),
    ({"min_amount": 6, "max_amount": {"USD": 5}}, [("max_amount", "must not be below min_amount")]),
    (
        {"min_amount": {"XXY": 5}},
        [("min_amount/XXY", 'must be an ISO 4217 currency code in capitals, such as "EUR"')],
    ),
])  # fmt: skip
def test_minimum_amount_is_below_the_maximum(limits, expected):
    assert problems(candidate("card", **limits)) == expected


def test_documents_of_a_placement_require_the_placement():
    assert problems(candidate("card"), placement_key="homepage") == [("placement", "there is no placement “homepage”")]


def test_a_placement_has_so_many_candidates_and_no_more():
    most = KINDS["candidate"].most
    several = [candidate(f"c{number}") for number in range(most - 2)]
    assert problems(*several) == []
    result = problems(*several, candidate("more"))
    assert result[0] == ("0/id", f"a placement has at most {most} candidates")


# Rules

HIDE = {"exclude": ["klarna"]}


@pytest.mark.parametrize(("document", "expected"), [
    (rule(HIDE, when=CART_OVER_100), []),
    (rule({"exclude": ["bitcoin"]}), [("/effects/0", f"there is no candidate “bitcoin” in “{KEY}”")]),
    (rule(HIDE, {"require": ["card", "wero"]}), [("/effects/1", f"there is no candidate “wero” in “{KEY}”")]),
    (
        rule({"pin": {"candidate": "wero", "slot": 1}}, {"boost": {"candidates": ["x"], "factor": 2}}),
        [
            ("/effects/0", f"there is no candidate “wero” in “{KEY}”"),
            ("/effects/1", f"there is no candidate “x” in “{KEY}”"),
        ],
    ),
    (rule({"set": {"name": "x", "value": 1}}), []),
    (rule(HIDE, active_from="2026-11-27T00:00:00Z", active_to="2026-11-28T00:00:00Z"), []),
    (
        rule(HIDE, active_from="2026-11-27T00:00:00Z", active_to="2026-11-27T01:00:00+01:00"),
        [("/active_to", "must be after active_from, or the rule is never in force")],
    ),
])  # fmt: skip
def test_rule_requires_existing_candidates_and_a_future_time(document, expected):
    assert problems(document) == expected


@pytest.mark.parametrize(("changes", "path", "words"), [
    ({"when": {"<": [{"var": "cart.totl"}, 5]}}, "/when/</0/var", "did you mean cart.total?"),
    ({"when": {"in_list": [{"var": "customer.segment"}, "blokked"]}}, "/when/in_list/1", "did you mean blocked?"),
    (
        {"when": {"<": [{"var": "cart.totl"}, 5]}, "active_from": "2026-11-27T00:00:00Z"},
        "/when/</0/var",
        "did you mean cart.total?",
    ),
    ({"active_from": "2026-02-30T00:00:00Z"}, "/active_from", "a moment with its offset"),
    ({"active_to": "2026-11-27T25:00:00Z"}, "/active_to", "a moment with its offset"),
])  # fmt: skip
def test_problem_of_a_condition_has_its_path(changes, path, words):
    [(at_path, message)] = problems(rule(HIDE, **changes))
    assert at_path == path
    assert words in message


def test_each_problem_names_its_change():
    result = problems(rule(HIDE), rule({"exclude": ["a"]}, id="r2"), rule({"exclude": ["b"]}, id="r3"))
    assert [field for field, _ in result] == ["1/effects/0", "2/effects/0"]


# Scenarios, fields


@pytest.mark.parametrize(("context", "expect", "expected"), [
    ({"cart": {"total": 5}}, {"shown": ("card",), "hidden": ("klarna",)}, []),
    ({"cart": {"totl": 5}, "x": 1}, {}, [
        ("context", "there is no field “cart.totl”"), ("context", "there is no field “x”"),
    ]),
    ({}, {"shown": ("wero",), "pinned": (Pinned("x", 1),)}, [
        ("expect", f"there is no candidate “wero” in “{KEY}”"), ("expect", f"there is no candidate “x” in “{KEY}”"),
    ]),
    ({}, {"shown": ("card",), "hidden": ("card",)}, [("expect", "“card” cannot be both shown and hidden")]),
    ({"time": {"now": "2026-11-27T00:00:00Z"}}, {}, []),
])  # fmt: skip
def test_a_scenario_names_facts_and_candidates_that_exist(context, expect, expected):
    assert problems(Scenario(id="s", name="S", context=context, expect=Expectation(**expect))) == expected


@pytest.mark.parametrize(("field", "expected"), [
    (FieldDocument(name="cart.weight", type="number"), []),
    (FieldDocument(name="cart.kind", type="string", allowed=("a",)), []),
    (FieldDocument(name="cart.kinds", type="list", allowed=("a",)), []),
    (
        FieldDocument(name="time.zone", type="string"),
        [("name", "customer.id, time.*, history.* and availability.* are filled by the engine")],
    ),
    (
        FieldDocument(name="history.value", type="money"),
        [("name", "customer.id, time.*, history.* and availability.* are filled by the engine")],
    ),
    (
        FieldDocument(name="customer.id", type="string"),
        [("name", "customer.id, time.*, history.* and availability.* are filled by the engine")],
    ),
    (
        FieldDocument(name="cart.weight", type="number", allowed=("1",)),
        [("allowed", "a field of type number has no list of allowed values")],
    ),
])  # fmt: skip
def test_a_field_is_the_merchants_own_and_of_a_type_that_fits(field, expected):
    assert problems(field) == expected


# Plans that an edit elsewhere broke


def broken(tested_plan):
    with pytest.raises(Invalid) as caught:
        compiled(KEY, tested_plan, 2)
    return [(problem.field, problem.message) for problem in caught.value.problems]


def test_valid_plan_compiles():
    document = configuration(rule(HIDE, when=CART_OVER_100)).plan_document(KEY)
    assert compiled(KEY, document, 7).version == 7


def test_rule_on_a_deleted_field_is_named():
    fields = tuple(field for field in MERCHANT_FIELDS if field.name != "cart.total")
    document = configuration(rule(HIDE), rule(HIDE, id="r2", when=CART_OVER_100), fields=fields).plan_document(KEY)
    [(field, message)] = broken(document)
    assert field == f"rule r2 of {KEY}/when/>/0/var"
    assert "cart.total" in message


def test_rule_on_a_deleted_candidate_is_named():
    document = configuration(rule({"exclude": ["wero"]})).plan_document(KEY)
    assert broken(document) == [(f"rule r1 of {KEY}/effects", "there would be no candidate “wero”")]


def test_buckets_of_a_deleted_field_are_named():
    document = configuration(placement(buckets=("geo.planet",))).plan_document(KEY)
    assert broken(document) == [(f"placement {KEY}/buckets/0", "there is no field “geo.planet”")]


# The configuration itself


def test_resource_is_found_by_kind_placement_and_id():
    own = configuration(rule(HIDE))
    assert own.get("rule", KEY, "r1").document.name == "The rule"
    assert own.find("rule", "homepage", "r1") is None
    with pytest.raises(NotFound, match=f"there is no rule “r9” in placement “{KEY}”"):
        own.get("rule", KEY, "r9")
    with pytest.raises(NotFound, match=r"there is no list “x”$"):
        own.get("list", "", "x")


def test_a_resource_of_another_version_is_stale():
    own = configuration()
    assert own.get("candidate", KEY, "card", version=1)
    with pytest.raises(Stale, match="candidate “card” was changed meanwhile: it is at version 1, not 3"):
        own.get("candidate", KEY, "card", version=3)


@pytest.mark.parametrize(("document", "touched"), [
    (rule(HIDE), [KEY]),
    (candidate("card"), [KEY]),
    (placement(key="homepage"), ["homepage"]),
    (ListDocument(name="blocked"), [KEY]),
    (SEGMENTS, [KEY]),
    (Scenario(id="s", name="S", context={}, expect=Expectation()), []),
])  # fmt: skip
def test_change_affects_plans_that_contain_it(document, touched):
    change = Change(None, resource(document))
    assert configuration().touched_by([change]) == touched
    assert configuration().touched_by([Change(change.after, None)]) == touched


def test_changes_add_replace_and_delete():
    before = configuration(rule(HIDE))
    new, gone = resource(candidate("wero")), before.get("rule", KEY, "r1")
    after = before.with_changes([Change(None, new), Change(gone, None)])
    assert [each.id for each in after.documents("candidate", KEY)] == ["card", "klarna", "wero"]
    assert after.documents("rule", KEY) == ()
    assert before.documents("rule", KEY) != ()
    assert (after.revision, after.currency) == (before.revision, before.currency)


def test_unchanged_document_is_no_change():
    with pytest.raises(ValueError, match="needs something before or after"):
        _ = Change(None, None).resource


def test_a_plan_leaves_out_rules_that_are_switched_off():
    own = configuration(rule(HIDE), rule(HIDE, id="r2", enabled=False), currency="EUR")
    document = own.plan_document(KEY)
    assert [each.id for each in document.rules] == ["r1"]
    assert document.currency == "EUR"
    assert own.plan_document("homepage") is None


def test_engine_fields_are_not_the_merchants_to_define():
    fields = configuration(FieldDocument(name="time.now", type="string")).fields()
    assert [field.type for field in fields if field.name == "time.now"] == ["datetime"]


def test_every_kind_has_its_document_and_id():
    for document in (placement(), candidate("card"), rule(HIDE), SEGMENTS, ListDocument(name="blocked")):
        entry = KINDS[kind_of(document)]
        assert entry.document is type(document)
        assert id_of(document) == getattr(document, entry.id_field)


@pytest.mark.parametrize(("kind", "path"), [
    ("placement", "/v1/placements"), ("rule", "/v1/placements/{placement:str}/rules"), ("field", "/v1/vocabulary"),
])  # fmt: skip
def test_every_kind_has_its_address(kind, path):
    assert KINDS[kind].collection_path == path


def test_plan_reuses_unchanged_parts():
    before = plan(rule(HIDE))
    after = compiled(KEY, before.document, 2, like=before)
    assert after.rules[0] is before.rules[0]
