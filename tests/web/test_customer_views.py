"""Requests and customers in the words of the page, without a server."""

from __future__ import annotations

import pytest

from engine.customers.consents import ConsentInForce, PurposeState
from engine.customers.export import Section
from engine.customers.lookup import KnownCustomer
from engine.customers.preferences import PreferencesInForce
from engine.customers.requests import PrivacyRequest, RequestState
from engine.model.documents.preferences import Preferences
from engine.model.timestamps import DAY
from web.admin.customers.customer_page import _customer, _request, _words

NOW = 100 * DAY


def a_request(state: RequestState = "open", *, due_at: int = NOW + 20 * DAY) -> PrivacyRequest:
    return PrivacyRequest(3, "hash", "correct", state, NOW, due_at, None, "key 1", "", "called back", "")


@pytest.mark.parametrize(("state", "days", "is_late", "is_due"), [
    ("open", 20, False, False), ("open", 3, False, True), ("open", -1, True, False), ("done", -1, False, False),
])  # fmt: skip
def test_a_request_is_late_or_due_only_while_it_is_open(state: RequestState, days: int, is_late: bool, is_due: bool):
    view = _request(a_request(state, due_at=NOW + days * DAY), NOW)
    assert (view.kind, view.is_late, view.is_due) == ("Correct", is_late, is_due)


def test_preferences_show_value_and_source():
    preferences = Preferences(favorites=("card", "paypal"), theme="dark", categories={"gift": True})
    in_force = PreferencesInForce(2, preferences, ["theme"])
    consent = ConsentInForce(2, [PurposeState("cross_merchant", "refused", False)], True, False)
    view = _customer(KnownCustomer(in_force, consent, [Section("decisions", "Shown.", [{"a": 1}])]))
    assert [(each.name, each.text, each.is_inherited) for each in view.preferences] == [
        ("Favorites", "card, paypal", False),
        ("Theme", "dark", True),
        ("Your own fields", "gift: yes", False),
    ]
    assert [(each.name, each.state, each.is_allowed) for each in view.purposes] == [
        ("Cross merchant", "Refused", False)
    ]
    assert (view.parts, view.is_known) == ([("Decisions", "Shown.", 1)], True)


@pytest.mark.parametrize(("value", "words"), [
    (True, "yes"), (False, "no"), (5, "5"), ({"a": False, "b": "x"}, "a: no, b: x"), (("x", "y"), "x, y"),
])  # fmt: skip
def test_values_are_described_in_words(value: object, words: str):
    assert _words(value) == words


def test_customer_without_data_is_unknown():
    in_force = PreferencesInForce(0, Preferences(), [])
    consent = ConsentInForce(0, [PurposeState("analytics", "unknown", True)], True, True)
    view = _customer(KnownCustomer(in_force, consent, [Section("decisions", "Shown.", [])]))
    assert (view.preferences, view.is_known) == ([], False)
    assert [(each.state, each.kind) for each in view.purposes] == [("Said nothing", "plain")]


def test_a_refused_request_keeps_its_explanation():
    view = _request(a_request("refused")._replace(explanation="not them", closed_at=NOW), NOW)
    assert (view.state, view.explanation, view.closed_at) == ("refused", "not them", NOW)
