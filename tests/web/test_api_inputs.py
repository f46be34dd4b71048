"""Codes, names, texts and versions in configuration, in common notations."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import Any

import pytest

from tests.marks import CHANGES_NOTHING
from tests.serving import Side
from tests.web.offer_shop import SPRING_OFFER
from web.openapi import examples

CANDIDATES = "/v1/placements/payment_methods/candidates"
RULES = "/v1/placements/payment_methods/rules"
DECIDE = "/v1/personalize/decisions"
ZURICH = "Zürich"
DECOMPOSED = unicodedata.normalize("NFD", ZURICH)


def refusal(side: Side, path: str, body: Any) -> str:
    answer = side.client.post(path, json=body)
    assert answer.status_code == 400, answer.text
    problem = answer.json()["errors"][0]
    return f"{problem['field']}: {problem['message']}"


def create(side: Side, path: str, body: Any) -> Any:
    answer = side.client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def fired(side: Side, **context: Any) -> list[str]:
    answer = side.client.post(DECIDE, json={"placement": "payment_methods", "context": context})
    return list(answer.json()["rules"])


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("limit", "value", "field", "hint"),
    [
        ("countries", "UK", "countries/0", "did you mean GB?"),
        ("countries", "XX", "countries/0", "must be an ISO 3166 country code"),
        ("currencies", "EUX", "currencies/0", "must be an ISO 4217 currency code"),
        ("devices", "Mobile", "devices/0", "did you mean mobile?"),
    ],
)
def test_candidate_with_unknown_limits_is_refused(side: Side, limit: str, value: str, field: str, hint: str) -> None:
    message = refusal(side, CANDIDATES, {"id": "new", "label": "New", limit: [value]})
    assert message.startswith(f"{field}: ")
    assert hint in message


def test_candidates_of_a_list_keep_its_order(side: Side) -> None:
    last = max(item["position"] for item in side.client.get(CANDIDATES).json()["items"])
    listed = [{"id": id, "label": id} for id in ("zebra", "apple", "mango")]
    created = create(side, CANDIDATES, listed)["items"]
    assert [item["position"] for item in created] == [last + 1, last + 2, last + 3]
    given = [{"id": "b", "label": "b", "position": 7}, {"id": "a", "label": "a"}]
    assert [item["position"] for item in create(side, CANDIDATES, given)["items"]] == [7, 0]


@CHANGES_NOTHING
@pytest.mark.parametrize("blank", [" ", "\t\n", "\u00a0", "\u200b\u2060", "\u3164", "\ufeff"])
def test_names_must_not_be_blank(side: Side, blank: str) -> None:
    assert refusal(side, CANDIDATES, {"id": "new", "label": blank}) == "label: must not be blank"
    assert refusal(side, "/v1/placements", {"key": "new", "name": blank}) == "name: must not be blank"
    rule = {"id": "new", "name": blank, "when": {"==": [1, 1]}, "effects": [{"exclude": ["card"]}]}
    assert "must not be blank" in refusal(side, RULES, rule)


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("Pay\nPal", "must be one line, without control characters"),
        ("Pay\x07Pal", "must be one line, without control characters"),
        ("Pay\u2028Pal", "must be one line, without control characters"),
    ],
)
def test_a_name_is_one_line(side: Side, name: str, problem: str) -> None:
    offer = {**SPRING_OFFER, "texts": {"en": {"title": name}}}
    variants = [{"id": "a", "name": "A"}, {"id": "b", "name": name, "order": ["paypal"]}]
    for path, body, field in (
        (CANDIDATES, {"id": "new", "label": name}, "label"),
        ("/v1/budgets", {**examples.BUDGET, "name": name}, "name"),
        ("/v1/vocabulary", {"name": "cart.city", "type": "string", "label": name}, "label"),
        (CANDIDATES, {"id": "new", "label": "New", "offer": offer}, "offer/texts/en/title"),
        (
            "/v1/placements/payment_methods/experiments",
            {**examples.EXPERIMENT, "variants": variants},
            "variants/1/name",
        ),
        ("/v1/keys", {"kind": "publishable", "name": name}, "name"),
        ("/v1/webhooks", {**examples.WEBHOOK, "description": name}, "description"),
    ):
        assert refusal(side, path, body) == f"{field}: {problem}"


@pytest.mark.parametrize(
    "name",
    ["\u0641\u0648\u0631\u064a \u200f(1)", "PayPal \u202e(1)", "👩\u200d👩\u200d👧 Family", "<b>50% & more</b>"],
)
def test_names_of_every_script_are_kept(side: Side, name: str) -> None:
    assert create(side, CANDIDATES, {"id": "new", "label": name})["label"] == name


def test_names_are_trimmed_and_composed(side: Side) -> None:
    created = create(side, CANDIDATES, {"id": "new", "label": f"  {DECOMPOSED} "})
    assert created["label"] == ZURICH


def test_texts_in_rules_are_composed_like_facts(side: Side) -> None:
    create(side, "/v1/vocabulary", {"name": "cart.city", "type": "string"})
    create(side, "/v1/lists", {"name": "cities", "values": [DECOMPOSED]})
    city, effects = {"var": "cart.city"}, [{"exclude": ["card"]}]
    for id, when in (
        ("equal", {"==": [city, DECOMPOSED]}),
        ("among", {"in": [city, ["Bern", DECOMPOSED]]}),
        ("listed", {"in_list": [city, "cities"]}),
    ):
        create(side, RULES, {"id": id, "name": id, "when": when, "effects": effects})
    for sent in (ZURICH, DECOMPOSED):
        assert {"equal", "among", "listed"} <= set(fired(side, cart={"city": sent}))


def test_rules_in_a_draft_are_composed_and_trimmed_too(side: Side) -> None:
    create(side, "/v1/vocabulary", {"name": "cart.city", "type": "string"})
    when = {"==": [{"var": "cart.city"}, DECOMPOSED]}
    rule = {"id": "drafted", "name": " Drafted ", "when": when, "effects": [{"exclude": ["card"]}]}
    path = "/v1/placements/payment_methods/draft/rules/drafted"
    answer = side.client.put(path, json=rule, headers={"If-Match": "*"})
    assert answer.status_code in (200, 201), answer.text
    stored = side.client.get(path).json()["rule"]
    assert (stored["name"], stored["when"]["=="][1]) == ("Drafted", ZURICH)


@pytest.mark.parametrize("written", ["2.1", "v2.1.0", "V2.1", "2.1.0.1234", "2.1.0"])
def test_versions_in_rules_are_read_as_people_write_them(side: Side, written: str) -> None:
    create(side, "/v1/vocabulary", {"name": "app.version", "type": "version"})
    when = {"sem_ver": [{"var": "app.version"}, ">=", written]}
    create(side, RULES, {"id": "new", "name": "New app", "when": when, "effects": [{"exclude": ["card"]}]})
    assert "new" in fired(side, app={"version": "2.1"})
    assert "new" in fired(side, app={"version": "v2.10.3"})
    assert "new" not in fired(side, app={"version": "2.0.9"})


@pytest.mark.parametrize("written", ["", "2.x", "two", ">=2.1", "^2.1", 2.1, None])
def test_invalid_version_is_refused_in_rules(side: Side, written: object) -> None:
    create(side, "/v1/vocabulary", {"name": "app.version", "type": "version"})
    when = {"sem_ver": [{"var": "app.version"}, ">=", written]}
    rule = {"id": "new", "name": "New app", "when": when, "effects": [{"exclude": ["card"]}]}
    assert refusal(side, RULES, rule).startswith("when/sem_ver/2")


def test_a_candidate_without_a_share_gets_none(side: Side) -> None:
    policy = {"type": "split", "weights": {"a": 0.9, "b": 0.1}}
    create(side, "/v1/placements", {"key": "banner", "name": "Banner", "shape": {"type": "one"}, "policy": policy})
    create(side, "/v1/placements/banner/candidates", [{"id": id, "label": id} for id in "abc"])
    answers = [side.client.post(DECIDE, json={"placement": "banner"}).json() for _ in range(60)]
    shown = Counter(answer["ranking"][0]["id"] for answer in answers)
    assert shown["c"] == 0
    assert {round(answer["propensity"], 6) for answer in answers} <= {0.9, 0.1}
    replayed = side.client.post(f"/v1/decisions/{answers[0]['decision_id']}/replay").json()
    assert replayed["same"] is True


def test_a_split_without_shares_is_even(side: Side) -> None:
    create(side, "/v1/placements", {"key": "banner", "name": "Banner", "policy": {"type": "split"}})
    create(side, "/v1/placements/banner/candidates", [{"id": id, "label": id} for id in "ab"])
    answer = side.client.post(DECIDE, json={"placement": "banner"}).json()
    assert answer["ranking"][0]["chance"] == 0.5


def test_percent_bucket_splits_customers_without_their_ids(side: Side) -> None:
    when = {"percent_bucket": [{"var": "customer.id"}, "new-checkout", 0, 50]}
    create(side, RULES, {"id": "half", "name": "Half", "when": when, "effects": [{"exclude": ["card"]}]})
    answers = [
        side.client.post(
            f"{DECIDE}?explain=true", json={"placement": "payment_methods", "customer_id": f"customer-{number}"}
        )
        for number in range(100)
    ]
    counted = sum("half" in answer.json()["rules"] for answer in answers)
    assert 25 <= counted <= 75
    assert not any("customer-" in answer.text for answer in answers)
