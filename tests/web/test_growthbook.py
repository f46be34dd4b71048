"""GrowthBook's SDKs, unchanged: features are decisions, and what depends on a customer is in no other payload."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from growthbook import GrowthBook
from growthbook.growthbook import feature_repo

from benchmarks.process import ROOT
from tests.serving import Server, Side
from tests.web.node_packages import run_module
from tests.web.test_api_experiments import PAYPAL_FIRST, act, create
from tests.web.test_openfeature import PRIVATE_FIELDS, SHOW_CVV
from web.openapi import examples

PACKAGE = "@growthbook/growthbook"
TEXT = (ROOT / "docs" / "growthbook.md").read_text()
ATTRIBUTES: dict[str, Any] = examples.REMOTE_EVALUATION["attributes"]
ALWAYS = {"id": "always", "name": "Always", "when": True}
STEPS = [{"id": "a", "label": "A"}, {"id": "b", "label": "B"}, {"id": "c", "label": "C"}]
FIXED = {"key": "steps", "name": "Steps", "policy": {"type": "fixed"}}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def made(side: Side, *documents: tuple[str, Any]) -> None:
    for path, document in documents:
        answer = side.client.post(f"/v1/placements{path}", json=document)
        assert answer.status_code == 201, answer.text


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    """The Python SDK keeps answers for the process."""
    yield
    feature_repo.clear_cache()


@pytest.fixture(scope="module")
def shop(server: Server) -> Side:
    """A merchant with the examples, a fixed and a learning placement; tests only read it."""
    side = server.sides()[0]
    side.create_examples()
    made(
        side,
        ("/payment_methods/rules", SHOW_CVV),
        ("", FIXED),
        ("/steps/candidates", STEPS),
        ("/steps/rules", {**ALWAYS, "effects": [{"exclude": ["b"]}, {"set": {"name": "title", "value": "Steps"}}]}),
        ("", {"key": "banner", "name": "Banner", "shape": {"type": "one"}}),
        ("/banner/candidates", {"id": "winter", "label": "Winter"}),
        ("/banner/rules", {**ALWAYS, "effects": [{"set": {"name": "wide", "value": True}}]}),
    )
    return side


@pytest.fixture(scope="module")
def key(shop: Side) -> str:
    return shop.new_key("publishable")


def evaluate(side: Side, key: str, **attributes: Any) -> dict[str, Any]:
    answer = side.server.client().post(f"/api/eval/{key}", json={"attributes": {**ATTRIBUTES, **attributes}})
    assert answer.status_code == 200, answer.text
    features: dict[str, Any] = answer.json()["features"]
    return features


def logged(side: Side, decision_id: str) -> dict[str, Any]:
    answer = side.client.get(f"/v1/decisions/{decision_id}?explain=true")
    assert answer.status_code == 200, answer.text
    decision: dict[str, Any] = answer.json()
    return decision


def test_the_python_examples_decide_and_report(shop: Side, key: str, capsys: pytest.CaptureFixture[str]):
    names: dict[str, Any] = {"SERVER": shop.server.url, "KEY": key}
    for block in blocks("python"):
        exec(block, names)
    ranking, decision, *steps = capsys.readouterr().out.split()
    assert [ranked["id"] for ranked in logged(shop, decision)["ranking"]] == ranking.split(",")
    assert [outcome["event_id"] for outcome in logged(shop, decision)["outcomes"]] == ["seen-4711"]
    assert steps == ["['a',", "'c']"]
    assert names["growthbook"].get_feature_value("payment_methods~show_cvv", False) is True


def test_the_javascript_example_decides(shop: Side, key: str, tmp_path: Path):
    script = blocks("javascript")[0] + "console.log(growthbook.evalFeature('payment_methods').ruleId);"
    ranking, decision, rule = run_module(script, tmp_path, PACKAGE, SERVER=shop.server.url, KEY=key)
    assert [ranked["id"] for ranked in logged(shop, decision)["ranking"]] == ranking.split(",")
    assert rule == decision


def test_javascript_sdk_reads_static_values(shop: Side, key: str, tmp_path: Path):
    script = """import { GrowthBook } from "@growthbook/growthbook";
    const features = new GrowthBook({ apiHost: SERVER, clientKey: KEY });
    const { success } = await features.init();
    console.log(success, features.getFeatureValue("steps").ranking.join(), features.getFeatureValue("banner", "own"));
    console.log(features.isOn("banner~wide"), features.getFeatureValue("payment_methods", "own"));"""
    printed = run_module(script, tmp_path, PACKAGE, SERVER=shop.server.url, KEY=key)
    assert printed == ["true", "a,c", "own", "true", "own"]


def test_only_customer_independent_values_are_listed(shop: Side, key: str):
    answer = shop.server.client().get(f"/api/features/{key}")
    assert answer.json() == {
        "features": {
            "banner~wide": {"defaultValue": True},
            "steps": {"defaultValue": {"ranking": ["a", "c"], "values": {"title": "Steps"}}},
            "steps~title": {"defaultValue": "Steps"},
        }
    }
    again = shop.server.client().get(f"/api/features/{key}", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert shop.client.post("/v1/personalize/decisions", json={"placement": "steps"}).json()["values"] == {
        "title": "Steps"
    }


WITH_COLOURS = [{"id": id, "name": id, "values": {"colour": id}} for id in ("red", "blue")]
VARYING = {
    "a rule reads a fact": ("/steps/rules", {**SHOW_CVV, "effects": [{"set": {"name": "title", "value": "Other"}}]}),
    "an experiment": ("/steps/experiments", PAYPAL_FIRST | {"variants": WITH_COLOURS}),
    "a limit": ("/steps/candidates", {"id": "d", "label": "D", "countries": ["NL"]}),
    "an amount": ("/steps/candidates", {"id": "d", "label": "D", "max_amount": 100}),
    "a pin": ("/steps/rules", {**ALWAYS, "effects": [{"pin": {"candidate": "c", "slot": 1}}]}),
}


@pytest.mark.parametrize("reason", VARYING)
def test_request_dependent_values_are_not_listed(server: Server, reason: str):
    side = server.sides()[0]
    made(side, ("", FIXED), ("/steps/candidates", STEPS))
    address = f"/api/features/{side.new_key('publishable')}"
    listed = server.client().get(address)
    assert set(listed.json()["features"]) == {"steps"}
    made(side, VARYING[reason])
    if reason == "an experiment":
        started = side.client.post("/v1/placements/steps/experiments/paypal-first/start", json={})
        assert started.status_code == 200, started.text
    answer = server.client().get(address, headers={"if-none-match": listed.headers["etag"]})
    assert answer.json() == {"features": {}}


def test_a_holdback_depends_on_the_customer(side: Side):
    made(side, ("", FIXED), ("/steps/candidates", STEPS))
    settings = {**FIXED, "holdback": {"share": 0.1}}
    changed = side.client.put("/v1/placements/steps", json=settings, headers={"if-match": "*"})
    assert changed.status_code == 200, changed.text
    listed = side.server.client().get(f"/api/features/{side.new_key('publishable')}")
    assert listed.json() == {"features": {}}


def test_variants_are_those_of_the_server(side: Side, tmp_path: Path):
    create(side)
    act(side, "start")
    key, seen = side.new_key("publishable"), {}
    proof = side.client.post("/v1/personalize/customer-tokens", json={"customer_id": "anna"}).json()
    anna = {**ATTRIBUTES, "id": "anna", "customer_token": proof["customer_token"]}

    def viewed(experiment: Any, result: Any, user_context: Any) -> None:
        seen[experiment.key] = (result.key, result.variationId, result.hashValue)

    python = GrowthBook(
        api_host=side.server.url, client_key=key, remote_eval=True, attributes=anna, on_experiment_viewed=viewed
    )
    order = python.get_feature_value("payment_methods", {})["ranking"]
    given = side.client.get(
        "/v1/placements/payment_methods/experiments/paypal-first/variant", params={"customer_id": "anna"}
    ).json()["variant"]
    number = ["control", "paypal"].index(given)
    assert seen == {"paypal-first": (given, number, "anna")}
    assert (order[0] == "paypal") == (given == "paypal")
    printed = run_module(
        """import { GrowthBook } from "@growthbook/growthbook";
    const trackingCallback = (experiment, result) => console.log(experiment.key, result.key, result.variationId);
    const features = new GrowthBook({ apiHost: SERVER, clientKey: KEY, remoteEval: true, trackingCallback,
      attributes: JSON.parse(ANNA) });
    await features.init();
    console.log(features.getFeatureValue("payment_methods").ranking.join());""",
        tmp_path,
        PACKAGE,
        SERVER=side.server.url,
        KEY=key,
        ANNA=json.dumps(anna),
    )
    assert printed == ["paypal-first", given, str(number), ",".join(order)]
    features = evaluate(side, key, **anna)
    [track] = features["payment_methods"]["rules"][0]["tracks"]
    assert track["experiment"]["variations"] == [given if id == given else None for id in ("control", "paypal")]
    others = json.dumps(features)
    assert not any(word in others for word in ("PayPal first", "As it is", "weight", "propensity"))


def test_a_guest_is_in_no_experiment_by_customer(side: Side):
    create(side)
    act(side, "start")
    assert "tracks" not in json.dumps(evaluate(side, side.new_key("publishable")))


def test_page_gets_no_rules_and_requires_a_customer_token(shop: Side, key: str):
    outcome = {"event_id": "carl", "customer_id": "gb-carl", "method_id": "card"}
    assert shop.client.post("/v1/personalize/feedback", json=outcome).status_code == 202
    proof = shop.client.post("/v1/personalize/customer-tokens", json={"customer_id": "gb-carl"}).json()
    guessed = evaluate(shop, key, id="gb-carl")
    proven = evaluate(shop, key, id="gb-carl", customer_token=proof["customer_token"])
    for features, history in ((guessed, set()), (proven, {"card"})):
        assert not any(word in json.dumps(features) for word in PRIVATE_FIELDS)
        decision = features["payment_methods@decision"]["defaultValue"]["decision_id"]
        assert set(logged(shop, decision)["trace"]["history"]) == history


def test_only_named_placements_are_evaluated(shop: Side, key: str):
    features = evaluate(shop, key, flags=["banner", "nothing", "steps"])
    assert {name.partition("@")[0] for name in features} == {"banner", "banner~wide", "steps", "steps~title"}
    assert features["banner"]["rules"][0]["force"] == "winter"


def test_opted_out_customer_is_not_stored(shop: Side, key: str):
    features = evaluate(shop, key, personalization=False)
    decision = features["payment_methods@decision"]["defaultValue"]
    assert decision["personalized"] is False
    assert shop.client.get(f"/v1/decisions/{decision['decision_id']}").status_code == 404


BAD: list[tuple[Any, str]] = [
    ({}, "attributes"),
    ({"attributes": 5}, "attributes"),
    ({"attributes": {}}, "attributes/flags"),
    ({"attributes": {"flags": 5}}, "attributes/flags"),
    ({"attributes": {"flags": ",".join("abcdefghijk")}}, "attributes/flags"),
    ({"attributes": {"flags": "steps", "id": ["c"]}}, "attributes/id"),
    ({"attributes": {"flags": "steps", "personalization": "no"}}, "attributes/personalization"),
    ({"attributes": {"flags": "steps", "customer_token": "ct_1"}}, "attributes/customer_token"),
]


@pytest.mark.parametrize(("body", "field"), BAD)
def test_invalid_body_is_named(shop: Side, key: str, body: Any, field: str):
    answer = shop.server.client().post(f"/api/eval/{key}", json=body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_only_a_publishable_key_may_stand_in_an_address(shop: Side, key: str):
    client = shop.server.client()
    other = {"authorization": f"Bearer {shop.key}"}
    for method, path in (("GET", "/api/features"), ("POST", "/api/eval")):
        for client_key, status in ((shop.key, 403), ("pk_live_nobody", 404), ("%F0%9F%98%80", 404)):
            body = None if method == "GET" else {"attributes": ATTRIBUTES}
            answer = client.request(method, f"{path}/{client_key}", json=body, headers=other)
            assert (answer.status_code, answer.json()["field"]) == (status, "client_key")
            assert client_key not in answer.text


def test_a_key_reads_its_own_merchant_only(server: Server, shop: Side, key: str):
    live, test = server.sides()
    for side in (live, test):
        mine = side.new_key("publishable")
        assert server.client().get(f"/api/features/{mine}").json() == {"features": {}}
        assert evaluate(side, mine, flags=["steps", "payment_methods"]) == {}


def test_the_limit_is_that_of_the_address(shop: Side, key: str):
    answers = [shop.server.client().get(f"/api/features/{key}"), shop.server.client().post(f"/api/eval/{key}")]
    assert ['"address"' in answer.headers["ratelimit"] for answer in answers] == [True, True]


@pytest.mark.parametrize(("path", "method"), [("/api/features", "GET"), ("/api/eval", "POST")])
def test_pages_of_any_origin_may_evaluate(shop: Side, key: str, path: str, method: str):
    preflight = {"origin": "https://shop.example", "access-control-request-method": method}
    may = httpx.options(f"{shop.server.url}{path}/{key}", headers=preflight)
    assert (may.status_code, may.headers["access-control-allow-methods"]) == (204, method)


def test_test_keys_get_warnings(server: Server):
    _, test = server.sides()
    test.create_examples()
    features = evaluate(test, test.new_key("publishable"), cart={"totl": 5})
    assert "cart.totl" in features["payment_methods@decision"]["defaultValue"]["warnings"]
