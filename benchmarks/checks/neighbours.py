"""The effect of one merchant's load, and of many logins, on the decisions of another merchant on the same server.

`python -m benchmarks.verify neighbours`. The flood takes all that the default limits allow. It goes to the same server
and to another one in turn: what differs comes of sharing a server, not of a machine that has more to do.
"""

from __future__ import annotations

import asyncio
import http.client
import itertools
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from benchmarks.checks.attacks import DECISIONS, FEEDBACK, Client, create_examples, open_merchants
from benchmarks.process import ROOT, TAP2, Server, free_port
from benchmarks.speed.load import percentile

Figure = tuple[str, str, str]
DEFAULT_LIMITS = {"TAP2_DECISION_RATE": "200/second", "TAP2_OUTCOME_RATE": "1000/second"}
ROUNDS, PHASE_SECONDS, PAUSE_SECONDS = 6, 5.0, 0.02
OUTCOMES_EACH = 5
FLOOD_CLIENTS = 20
LOG_INS = 100
CSRF = re.compile(rb'name="csrf" value="([^"]+)"')


class Phases:
    """Waits of a client's decisions, in ms, by phase; and how many were fallbacks or refused."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.p50: dict[str, list[float]] = {}
        self.p99: dict[str, list[float]] = {}
        self.decisions = self.fallbacks = self.refused = 0

    def measure(self, name: str, *, while_true: Callable[[], bool]) -> None:
        """Decide for as long as `while_true` holds."""
        waits = []
        while while_true():
            began = time.perf_counter()
            status, answer = self._client.post(DECISIONS, {"placement": "payment_methods", "context": {}})
            waits.append(1_000 * (time.perf_counter() - began))
            self.decisions += 1
            self.refused += status != 200
            self.fallbacks += status == 200 and answer["fallback"]
            time.sleep(PAUSE_SECONDS)
        ordered = sorted(waits)
        self.p50.setdefault(name, []).append(percentile(ordered, 0.5))
        self.p99.setdefault(name, []).append(percentile(ordered, 0.99))

    def ratio(self, percentiles: dict[str, list[float]], before: str) -> str:
        other, loud = statistics.median(percentiles[before]), statistics.median(percentiles["loud"])
        return f"{other:.1f} ms, {loud:.1f} ms ({loud / other:.2f})"


def _for_seconds(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


def flood(port: int, key: str) -> None:
    """Ask for 200 decisions a second and report 1,000 outcomes on them, until killed."""
    for number in range(FLOOD_CLIENTS):
        threading.Thread(target=_flood, args=(port, key, number)).start()


def _flood(port: int, key: str, number: int) -> None:
    client, events = Client(port, key), itertools.count()
    began, sent = time.monotonic(), 0
    while True:
        status, answer = client.post(DECISIONS, {"placement": "payment_methods", "context": {}})
        if status == 200:
            ids = [ranked["id"] for ranked in answer["ranking"]]
            base = {"decision_id": answer["decision_id"], "type": "shown"}
            outcomes = itertools.islice(itertools.cycle(ids), OUTCOMES_EACH)
            items = [{**base, "event_id": f"flood-{number}-{next(events)}", "candidate_id": id} for id in outcomes]
            client.post(FEEDBACK, items)
        sent += 1
        time.sleep(max(0.0, began + sent * FLOOD_CLIENTS / 200 - time.monotonic()))


@contextmanager
def _flooding(port: int, key: str) -> Iterator[None]:
    """A flood from a process of its own, so that it does not slow the client that measures."""
    command = [sys.executable, "-m", "benchmarks.checks.neighbours", str(port), key]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        time.sleep(1.5)
        yield
    finally:
        process.kill()
        process.wait()


def _log_in(port: int, number: int, statuses: list[int], gate: threading.Barrier) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", "/admin/login")
    page = connection.getresponse()
    cookie = str(page.headers["set-cookie"]).partition(";")[0]
    match = CSRF.search(page.read())
    assert match
    form = {"csrf": match[1].decode(), "email": f"nobody-{number}@example.com", "password": "wrong password here"}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
    gate.wait()
    connection.request("POST", "/admin/login", urlencode(form), headers)
    answer = connection.getresponse()
    answer.read()
    statuses.append(answer.status)


def _measure_log_ins(port: int, phases: Phases) -> list[int]:
    statuses: list[int] = []
    gate = threading.Barrier(LOG_INS)
    threads = [threading.Thread(target=_log_in, args=(port, number, statuses, gate)) for number in range(LOG_INS)]
    for thread in threads:
        thread.start()
    phases.measure("loud", while_true=lambda: any(thread.is_alive() for thread in threads))
    return statuses


class Site(NamedTuple):
    """A server with two merchants."""

    server: Server
    keys: dict[str, str]

    def client(self, name: str) -> Client:
        return Client(self.server.port, self.keys[f"{name} secret"])


@contextmanager
def _site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="tap2-neighbours-"))
    site = Site(Server((*TAP2, "serve"), folder, free_port(), DEFAULT_LIMITS), asyncio.run(open_merchants(folder)))
    with site.server:
        for name in ("one", "two"):
            create_examples(site.client(name))
        yield site


def figures() -> list[Figure]:
    """Start two servers with two merchants each; return the table's rows."""
    with _site() as flooded, _site() as elsewhere:
        return [*_of_flood(flooded, elsewhere), *_of_log_ins(flooded)]


def _of_flood(flooded: Site, elsewhere: Site) -> list[Figure]:
    phases, decision_count = Phases(flooded.client("two")), 0
    phases.measure("warm up", while_true=_for_seconds(2))
    for _ in range(ROUNDS):
        for name, site in (("elsewhere", elsewhere), ("loud", flooded)):
            with _flooding(site.server.port, site.keys["one secret"]):
                before = _decisions(site)
                phases.measure(name, while_true=_for_seconds(PHASE_SECONDS))
                decision_count += _decisions(site) - before
    rate = (decision_count - phases.decisions / 2) / (2 * ROUNDS * PHASE_SECONDS)
    ratio = "at most 1.5 times"
    return [
        ("a merchant floods: decisions a second, with five outcomes each", "200", f"{rate:.0f}"),
        ("another's decisions, p50 with the flood elsewhere and here", ratio, phases.ratio(phases.p50, "elsewhere")),
        ("their p99, median of the phases", ratio, phases.ratio(phases.p99, "elsewhere")),
        ("their fallbacks and refused", "0", f"{phases.fallbacks} and {phases.refused} of {phases.decisions:,}"),
    ]


def _decisions(site: Site) -> int:
    """Return how many decisions the server has answered."""
    with urllib.request.urlopen(f"http://127.0.0.1:{site.server.port}/metrics") as answer:
        (line,) = (line for line in answer.read().decode().splitlines() if line.startswith("tap2_decisions_total"))
    return int(float(line.split()[1]))


def _of_log_ins(site: Site) -> list[Figure]:
    phases = Phases(site.client("two"))
    phases.measure("quiet", while_true=_for_seconds(PHASE_SECONDS))
    statuses = _measure_log_ins(site.server.port, phases)
    refused = sum(status == 429 for status in statuses)
    return [
        (f"{LOG_INS} log-ins at once ({refused} refused): p99 of decisions", "", phases.ratio(phases.p99, "quiet")),
        ("fallbacks and refused decisions meanwhile", "0", f"{phases.fallbacks} and {phases.refused}"),
    ]


if __name__ == "__main__":
    flood(int(sys.argv[1]), sys.argv[2])
