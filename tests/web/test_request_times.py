"""Histograms of requests and commits: what was counted in memory arrives in `/metrics` with its sum."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from engine.latencies import BOUNDS, Latencies
from web.http import metrics
from web.http.metrics import SummedHistogram
from web.http.middleware import request_times
from web.http.middleware.request_times import RequestTimes

ROUTE = "/v1/personalize/decisions"


def samples(text, name):
    """Return the samples of a metric by name and labels."""
    (family,) = [family for family in text_string_to_metric_families(text) if family.name == name]
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in family.samples}


def test_counted_durations_are_those_of_a_histogram():
    summed, single = CollectorRegistry(), CollectorRegistry()
    expected = metrics.Histogram("t", "t", buckets=BOUNDS, registry=single)
    result = SummedHistogram("t", "t", buckets=BOUNDS, registry=summed)
    latencies = Latencies()
    for seconds in (0.0, 0.001, 0.0011, 0.3, 2.5, 99.0):
        expected.observe(seconds)
        latencies.add(seconds)
    result.add(latencies.take())
    result.add(latencies.take())
    texts = [
        [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]
        for registry in (summed, single)
    ]
    assert texts[0] == texts[1]


def test_requests_are_added_once_a_second_and_on_demand(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(request_times.time, "monotonic", lambda: now[0])
    times = RequestTimes()
    counts = request_times.REQUESTS.labels("/of/this/test")

    def count():
        return sum(bucket.get() for bucket in counts._buckets)

    times.add("/of/this/test", 0.002)
    assert count() == 0
    now[0] += 1.5
    times.add("/of/this/test", 0.002)
    assert count() == 2
    times.add("/of/this/test", 0.002)
    times.flush()
    assert count() == 3


def test_metrics_contain_the_decision(shop):
    before = shop.client.get("/metrics").text
    body = {"placement": "payment_methods", "context": {}}
    assert shop.client.post(ROUTE, json=body).status_code == 200
    after = shop.client.get("/metrics").text
    for name, labels in (("tap2_request_seconds", (("route", ROUTE),)), ("tap2_commit_seconds", ())):
        old = samples(before, name).get((f"{name}_count", labels), 0)
        assert samples(after, name)[f"{name}_count", labels] >= old + 1
