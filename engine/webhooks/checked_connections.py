"""Connect to an address of a host that was checked, and to that alone.

The host is resolved once, every address that it has must be allowed, and the socket is opened to one of these by
number, so that a name server that answers otherwise a moment later changes nothing. TLS asks for the host's name.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any

import httpcore
from httpcore import AsyncNetworkBackend, AsyncNetworkStream

from engine.webhooks.addresses import HookAddress, Network, may_call

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Returns the IP addresses of a host; raises `OSError` where it has none."""

MOST_ANSWER_BYTES = 64 * 1024
MOST_TRIED = 2
RESOLVING_AT_ONCE = 64
"""A name server that does not answer holds a thread for many seconds, and must hold up no other endpoint."""


class Unresolved(httpcore.ConnectError):
    """The host has no address."""


class InternalAddress(httpcore.ConnectError):
    """The host has an address that webhooks must not call."""


class AnswerTooLarge(httpcore.ReadError):
    """The receiver sends more than anybody reads."""


class SystemResolver:
    """Asks the system's name servers, in threads of its own: others must not wait for them."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVING_AT_ONCE, thread_name_prefix="resolver")

    async def __call__(self, host: str, port: int) -> list[str]:
        """Return the IP addresses of a host, each once."""
        loop = asyncio.get_running_loop()
        rows = await loop.run_in_executor(self._threads, _addresses, host, port)
        return list(dict.fromkeys(rows))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses(host: str, port: int) -> list[str]:
    return [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class CheckedBackend(AsyncNetworkBackend):
    """Opens connections for one request to an address that may be called."""

    def __init__(self, address: HookAddress, networks: Sequence[Network], resolve: Resolve) -> None:
        self._address = address
        self._networks = networks
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the host; raise `Unresolved`, `InternalAddress` or another `ConnectError`."""
        addresses = (await self._checked())[:MOST_TRIED]
        for number, address in enumerate(addresses, 1):
            try:
                stream = await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
                return _LimitedStream(stream, MOST_ANSWER_BYTES)
            except httpcore.ConnectError:
                if number == len(addresses):
                    raise
        raise Unresolved

    async def _checked(self) -> list[str]:
        """Return the addresses of the host if all of them may be called."""
        try:
            texts = await self._resolve(self._address.host.strip("[]"), self._address.port)
        except (OSError, UnicodeError):
            raise Unresolved from None
        for text in texts:
            try:
                is_allowed = may_call(ip_address(text), self._address, self._networks)
            except ValueError:
                is_allowed = False
            if not is_allowed:
                raise InternalAddress
        return texts

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> AsyncNetworkStream:
        """Refuse: webhooks call no sockets of this machine."""
        raise InternalAddress

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


class _LimitedStream(AsyncNetworkStream):
    """Reads so many bytes at most."""

    def __init__(self, stream: AsyncNetworkStream, left: int) -> None:
        self._stream = stream
        self._left = left

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._stream.read(max_bytes, timeout)
        self._left -= len(data)
        if self._left < 0:
            raise AnswerTooLarge
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncNetworkStream:
        return _LimitedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._left)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
