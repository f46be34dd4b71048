"""A publishable key reads and writes a customer only with this customer's token, on every route that takes one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from tests.serving import Server, Side
from web.openapi import examples

BEN = "ben@example.com"
SECRET = "zanzibar"
TOKENS = "/v1/personalize/customer-tokens"
AS_GUEST = {
    "/v1/personalize/decisions",
    "/v1/personalize/decisions/batch",
    "/v1/personalize/methods",
}
"""Routes that answer a browser without a proof as if it had named nobody."""


class Call(NamedTuple):
    """A request that names a customer."""

    method: str
    path: str
    in_query: bool
    example: dict[str, Any]

    def send(self, client: httpx.Client, customer: str, token: str | None) -> httpx.Response:
        own = {"customer_id": customer} | ({} if token is None else {"customer_token": token})
        if self.in_query:
            return client.request(self.method, self.path, params=own)
        return client.request(self.method, self.path, json={**self.example, **own})


def calls(server: Server) -> Iterator[Call]:
    """Every operation for browsers that takes a customer's token."""
    document = server.openapi
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            names = {parameter["name"] for parameter in operation.get("parameters", [])}
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            fields = document["components"]["schemas"].get(name, {}).get("properties", {})
            if {"publishableKey": []} in operation["security"] and "customer_token" in names | fields.keys():
                yield Call(method.upper(), path, "customer_token" in names, content.get("example", {}))


@pytest.fixture
def side(server: Server) -> Side:
    side, _ = server.sides()
    side.create_examples()
    preferences = {"customer_id": BEN, "default_method": "card", "categories": {"island": SECRET}}
    assert side.client.put("/v1/personalize/preferences", json=preferences).status_code == 200
    assert side.decide(BEN)["ranking"][0]["reasons"] == ["your default method"]
    return side


def token_of(side: Side, customer: str) -> str:
    token: str = side.client.post(TOKENS, json={"customer_id": customer}).json()["customer_token"]
    return token


def all_data(side: Side) -> list[Any]:
    """All that is stored of Ben; the exports are not counted here."""
    request = {"customer_id": BEN}
    paths = ("preferences", "preferences/versions", "consents/read", "consents/history")
    stored = [side.client.post(f"/v1/personalize/{path}", json=request).json() for path in paths]
    decisions = side.client.get("/v1/decisions", params=request).json()["items"]
    requests = side.client.get("/v1/personalize/requests").json()["items"]
    return [*stored, [each["decision_id"] for each in decisions], requests]


def test_routes_that_take_a_token_are_listed(server: Server) -> None:
    paths = {(call.method, call.path) for call in calls(server)}
    assert len(paths) >= 13
    assert {path for _, path in paths} >= AS_GUEST


@pytest.mark.parametrize("proof", ["none", "of Anna", "of Ben at another shop", "of a center", "an old one"])
def test_customer_data_requires_the_token_of_the_customer(server: Server, side: Side, proof: str) -> None:
    other, _ = server.sides()
    engine, merchant = server.engine, side.merchant
    tokens = {
        "none": None,
        "of Anna": token_of(side, "anna"),
        "of Ben at another shop": token_of(other, BEN),
        "of a center": side.client.post("/v1/personalize/customer-links", json={"customer_id": BEN}).json()["url"],
        "an old one": engine.tokens.for_customer(merchant.id, BEN, expires=1),
    }
    before = all_data(side)
    with server.client(side.new_key("publishable")) as browser:
        for call in calls(server):
            if "{" in call.path:
                continue
            answer = call.send(browser, BEN, tokens[proof])
            assert SECRET not in answer.text, call
            if call.path in AS_GUEST:
                assert answer.status_code == 200, (call, answer.text)
                assert "default method" not in json.dumps(answer.json()), call
            else:
                assert (answer.status_code, answer.json()["field"]) == (403, "customer_token"), call
    assert all_data(side) == before


def test_customer_token_opens_the_data_of_the_customer(server: Server, side: Side) -> None:
    token, erase = token_of(side, BEN), "/v1/personalize/customers/erase"
    with server.client(side.new_key("publishable")) as browser:
        for call in sorted(calls(server), key=lambda call: call.path == erase):
            if "{" not in call.path:
                answer = call.send(browser, BEN, token)
                assert answer.is_success, (call, answer.text)
    assert side.client.get("/v1/decisions", params={"customer_id": BEN}).json()["items"] == []


def test_a_customers_token_makes_no_link(server: Server, side: Side) -> None:
    with server.client(side.new_key("publishable")) as browser:
        sent = {"customer_id": BEN, "customer_token": token_of(side, BEN)}
        assert browser.post("/v1/personalize/customer-links", json=sent).status_code == 403
        assert browser.post(TOKENS, json={"customer_id": examples.DECISION["customer_id"]}).status_code == 403
