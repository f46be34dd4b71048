"""Deliver events to endpoints: at least once, each subject in its order, and no endpoint waits for another."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from functools import partial

import structlog

from engine.clock import now_ms
from engine.model.events.webhook import DeliveryAttempt, DeliveryState, Endpoint, Message
from engine.model.timestamps import HOUR
from engine.store.connection.database import Database
from engine.store.events import deliveries, endpoints, outbox
from engine.webhooks.bodies import CONTENT_TYPES, body_of
from engine.webhooks.endpoints import Webhooks
from engine.webhooks.sender import HookAnswer, Sender
from engine.webhooks.signatures import signed_headers

log = structlog.get_logger()

EVENTS_A_TRANSACTION = 500
ENDPOINTS_A_RUN = 200
SETTLED_MS = 5_000
"""With several writers, an event may be committed after one with a higher number: deliveries are made so much later."""
MESSAGES_AT_ONCE = 4
"""Of one endpoint."""
AT_ONCE_OF_A_MERCHANT = 8
AT_ONCE = 200
"""Each holds a socket, and decisions need theirs."""
LEASE_MS = 60_000
"""After this time, what a process was sending when it died is sent again."""
FIRST_RETRY_MS, RETRY_FACTOR, LONGEST_RETRY_MS = 30_000, 10, 12 * HOUR
JITTER = 0.2
GONE = 410
GONE_WORDS = "The receiver answered 410 Gone."


class Dispatcher:
    """Runs as a job of the leader. `leads` is asked again before each message."""

    def __init__(
        self, database: Database, webhooks: Webhooks, sender: Sender, *, leads: Callable[[], bool], most_attempts: int
    ) -> None:
        self._database = database
        self._webhooks = webhooks
        self._sender = sender
        self._leads = leads
        self._most_attempts = most_attempts
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._all = asyncio.Semaphore(AT_ONCE)
        self._of_merchant: defaultdict[int, asyncio.Semaphore] = defaultdict(_semaphore_of_a_merchant)

    async def run(self) -> None:
        """Make deliveries of new events, and begin to send what is due; return without waiting for receivers."""
        await self._make_deliveries()
        async with self._database.read() as connection:
            due = await deliveries.endpoints_due(connection, now=now_ms())
        for endpoint_id in due:
            if endpoint_id not in self._workers:
                task = asyncio.create_task(self._serve(endpoint_id), name=f"webhook {endpoint_id}")
                self._workers[endpoint_id] = task
                task.add_done_callback(partial(self._forget, endpoint_id))

    async def drain(self) -> None:
        """Wait until everything that is due was tried."""
        await asyncio.gather(*self._workers.values())

    async def stop(self) -> None:
        """Stop sending; what was not answered yet is sent again later."""
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        self._sender.close()

    # From events to deliveries

    async def _make_deliveries(self) -> None:
        until = None if self._database.is_sqlite else now_ms() - SETTLED_MS
        async with self._database.read() as connection:
            behind = await endpoints.behind(connection, until=until, limit=ENDPOINTS_A_RUN)
        for endpoint in behind:
            await self._make_deliveries_of(endpoint, until)

    async def _make_deliveries_of(self, endpoint: Endpoint, until: int | None) -> None:
        """Make deliveries of the next events in the transaction that notes that they were read."""
        async with self._database.read() as connection:
            rows = await outbox.page(
                connection, endpoint.merchant_id, after=endpoint.read_up_to, until=until, limit=EVENTS_A_TRANSACTION
            )
        chosen = [row for row in rows if row.type in endpoint.types]
        async with self._database.write() as connection:
            if rows and await endpoints.move(connection, endpoint, rows[-1].id):
                most = self._most_attempts
                await deliveries.add(connection, endpoint, chosen, most_attempts=most, now=now_ms())

    # From deliveries to messages

    def _forget(self, endpoint_id: str, _worker: asyncio.Task[None]) -> None:
        del self._workers[endpoint_id]

    async def _serve(self, endpoint_id: str) -> None:
        """Send what is due to one endpoint until nothing is."""
        try:
            while self._leads():
                now = now_ms()
                async with self._database.write() as connection:
                    endpoint = await endpoints.get(connection, endpoint_id)
                    if endpoint is None or not endpoint.enabled:
                        return
                    messages = await deliveries.claim(
                        connection, endpoint_id, now=now, until=now + LEASE_MS, limit=MESSAGES_AT_ONCE
                    )
                if not messages:
                    return
                attempts = await asyncio.gather(*(self._send(endpoint, message) for message in messages))
                await self._note(endpoint, messages, attempts)
        except Exception as error:
            # Their lease ends, and then they are sent again.
            log.error("webhook not served", endpoint=endpoint_id, exc_info=error)

    async def _send(self, endpoint: Endpoint, message: Message) -> DeliveryAttempt:
        async with self._of_merchant[endpoint.merchant_id], self._all:
            started_at = now_ms()
            answer = await self._answer(endpoint, message, started_at)
        number = message.delivery.attempts + 1
        return DeliveryAttempt(
            endpoint.id,
            message.delivery.event_id,
            number,
            started_at,
            now_ms() - started_at,
            answer.status,
            answer.fault,
        )

    async def _answer(self, endpoint: Endpoint, message: Message, now: int) -> HookAnswer:
        address, secrets = self._webhooks.address_of(endpoint), self._webhooks.secrets_of(endpoint, now=now)
        if address is None or not secrets:
            return HookAnswer(None, "unsendable")
        body = body_of(message, endpoint.format)
        headers = signed_headers(secrets, id=message.id, timestamp=now // 1000, body=body)
        return await self._sender.post(address, body, {**headers, "content-type": CONTENT_TYPES[endpoint.format]})

    async def _note(self, endpoint: Endpoint, messages: list[Message], attempts: list[DeliveryAttempt]) -> None:
        """Store what became of messages, in one transaction."""
        async with self._database.write() as connection:
            for message, attempt in zip(messages, attempts, strict=True):
                state = _state_after(message, attempt)
                next_at = now_ms() + retry_after(attempt.attempt) if state == "waiting" else 0
                await deliveries.note(connection, attempt, state, next_at=next_at)
        if any(attempt.status == GONE for attempt in attempts):
            log.warning("webhook disabled", endpoint=endpoint.id, status=GONE)
            await self._webhooks.disable(endpoint, GONE_WORDS)


def _semaphore_of_a_merchant() -> asyncio.Semaphore:
    return asyncio.Semaphore(AT_ONCE_OF_A_MERCHANT)


def retry_after(attempts: int) -> int:
    """Return how long to wait after so many attempts, in ms: 30 s, 5 min, 50 min, 8 h, give or take a fifth."""
    pause: int = min(FIRST_RETRY_MS * RETRY_FACTOR ** (attempts - 1), LONGEST_RETRY_MS)
    return round(pause * random.uniform(1 - JITTER, 1 + JITTER))


def _state_after(message: Message, attempt: DeliveryAttempt) -> DeliveryState:
    if not attempt.fault:
        return "delivered"
    is_last = attempt.attempt >= message.delivery.most_attempts
    return "parked" if is_last or attempt.status == GONE else "waiting"
