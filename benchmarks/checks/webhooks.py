"""Receivers that refuse, hang, answer 410 or redirect, a server that is killed, and hostile addresses.

`python -m benchmarks.checks.webhooks` takes about three minutes.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.process import TAP2, Server, free_port
from engine.clock import now_ms
from engine.model.actor import Actor
from engine.model.errors import Invalid
from engine.model.events.event import NewEvent, PublishedVersion
from engine.model.events.webhook import NewEndpoint
from engine.service import Engine, open_engine
from engine.settings import Settings
from engine.store.events import outbox
from engine.webhooks.addresses import read_address
from engine.webhooks.sender import Sender
from tests.hostile_hosts import hostile_urls
from tests.receivers import LOOPBACK, Received, Receiver, accept, answering, hang

KILLS, EVENTS, SUBJECTS, HOSTILE = 3, 120, 40, 5_000
WITHIN_SECONDS = 300


class Result:
    """The measured counts; all but `messages` must meet their goals."""

    def __init__(self) -> None:
        self.messages = 0
        self.missing = 0
        self.out_of_order = 0
        self.redirected = 0
        self.after_gone = 0
        self.hostile = 0
        self.called = 0


def first_seen(receiver: Receiver) -> list[int]:
    """Return the events of a receiver in the order of their first arrival."""
    return [int(id.removeprefix("evt_")) for id in dict.fromkeys(receiver.ids)]


def count_out_of_order(seen: Sequence[int], subjects: dict[int, str]) -> int:
    """Count events that arrived first after a later one of their subject."""
    newest: dict[str, int] = {}
    wrong = 0
    for event in seen:
        wrong += event < newest.get(subjects[event], 0)
        newest[subjects[event]] = max(event, newest.get(subjects[event], 0))
    return wrong


async def fill(engine: Engine, urls: Sequence[str]) -> dict[int, str]:
    """Make an endpoint for each address, and then events; return the subject of each."""
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    actor, subjects = Actor(merchant.id, "check"), {}
    for url in urls:
        await engine.webhooks.create(actor, NewEndpoint(url=url, types=("version.published",)))
    for number in range(EVENTS):
        subject = f"placement-{number % SUBJECTS}"
        event = NewEvent(merchant.id, "version.published", PublishedVersion(subject, number, "", emergency=False))
        async with engine.database.write() as connection:
            subjects[(await outbox.add(connection, event, now=now_ms())).id] = subject
    return subjects


def refusing_some() -> Receiver:
    """Return a receiver that refuses every seventh message once."""
    refused: set[str] = set()

    async def behave(request: Received) -> bytes:
        if int(request.id.removeprefix("evt_")) % 7 == 0 and request.id not in refused:
            refused.add(request.id)
            return await answering(500)(request)
        return await accept(request)

    return Receiver(behave)


async def deliver(result: Result) -> None:
    """Deliver events to receivers of all kinds while the server is killed."""
    inner = await Receiver().start()
    redirecting = Receiver(answering(307, f"Location: {inner.url}\r\n"))
    good, flaky, slow, gone = Receiver(), refusing_some(), Receiver(hang), Receiver(answering(410))
    receivers = (good, flaky, slow, gone, redirecting)
    for receiver in receivers:
        await receiver.start()
    with tempfile.TemporaryDirectory(prefix="tap2-webhooks-") as name:
        settings = Settings(data=name, webhook_networks=LOOPBACK)
        engine = await open_engine(settings)
        subjects = await fill(engine, [receiver.url for receiver in receivers])
        await engine.database.close()
        server = Server([*TAP2, "serve"], Path(name), free_port(), {"TAP2_WEBHOOK_NETWORKS": LOOPBACK})
        try:
            for kill in range(KILLS):
                await asyncio.to_thread(server.start)
                goal = (kill + 1) * EVENTS // (KILLS + 2)
                await until(lambda goal=goal: len(set(good.ids)) >= goal)
                server.kill()
            await asyncio.to_thread(server.start)
            await until(lambda: len(set(good.ids)) == len(set(flaky.ids)) == EVENTS)
            await asyncio.sleep(2)
        finally:
            server.kill()
    result.messages = sum(len(receiver.received) for receiver in receivers)
    result.missing = sum(len(subjects.keys() - set(first_seen(receiver))) for receiver in (good, flaky))
    result.out_of_order = sum(count_out_of_order(first_seen(receiver), subjects) for receiver in (good, flaky))
    result.redirected, result.after_gone = inner.connections, max(0, len(gone.received) - 4 * (KILLS + 1))


async def until(is_done: object) -> None:
    """Wait until something is so, or too long for it to become so."""
    end = time.monotonic() + WITHIN_SECONDS
    while not is_done() and time.monotonic() < end:  # type: ignore[operator]
        await asyncio.sleep(0.05)


async def attack(result: Result) -> None:
    """Send to hostile addresses; name servers lead all names to a receiver on this machine."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    sender = Sender((), resolve=resolve, seconds=2.0)
    trap = await Receiver().start()
    urls = [*hostile_urls(HOSTILE - 1), f"http://127.0.0.1:{trap.port}/"]
    for url in urls:
        try:
            answer = await sender.post(read_address(url, ()), b"{}", {})
        except Invalid:
            continue
        result.called += answer.fault != "internal_address"
    result.called += trap.connections
    result.hostile = len(urls)
    sender.close()


def figures() -> list[tuple[str, str, str]]:
    """Return (subject, goal, measured) for the table of docs/verification.md."""
    result = Result()
    asyncio.run(deliver(result))
    asyncio.run(attack(result))
    work = f"{EVENTS} events to 5 receivers, {KILLS} times SIGKILL, {result.messages} messages"
    return [
        (f"{work}: events that never arrived", "0", f"{result.missing}"),
        ("events that arrived first after a later one of their subject", "0", f"{result.out_of_order}"),
        ("messages to a receiver that had answered 410, beyond those under way", "0", f"{result.after_gone}"),
        ("connections to where a receiver redirected", "0", f"{result.redirected}"),
        (f"{result.hostile:,} hostile addresses: called", "0", f"{result.called}"),
    ]


if __name__ == "__main__":
    for row in figures():
        print(*row, sep=" | ")
