"""Prometheus metrics. No label grows with customers or merchants."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from engine.jobs import JobRun
from engine.latencies import BOUNDS, Counted

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which the client library finds the folder where processes keep their numbers."""
NEWEST: Literal["mostrecent"] = "mostrecent"
"""The process that answers sets a gauge first, and all know the same of the database."""


class SummedHistogram(Histogram):
    """A histogram that takes many observations at once: one at a time they would cost 8 µs each."""

    def add(self, counted: Counted) -> None:
        """Add durations that were counted by the same bounds."""
        for bucket, count in zip(self._buckets, counted.counts, strict=True):
            bucket.inc(count)
        self._sum.inc(counted.seconds)


DECISIONS = Counter("tap2_decisions", "Decisions answered")
FALLBACKS = Counter("tap2_fallbacks", "Decisions answered with the fallback order")
FALLBACK_FAULTS = Counter("tap2_fallback_faults", "Decisions answered with the fallback order, by fault", ["fault"])
OUTCOMES = Counter("tap2_outcomes", "Outcomes reported, by status", ["status"])
OUTAGES = Gauge("tap2_outages", "Candidates that seem to be down and get only probes", multiprocess_mode=NEWEST)
EMERGENCIES = Gauge(
    "tap2_emergencies_unseen", "Emergencies that no second person has seen yet", multiprocess_mode=NEWEST
)
WAITING = Gauge("tap2_waiting", "Records that wait to be written by the process that answers", multiprocess_mode=NEWEST)
FAULTY_FACTS = Counter("tap2_faulty_facts", "Decisions with invalid facts, by kind", ["kind"])
BUDGETS = Gauge(
    "tap2_budgets_used",
    "Budgets of which at least this percentage is spent or held",
    ["percent"],
    multiprocess_mode=NEWEST,
)
PREDICTIONS = Gauge(
    "tap2_predictions_off", "Models whose predictions differ from results by more than noise", multiprocess_mode=NEWEST
)
REQUESTS = SummedHistogram(
    "tap2_request_seconds", "Time to answer a request to a checkout's endpoint", ["route"], buckets=BOUNDS
)
COMMITS = SummedHistogram(
    "tap2_commit_seconds",
    "Time to commit a group of decisions and outcomes, with waiting for the database",
    buckets=BOUNDS,
)
DEPRECATED_CALLS = Counter("tap2_deprecated_calls", "Calls of deprecated operations", ["operation"])
WEBHOOK_MESSAGES = Gauge(
    "tap2_webhook_messages",
    "Messages of webhooks that wait to be delivered, or are parked after the last attempt, by their state",
    ["state"],
    multiprocess_mode=NEWEST,
)
LOGINS = Counter("tap2_logins", "Log-ins, by their result: ok, refused or limited", ["result"])
PEOPLE = Counter("tap2_people_changes", "Changes of people and their log-in methods, by kind", ["change"])
JOB_RUNS = Counter("tap2_job_runs", "Runs of jobs, by their result: ok or failed", ["job", "result"])
JOB_ENDED = Gauge("tap2_job_ended_timestamp_seconds", "When a job ran last", ["job"], multiprocess_mode=NEWEST)
JOB_NEXT = Gauge("tap2_job_next_timestamp_seconds", "When a job runs next", ["job"], multiprocess_mode=NEWEST)
PROCESS_SEEN = Gauge(
    "tap2_process_seen_timestamp_seconds",
    "When a process of the server ran a job last",
    ["process", "version"],
    multiprocess_mode=NEWEST,
)
VERSION = version("tap2-personalize-server")


def count_job(run: JobRun) -> None:
    """Count a run of a job in this process."""
    now = time.time()
    JOB_RUNS.labels(run.name, "failed" if run.failed else "ok").inc()
    JOB_ENDED.labels(run.name).set(now)
    JOB_NEXT.labels(run.name).set(now + run.pause)
    PROCESS_SEEN.labels(os.getpid(), VERSION).set(now)


@contextmanager
def shared_by_processes() -> Iterator[None]:
    """Let processes that are started meanwhile count together."""
    with tempfile.TemporaryDirectory(prefix="tap2-metrics-") as folder:
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]


def exposition() -> bytes:
    """Return the metrics of all processes of the server, in Prometheus' text format."""
    if FOLDER not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
