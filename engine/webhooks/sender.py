"""Post a message to an endpoint, within a time and without following it anywhere."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import httpcore

from engine.model.events.webhook import Fault
from engine.webhooks.addresses import HookAddress, Network
from engine.webhooks.checked_connections import (
    AnswerTooLarge,
    CheckedBackend,
    InternalAddress,
    Resolve,
    SystemResolver,
    Unresolved,
)

SECONDS = 10.0
USER_AGENT = "Tap2-Personalize-Webhooks/1"


class HookAnswer(NamedTuple):
    """The status of an answer, None without one, and what was wrong; the answer's body is never read."""

    status: int | None
    fault: Fault


class Sender:
    """Sends each message over a connection of its own."""

    def __init__(
        self,
        networks: Sequence[Network],
        *,
        resolve: Resolve | None = None,
        seconds: float = SECONDS,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self._networks = networks
        self._system = SystemResolver()
        self._resolve = resolve or self._system
        self._seconds = seconds
        self._trusted = trusted
        self._loading = asyncio.Lock()

    async def post(self, address: HookAddress, body: bytes, headers: Mapping[str, str]) -> HookAnswer:
        """Post a body, whose type `headers` name; return what came of it, whatever the receiver does."""
        trusted = await self._trust() if address.scheme == "https" else None
        try:
            async with asyncio.timeout(self._seconds):
                status = await self._status(address, body, headers, trusted)
        except (TimeoutError, httpcore.TimeoutException):
            return HookAnswer(None, "timeout")
        except Exception as error:
            return HookAnswer(None, _fault(error))
        return HookAnswer(status, "" if 200 <= status < 300 else "redirect" if 300 <= status < 400 else "status")

    async def _status(
        self, address: HookAddress, body: bytes, headers: Mapping[str, str], trusted: ssl.SSLContext | None
    ) -> int:
        host = address.host.strip("[]").encode()
        connection = httpcore.AsyncHTTPConnection(
            httpcore.Origin(address.scheme.encode(), host, address.port),
            ssl_context=trusted,
            network_backend=CheckedBackend(address, self._networks, self._resolve),
        )
        url = httpcore.URL(scheme=address.scheme, host=host, port=address.port, target=address.target)
        fixed = {"host": address.authority, "user-agent": USER_AGENT}
        try:
            async with connection.stream(
                "POST", url, headers=list({**fixed, **headers}.items()), content=body
            ) as answer:
                return answer.status
        finally:
            await connection.aclose()

    async def _trust(self) -> ssl.SSLContext:
        """Return the certificate authorities that are trusted; reading them takes long, and is done once."""
        async with self._loading:
            if self._trusted is None:
                self._trusted = await asyncio.to_thread(httpcore.default_ssl_context)
        return self._trusted

    def close(self) -> None:
        self._system.close()


def _fault(error: Exception) -> Fault:
    """Return what an exception means; no text of a receiver is kept."""
    if isinstance(error, Unresolved):
        return "unresolved"
    if isinstance(error, InternalAddress):
        return "internal_address"
    if isinstance(error, AnswerTooLarge | httpcore.RemoteProtocolError):
        return "answer"
    return "tls" if isinstance(error.__cause__, ssl.SSLError) else "connection"
