"""Trying a checkout on a draft over HTTP."""

from __future__ import annotations

import pytest

from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from web.openapi import examples

TRIAL = "/v1/placements/payment_methods/draft/trial"
IN_GERMANY = {"geo": {"country": "DE"}, "cart": {"total": 5_000, "currency": "EUR"}}
NO_CARD = {
    "id": "no-card", "name": "No card", "when": {"==": [{"var": "geo.country"}, "DE"]},
    "effects": [{"exclude": ["card"]}],
}  # fmt: skip


def tried(side: Side, **body) -> dict:
    answer = side.client.post(TRIAL, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_trial_returns_the_answer_with_its_explanation(side: Side):
    answer = tried(side, context=IN_GERMANY, rules=[NO_CARD])
    assert answer["rules"] == ["no-card"]
    assert "card" in {item["id"] for item in answer["excluded"]}
    assert "card" not in {item["id"] for item in answer["ranking"]}
    assert all(sum(slot.values()) == pytest.approx(1) for slot in answer["slots"])
    (rule,) = answer["trace"]["rules"]
    assert (rule["verdict"], rule["sentence"]) == ("fired", "Country is DE → Card is hidden")
    elsewhere = tried(side, context=IN_GERMANY | {"geo": {"country": "FR"}}, rules=[NO_CARD])
    assert elsewhere["rules"] == []
    assert tried(side, rules=[NO_CARD])["skipped"] == [{"rule": "no-card", "field": "geo.country"}]


def test_trial_without_rules_uses_the_draft_and_is_not_logged(side: Side):
    saved = side.client.put(TRIAL.replace("trial", "rules/no-card"), json=NO_CARD, headers={"If-Match": '"0"'})
    assert saved.status_code == 200, saved.text
    assert tried(side, context=IN_GERMANY)["rules"] == ["no-card"]
    assert side.client.get("/v1/decisions").json()["items"] == []
    assert "card" in {item["id"] for item in side.decide()["ranking"]}


def test_trial_accepts_a_time(side: Side):
    sunday = NO_CARD | {"when": {"weekday_in": [{"var": "time.now"}, ["sun"], "Europe/Berlin"]}}
    assert tried(side, context={"time": {"now": "2026-11-22T12:00:00Z"}}, rules=[sunday])["rules"] == ["no-card"]
    assert tried(side, context={"time": {"now": "2026-11-23T12:00:00Z"}}, rules=[sunday])["rules"] == []


@CHANGES_NOTHING
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"context": []}, "context"),
        ({"rules": [NO_CARD, NO_CARD]}, "no-card"),
        ({"rules": [NO_CARD | {"effects": [{"exclude": ["nobody"]}]}]}, "effects/0"),
        ({"customer": "c"}, "customer"),
    ],
)
def test_invalid_trial_names_the_field(side: Side, body, field):
    answer = side.client.post(TRIAL, json=body)
    assert answer.status_code in (400, 409)
    assert field in answer.text


def test_publishable_key_is_refused(server: Server, side: Side):
    with server.client(side.new_key("publishable")) as client:
        assert client.post(TRIAL, json={}).status_code == 403


def variants_of(side: Side) -> dict:
    """Store the experiment of the examples as a draft, with a variant that hides the card."""
    hidden = {"id": "no-card", "name": "No card", "candidates_off": ["card"]}
    control = {"id": "control", "name": "As it is"}
    body = {**examples.EXPERIMENT, "id": "test", "variants": [control, hidden]}
    answer = side.client.post("/v1/placements/payment_methods/experiments", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_forced_variant_gives_its_answer(side: Side):
    variants_of(side)
    plain, control, hidden = (
        {item["id"] for item in tried(side, context=IN_GERMANY, variants=variants)["ranking"]}
        for variants in ({}, {"test": "control"}, {"test": "no-card"})
    )
    assert plain == control
    assert control - hidden == {"card"}
    assert side.client.get("/v1/decisions").json()["items"] == []


def test_unknown_variant_names_the_field(side: Side):
    variants_of(side)
    answer = side.client.post(TRIAL, json={"variants": {"test": "none"}})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "variants/test"
    assert side.client.post(TRIAL, json={"variants": {"other": "none"}}).status_code == 404
