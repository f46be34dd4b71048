"""`tap2 status`."""

from __future__ import annotations

from collections import defaultdict
from ipaddress import ip_address
from typing import Any

import click
import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from engine import status as installation
from engine.clock import now_ms
from engine.service import Engine
from engine.settings import Settings
from web.cli.common import as_json, settings, show, with_engine

ANSWERS_WITHIN_SECONDS = 3.0
MEGABYTE = 10**6


class Process(msgspec.Struct, frozen=True):
    """A process of the server, by its id on its machine."""

    process: str
    version: str
    seen_seconds_ago: int


class JobState(msgspec.Struct, frozen=True):
    """The runs of a job since the server started."""

    job: str
    runs: int
    failures: int
    last_seconds_ago: int
    next_in_seconds: int


class ServerStatus(msgspec.Struct, frozen=True):
    """The report of the server on this machine; without an answer everything else is empty."""

    url: str
    answers: bool
    records_in_memory: int = 0
    processes: list[Process] = []
    jobs: list[JobState] = []


@click.command()
@as_json
def status(*, json: bool) -> None:
    """Show what runs, what waits, how old beliefs are, and how large the database is and grows.

    Reads the database, and `/metrics` of the server that has the same settings. The exit status is 1 if no server
    answers.
    """

    async def work(engine: Engine) -> installation.DatabaseStatus:
        return await installation.read(engine.database)

    stored, server = with_engine(work), server_status(settings())
    if json:
        show({**msgspec.structs.asdict(stored), "server": server}, json=True)
    else:
        _show_tables(stored, server)
    if not server.answers:
        raise SystemExit(1)


def _show_tables(stored: installation.DatabaseStatus, server: ServerStatus) -> None:
    show(_in_words(stored.installation), json=False, title="Installation")
    show(stored.backlogs, json=False, title="Waiting in the database")
    beliefs = [
        {"merchant": each.merchant, "side": each.side, "placement": each.placement, "age": _age(each.seconds_old)}
        for each in stored.beliefs
    ]
    show(beliefs, json=False, title="Beliefs")
    if not server.answers:
        click.echo(f"No server answers at {server.url}.", err=True)
        return
    processes = [(each.process, each.version, f"{_age(each.seen_seconds_ago)} ago") for each in server.processes]
    show([dict(zip(("process", "version", "seen"), row, strict=True)) for row in processes], json=False, title="Server")
    show({"records in memory": server.records_in_memory}, json=False, title="Waiting to be written")
    jobs = [
        {
            "job": each.job,
            "runs": each.runs,
            "failures": each.failures,
            "last": f"{_age(each.last_seconds_ago)} ago",
            "next": f"in {_age(each.next_in_seconds)}",
        }
        for each in server.jobs
    ]
    show(jobs, json=False, title="Jobs since the start")


def _in_words(state: installation.Installation) -> dict[str, str]:
    growth = "unknown" if state.bytes_a_day is None else f"{state.bytes_a_day / MEGABYTE:,.1f} MB a day"
    age = state.leader_seen_seconds
    return {
        "version": state.version,
        "database": f"{state.database}, schema {state.schema}, {state.bytes / MEGABYTE:,.1f} MB",
        "growth": growth,
        "decisions": f"{state.decisions_last_day:,} in the last 24 hours, {state.decisions_a_day:,} a day over 7 days",
        "leader": "none" if age is None else f"seen {_age(round(age))} ago",
    }


def _age(seconds: int) -> str:
    """Return a duration in its largest whole unit."""
    for unit, size in (("days", 2 * 86_400), ("h", 2 * 3_600), ("min", 120)):
        if seconds >= size:
            return f"{seconds * 2 // size} {unit}"
    return f"{seconds} s"


def server_status(options: Settings) -> ServerStatus:
    """Ask the server of these settings for its metrics."""
    url = f"http://{_host(options.host)}:{options.port}"
    try:
        answer = httpx.get(f"{url}/metrics", timeout=ANSWERS_WITHIN_SECONDS, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError:
        return ServerStatus(url, answers=False)
    return _parsed(url, answer.text, now_ms() / 1000)


def _host(listening: str) -> str:
    """Return the host of an URL for the address that the server listens on."""
    try:
        address = ip_address(listening)
    except ValueError:
        return listening
    if address.is_unspecified:
        return "localhost"
    return f"[{address}]" if address.version == 6 else str(address)


def _parsed(url: str, text: str, now: float) -> ServerStatus:
    samples: dict[str, list[Any]] = defaultdict(list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples[sample.name].append(sample)
    runs: dict[tuple[str, str], int] = defaultdict(int)
    for sample in samples["tap2_job_runs_total"]:
        runs[sample.labels["job"], sample.labels["result"]] += int(sample.value)
    following = {sample.labels["job"]: sample.value for sample in samples["tap2_job_next_timestamp_seconds"]}
    jobs = [
        JobState(
            job,
            runs[job, "ok"] + runs[job, "failed"],
            runs[job, "failed"],
            max(0, round(now - sample.value)),
            max(0, round(following.get(job, now) - now)),
        )
        for sample in samples["tap2_job_ended_timestamp_seconds"]
        for job in [sample.labels["job"]]
    ]
    processes = [
        Process(sample.labels["process"], sample.labels["version"], max(0, round(now - sample.value)))
        for sample in samples["tap2_process_seen_timestamp_seconds"]
    ]
    queued = sum(int(sample.value) for sample in samples["tap2_waiting"])
    return ServerStatus(
        url,
        True,
        queued,
        sorted(processes, key=lambda each: each.seen_seconds_ago),
        sorted(jobs, key=lambda each: each.job),
    )
