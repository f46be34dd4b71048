"""Change a preference through one of four PostgreSQL workers, and decide with every worker until all apply it."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from benchmarks.privacy.postgres import postgres
from benchmarks.privacy.world import METHODS, create_data, settings_of
from benchmarks.process import TAP2, Server, free_port

Figure = tuple[str, str, str]
CHANGES, WORKERS = 400, 4
GIVES_UP_AFTER = 20.0


class Obedience(NamedTuple):
    """The seconds from a change to the first answer that obeys; the answers before it, fallbacks apart."""

    seconds: float
    disobeyed: int
    fallbacks: int


def figures() -> list[Figure]:
    """Return how long it takes until all workers obey."""
    with tempfile.TemporaryDirectory() as name, postgres(Path(name) / "postgres") as url:
        folder = Path(name) / "data"
        folder.mkdir()
        key = asyncio.run(create_data(settings_of(folder, url)))
        servers = [
            Server((*TAP2, "serve"), _own(folder, number), free_port(), {"TAP2_DATABASE_URL": url, "TAP2_WORKERS": "1"})
            for number in range(WORKERS)
        ]
        try:
            for server in servers:
                server.start()
            return _measure([_client(server, key) for server in servers])
        finally:
            for server in servers:
                server.stop()


def _own(folder: Path, number: int) -> Path:
    """Return a folder with the keys of the installation, as each machine has one."""
    own = folder.parent / f"worker-{number}"
    own.mkdir()
    for file in folder.iterdir():
        if file.is_file():
            (own / file.name).write_bytes(file.read_bytes())
    return own


def _client(server: Server, key: str) -> httpx.Client:
    return httpx.Client(
        base_url=f"http://127.0.0.1:{server.port}", headers={"authorization": f"Bearer {key}"}, timeout=60
    )


def _measure(workers: list[httpx.Client]) -> list[Figure]:
    seconds, late, fallbacks = [], 0, 0
    with ThreadPoolExecutor(len(workers)) as pool:
        for number in range(CHANGES):
            method = METHODS[number % len(METHODS)]
            customer, changer = f"customer-{number % 20}", workers[number % len(workers)]
            sent = {"customer_id": customer, "default_method": method}
            began = time.perf_counter()
            changer.put("/v1/personalize/preferences", json=sent).raise_for_status()
            tries = list(pool.map(partial(_until_obeyed, customer, method, began), workers))
            seconds.append(max(each.seconds for each in tries))
            late += sum(each.disobeyed for each in tries)
            fallbacks += sum(each.fallbacks for each in tries)
    ordered = sorted(seconds)
    p99 = ordered[int(0.99 * len(ordered))]
    return [
        (f"{CHANGES} changes, each through one of {WORKERS} PostgreSQL workers: next decisions that disobey", "0",
         f"{late} of {CHANGES * WORKERS:,} ({fallbacks} fallbacks)"),
        ("from the change to the obeying answer of the last worker, p99", "< 5 s", f"{p99 * 1e3:.0f} ms"),
        ("the slowest", "< 5 s", f"{ordered[-1] * 1e3:.0f} ms"),
    ]  # fmt: skip


def _until_obeyed(customer: str, method: str, began: float, worker: httpx.Client) -> Obedience:
    request = {"placement": "payment_methods", "customer_id": customer, "context": {}}
    disobeyed = fallbacks = 0
    while True:
        answer: Any = json.loads(worker.post("/v1/personalize/decisions", json=request).content)
        elapsed = time.perf_counter() - began
        if answer["ranking"][0]["id"] == method or elapsed > GIVES_UP_AFTER:
            return Obedience(elapsed, disobeyed, fallbacks)
        fallbacks += answer["fallback"]
        disobeyed += not answer["fallback"]
