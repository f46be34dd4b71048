"""Rate limits of a caller, and the remaining quota in answers."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from engine.model.errors import TooMany
from engine.settings import Settings
from tests.serving import Server, Side, serving
from web.http import rate_limits
from web.http.rate_limits import RateLimit
from web.openapi import examples

ANN, BEN = ("key", "ann"), ("key", "ben")
METHODS, FEEDBACK, BATCH = "/v1/personalize/methods", "/v1/personalize/feedback", "/v1/personalize/decisions/batch"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> RateLimit:
    return RateLimit("decisions", "6/minute", clock=clock)


def left(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return dict(headers)[b"ratelimit"]


def test_a_bucket_empties_and_refills_evenly(limit: RateLimit, clock: Clock) -> None:
    assert left(limit.spend(ANN, 6)) == b'"decisions";r=0;t=60'
    with pytest.raises(TooMany) as refusal:
        limit.spend(ANN, 1)
    assert refusal.value.retry_after == 10
    clock.now += 10
    assert left(limit.spend(ANN, 1)) == b'"decisions";r=0;t=60'
    clock.now += 1_000
    assert left(limit.spend(ANN, 1)) == b'"decisions";r=5;t=10'


def test_every_caller_has_a_bucket(limit: RateLimit) -> None:
    limit.spend(ANN, 6)
    assert left(limit.spend(BEN, 1)) == b'"decisions";r=5;t=10'
    assert left(limit.left(ANN)) == b'"decisions";r=0;t=60'


def test_refused_request_uses_no_quota(limit: RateLimit) -> None:
    limit.spend(ANN, 4)
    with pytest.raises(TooMany):
        limit.spend(ANN, 3)
    assert left(limit.spend(ANN, 2)) == b'"decisions";r=0;t=60'


def test_a_list_larger_than_the_quota_takes_a_full_bucket(limit: RateLimit, clock: Clock) -> None:
    limit.spend(ANN, 500)
    clock.now += 60
    limit.spend(ANN, 500)
    with pytest.raises(TooMany) as refusal:
        limit.spend(ANN, 500)
    assert refusal.value.retry_after == 60


def test_the_policy_is_named_with_quota_and_window(limit: RateLimit) -> None:
    assert dict(limit.spend(ANN, 1))[b"ratelimit-policy"] == b'"decisions";q=6;w=60'


def test_many_addresses_do_not_fill_the_memory(limit: RateLimit, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MOST_CALLERS", 100)
    for number in range(1_000):
        limit.spend(("key", str(number)), 1)
        clock.now += 0.01
    assert len(limit._full_at) <= 100


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    rates = {"decision_rate": "4/hour", "outcome_rate": "5/hour", "public_rate": "3/hour"}
    settings = Settings(data=str(tmp_path_factory.mktemp("limited")), decision_timeout_ms=5000)
    with serving(msgspec.structs.replace(settings, **rates)) as server:
        yield server


@pytest.fixture
def shop(limited: Server) -> Side:
    side, _ = limited.sides()
    side.create_examples()
    return side


def purchases(*numbers: int) -> list[dict[str, str]]:
    return [{"event_id": f"order-{number}", "customer_id": "c_1", "method_id": "card"} for number in numbers]


def test_answers_have_the_remaining_quota(shop: Side) -> None:
    answer = shop.client.get(METHODS)
    assert answer.headers["ratelimit-policy"] == '"decisions";q=4;w=3600'
    assert answer.headers["ratelimit"].startswith('"decisions";r=3;t=')
    answer = shop.client.post(FEEDBACK, json=purchases(1, 2))
    assert answer.headers["ratelimit"].startswith('"outcomes";r=3;t=')
    assert "ratelimit" not in shop.client.get("/v1/lists").headers


def test_refused_request_has_retry_after(shop: Side) -> None:
    assert {shop.client.get(METHODS).status_code for _ in range(4)} == {200}
    refused = shop.client.get(METHODS)
    assert refused.status_code == 429
    assert refused.json()["type"] == "urn:tap2:problem:too-many-requests"
    assert 0 < int(refused.headers["retry-after"]) <= 900
    assert refused.headers["ratelimit"].startswith('"decisions";r=0;t=')
    assert shop.client.post(FEEDBACK, json=purchases(1)).status_code == 202
    assert shop.client.get("/v1/lists").status_code == 200


def test_each_placement_and_each_outcome_counts(shop: Side) -> None:
    body = {"placements": ["payment_methods", "a", "b", "c"], "context": {}}
    assert shop.client.post(BATCH, json=body).status_code == 200
    assert shop.client.post("/v1/personalize/decisions", json=examples.DECISION).status_code == 429
    assert shop.client.post(FEEDBACK, json=purchases(1, 2, 3)).status_code == 202
    refused = shop.client.post(FEEDBACK, json=purchases(4, 5, 6))
    assert (refused.status_code, refused.headers["ratelimit-policy"]) == (429, '"outcomes";q=5;w=3600')


def test_browsers_share_the_limit_of_their_address(shop: Side) -> None:
    with shop.server.client(shop.new_key("publishable")) as client:
        answers = [client.get(METHODS) for _ in range(3)]
        assert [answer.headers["ratelimit"][:13] for answer in answers] == [f'"address";r={n}' for n in (2, 1, 0)]
        refused = client.post(FEEDBACK, json=[])
    assert refused.status_code == 429
    exposed = refused.headers["access-control-expose-headers"]
    assert {"ETag", "Retry-After", "RateLimit", "RateLimit-Policy"} <= set(exposed.split(", "))
    assert shop.client.get(METHODS).status_code == 200
