"""The server log: JSON lines that help to find a fault, without values of requests."""

from __future__ import annotations

import asyncio
import json
import logging
import logging.config
import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import structlog
import uvicorn

from engine.settings import Settings
from tests.serving import Server, Side, serving
from tests.web.people import PASSWORD, add_person, csrf_in, log_in
from web.http import logs
from web.openapi import examples

MARK = "kakadu"
EMAIL = f"{MARK}@shop.example"


@pytest.fixture(autouse=True)
def usual_level() -> Iterator[None]:
    """Leave the level to other tests as they expect it."""
    yield
    logs.configure("info")


@pytest.fixture
def verbose(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server that logs at the lowest level."""
    with serving(Settings(data=str(tmp_path_factory.mktemp("verbose")), log_level="debug")) as server:
        yield server


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def every_place(side: Side) -> list[int]:
    """Requests with the mark wherever a caller can put something: good ones, bad ones and ones that break."""
    client, marked = side.client, {"x-note": MARK, "cookie": f"a={MARK}", "user-agent": MARK, "if-match": "*"}
    decision = {**examples.DECISION, "customer_id": MARK, "context": {"geo": {"region": MARK}, MARK: {MARK: MARK}}}
    purchase = {"event_id": MARK, "customer_id": MARK, "method_id": MARK}
    answers = [
        client.post("/v1/personalize/decisions", json=decision, headers=marked),
        client.post("/v1/personalize/decisions", json={**decision, MARK: 1}),
        client.post("/v1/personalize/decisions", content=MARK),
        client.get("/v1/personalize/methods", params={"customer_id": MARK, "locale": MARK}),
        client.post("/v1/personalize/feedback", json=purchase),
        client.post("/v1/personalize/feedback", json={**purchase, "decision_id": MARK, "type": MARK}),
        client.post("/v1/lists", json={"name": MARK, "values": [EMAIL]}, headers=marked),
        client.put(f"/v1/lists/{MARK}", json={"name": MARK, "values": [EMAIL]}, headers=marked),
        client.post("/v1/lists", json={"name": MARK, "values": 3}),
        client.get(f"/v1/{MARK}", params={MARK: MARK}),
        client.get("/v1/decisions", params={"customer_id": MARK}),
        client.get("/v1/lists", headers={"authorization": f"Bearer sk_live_{MARK}"}),
        client.post("/admin/login", data={"email": EMAIL, "password": MARK}),
        client.get(f"/admin/{MARK}"),
    ]
    return [answer.status_code for answer in answers]


def test_log_contains_no_values_of_requests(verbose: Server, capfd: pytest.CaptureFixture[str]):
    side, _ = verbose.sides()
    side.create_examples()
    statuses = every_place(side)
    text = capfd.readouterr().err
    assert {200, 202, 201, 400, 404, 401} <= set(statuses)
    assert MARK not in text
    assert side.key not in text


def test_log_names_no_person_who_logs_in_or_joins(verbose: Server, capfd: pytest.CaptureFixture[str]):
    side, _ = verbose.sides()
    admin = add_person(verbose, side)
    token = verbose.run(verbose.engine.team.invite(side.merchant.slug, EMAIL, "viewer", actor_name=admin.email))
    newcomer = verbose.client()
    form = {"csrf": csrf_in(newcomer.get(f"/admin/join/{token}").text), "name": MARK, "password": PASSWORD}
    assert newcomer.post(f"/admin/join/{token}", data=form).status_code == 303
    assert log_in(verbose.client(), EMAIL, "wrong password").status_code == 401
    assert newcomer.get("/admin/login/provider/callback", params={"code": MARK, "state": MARK}).status_code in (
        403,
        404,
    )
    admin.send("/admin/profile/second-factor/confirm", code=MARK)
    text = capfd.readouterr().err
    assert any(line["event"] == "log-in failed" for line in lines(text))
    for secret in (MARK, token, PASSWORD, admin.email, admin.csrf()):
        assert secret not in text


def test_log_of_a_failure_contains_no_values_of_requests(
    verbose: Server, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    side, _ = verbose.sides()
    side.create_examples()

    def broken(*values: Any, **more: Any) -> Any:
        try:
            raise sqlite3.IntegrityError(f"{MARK}: {values} {more}")
        except sqlite3.IntegrityError as error:
            raise RuntimeError(f"{MARK}\n{values}") from error

    for service, name in (("catalogue", "create"), ("catalogue", "page"), ("decider", "decide"), ("logbook", "search")):
        monkeypatch.setattr(getattr(verbose.engine, service), name, broken)
    statuses = every_place(side)
    text = capfd.readouterr().err
    assert 500 in statuses
    assert MARK not in text
    faults = [line for line in lines(text) if line["event"] == "unexpected error"]
    assert faults
    assert {"RuntimeError", "IntegrityError"} == set(faults[0]["fault"])
    assert any("test_logs.py" in index for index in faults[0]["at"])
    assert faults[0]["path"].startswith("/v1/")


def test_a_line_is_json_with_its_time_and_level(capfd: pytest.CaptureFixture[str]):
    logs.configure("info")
    structlog.get_logger().warning("it was late", minutes=3)
    (line,) = lines(capfd.readouterr().err)
    assert (line["event"], line["level"], line["minutes"]) == ("it was late", "warning", 3)
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(("level", "line_count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_messages_below_the_level_are_not_written(level: str, line_count: int, capfd: pytest.CaptureFixture[str]):
    # What a server that was started with uvicorn's own settings has set up.
    logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)
    logs.configure(level)
    for name in ("debug", "info", "warning", "error"):
        getattr(structlog.get_logger(), name)("own")
        getattr(logging.getLogger("uvicorn.error"), name)("theirs")
    result = lines(capfd.readouterr().err)
    assert [line["event"] for line in result].count("own") == line_count
    assert [line["event"] for line in result].count("theirs") == line_count


def test_verbose_libraries_log_only_warnings(capfd: pytest.CaptureFixture[str]):
    # What an application with Litestar's own settings has set up.
    logging.config.dictConfig(
        {"version": 1, "disable_existing_loggers": False, "loggers": {"litestar": {"propagate": False}}}
    )
    logs.configure("debug")
    for name in ("aiosqlite", "sqlalchemy.engine", "litestar"):
        logging.getLogger(name).info("a step")
        logging.getLogger(name).warning("a warning")
    assert [line["event"] for line in lines(capfd.readouterr().err)] == ["a warning"] * 3


def test_addresses_of_requests_are_never_written(capfd: pytest.CaptureFixture[str]):
    logs.configure("debug")
    logging.getLogger("uvicorn.access").critical("GET /v1/personalize/methods?customer_id=c_1")
    assert capfd.readouterr().err == ""


def test_unawaited_task_is_logged_without_its_values(capfd: pytest.CaptureFixture[str]):
    logs.configure("info")

    async def forget() -> None:
        async def fail(what: str) -> None:
            raise ValueError(what)

        task = asyncio.ensure_future(fail(MARK))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task

    asyncio.run(forget())
    text = capfd.readouterr().err
    assert MARK not in text
    assert lines(text)[0]["fault"] == ["ValueError"]


def test_repeated_configuration_does_not_duplicate_messages(capfd: pytest.CaptureFixture[str]):
    logs.configure("info")
    logs.configure("info")
    logging.getLogger("somewhere").warning("once")
    assert len(lines(capfd.readouterr().err)) == 1


def test_an_unknown_level_is_named():
    with pytest.raises(msgspec.ValidationError, match="log_level"):
        Settings.from_environment({"TAP2_LOG_LEVEL": "loud"})
