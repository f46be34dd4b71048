"""How long requests and commits take, counted in memory and added to the metrics once a second."""

from __future__ import annotations

import time
from collections import defaultdict

from engine.latencies import Latencies
from web.http.metrics import COMMITS, REQUESTS

SECONDS_BETWEEN_FLUSHES = 1.0


class RequestTimes:
    """Counts by route. Other processes of the server answer `/metrics` too, so the counts cannot wait for that."""

    def __init__(self) -> None:
        self.commits = Latencies()
        self._routes: defaultdict[str, Latencies] = defaultdict(Latencies)
        self._flushed_at = time.monotonic()

    def add(self, route: str, seconds: float) -> None:
        self._routes[route].add(seconds)
        if time.monotonic() - self._flushed_at >= SECONDS_BETWEEN_FLUSHES:
            self.flush()

    def flush(self) -> None:
        """Add what was counted to the metrics."""
        self._flushed_at = time.monotonic()
        COMMITS.add(self.commits.take())
        for route, latencies in self._routes.items():
            REQUESTS.labels(route).add(latencies.take())
