"""Streams of server-sent events: a page receives changes of plans, and an open stream blocks nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.settings import Settings
from tests.serving import Server, Side, serving
from web.api.openfeature import event_streams

FLAGS = "/ofrep/v1/evaluate/flags"
BANNER = {"key": "banner", "name": "Banner", "policy": {"type": "fixed"}}
SOON = 10.0


@pytest.fixture
def shop(server: Server, monkeypatch: pytest.MonkeyPatch) -> Side:
    monkeypatch.setattr(event_streams, "SPREAD_SECONDS", 0.0)
    side = server.sides()[0]
    for key in ("banner", "steps"):
        assert side.client.post("/v1/placements", json={**BANNER, "key": key}).status_code == 201
        change(side, key, "a")
    return side


@pytest.fixture
def key(shop: Side) -> str:
    return shop.new_key("publishable")


def change(side: Side, placement: str, candidate: str) -> None:
    answer = side.client.post(f"/v1/placements/{placement}/candidates", json={"id": candidate, "label": candidate})
    assert answer.status_code == 201, answer.text


def address_of_stream(side: Side, key: str) -> str:
    page = side.server.client(key)
    answer = page.post(FLAGS, json={"context": {"flags": "banner"}}).json()
    [stream] = answer["eventStreams"]
    assert stream["type"] == "sse"
    address: str = stream["endpoint"]["requestUri"]
    return address


@contextmanager
def opened(side: Side, path: str, **headers: str) -> Iterator[Iterator[str]]:
    """The lines of a stream that is open; reading fails where none comes soon."""
    with side.server.client().stream("GET", path, headers=headers, timeout=SOON) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["access-control-allow-origin"] == "*"
        yield answer.iter_lines()


def next_field(lines: Iterator[str], name: str) -> str:
    return next(line.partition(": ")[2] for line in lines if line.startswith(f"{name}:"))


def test_stream_sends_plan_changes(shop: Side, key: str):
    with opened(shop, address_of_stream(shop, key)) as lines:
        first = next_field(lines, "id")
        change(shop, "steps", "other")
        change(shop, "banner", "b")
        assert next_field(lines, "id") != first
        assert next_field(lines, "data") == '{"type":"refetchEvaluation"}'


def test_earlier_change_is_sent_on_connect_and_reconnect(shop: Side, key: str):
    address = address_of_stream(shop, key)
    change(shop, "banner", "b")
    with opened(shop, address) as lines:
        assert next_field(lines, "data") == '{"type":"refetchEvaluation"}'
    with opened(shop, address_of_stream(shop, key)) as lines:
        seen = next_field(lines, "id")
    change(shop, "banner", "c")
    with opened(shop, address, **{"last-event-id": seen}) as lines:
        assert next_field(lines, "data") == '{"type":"refetchEvaluation"}'


def test_stream_sends_unavailable_candidates(shop: Side, key: str):
    with opened(shop, address_of_stream(shop, key)) as lines:
        next_field(lines, "id")
        report = {"unavailable": {"a": {"reason": "out of stock"}}}
        answer = shop.client.put("/v1/placements/banner/availability", json=report, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text
        assert next_field(lines, "data") == '{"type":"refetchEvaluation"}'


def test_growthbook_sdk_receives_changes(shop: Side, key: str):
    answer = shop.server.client().get(f"/api/features/{key}")
    assert answer.headers["x-sse-support"] == "enabled"
    assert "X-SSE-Support" in answer.headers["access-control-expose-headers"]
    with opened(shop, f"/sub/{key}") as lines:
        next_field(lines, "id")
        change(shop, "steps", "b")
        assert next_field(lines, "event") == "features-updated"


def test_a_stream_ends_with_its_key(shop: Side, key: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(event_streams, "SECONDS_BETWEEN_COMMENTS", 0.05)
    with opened(shop, f"/sub/{key}") as lines:
        next_field(lines, "id")
        assert any(line == ":" for line in lines)
        [publishable] = [each for each in shop.client.get("/v1/keys").json()["items"] if each["kind"] == "publishable"]
        shop.client.delete(f"/v1/keys/{publishable['id']}")
        assert list(lines)[-1] == ""
    assert shop.server.client().get(f"/sub/{key}").status_code == 404


def test_streams_are_limited_by_address(shop: Side, key: str, monkeypatch):
    monkeypatch.setattr(event_streams, "MOST_OF_ADDRESS", 1)
    address = address_of_stream(shop, key)
    with opened(shop, address) as lines:
        next_field(lines, "id")
        assert shop.server.client().get(address).status_code == 429
        page = shop.server.client(key).post(FLAGS, json={"context": {"flags": "banner"}})
        assert "eventStreams" not in page.json()
        assert "x-sse-support" not in shop.server.client().get(f"/api/features/{key}").headers
    assert is_soon(lambda: shop.server.client().get(f"/api/features/{key}").headers.get("x-sse-support") == "enabled")


def is_soon(condition: Any) -> bool:
    until = time.monotonic() + SOON
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return bool(condition())


def test_a_secret_key_opens_no_stream(shop: Side):
    answer = shop.client.post(FLAGS, json={"context": {"flags": "banner"}}).json()
    assert "eventStreams" not in answer
    for path in ("/ofrep/v1/events", "/sub"):
        refused = shop.server.client().get(f"{path}/{shop.key}")
        assert (refused.status_code, refused.json()["field"]) == (403, "client_key")


def test_head_ends(shop: Side, key: str):
    answer: httpx.Response = shop.server.client().head(f"/sub/{key}", timeout=SOON)
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_server_with_an_open_stream_stops(tmp_path: Path):
    with serving(Settings(data=str(tmp_path))) as server:
        side = server.sides()[0]
        with opened(side, f"/sub/{side.new_key()}") as lines:
            next_field(lines, "id")
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < SOON
            with pytest.raises(httpx.RemoteProtocolError):
                list(lines)
