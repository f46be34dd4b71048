"""Check how the demo's shoppers treat a server that fails, refuses, or is slow; and what they report."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
from numpy.random import default_rng

from simulation.worlds.shoppers import (
    COUNTRIES,
    CYCLE_SECONDS,
    DAY_SECONDS,
    DECLINES,
    HOURS,
    CheckoutVisit,
    Shopper,
    ShopperAction,
    ShopperWorld,
    acceptance,
    busyness,
    declined,
    draw,
    drifted,
    hour_at,
    preferences,
    react,
)
from web.demo import shoppers
from web.demo.shoppers import BATCH, MOST_PENDING, RequestsRefused, Shoppers, client, outcomes, problem

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
GERMAN = Shopper("c_1", "DE", "mobile", "ios", 0.1)
VISIT = CheckoutVisit(GERMAN, 4_500, 2, 12.5, {"card": 1.0})


def shop(handler: Callable[[httpx.Request], httpx.Response], *, rate: float = 1_000.0) -> Shoppers:
    http = httpx.AsyncClient(base_url="http://demo", transport=httpx.MockTransport(handler))
    return Shoppers(http, ShopperWorld(default_rng(1)), rate=rate)


def good(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith("/decisions"):
        return httpx.Response(200, json={"decision_id": "dec_1", "ranking": [{"id": "card"}, {"id": "paypal"}]})
    return httpx.Response(202, json=[])


def run(made: Shoppers, seconds: float = 0.2) -> shoppers.Tally:
    return asyncio.run(made.run(seconds=seconds))


# Shopping


def test_shoppers_decide_and_report() -> None:
    sent: list[list[dict[str, str]]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/feedback"):
            sent.append(json.loads(request.content))
        return good(request)

    tally = run(shop(handler))
    reported = [outcome for batch in sent for outcome in batch]
    assert tally.checkouts > 0
    assert tally.failures == 0
    assert tally.outcomes == len(reported) > tally.checkouts
    assert tally.converted == sum(outcome["type"] == "converted" for outcome in reported)
    assert len({outcome["event_id"] for outcome in reported}) == len(reported)


def test_a_request_names_the_placement_the_customer_and_the_facts() -> None:
    bodies: list[dict[str, object]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/decisions"):
            bodies.append(json.loads(request.content))
        return good(request)

    run(shop(handler))
    assert {body["placement"] for body in bodies} == {"payment_methods"}
    assert all(set(body["context"]) == {"cart", "geo", "device", "customer", "risk"} for body in bodies)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [401, 403])
def test_invalid_key_ends_the_shopping_with_a_reason(status: int) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json={"detail": "send a key", "title": "A valid API key is required"})

    with pytest.raises(RequestsRefused, match=f"/v1/personalize/decisions: {status} send a key"):
        run(shop(handler), 5)


@pytest.mark.parametrize("answer", [
    httpx.Response(500), httpx.Response(503, text="away"), httpx.Response(429), httpx.Response(200, text="no json"),
])  # fmt: skip
def test_a_failing_server_does_not_end_the_shopping(answer: httpx.Response, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shoppers, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(shoppers, "LONGEST_PAUSE", 0.004)
    tally = run(shop(lambda request: answer))
    assert tally.checkouts == 0
    assert tally.failures > 0 or answer.status_code == 200


def test_after_each_failure_requests_wait_twice_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    made = shop(lambda request: httpx.Response(500))
    pauses = []

    async def fail() -> None:
        for _ in range(8):
            with pytest.raises(httpx.HTTPStatusError):
                await made._post("/x", {})
            pauses.append(made._pause)

    asyncio.run(fail())
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_success_resets_the_delay() -> None:
    answers = iter([httpx.Response(500), httpx.Response(200)])
    made = shop(lambda request: next(answers))

    async def both() -> float:
        with pytest.raises(httpx.HTTPStatusError):
            await made._post("/x", {})
        await made._post("/x", {})
        return made._pause

    assert asyncio.run(both()) == 0.0


# Reporting


def fill(made: Shoppers, count: int) -> None:
    for number in range(count):
        made._outbox.put([{"event_id": str(number)}])


def test_outcomes_are_sent_in_batches_and_again_after_a_failure() -> None:
    sizes: list[int] = []
    statuses = iter([202, 500, 202, 202])

    def handler(request: httpx.Request) -> httpx.Response:
        sizes.append(len(json.loads(request.content)))
        return httpx.Response(next(statuses))

    made = shop(handler)
    fill(made, 2 * BATCH + 5)

    async def flush_twice() -> None:
        with pytest.raises(httpx.HTTPStatusError):
            await made._flush()
        await made._flush()

    asyncio.run(flush_twice())
    assert sizes == [BATCH, BATCH, BATCH, 5]
    assert (made._outbox.pending, made.tally.outcomes) == ([], 2 * BATCH + 5)


@pytest.mark.parametrize("status", [400, 413])
def test_a_batch_that_is_refused_for_good_is_dropped(status: int) -> None:
    statuses = iter([status, 202])
    made = shop(lambda request: httpx.Response(next(statuses)))
    fill(made, BATCH + 5)
    asyncio.run(made._flush())
    assert (made._outbox.pending, made.tally.outcomes) == ([], 5)


def test_queue_of_outcomes_is_bounded() -> None:
    made = shop(good)
    fill(made, MOST_PENDING + 50)
    assert len(made._outbox.pending) == MOST_PENDING


def test_outcomes_are_some_seconds_apart() -> None:
    steps = [ShopperAction("shown"), ShopperAction("selected", "card"), ShopperAction("converted", "card")]
    made = outcomes("dec_1", VISIT, steps, now=NOW)
    assert [outcome["type"] for outcome in made] == ["shown", "selected", "converted"]
    assert [outcome["occurred_at"][17:] for outcome in made] == ["32.000+00:00", "46.000+00:00", "00.000+00:00"]
    assert [outcome.get("candidate_id") for outcome in made] == [None, "card", "card"]
    assert [(outcome.get("amount"), outcome.get("currency")) for outcome in made] == [
        (None, None), (None, None), (4_500, "EUR"),
    ]  # fmt: skip
    assert {outcome["decision_id"] for outcome in made} == {"dec_1"}


@pytest.mark.parametrize(("response", "text"), [
    (httpx.Response(400, json={"detail": "is wrong"}), "is wrong"),
    (httpx.Response(400, json={"title": "Invalid"}), "Invalid"),
    (httpx.Response(502, text="Bad gateway"), "Bad gateway"),
    (httpx.Response(502, text="x" * 500), "x" * 200),
    (httpx.Response(400, json=["odd"]), '["odd"]'),
])  # fmt: skip
def test_refusal_is_summarised(response: httpx.Response, text: str) -> None:
    assert problem(response) == text


def test_a_client_sends_its_key() -> None:
    made = client("http://demo", "sk_1")
    assert made.headers["authorization"] == "Bearer sk_1"
    assert str(made.base_url).rstrip("/") == "http://demo"


# The world


@pytest.mark.parametrize(("elapsed", "hour"), [(0, 12), (DAY_SECONDS / 2, 0), (DAY_SECONDS, 12), (DAY_SECONDS / 4, 18)])
def test_simulated_day_begins_at_noon_with_its_duration(elapsed: float, hour: float) -> None:
    assert hour_at(elapsed) == pytest.approx(hour)


def test_traffic_follows_the_hours_and_never_stops() -> None:
    hours = [busyness(DAY_SECONDS * ((hour - 12) % 24) / 24 + 1) for hour in range(24)]
    assert hours == [max(0.4, share / 100) for share in HOURS]
    assert sum(HOURS) / 24 == pytest.approx(100, abs=3)


@pytest.mark.parametrize(("elapsed", "is_on"), [
    (0, False), (CYCLE_SECONDS / 2 - 1, False), (CYCLE_SECONDS / 2, True), (CYCLE_SECONDS - 1, True),
    (CYCLE_SECONDS, False),
])  # fmt: skip
def test_a_campaign_runs_in_the_second_half_of_a_cycle(elapsed: float, is_on: bool) -> None:
    assert drifted(elapsed) == is_on


@pytest.mark.parametrize(("uniform", "name"), [(0.0, "a"), (0.249, "a"), (0.25, "b"), (0.999, "b"), (1.0, "b")])
def test_names_are_drawn_by_share(uniform: float, name: str) -> None:
    assert draw({"a": 1.0, "b": 3.0}, uniform) == name


@pytest.mark.parametrize("country", list(COUNTRIES))
@pytest.mark.parametrize("system", ["ios", "android", "windows"])
def test_preferences_are_shares_of_methods_that_the_device_has(country: str, system: str) -> None:
    shares = preferences(country, system, drift=False)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert ("apple_pay" in shares) == (system == "ios" and "apple_pay" in COUNTRIES[country].methods)


def test_favourite_is_selected_far_more_often() -> None:
    tastes = acceptance(GERMAN, drift=False)
    favourite = max(tastes, key=tastes.__getitem__)
    assert tastes[favourite] == 0.92
    assert all(share <= 0.22 for method, share in tastes.items() if method != favourite)


def test_shopper_without_an_acceptable_method_abandons() -> None:
    visit = CheckoutVisit(GERMAN, 4_500, 2, 12.5, {})
    assert react(visit, ["card", "paypal"], default_rng(1)) == [ShopperAction("shown"), ShopperAction("abandoned")]
    assert react(VISIT, [], default_rng(1)) == [ShopperAction("shown"), ShopperAction("abandoned")]


def test_method_fails_at_its_rate() -> None:
    assert declined("card") == DECLINES["card"]
    assert declined("bitcoin") == 0.05


def test_visits_have_facts_within_their_ranges() -> None:
    world = ShopperWorld(default_rng(3))
    for number in range(500):
        visit = world.visit(float(number))
        assert 300 <= visit.total <= 300_000
        assert visit.items >= 1
        assert 0 <= visit.risk <= 100
        assert visit.context["customer"]["returning"] == (visit.shopper.customer_id is not None)
        assert visit.context["cart"]["currency"] == COUNTRIES[visit.shopper.country].currency
