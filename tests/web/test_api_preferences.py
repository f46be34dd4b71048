"""Preferences over HTTP: who may read and change them, what mistakes are named, and that decisions obey at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.marks import CHANGES_NOTHING
from tests.serving import Server, Side
from web.openapi import examples

PATH = "/v1/personalize/preferences"
CUSTOMER = {"customer_id": "anna@example.com"}


@pytest.fixture
def browser(side: Side) -> Iterator[httpx.Client]:
    with side.server.client(side.new_key("publishable")) as client:
        yield client


def change(client: httpx.Client, **fields: Any) -> httpx.Response:
    return client.put(PATH, json={**CUSTOMER, **fields})


def token_of(side: Side, customer: str = CUSTOMER["customer_id"]) -> str:
    answer = side.client.post("/v1/personalize/customer-tokens", json={"customer_id": customer})
    token: str = answer.json()["customer_token"]
    return token


def first(client: httpx.Client, **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/personalize/decisions", json={**examples.DECISION, **CUSTOMER, **more})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["ranking"][0]
    return result


def test_change_is_merged_and_read_by_every_route(side: Side):
    assert change(side.client, default_method="paypal", notifications={"email": True}).status_code == 200
    changed = change(side.client, language="de", notifications={"sms": False})
    assert (changed.json()["version"], changed.headers["etag"]) == (2, '"2"')
    preferences = changed.json()["preferences"]
    assert preferences["notifications"] == {"email": True, "sms": False}
    assert (preferences["default_method"], preferences["language"], preferences["theme"], preferences["favorites"]) == (
        "paypal",
        "de",
        None,
        [],
    )
    assert side.client.post(PATH, json=CUSTOMER).json() == changed.json()
    assert side.client.get(PATH, params=CUSTOMER).json() == changed.json()
    assert changed.headers["cache-control"] == "no-store"


def test_next_decision_follows_preferences_with_a_reason(side: Side):
    change(side.client, default_method="card")
    ranked = first(side.client)
    assert (ranked["id"], ranked["reasons"][-1]) == ("card", "your default method")
    change(side.client, default_method="paypal")
    assert first(side.client)["id"] == "paypal"
    methods = side.client.get("/v1/personalize/methods", params=CUSTOMER).json()["methods"]
    assert methods[0]["id"] == "paypal"


def test_a_reset_is_a_version_too(side: Side):
    change(side.client, language="de")
    for number, reset in enumerate(
        (side.client.post(f"{PATH}/reset", json=CUSTOMER), side.client.delete(PATH, params=CUSTOMER))
    ):
        assert (reset.status_code, reset.json()["version"]) == (200, 2), number
        assert reset.json()["preferences"]["language"] is None
    change(side.client, theme="dark")
    pages = []
    before: dict[str, Any] = {}
    while True:
        page = side.client.post(f"{PATH}/versions", json={**CUSTOMER, "limit": 2, **before}).json()
        pages += page["items"]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert [item["version"] for item in pages] == [3, 2, 1]
    assert [item["preferences"]["language"] for item in pages] == [None, None, "de"]
    assert {item["source"] for item in pages} == {"server"}
    assert all(item["changed_by"].startswith("key ") for item in pages)


def test_defaults_apply_without_preferences_of_the_customer(side: Side):
    defaults = {"language": "de", "theme": "dark", "categories": {"gift_wrap": False}}
    assert side.client.put(f"{PATH}/defaults", json=defaults).status_code == 200
    change(side.client, language="fr")
    answer = side.client.post(PATH, json=CUSTOMER).json()
    assert (answer["preferences"]["language"], answer["preferences"]["theme"]) == ("fr", "dark")
    assert answer["inherited"] == ["theme", "categories.gift_wrap"]
    unknown = side.client.post(PATH, json={"customer_id": "nobody"}).json()
    assert (unknown["version"], unknown["preferences"]["language"]) == (0, "de")
    assert side.client.get(f"{PATH}/defaults").json()["categories"] == {"gift_wrap": False}


def test_opted_out_customer_gets_the_fixed_order_without_a_log(side: Side, browser: httpx.Client):
    change(side.client, personalization_enabled=False)
    request = {**examples.DECISION, **CUSTOMER}
    answer = side.client.post("/v1/personalize/decisions?explain=true", json=request).json()
    assert answer["personalized"] is False
    assert side.client.get(f"/v1/decisions/{answer['decision_id']}").status_code == 404
    assert side.client.get("/v1/personalize/methods", params=CUSTOMER).json()["personalized"] is False
    batch = {**examples.BATCH, **CUSTOMER}
    (decision,) = side.client.post("/v1/personalize/decisions/batch", json=batch).json()["decisions"]
    assert decision["personalized"] is False
    theirs = browser.post("/v1/personalize/decisions", json={**request, "customer_token": token_of(side)}).json()
    assert theirs["personalized"] is False
    other = side.client.post("/v1/personalize/decisions", json={**request, "customer_id": "ben"}).json()
    assert "personalized" not in other


def test_purchase_of_an_opted_out_customer_is_not_stored(side: Side):
    change(side.client, personalization_enabled=False)
    purchases = [
        {"event_id": f"p{name}", "customer_id": name, "method_id": "card"} for name in ("ben", "anna@example.com")
    ]
    results = side.client.post("/v1/personalize/feedback", json=purchases).json()["results"]
    assert [result["status"] for result in results] == ["recorded", "invalid"]
    assert results[1]["message"].startswith("customer_id: the customer refuses personalization")
    change(side.client, personalization_enabled=True)
    assert "last 1 purchases" not in str(first(side.client))
    assert side.client.post("/v1/personalize/feedback", json=purchases[1]).json()["results"][0]["status"] == "recorded"


# Browsers


def test_a_browser_reads_and_changes_its_own_customer_alone(side: Side, browser: httpx.Client):
    change(side.client, default_method="card")
    token = {"customer_token": token_of(side)}
    assert browser.post(PATH, json={**CUSTOMER, **token}).json()["preferences"]["default_method"] == "card"
    assert change(browser, default_method="paypal", **token).status_code == 200
    assert first(side.client)["id"] == "paypal"
    assert browser.post(f"{PATH}/reset", json={**CUSTOMER, **token}).status_code == 200
    versions = browser.post(f"{PATH}/versions", json={**CUSTOMER, **token}).json()["items"]
    assert [item["source"] for item in versions] == ["customer", "customer", "server"]
    assert {item["changed_by"] for item in versions} == {"customer", "server"}


@pytest.mark.parametrize("token", [None, "ct_1_00", "", "ct_ffffffffffff_" + "0" * 32])
def test_guessed_id_reveals_nothing_to_a_browser(side: Side, browser: httpx.Client, token: str | None):
    change(side.client, default_method="card")
    sent = {**CUSTOMER} if token is None else {**CUSTOMER, "customer_token": token}
    answers = [
        browser.get(PATH, params=sent),
        browser.post(PATH, json=sent),
        browser.put(PATH, json={**sent, "theme": "dark"}),
        browser.delete(PATH, params=sent),
        browser.post(f"{PATH}/reset", json=sent),
        browser.post(f"{PATH}/versions", json=sent),
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert {answer.json()["field"] for answer in answers} == {"customer_token"}
    assert not any("card" in answer.text or "anna@" in answer.text for answer in answers)
    assert side.client.post(PATH, json=CUSTOMER).json()["version"] == 1


def test_a_token_of_another_customer_or_merchant_proves_nothing(server: Server, side: Side, browser: httpx.Client):
    other, _ = server.sides()
    for token in (token_of(side, "ben"), token_of(other)):
        assert browser.post(PATH, json={**CUSTOMER, "customer_token": token}).status_code == 403


def test_a_browser_may_not_set_defaults(browser: httpx.Client):
    assert browser.get(f"{PATH}/defaults").status_code == 403
    assert browser.put(f"{PATH}/defaults", json={"theme": "dark"}).status_code == 403


def test_pages_of_any_origin_may_read_preferences(side: Side):
    request = {"origin": "https://shop.example", "access-control-request-method": "PUT"}
    answer = side.client.options(PATH, headers=request)
    assert answer.headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE"


# Mistakes


@CHANGES_NOTHING
@pytest.mark.parametrize(("sent", "field"), [
    ({"default_method": 5}, "default_method"),
    ({"default_method": "unknown"}, "default_method"),
    ({"favorites": "card"}, "favorites"),
    ({"favorites": [f"m{number}" for number in range(21)]}, "favorites"),
    ({"excluded": ["card", None]}, "excluded/1"),
    ({"language": "German, please"}, "language"),
    ({"theme": "pink"}, "theme"),
    ({"notifications": {"pigeon": True}}, "notifications"),
    ({"notifications": {"email": "yes"}}, "notifications"),
    ({"personalization_enabled": 1}, "personalization_enabled"),
    ({"categories": {"Bad Name": 1}}, "categories"),
    ({"categories": {"nested": {"a": 1}}}, "categories"),
    ({"categories": {"long": "x" * 121}}, "categories"),
    ({"categories": {f"c{number}": 1 for number in range(51)}}, "categories"),
    ({"colour": "red"}, "colour"),
    ({"customer_id": ""}, "customer_id"),
    ({"customer_id": "x" * 257}, "customer_id"),
])  # fmt: skip
def test_a_mistake_is_named(side: Side, sent: dict[str, Any], field: str):
    answer = change(side.client, **sent)
    assert answer.status_code == 400
    assert answer.json()["field"].startswith(field), answer.text
    assert side.client.post(PATH, json=CUSTOMER).json()["version"] == 0


def test_another_merchants_name_is_refused(side: Side):
    assert change(side.client, merchant_id="other").status_code == 403


def test_a_huge_body_is_refused(side: Side):
    assert change(side.client, categories={"a": "x" * 70_000}).status_code == 413


@pytest.mark.parametrize("path", [f"{PATH}/versions", "/v1/personalize/consents/history"])
def test_pages_of_versions_end_with_the_last_version(side: Side, browser: httpx.Client, path: str):
    for accepts in (True, False):
        consent = {**CUSTOMER, "method": "save", "purposes": {"analytics": accepts}}
        assert side.client.post("/v1/personalize/consents", json=consent).status_code == 201
    whole = side.client.post(path, json={**CUSTOMER, "limit": 2}).json()
    assert ([item["version"] for item in whole["items"]], whole["next"]) == ([2, 1], None)
    first = side.client.post(path, json={**CUSTOMER, "limit": 1}).json()
    rest = side.client.post(path, json={**CUSTOMER, "before": first["next"]}).json()
    assert [*first["items"], *rest["items"]] == whole["items"]
    assert side.client.post(path, json={**CUSTOMER, "before": 1}).json() == {"items": [], "next": None}
    seen = browser.post(path, json={**CUSTOMER, "customer_token": token_of(side)}).json()["items"]
    assert {name for item in seen for name in (item.get("changed_by"), item.get("recorded_by")) if name} == {"server"}
