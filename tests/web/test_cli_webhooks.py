"""`tap2 webhooks`: endpoints and messages from the command line, on SQLite."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from standardwebhooks import Webhook

from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.store import tables
from tests.web.test_cli_accounts import printed, refused, tap2
from web.cli.events.webhooks import TYPES

URL = "https://shop.example.com/webhooks/tap2"
SHOP = ("--merchant", "shop")
ADD = ("webhooks", "add", URL, "--type", "arm.jumped", *SHOP)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two merchants."""
    path = tmp_path_factory.mktemp("webhooks")
    for slug in ("shop", "other"):
        assert tap2(path, "merchant", "add", slug).exit_code == 0
    return path


def park(folder: Path) -> None:
    """Park what waits, as after the last attempt."""

    async def work(engine: Engine) -> None:
        async with engine.database.write() as connection:
            await connection.execute(update(tables.webhook_deliveries).values(state="parked"))

    async def run() -> None:
        engine = await open_engine(Settings(data=str(folder)))
        try:
            await work(engine)
            assert await engine.webhooks.messages() == {"waiting": 0, "parked": 1}
        finally:
            await engine.database.close()

    asyncio.run(run())


def own(folder: Path, id: str) -> Any:
    """Return the row of a webhook; the page also has those of other tests."""
    return next(row for row in printed(folder, "webhooks", "list", *SHOP) if row["id"] == id)


def test_a_webhook_is_added_tested_and_removed(folder: Path) -> None:
    made = printed(folder, *ADD, "--type", "budget.alert", "--description", "Books", "--format", "cloudevents")
    id, secret = made["id"], made.pop("secret")
    assert Webhook(secret)
    assert (made["url"], made["types"]) == (URL, ["arm.jumped", "budget.alert"])
    assert own(folder, id) == made
    assert printed(folder, "webhooks", "list", *SHOP, "--test") == []
    message = printed(folder, "webhooks", "test", id, *SHOP)
    assert (message["type"], message["state"]) == ("endpoint.test", "waiting")
    assert printed(folder, "webhooks", "deliveries", id, *SHOP) == [message]
    assert printed(folder, "webhooks", "deliveries", id, "--state", "parked", *SHOP) == []
    assert "being sent already" in refused(folder, "webhooks", "resend", id, "--event", str(message["event_id"]), *SHOP)
    park(folder)
    assert own(folder, id)["parked"] == 1
    assert printed(folder, "webhooks", "resend", id, *SHOP) == {"count": 1}
    assert printed(folder, "webhooks", "deliveries", id, *SHOP)[0]["state"] == "waiting"
    rotated = printed(folder, "webhooks", "rotate", id, "--overlap-hours", "1", *SHOP)
    assert rotated["secret"] != secret
    assert rotated["old_secret_until"]
    assert printed(folder, "webhooks", "remove", id, *SHOP) == {"id": id, "state": "removed"}
    assert id not in [row["id"] for row in printed(folder, "webhooks", "list", *SHOP)]


@pytest.mark.parametrize("command", ["test", "rotate", "remove", "deliveries", "resend"])
def test_webhook_of_another_merchant_is_not_found(folder: Path, command: str) -> None:
    id = printed(folder, *ADD)["id"]
    for side in (("--merchant", "other"), (*SHOP, "--test")):
        assert f"there is no webhook “{id}”" in refused(folder, "webhooks", command, id, *side)
    assert id in [row["id"] for row in printed(folder, "webhooks", "list", *SHOP)]
    assert printed(folder, "webhooks", "remove", id, *SHOP)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "https://127.0.0.1/", "--type", "arm.jumped"), "url: "),
        (("add", "http://shop.example.com/", "--type", "arm.jumped"), "url: "),
        (("add", URL, "--type", "endpoint.test"), "'endpoint.test' is not one of"),
        (("add", URL, "--type", "arm.jumped", "--description", "x" * 201), "description: "),
        (("test", "we_no"), "there is no webhook “we_no”"),
        (("deliveries", "we_no", "--state", "lost"), "'lost' is not one of"),
        (("rotate", "we_no", "--overlap-hours", "200"), "is not in the range 0<=x<=168"),
    ],
)
def test_a_wrong_command_names_the_mistake(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    assert message in refused(folder, "webhooks", *arguments, *SHOP)


def test_the_list_is_a_table_for_people(folder: Path) -> None:
    assert tap2(folder, *ADD).exit_code == 0
    shown = tap2(folder, "webhooks", "list", *SHOP).stdout
    assert all(word in shown for word in ("Webhooks", "parked", "arm.jumped"))
    assert "endpoint.test" not in TYPES
