"""While the database is locked or full, callers get 503 soon and may try again; nothing is half done."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from engine.faults import is_temporary
from engine.settings import Settings
from tests.marks import SQLITE
from tests.serving import Server, Side, serving
from tests.web.people import PASSWORD, add_person, log_in

PURCHASE = {"event_id": "order-1", "customer_id": "c_1", "method_id": "card"}
Lock = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def server(settings: Settings) -> Iterator[Server]:
    with serving(msgspec.structs.replace(settings, decision_timeout_ms=300)) as server:
        yield server


@pytest.fixture
def lock(server: Server) -> Lock:
    """Return a lock on all that is written, which another connection holds."""
    url = server.settings.database_url
    return (lambda: locked_postgres(server, url)) if url else (lambda: locked_sqlite(server.settings.data))


@contextmanager
def locked_sqlite(folder: str) -> Iterator[None]:
    connection = sqlite3.connect(Path(folder, "tap2.sqlite"), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.close()


@contextmanager
def locked_postgres(server: Server, url: str) -> Iterator[None]:
    parts = make_url(url)
    connection = server.run(asyncpg.connect(host=parts.query["host"], user="postgres", database=parts.database))
    server.run(connection.execute("BEGIN"))
    tables = "resources, drafts, outcomes, decisions, login_attempts, write_probes, sessions"
    server.run(connection.execute(f"LOCK TABLE {tables} IN EXCLUSIVE MODE"))
    yield
    server.run(connection.close())


@contextmanager
def full_disk(folder: str) -> Iterator[None]:
    """Let no file of this process grow beyond the write-ahead log's present size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(folder, "tap2.sqlite-wal").stat().st_size, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def assert_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["type"] == "urn:tap2:problem:unavailable"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.elapsed.total_seconds() < 15, "five seconds on a machine that does nothing else"


def shop_with_examples(server: Server) -> Side:
    side, _ = server.sides()
    side.create_examples()
    return side


def test_configuration_answers_503_while_the_database_is_locked(server: Server, lock: Lock) -> None:
    side, fresh = shop_with_examples(server), {"name": "fresh", "values": ["a"]}
    with lock():
        assert_unavailable(side.client.post("/v1/lists", json=fresh))
        assert side.client.get("/v1/lists").status_code == 200
    assert side.client.post("/v1/lists", json=fresh).status_code == 201


def test_outcomes_answer_503_while_the_database_is_locked(server: Server, lock: Lock) -> None:
    side = shop_with_examples(server)
    with lock():
        assert side.decide()["fallback"] is True
        assert_unavailable(side.client.post("/v1/personalize/feedback", json=PURCHASE))
    results = side.client.post("/v1/personalize/feedback", json=PURCHASE).json()["results"]
    assert results[0]["status"] in ("recorded", "duplicate")


def test_log_in_shows_a_page_while_the_database_is_locked(server: Server, lock: Lock) -> None:
    side = shop_with_examples(server)
    person = add_person(server, side)
    with lock():
        answer = log_in(server.client(), person.email, PASSWORD)
        assert answer.status_code == 503
        assert "The database does not answer" in answer.text
        assert int(answer.headers["retry-after"]) > 0
    assert log_in(server.client(), person.email, PASSWORD).status_code == 303


def test_pages_can_be_read_while_the_database_is_locked(
    server: Server, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = add_person(server, shop_with_examples(server))
    monkeypatch.setattr("engine.accounts.sessions.TOUCH_MS", 0)
    with lock():
        assert "Card" in person.get("/admin/placements/payment_methods/candidates")


def test_readiness_ends_while_the_database_is_locked(
    server: Server, lock: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.connection.write_probe.FRESH_SECONDS", 0)
    client = server.client()
    assert client.get("/readyz").status_code == 200
    with lock():
        assert_unavailable(client.get("/readyz"))
        assert client.get("/healthz").status_code == 200
    server.run(server.engine.write_probe.stop())
    assert client.get("/readyz").status_code == 200


@SQLITE
def test_a_full_disk_answers_503_and_recovers(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.store.connection.write_probe.FRESH_SECONDS", 0)
    side, fresh = (
        shop_with_examples(server),
        {"name": "fresh", "values": [f"value-{number}" for number in range(2_000)]},
    )
    with full_disk(server.settings.data):
        assert_unavailable(side.client.post("/v1/lists", json=fresh))
        assert side.decide()["fallback"] is True
        assert_unavailable(side.client.post("/v1/personalize/feedback", json=PURCHASE))
        assert_unavailable(side.client.get("/readyz"))
        assert side.client.get("/healthz").status_code == 200
    assert side.client.post("/v1/lists", json=fresh).status_code == 201
    assert side.client.get("/readyz").status_code == 200


def test_readiness_writes_once_for_many_callers(server: Server) -> None:
    writes: list[Any] = []
    client, write = server.client(), server.engine.database.write

    def counted() -> Any:
        writes.append(None)
        return write()

    server.engine.database.write = counted  # type: ignore[method-assign]
    assert {client.get("/readyz").status_code for _ in range(20)} == {200}
    assert len(writes) <= 2


class DriverError(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


@pytest.mark.parametrize("state", ["55P03", "53100", "57P03", "25006", "08006", "40001"])
def test_faults_that_pass_are_temporary(state: str) -> None:
    assert is_temporary(DBAPIError("INSERT", {}, DriverError(state)))
    assert is_temporary(DriverError(state))


def test_defects_are_not_temporary() -> None:
    with pytest.raises(sqlite3.OperationalError) as defect:
        sqlite3.connect(":memory:").execute("SELECT * FROM nothing")
    assert not is_temporary(defect.value)
    assert not is_temporary(OperationalError("SELECT", {}, defect.value))
    assert not is_temporary(DBAPIError("INSERT", {}, DriverError("23505")))
    assert not is_temporary(ValueError("x"))


def test_facts_with_nul_are_stored_and_replayed(server: Server) -> None:
    side = shop_with_examples(server)
    context = {"customer": {"locale": "a\0b"}, "a\0": {"b\0": 1}, "cart": {"total\0": 1, "currency": "\0"}}
    answer = side.client.post("/v1/personalize/decisions", json={"placement": "payment_methods", "context": context})
    assert (answer.status_code, answer.json()["fallback"]) == (200, False)
    assert side.client.post(f"/v1/decisions/{answer.json()['decision_id']}/replay").json()["same"] is True
    server.run(server.engine.faulty_facts.flush())
