"""A proxy that loses requests and answers by chance, as networks do."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

LATE_SECONDS = 1.0
"""How late a late answer is; longer than the clients of the check wait."""
FAULTS = {"pass": 50, "lose the request": 15, "lose the answer": 15, "say 503": 8, "say 429": 8, "be late": 4}
"""What becomes of a request, in percent."""


class FaultProxy(ThreadingHTTPServer):
    """Forwards requests to the server on `port`; `faults` counts what became of them."""

    daemon_threads = True

    def __init__(self, port: int, chance: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.server_at = port
        self.faults: Counter[str] = Counter()
        self._random = Random(chance)
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_fault(self) -> str:
        with self._lock:
            (fault,) = self._random.choices(list(FAULTS), list(FAULTS.values()))
            self.faults[fault] += 1
        return fault

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that gave up closed their connections."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultProxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        fault = self.server.next_fault()
        if fault == "lose the request":
            self._break()
        elif fault.startswith("say"):
            self._answer(int(fault[-3:]), b"{}", {"retry-after": "0"})
        else:
            self._forward_and(fault, body)

    def _forward_and(self, fault: str, body: bytes) -> None:
        status, answer = self._forward(body)
        if fault == "be late":
            time.sleep(LATE_SECONDS)
        if fault == "lose the answer":
            self._break()
        else:
            self._answer(status, answer, {})

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_at, timeout=60)
        headers = {name: self.headers[name] for name in ("authorization", "content-type")}
        connection.request("POST", self.path, body, headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        return response.status, answer

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _break(self) -> None:
        self.close_connection = True
        self.connection.shutdown(2)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def faulty(port: int, chance: int = 1) -> Iterator[FaultProxy]:
    """Run a proxy in front of the server on `port`."""
    proxy = FaultProxy(port, chance)
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
