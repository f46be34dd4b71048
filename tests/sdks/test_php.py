"""The client for PHP: decisions in time or the merchant's own order, and feedback that is stored once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.process import ROOT
from tests.engine.test_engine_hook_addresses import contexts
from tests.sdks.fake_server import FakeServer, ReceivedRequest, Reply, broken, dripping, fake_server, recorded, silent
from tests.sdks.php import PACKAGE, TIMEOUT, needs_php, php, run

pytestmark = needs_php
REQUEST = {"placement": "payment_methods", "customer_id": "c_1"}
DECIDE: tuple[str, list[Any]] = ("decide", [REQUEST])
OK = {"decision_id": "dec_1", "ranking": [], "fallback": False}


def is_merchants_order(answer: Any, error: str) -> None:
    assert (answer["fallback"], answer["decision_id"]) == (True, None)
    assert [(item["id"], item["rank"], item["label"]) for item in answer["ranking"]] == [
        ("card", 1, "card"),
        ("paypal", 2, "PayPal"),
    ]
    assert answer["error"]["error"] == error


def shown(number: int) -> tuple[str, list[Any]]:
    return "trackFeedback", [{"event_id": f"e{number}", "decision_id": f"dec_{number}", "type": "shown"}]


FLUSH: tuple[str, list[Any]] = ("flush", [TIMEOUT])


def test_answer_is_returned_unchanged():
    decision = {**OK, "placement": "payment_methods"}
    with fake_server(lambda _, __, reply: reply.json(200, decision)) as fake:
        assert run(fake.url, DECIDE, DECIDE).results == [decision, decision]
    assert fake.requests[0].headers["authorization"] == "Bearer sk_test_x"
    assert (fake.requests[0].path, fake.requests[0].body) == ("/v1/personalize/decisions", REQUEST)


def test_an_empty_context_is_an_object():
    with fake_server(lambda _, __, reply: reply.json(200, OK)) as fake:
        run(fake.url, ("getMethods", ["c_1", None, []]), ("offers", []))
    assert [seen.body for seen in fake.requests][1] == {}
    assert fake.requests[0].body["context"] == {}


def chunked(_: FakeServer, __: ReceivedRequest, reply: Reply) -> None:
    text = json.dumps({**OK, "decision_id": "dec_chunked"})
    reply.handler.send_response(200)
    reply.handler.send_header("transfer-encoding", "chunked")
    reply.handler.end_headers()
    for piece in (text[:9], text[9:]):
        reply.handler.wfile.write(f"{len(piece):x}\r\n{piece}\r\n".encode())
    reply.handler.wfile.write(b"0\r\n\r\n")


def until_the_end(_: FakeServer, __: ReceivedRequest, reply: Reply) -> None:
    reply.handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps({**OK, "decision_id": "dec_end"}).encode())
    reply.handler.close_connection = True


@pytest.mark.parametrize(("server", "decision"), [(chunked, "dec_chunked"), (until_the_end, "dec_end")])
def test_answers_without_a_length_are_read(server: Callable[..., None], decision: str):
    with fake_server(server) as fake:
        assert run(fake.url, DECIDE).results[0]["decision_id"] == decision


@pytest.mark.parametrize("server", [silent, dripping])
def test_a_late_answer_is_given_up(server: Callable[..., None]):
    with fake_server(server) as fake:
        ran = run(fake.url, ("decide", [REQUEST, 0.1]))
    is_merchants_order(ran.results[0], "RequestTimeout")
    assert ran.seconds[0] < TIMEOUT / 4
    assert ran.reported == [["timeout", None]]


def flooding(fake: FakeServer, _: ReceivedRequest, reply: Reply) -> None:
    reply.handler.send_response(200)
    reply.handler.end_headers()
    try:
        while not fake.release.is_set():
            reply.handler.wfile.write(b" " * 65_536)
    except OSError:
        pass


def test_an_answer_without_an_end_is_given_up():
    with fake_server(flooding) as fake:
        [answer] = run(fake.url, DECIDE).results
    is_merchants_order(answer, "ConnectionFailed")
    assert answer["error"]["message"] == "the answer is too large"


def test_tls_needs_a_certificate_of_the_servers_name(tmp_path: Path):
    tls, _ = contexts(tmp_path, "localhost")
    certificates = str(tmp_path / "server.pem")
    with fake_server(lambda _, __, reply: reply.json(200, OK), tls) as fake:
        named = fake.url.replace("127.0.0.1", "localhost")
        assert run(named, DECIDE, certificates=certificates).results[0]["decision_id"] == "dec_1"
        for url, file in ((fake.url, certificates), (named, "")):
            is_merchants_order(run(url, DECIDE, certificates=file).results[0], "ConnectionFailed")
    assert len(fake.requests) == 1


def test_broken_connection_is_not_retried():
    with fake_server(broken) as fake:
        is_merchants_order(run(fake.url, DECIDE).results[0], "ConnectionFailed")
    assert len(fake.requests) == 1


def test_unreachable_server_gives_the_fallback_order():
    with fake_server(recorded) as fake:
        pass
    is_merchants_order(run(fake.url, DECIDE).results[0], "ConnectionFailed")


def test_a_page_of_a_proxy_is_no_decision():
    with fake_server(lambda _, __, reply: reply.json(502, "Bad gateway")) as fake:
        is_merchants_order(run(fake.url, DECIDE).results[0], "ServerError")


def test_a_limit_is_waited_for_if_that_ends_in_time():
    def limited(fake: FakeServer, _: ReceivedRequest, reply: Reply) -> None:
        if len(fake.requests) < 2:
            reply.problem(429, "too-many-requests", retry_after="0")
        else:
            reply.json(200, OK)

    with fake_server(limited) as fake:
        assert run(fake.url, DECIDE).results[0]["decision_id"] == "dec_1"
    assert len(fake.requests) == 2


def test_a_longer_limit_gives_the_merchants_order_at_once():
    with fake_server(lambda _, __, reply: reply.problem(429, "too-many-requests", retry_after="70")) as fake:
        [answer] = run(fake.url, DECIDE).results
    is_merchants_order(answer, "TooManyRequests")
    assert (answer["error"]["retry_after"], len(fake.requests)) == (70, 1)


ERRORS = {
    400: ("invalid", "InvalidRequest"),
    401: ("unauthorized", "Unauthorized"),
    403: ("forbidden", "Forbidden"),
    404: ("not-found", "NotFound"),
    409: ("conflict", "Conflict"),
    413: ("too-large", "TooLarge"),
    422: ("key-reused", "KeyReused"),
    500: ("unexpected", "ServerError"),
    503: ("unavailable", "Unavailable"),
}


def test_without_an_order_the_error_is_thrown():
    statuses = iter(ERRORS)

    def refuse(_: FakeServer, __: ReceivedRequest, reply: Reply) -> None:
        status = next(statuses)
        reply.problem(status, ERRORS[status][0], "no", "placement")

    with fake_server(refuse) as fake:
        errors = run(fake.url, *[DECIDE for _ in ERRORS], fallback=[]).results
    for error, (status, (kind, name)) in zip(errors, ERRORS.items(), strict=True):
        assert (error["error"], error["code"], error["status"]) == (name, kind, status)
        assert (error["message"], error["field"]) == ("no", "placement")


def test_a_batch_falls_back_placement_by_placement():
    problem = {"type": "urn:tap2:problem:not-found", "title": "", "status": 404, "detail": "no placement"}
    items = [{**problem, "placement": "payment_methods"}, {**problem, "placement": "banner"}]
    request = {"placements": ["payment_methods", "banner"]}
    with fake_server(lambda _, __, reply: reply.json(200, {"decisions": items})) as fake:
        [answer] = run(fake.url, ("decideAll", [request])).results
    is_merchants_order(answer["decisions"][0], "NotFound")
    assert answer["decisions"][1]["status"] == 404


def test_a_batch_without_a_server_has_every_placements_order():
    request = {"placements": ["payment_methods", "banner"]}
    with fake_server(broken) as fake:
        own, refused = run(
            fake.url, ("decideAll", [request, None, {"banner": ["spring"]}]), ("decideAll", [request])
        ).results
    is_merchants_order(own["decisions"][0], "ConnectionFailed")
    assert own["decisions"][1]["ranking"] == [{"id": "spring", "rank": 1, "label": "spring"}]
    assert refused["error"] == "ConnectionFailed"


def test_methods_keep_the_customer_out_of_the_address():
    ranking = [{"id": "card", "rank": 1, "label": "Card"}]
    decision = {"decision_id": "dec_1", "ranking": ranking, "fallback": False, "token": "dt_1", "values": {}}
    with fake_server(lambda _, __, reply: reply.json(200, decision)) as fake:
        [answer] = run(fake.url, ("getMethods", ["c_1", "bakery", {"geo": {"country": "DE"}}])).results
    assert answer == {"decision_id": "dec_1", "methods": ranking, "fallback": False, "token": "dt_1"}
    assert "c_1" not in fake.requests[0].path
    assert fake.requests[0].body["merchant_id"] == "bakery"


def test_a_reporter_that_fails_does_not_fail_the_checkout():
    with fake_server(broken) as fake:
        is_merchants_order(run(fake.url, DECIDE, failing=True).results[0], "ConnectionFailed")


# Feedback


def test_outcome_is_retried_until_stored():
    def third(fake: FakeServer, seen: ReceivedRequest, reply: Reply) -> None:
        if len(fake.requests) == 1:
            reply.reset()
        elif len(fake.requests) == 2:
            reply.problem(503, "unavailable", retry_after="0")
        else:
            recorded(fake, seen, reply)

    with fake_server(third) as fake:
        ran = run(fake.url, ("trackFeedback", [{"decision_id": "dec_1", "type": "shown"}]), FLUSH)
    event, receipts = ran.results
    assert receipts[event]["status"] == "recorded"
    assert [seen.body[0]["event_id"] for seen in fake.requests] == [event] * 3
    assert fake.requests[0].body[0]["occurred_at"]


def test_a_limit_of_outcomes_is_waited_for():
    times: list[float] = []

    def limited(fake: FakeServer, seen: ReceivedRequest, reply: Reply) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            reply.problem(429, "too-many-requests", retry_after="1")
        else:
            recorded(fake, seen, reply)

    with fake_server(limited) as fake:
        run(fake.url, shown(1), FLUSH)
    assert times[1] - times[0] >= 0.99


def test_outcomes_are_sent_in_batches_of_fifty():
    with fake_server(recorded) as fake:
        receipts = run(fake.url, *map(shown, range(120)), FLUSH).results[-1]
    assert list(receipts) == [f"e{number}" for number in range(120)]
    assert [len(seen.body) for seen in fake.requests] == [50, 50, 20]


def test_refused_outcome_does_not_affect_its_batch():
    def choosy(fake: FakeServer, seen: ReceivedRequest, reply: Reply) -> None:
        if any(event["event_id"] == "e3" for event in seen.body):
            reply.problem(403, "forbidden")
        else:
            recorded(fake, seen, reply)

    with fake_server(choosy) as fake:
        ran = run(fake.url, *map(shown, range(6)), FLUSH)
    assert set(ran.results[-1]) == {"e0", "e1", "e2", "e4", "e5"}
    assert ran.reported == [["forbidden", "e3"]]


def test_invalid_key_fails_without_retries():
    with fake_server(lambda _, __, reply: reply.problem(401, "unauthorized")) as fake:
        ran = run(fake.url, *map(shown, range(3)), FLUSH, ("pending", []))
    assert ran.results[-2:] == [[], []]
    assert ran.reported == [["unauthorized", f"e{number}"] for number in range(3)]
    assert len(fake.requests) == 1


def test_outcome_without_an_answer_in_time_is_pending():
    with fake_server(silent) as fake:
        ran = run(fake.url, shown(1), ("flush", [0.1]), ("pending", []), shown(2), flushTimeout=0.1)
        assert ran.results[1] == []
        assert [event["event_id"] for event in ran.results[2]] == ["e1"]
        assert ran.seconds[1] < TIMEOUT / 4
    assert [code for code, _ in ran.reported] == ["closed", "closed"]


def test_closing_the_client_sends_queued_outcomes():
    with fake_server(recorded) as fake:
        assert run(fake.url, shown(1)).reported == []
    assert [seen.body[0]["event_id"] for seen in fake.requests] == ["e1"]


def test_an_answer_without_receipts_counts_as_none():
    def second(fake: FakeServer, seen: ReceivedRequest, reply: Reply) -> None:
        if len(fake.requests) < 2:
            reply.json(200, {})
        else:
            recorded(fake, seen, reply)

    with fake_server(second) as fake:
        assert run(fake.url, shown(1), FLUSH).results[1]["e1"]["status"] == "recorded"


def test_fallback_order_has_no_outcomes():
    with fake_server(recorded) as fake:
        event, receipts = run(fake.url, ("trackFeedback", [{"decision_id": None, "type": "shown"}]), FLUSH).results
    assert receipts[event]["status"] == "unknown_decision"
    assert fake.requests == []


# Offers


def test_a_redemption_is_repeated_with_the_same_key():
    def twice_broken(fake: FakeServer, _: ReceivedRequest, reply: Reply) -> None:
        if len(fake.requests) < 3:
            reply.reset()
        else:
            reply.json(200, {"hold_id": "h_1", "state": "redeemed"})

    with fake_server(twice_broken) as fake:
        redeemed, _ = run(
            fake.url, ("redeem", [{"hold_id": "h_1", "order_id": "o_1"}]), ("release", ["h/1", "mine"])
        ).results
    assert redeemed["state"] == "redeemed"
    keys = [seen.headers["idempotency-key"] for seen in fake.requests]
    assert (len(keys), len(set(keys[:3])), keys[3]) == (4, 1, "mine")
    assert fake.requests[-1].path == "/v1/redemptions/h%2F1/release"


def test_permanent_refusal_is_not_retried():
    with fake_server(lambda _, __, reply: reply.problem(409, "conflict")) as fake:
        assert run(fake.url, ("refund", ["h_1", 100])).results[0]["error"] == "Conflict"
    assert len(fake.requests) == 1


def test_publishable_key_is_refused_for_secret_operations():
    calls = [("offers", []), ("variants", [[]]), ("redemption", ["h_1"]), ("customerToken", ["c_1"])]
    with fake_server(recorded) as fake:
        assert [each["error"] for each in run(fake.url, *calls, key="pk_test_x").results] == ["Forbidden"] * 4
    assert fake.requests == []


def test_unreachable_server_gives_no_offer():
    with fake_server(broken) as fake:
        [answer] = run(fake.url, ("offers", [{"customer_id": "c_1"}])).results
    assert (answer["offers"], answer["fallback"], answer["error"]["error"]) == ([], True, "ConnectionFailed")


# The package


def test_invalid_address_is_refused():
    refusing = "try { new Tap2\\Personalize\\Personalize('%s', 'sk_x'); } catch (InvalidArgumentException $error) {}"
    for url in ("127.0.0.1:8000", "ftp://host", ""):
        program = f"require '{PACKAGE}/autoload.php'; {refusing % url} echo $error->getMessage();"
        assert php("-r", program) == "url must be an http or https address"


def test_a_psr_18_client_and_a_psr_3_logger_are_used():
    answer = php(ROOT / "tests" / "sdks" / "php_standards.php")
    assert json.loads(answer) == {
        "decision": "dec_1",
        "sent": ["POST", "https://tap2.example/v1/personalize/decisions", "Bearer sk_test_x"],
        "body": {"placement": "payment_methods"},
        "fallback": "ConnectionFailed",
        "logged": [
            [
                "warning",
                "tap2 personalize: upgrade this client, or it fails after Tue, 01 Jun 2027 00:00:00 GMT: "
                "/docs#post-decisions",
                [],
            ],
            ["warning", "tap2 personalize: no route", {"code": "network", "event_id": ""}],
        ],
    }


def test_every_class_has_its_own_file():
    sources = sorted((PACKAGE / "src").rglob("*.php"))
    assert len(sources) > 15
    for path in sources:
        module = path.relative_to(PACKAGE / "src").with_suffix("")
        text = path.read_text()
        assert "declare(strict_types=1);" in text
        namespace = "\\".join(["Tap2", "Personalize", *module.parts[:-1]])
        assert f"namespace {namespace};" in text
        assert f" {module.name}" in text
