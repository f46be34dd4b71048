"""Checkouts that take offers and redeem, release, refund or forget them, and send again what was not answered."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from benchmarks.budgets.workers import Worker

Json = dict[str, Any]
Answer = tuple[int, Json]

CART = {"total": 10_000, "currency": "EUR"}
ANSWER_WITHIN = 15.0
FATES = {"redeem": 0.4, "release": 0.3, "refund": 0.25, "forget": 0.05}
"""What becomes of a hold; two of five stay spent, so that budgets are used up after 2.5 grants for each unit."""


class Connections:
    """Keep-alive connections of one client, one for each worker; what is cut off is sent again to another worker."""

    def __init__(self, workers: Sequence[Worker], key: str, random: Random) -> None:
        self._workers, self._key, self._random = workers, key, random
        self._streams: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        self.sent_again = 0

    async def send(self, path: str, body: Any, key: str = "", *, method: str = "POST") -> Answer:
        """Return status and body of the first answer that does not request a retry."""
        while True:
            ready = [worker.port for worker in self._workers if worker.is_ready]
            if ready:
                port = self._random.choice(ready)
                try:
                    async with asyncio.timeout(ANSWER_WITHIN):
                        status, document = await self._send(port, self._head(method, path, body, key))
                    in_progress = status == 409 and document.get("field") == "Idempotency-Key"
                    if status != 503 and not in_progress:
                        return status, document
                except (OSError, EOFError, TimeoutError):
                    self._forget(port)
                self.sent_again += 1
            await asyncio.sleep(0.05)

    async def ask_once(self, path: str, body: Any, key: str) -> Answer:
        """Return the first answer of the first worker, whatever it is."""
        return await self._send(self._workers[0].port, self._head("POST", path, body, key))

    def close(self) -> None:
        for port in list(self._streams):
            self._forget(port)

    def _head(self, method: str, path: str, body: Any, key: str) -> bytes:
        payload = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"authorization: Bearer {self._key}"]
        lines += ["content-type: application/json", f"content-length: {len(payload)}"]
        lines += [f"idempotency-key: {key}"] if key else []
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload

    async def _send(self, port: int, request: bytes) -> Answer:
        if port not in self._streams:
            self._streams[port] = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = self._streams[port]
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        return int(head[9:12]), json.loads(await reader.readexactly(length))

    def _forget(self, port: int) -> None:
        if port in self._streams:
            self._streams.pop(port)[1].close()


@dataclass
class Outcome:
    """The events of a run; the lists must stay empty."""

    attempts: int = 0
    granted: int = 0
    fallbacks: int = 0
    sent_again: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    held_by_key: set[str] = field(default_factory=set)
    dishonoured: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)


class Checkout:
    """A client that takes one offer after the other."""

    def __init__(self, connections: Connections, offers: Sequence[str], outcome: Outcome, random: Random) -> None:
        self._connections, self._offers, self._outcome, self._random = connections, offers, outcome, random
        self._numbers = itertools.count()
        self._name = f"{random.getrandbits(60):x}"

    async def run(self, more: Callable[[], bool], fates: dict[str, float] = FATES) -> None:
        """Take offers for as long as `more` says, and end each hold by the chances of `fates`."""
        while more():
            hold_id = await self._take()
            self._outcome.attempts += 1
            if hold_id:
                self._outcome.granted += 1
                await self._end(hold_id, self._random.choices([*fates], [*fates.values()])[0])

    async def use_up(self, offers: Sequence[str]) -> None:
        """Redeem each offer until it is refused."""
        for offer in offers:
            self._outcome.attempts += 1
            while hold_id := await self._hold(offer):
                self._outcome.attempts += 1
                self._outcome.granted += 1
                await self._end(hold_id, "redeem")

    async def _take(self) -> str | None:
        """Be shown an offer or hold one, at random; return the hold's id, or None where there is none."""
        if self._random.random() < 0.5:
            return await self._hold(self._random.choice(self._offers))
        customer = f"{self._name}-{next(self._numbers)}"
        body = {"customer_id": customer, "context": {"cart": CART}}
        status, answer = await self._connections.send("/v1/personalize/offers", body)
        if status != 200:
            return self._unexpected("show", status, answer)
        self._outcome.fallbacks += answer["fallback"]
        return answer["offers"][0]["hold_id"] if answer["offers"] else None

    async def _hold(self, offer: str) -> str | None:
        body = {"offer_id": offer, "context": {"cart": CART}}
        status, answer = await self._connections.send("/v1/redemptions/hold", body, self._new_key())
        if status == 201:
            self._outcome.held_by_key.add(answer["hold_id"])
            return str(answer["hold_id"])
        return None if status == 409 else self._unexpected("hold", status, answer)

    async def _end(self, hold_id: str, outcome: str) -> None:
        if outcome == "forget":
            self._outcome.ends[outcome] += 1
        elif outcome == "release":
            await self._change(hold_id, f"/v1/redemptions/{hold_id}/release", None, outcome)
        else:
            redeem = {"hold_id": hold_id, "cart": CART}
            redeemed = await self._change(hold_id, "/v1/redemptions/redeem", redeem, "redeem")
            if redeemed and outcome == "refund":
                await self._change(hold_id, f"/v1/redemptions/{hold_id}/refund", {"amount": CART["total"]}, outcome)

    async def _change(self, hold_id: str, path: str, body: Json | None, what: str) -> bool:
        status, answer = await self._connections.send(path, body, self._new_key())
        if status == 409 and what in ("redeem", "release"):
            # By the clock of a worker that is an hour ahead, the hold may be over. A live one must be honoured.
            status, hold = await self._connections.send(f"/v1/redemptions/{hold_id}", None, method="GET")
            if status != 200 or hold["state"] != "expired":
                self._outcome.dishonoured.append(f"{what} {hold_id}: {answer}, then {hold}")
            self._outcome.ends["over"] += 1
            return False
        if status != 200:
            self._unexpected(what, status, answer)
            return False
        self._outcome.ends[what] += 1
        return True

    def _unexpected(self, what: str, status: int, answer: Json) -> None:
        self._outcome.unexpected.append(f"{what}: {status} {answer}")

    def _new_key(self) -> str:
        return f"{self._name}-{next(self._numbers)}"
