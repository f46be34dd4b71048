"""Feedback of the clients for Python: sent until it is stored, and stored once."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from typing import Any

import pytest
import tap2_personalize as sdk
from tap2_personalize import _transport

from tests.sdks.fake_server import FakeServer, ReceivedRequest, Reply, broken, fake_server, recorded
from tests.sdks.python_clients import TIMEOUT


def shown(number: int) -> dict[str, Any]:
    return {"event_id": f"e{number}", "decision_id": f"dec_{number}", "type": "shown"}


def test_outcome_is_retried_until_stored(make: Callable[..., Any]):
    def third(fake: FakeServer, seen: ReceivedRequest, reply: Reply) -> None:
        if len(fake.requests) == 1:
            reply.reset()
        elif len(fake.requests) == 2:
            reply.problem(503, "unavailable", retry_after="0")
        else:
            recorded(fake, seen, reply)

    with fake_server(third) as fake:
        receipt = make(fake).track_feedback({"decision_id": "dec_1", "type": "shown"}).result(TIMEOUT)
    assert receipt["status"] == "recorded"
    assert len({seen.body[0]["event_id"] for seen in fake.requests}) == 1
    assert len(fake.requests) == 3


def test_a_limit_of_outcomes_is_waited_for(make: Callable[..., Any]):
    times: list[float] = []

    def limited(fake: FakeServer, seen: ReceivedRequest, reply: Reply) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            reply.problem(429, "too-many-requests", retry_after="1")
        else:
            recorded(fake, seen, reply)

    with fake_server(limited) as fake:
        make(fake).track_feedback(shown(1)).result(TIMEOUT)
    assert times[1] - times[0] >= 0.99


def test_outcomes_are_sent_in_batches_of_fifty(make: Callable[..., Any]):
    with fake_server(recorded) as fake:
        client = make(fake)
        futures = [client.track_feedback(shown(number)) for number in range(300)]
        assert [future.result(TIMEOUT)["event_id"] for future in futures] == [f"e{number}" for number in range(300)]
    assert max(len(seen.body) for seen in fake.requests) <= 50
    assert sum(len(seen.body) for seen in fake.requests) == 300


def test_refused_outcome_does_not_affect_its_batch(make: Callable[..., Any]):
    refused: list[Any] = []

    def choosy(fake: FakeServer, seen: ReceivedRequest, reply: Reply) -> None:
        if any(event["event_id"] == "e3" for event in seen.body):
            reply.problem(403, "forbidden")
        else:
            recorded(fake, seen, reply)

    with fake_server(choosy) as fake:
        client = make(fake, on_error=lambda error, event: refused.append((error.code, event["event_id"])))
        futures = [client.track_feedback(shown(number)) for number in range(6)]
        with pytest.raises(sdk.Forbidden):
            futures[3].result(TIMEOUT)
        assert {futures[number].result(TIMEOUT)["status"] for number in (0, 1, 2, 4, 5)} == {"recorded"}
    assert refused == [("forbidden", "e3")]


def test_invalid_key_fails_without_retries(make: Callable[..., Any]):
    refused: list[str] = []
    with fake_server(lambda _, __, reply: reply.problem(401, "unauthorized")) as fake:
        client = make(fake, on_error=lambda error, _: refused.append(error.code))
        for number in range(3):
            client.track_feedback(shown(number))
        assert client.flush(TIMEOUT) == 0
        gc.collect()
    assert refused == ["unauthorized"] * 3


def test_close_returns_the_number_of_unsent_outcomes(make: Callable[..., Any]):
    with fake_server(broken) as fake:
        client = make(fake)
        futures = [client.track_feedback(shown(number)) for number in (1, 2)]
        assert client.flush(0.1) == 2
        if isinstance(client, sdk.Client):
            assert client.close(0) == 2
            with pytest.raises(sdk.Tap2Error, match="closed"):
                futures[0].result(TIMEOUT)


def test_an_answer_without_receipts_counts_as_none(make: Callable[..., Any]):
    def second(fake: FakeServer, seen: ReceivedRequest, reply: Reply) -> None:
        if len(fake.requests) < 2:
            reply.json(200, {})
        else:
            recorded(fake, seen, reply)

    with fake_server(second) as fake:
        assert make(fake).track_feedback(shown(1)).result(TIMEOUT)["status"] == "recorded"


def test_fallback_order_has_no_outcomes(make: Callable[..., Any]):
    with fake_server(recorded) as fake:
        receipt = make(fake).track_feedback({"decision_id": None, "type": "shown"}).result(TIMEOUT)
    assert receipt["status"] == "unknown_decision"
    assert fake.requests == []


def test_value_not_representable_in_json_is_refused_at_once(make: Callable[..., Any]):
    with fake_server(recorded) as fake:
        client = make(fake)
        with pytest.raises(TypeError):
            client.track_feedback({**shown(1), "amount": object()})
        assert client.track_feedback(shown(2)).result(TIMEOUT)["status"] == "recorded"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("without_httpx", [False, True])
def test_forked_process_sends_its_own_outcomes(without_httpx: bool, monkeypatch: pytest.MonkeyPatch):
    if without_httpx:
        monkeypatch.setattr(_transport, "httpx", None)
    with fake_server(recorded) as fake, sdk.Client(fake.url, "sk_test_x") as client:
        client.track_feedback(shown(1)).result(TIMEOUT)
        child = os.fork()
        if child == 0:
            client.track_feedback(shown(2)).result(TIMEOUT)
            os._exit(client.close())
        assert os.waitpid(child, 0)[1] == 0
        assert client.track_feedback(shown(3)).result(TIMEOUT)["status"] == "recorded"
    assert [seen.body[0]["event_id"] for seen in fake.requests] == ["e1", "e2", "e3"]
