"""Decisions and offers of the clients for Python: in time, or the merchant's own order."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import tap2_personalize as sdk

from tests.sdks.fake_server import FakeServer, ReceivedRequest, Reply, broken, dripping, fake_server, recorded, silent
from tests.sdks.python_clients import TIMEOUT

REQUEST = {"placement": "payment_methods", "customer_id": "c_1"}


def is_merchants_order(answer: Any, error: type[sdk.Tap2Error]) -> None:
    assert (answer["fallback"], answer["decision_id"]) == (True, None)
    assert [(item["id"], item["rank"], item["label"]) for item in answer["ranking"]] == [
        ("card", 1, "card"),
        ("paypal", 2, "PayPal"),
    ]
    assert type(answer["error"]) is error


def test_answer_is_returned_unchanged(make: Callable[..., Any]):
    decision = {"decision_id": "dec_1", "placement": "payment_methods", "ranking": [], "fallback": False}
    with fake_server(lambda _, __, reply: reply.json(200, decision)) as fake:
        client = make(fake)
        assert client.decide(REQUEST) == client.decide(REQUEST) == decision
    assert fake.requests[0].headers["authorization"] == "Bearer sk_test_x"
    assert (fake.requests[0].path, fake.requests[0].body) == ("/v1/personalize/decisions", REQUEST)


def test_a_deprecated_operation_is_warned_of_once(make: Callable[..., Any], caplog: pytest.LogCaptureFixture):
    about = f"/docs#post-decisions-{id(make)}"
    headers = {
        "Deprecation": "@1796083200",
        "Sunset": "Tue, 01 Jun 2027 00:00:00 GMT",
        "Link": f'<{about}>; rel="deprecation"; type="text/html", </v2>; rel="successor-version"',
    }
    with fake_server(lambda _, __, reply: reply.json(200, {"decision_id": "dec_1"}, **headers)) as fake:
        client = make(fake)
        client.decide(REQUEST)
        client.decide(REQUEST)
    assert caplog.messages == [f"upgrade this client, or it fails after Tue, 01 Jun 2027 00:00:00 GMT: {about}"]


@pytest.mark.parametrize("server", [silent, dripping])
def test_a_late_answer_is_given_up(make: Callable[..., Any], server: Callable[..., None]):
    with fake_server(server) as fake:
        began = time.monotonic()
        is_merchants_order(make(fake).decide(REQUEST, timeout=0.1), sdk.RequestTimeout)
        assert time.monotonic() - began < TIMEOUT / 4


def test_broken_connection_is_not_retried(make: Callable[..., Any]):
    with fake_server(broken) as fake:
        is_merchants_order(make(fake).decide(REQUEST), sdk.ConnectionFailed)
    assert len(fake.requests) == 1


def test_unreachable_server_gives_the_fallback_order(make: Callable[..., Any]):
    with fake_server(recorded) as fake:
        pass
    is_merchants_order(make(fake).decide(REQUEST), sdk.ConnectionFailed)


def test_a_connection_that_the_server_closed_is_not_used(make: Callable[..., Any]):
    def closing(_: FakeServer, __: ReceivedRequest, reply: Reply) -> None:
        reply.json(200, {"decision_id": "dec_1", "ranking": []})
        reply.reset()

    with fake_server(closing) as fake:
        client = make(fake)
        for _ in range(5):
            assert client.decide(REQUEST)["decision_id"] == "dec_1"
            time.sleep(0.05)


def test_a_page_of_a_proxy_is_no_decision(make: Callable[..., Any]):
    with fake_server(lambda _, __, reply: reply.json(502, "Bad gateway")) as fake:
        is_merchants_order(make(fake).decide(REQUEST), sdk.ServerError)


def test_a_limit_is_waited_for_if_that_ends_in_time(make: Callable[..., Any]):
    def limited(fake: FakeServer, _: ReceivedRequest, reply: Reply) -> None:
        if len(fake.requests) < 2:
            reply.problem(429, "too-many-requests", retry_after="0")
        else:
            reply.json(200, {"decision_id": "dec_1", "ranking": []})

    with fake_server(limited) as fake:
        assert make(fake, timeout=10).decide(REQUEST)["decision_id"] == "dec_1"
    assert len(fake.requests) == 2


def test_a_longer_limit_gives_the_merchants_order_at_once(make: Callable[..., Any]):
    with fake_server(lambda _, __, reply: reply.problem(429, "too-many-requests", retry_after="70")) as fake:
        answer = make(fake).decide(REQUEST)
    is_merchants_order(answer, sdk.TooManyRequests)
    assert (answer["error"].retry_after, len(fake.requests)) == (70, 1)


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, "invalid", sdk.InvalidRequest),
        (401, "unauthorized", sdk.Unauthorized),
        (403, "forbidden", sdk.Forbidden),
        (404, "not-found", sdk.NotFound),
        (413, "too-large", sdk.TooLarge),
        (500, "unexpected", sdk.ServerError),
        (503, "unavailable", sdk.Unavailable),
    ],
)
def test_without_an_order_the_error_is_raised(
    make: Callable[..., Any], status: int, kind: str, error: type[sdk.Tap2Error]
):
    def refuse(_: FakeServer, __: ReceivedRequest, reply: Reply) -> None:
        reply.problem(status, kind, "no", "placement")

    with fake_server(refuse) as fake, pytest.raises(sdk.Tap2Error, match="no") as raised:
        make(fake, fallback={}).decide(REQUEST)
    assert type(raised.value) is error
    assert (raised.value.code, raised.value.status, raised.value.field) == (kind, status, "placement")


def test_a_batch_falls_back_placement_by_placement(make: Callable[..., Any]):
    problem = {"type": "urn:tap2:problem:not-found", "title": "", "status": 404, "detail": "no placement"}
    items = [{**problem, "placement": "payment_methods"}, {**problem, "placement": "banner"}]
    with fake_server(lambda _, __, reply: reply.json(200, {"decisions": items})) as fake:
        decisions = make(fake).decide_all({"placements": ["payment_methods", "banner"]})["decisions"]
    is_merchants_order(decisions[0], sdk.NotFound)
    assert decisions[1]["status"] == 404


def test_a_batch_without_a_server_has_every_placements_order(make: Callable[..., Any]):
    request = {"placements": ["payment_methods", "banner"]}
    with fake_server(broken) as fake:
        client = make(fake)
        decisions = client.decide_all(request, fallback={"banner": ["spring"]})["decisions"]
        with pytest.raises(sdk.ConnectionFailed):
            client.decide_all(request)
    is_merchants_order(decisions[0], sdk.ConnectionFailed)
    assert decisions[1]["ranking"] == [{"id": "spring", "rank": 1, "label": "spring"}]


def test_methods_keep_the_customer_out_of_the_address(make: Callable[..., Any]):
    ranking = [{"id": "card", "rank": 1, "label": "Card"}]
    decision = {"decision_id": "dec_1", "ranking": ranking, "fallback": False, "token": "dt_1", "values": {}}
    with fake_server(lambda _, __, reply: reply.json(200, decision)) as fake:
        answer = make(fake).get_methods("c_1", "bakery", {"geo": {"country": "DE"}})
    assert answer == {"decision_id": "dec_1", "methods": ranking, "fallback": False, "token": "dt_1"}
    assert "c_1" not in fake.requests[0].path
    assert fake.requests[0].body["merchant_id"] == "bakery"


def test_a_reporter_that_fails_does_not_fail_the_checkout(make: Callable[..., Any]):
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    with fake_server(broken) as fake:
        is_merchants_order(make(fake, on_error=fail).decide(REQUEST), sdk.ConnectionFailed)


# Offers


def test_a_redemption_is_repeated_with_the_same_key(make: Callable[..., Any]):
    def twice_broken(fake: FakeServer, _: ReceivedRequest, reply: Reply) -> None:
        if len(fake.requests) < 3:
            reply.reset()
        else:
            reply.json(200, {"hold_id": "h_1", "state": "redeemed"})

    with fake_server(twice_broken) as fake:
        client = make(fake)
        assert client.redeem({"hold_id": "h_1", "order_id": "o_1"})["state"] == "redeemed"
        keys = [seen.headers["idempotency-key"] for seen in fake.requests]
        assert (len(keys), len(set(keys))) == (3, 1)
        client.release("h/1", idempotency_key="mine")
    assert fake.requests[-1].headers["idempotency-key"] == "mine"
    assert fake.requests[-1].path == "/v1/redemptions/h%2F1/release"


def test_permanent_refusal_is_not_retried(make: Callable[..., Any]):
    with fake_server(lambda _, __, reply: reply.problem(409, "conflict")) as fake, pytest.raises(sdk.Conflict):
        make(fake).refund("h_1", 100)
    assert len(fake.requests) == 1


def test_publishable_key_is_refused_for_secret_operations(make: Callable[..., Any]):
    with fake_server(recorded) as fake:
        client = make(fake, key="pk_test_x")
        for call in (client.offers, lambda: client.variants({}), lambda: client.redemption("h_1")):
            with pytest.raises(sdk.Forbidden):
                call()
    assert fake.requests == []


def test_unreachable_server_gives_no_offer(make: Callable[..., Any]):
    with fake_server(broken) as fake:
        answer = make(fake).offers({"customer_id": "c_1"})
    assert (answer["offers"], answer["fallback"], type(answer["error"])) == ([], True, sdk.ConnectionFailed)
