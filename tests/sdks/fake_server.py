"""A server that answers each request as the test sets, and keeps its requests."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """Answers one request."""

    handler: BaseHTTPRequestHandler

    def json(self, status: int, document: Any, **headers: str) -> None:
        body = json.dumps(document).encode()
        self.handler.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(body)), **headers}.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()
        self.handler.wfile.write(body)

    def problem(self, status: int, kind: str, detail: str = "", field: str = "", **headers: str) -> None:
        problem = {"type": f"urn:tap2:problem:{kind}", "title": kind, "status": status, "detail": detail}
        self.json(status, {**problem, "field": field}, **headers)

    def reset(self) -> None:
        """Close the connection without an answer."""
        self.handler.close_connection = True
        self.handler.connection.shutdown(2)


@dataclass
class ReceivedRequest:
    """A request."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class FakeServer:
    """A running server; `release` ends the requests that wait for it."""

    url: str = ""
    requests: list[ReceivedRequest] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)


@contextmanager
def fake_server(
    answer: Callable[[FakeServer, ReceivedRequest, Reply], None], tls: ssl.SSLContext | None = None
) -> Iterator[FakeServer]:
    fake = FakeServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            seen = ReceivedRequest(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            fake.requests.append(seen)
            answer(fake, seen, Reply(self))

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    fake.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.release.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


# Answers


def recorded(_: FakeServer, seen: ReceivedRequest, reply: Reply) -> None:
    reply.json(202, {"results": [{"event_id": event["event_id"], "status": "recorded"} for event in seen.body]})


def silent(fake: FakeServer, _: ReceivedRequest, __: Reply) -> None:
    fake.release.wait(60)


def broken(_: FakeServer, __: ReceivedRequest, reply: Reply) -> None:
    reply.reset()


def dripping(fake: FakeServer, _: ReceivedRequest, reply: Reply) -> None:
    reply.handler.send_response(200)
    reply.handler.send_header("content-length", "1000")
    reply.handler.end_headers()
    try:
        while not fake.release.wait(0.02):
            reply.handler.wfile.write(b" ")
    except OSError:
        pass
