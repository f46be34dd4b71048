"""The Python client against real servers: what they answer, and their document."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest
import tap2_personalize as sdk
from tap2_personalize import _transport
from tap2_personalize import types as sdk_types

from benchmarks.process import ROOT
from tests.sdks import python_types, schemas
from tests.serving import Server, Side

SOURCES = sorted((ROOT / "sdks" / "python" / "src").rglob("*.py"))
CONTEXT = {"geo": {"country": "DE"}, "cart": {"total": 10_000, "currency": "EUR"}}
REQUEST: Any = {"placement": "payment_methods", "context": CONTEXT}
PATIENCE = 20.0


@pytest.fixture(params=["httpx", "standard library"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "standard library":
        monkeypatch.setattr(_transport, "httpx", None)


def client_of(side: Side, key: str = "") -> sdk.Client:
    return sdk.Client(side.server.url, key or side.key, timeout=PATIENCE, request_timeout=PATIENCE)


def report(client: sdk.Client, **event: Any) -> Any:
    return client.track_feedback(event).result(PATIENCE)  # type: ignore[arg-type]


@pytest.mark.usefixtures("transport")
def test_server_key_gets_the_whole_decision_and_its_outcome_counts_once(side: Side):
    with client_of(side) as client:
        decision: Any = client.decide({**REQUEST, "customer_id": "c_1"}, explain=True)
        assert {item["id"] for item in decision["ranking"]} == {"card", "paypal"}
        assert decision["propensity"] > 0
        assert decision["trace"]["facts"]
        bought = {"event_id": "o1", "decision_id": decision["decision_id"], "type": "converted", "candidate_id": "card"}
        statuses = [report(client, **{**bought, **more})["status"] for more in ({}, {}, {"type": "declined"})]
        assert statuses == ["recorded", "duplicate", "conflict"]
        assert report(client, event_id="t1", customer_id="c_2", method_id="paypal", amount=4900)["status"] == "recorded"


@pytest.mark.usefixtures("transport")
def test_a_publishable_key_gives_hints_of_its_own_decisions(side: Side):
    with client_of(side) as server, client_of(side, side.new_key()) as browser:
        token = server.customer_token("c_1")["customer_token"]
        methods: Any = browser.decide({**REQUEST, "customer_id": "c_1", "customer_token": token})
        hint = {"decision_id": methods["decision_id"], "token": methods["token"]}
        assert report(browser, **hint, type="shown")["status"] == "recorded"
        refused = report(browser, **hint, type="converted", candidate_id="card")
        assert (refused["status"], refused["message"][:6]) == ("invalid", "type: ")
        with pytest.raises(sdk.Forbidden) as raised:
            browser.decide(REQUEST, explain=True)
        assert raised.value.field == "explain"


def test_batch_decides_existing_placements(side: Side):
    with client_of(side) as client:
        answer: Any = client.decide_all({"placements": ["payment_methods", "no-such-place"], "context": CONTEXT})
        assert client.variants({"customer_id": "c_1", "context": CONTEXT})["experiments"] == []
    assert [item["placement"] for item in answer["decisions"]] == ["payment_methods", "no-such-place"]
    assert answer["decisions"][1]["status"] == 404


def test_errors_explain_the_mistake(side: Side):
    with client_of(side, "sk_test_wrong") as wrong, client_of(side) as client:
        with pytest.raises(sdk.Unauthorized):
            wrong.decide(REQUEST)
        with pytest.raises(sdk.Unauthorized):
            report(wrong, customer_id="c_1", method_id="card")
        with pytest.raises(sdk.NotFound):
            client.decide({"placement": "no-such-place"})
        with pytest.raises(sdk.Forbidden) as raised:
            client.get_methods("c_1", "another")
        assert raised.value.field == "merchant_id"


@pytest.mark.usefixtures("transport")
def test_an_offer_is_shown_redeemed_and_refunded_once(shop: Side):
    with client_of(shop) as client:
        (offer,) = client.offers({"customer_id": "c_3", "context": CONTEXT})["offers"]
        request: Any = {"hold_id": offer["hold_id"], "cart": CONTEXT["cart"], "order_id": "o_1"}
        answers = [client.redeem(request, idempotency_key="o_1") for _ in range(2)]
        assert answers[0] == answers[1]
        assert answers[0]["discount"] == offer["discount"]["amount"]
        with pytest.raises(sdk.KeyReused):
            client.redeem({**request, "order_id": "o_2"}, idempotency_key="o_1")
        assert client.refund(offer["hold_id"], 5000)["returned"] > 0
        assert client.redemption(offer["hold_id"])["state"] == "redeemed"
        code: Any = {"code": "SPRING10", "context": CONTEXT}
        assert client.validate_offer(code)["valid"]
        assert client.release(client.hold_offer(code)["hold_id"])["state"] == "released"


# The server's document


@pytest.mark.parametrize("name", schemas.TYPES)
def test_a_type_has_the_fields_of_its_schema(server: Server, name: str):
    components = server.openapi["components"]["schemas"]
    theirs = python_types.fields_of_schema(components[schemas.TYPES[name]], components)
    own = python_types.fields_of_type(getattr(sdk_types, name))
    if name == "FeedbackEvent":  # the client makes the id where the shop gives none
        theirs["event_id"] = (False, "string")
    assert own == theirs


# The package


def test_package_has_no_required_dependencies():
    """Only the standard library, and httpx where it is installed."""
    names = {
        name.split(".")[0]
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 8)))
        for name in _absolute_imports(node)
    }
    assert names - set(sys.stdlib_module_names) == {"httpx"}


def _absolute_imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [str(node.module)] if isinstance(node, ast.ImportFrom) and node.level == 0 else []


@pytest.mark.parametrize("version", ["3.8", "3.13"])
def test_package_runs_on_old_and_new_pythons(side: Side, version: str):
    program = f"""
import asyncio, tap2_personalize as sdk
from tap2_personalize import _transport
_transport.httpx = None
asked = {{"placement": "payment_methods", "customer_id": "c_1"}}
options = {{"timeout": 20, "request_timeout": 20}}
with sdk.Client({side.server.url!r}, {side.key!r}, **options) as client:
    decision = client.decide(asked)
    client.track_feedback({{"decision_id": decision["decision_id"], "type": "shown", "event_id": "by-thread"}})
async def main():
    async with sdk.AsyncClient({side.server.url!r}, {side.key!r}, **options) as client:
        decision = await client.decide(asked)
        return await client.track_feedback({{"decision_id": decision["decision_id"], "type": "shown"}})
print(asyncio.run(main())["status"])
"""
    environment = {**os.environ, "PYENV_VERSION": version, "PYTHONPATH": str(SOURCES[0].parents[1])}
    python = shutil.which(f"python{version}")
    if not python or subprocess.run([python, "--version"], env=environment, capture_output=True).returncode:
        pytest.skip(f"no Python {version}")
    done = subprocess.run([python, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("recorded\n", "")
