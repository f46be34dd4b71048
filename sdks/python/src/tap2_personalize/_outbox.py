"""Outcomes and decisions on their way to the server: kept until it has answered, sent again under the same id."""

from __future__ import annotations

import threading
from collections import deque
from itertools import islice
from typing import Any, Callable, Deque, List, NamedTuple, Sequence

from ._steps import Steps, Wait, backoff, exchange, request
from .errors import ServerError, Tap2Error
from .types import FeedbackEvent, Receipt

PATH = "/v1/personalize/feedback"
MOST_AT_ONCE = 50
MOST_WAITING = 10_000


class Entry(NamedTuple):
    """An outcome or a decision, who waits for its receipt (a future of either kind), and where it goes."""

    event: Any
    settle: Callable[[Any], None]
    path: str = PATH


class Outbox:
    """Decisions, and outcomes after them, in their order. `deliver` gives the steps that empty it, to one driver."""

    def __init__(self, timeout: float, on_refusal: Callable[[Tap2Error, FeedbackEvent], None]) -> None:
        self._timeout = timeout
        self._on_refusal = on_refusal
        self._decisions: Deque[Entry] = deque()
        self._outcomes: Deque[Entry] = deque()
        self._lock = threading.Lock()
        self._at_once = MOST_AT_ONCE
        self._is_delivering = False

    def __len__(self) -> int:
        return len(self._decisions) + len(self._outcomes)

    def add(self, entry: Entry) -> bool:
        """Keep an outcome; return whether the caller must run `deliver`. Beyond 10,000, the oldest is given up."""
        oldest, queue = None, self._queue(entry)
        with self._lock:
            if len(queue) >= MOST_WAITING:
                oldest = queue.popleft()
            queue.append(entry)
            must_deliver, self._is_delivering = not self._is_delivering, True
        if oldest is not None:
            self._refuse([oldest], Tap2Error("too many outcomes are waiting", code="overflow"))
        return must_deliver

    def stop(self) -> int:
        """Give up what is left; return how many."""
        with self._lock:
            rest = [*self._decisions, *self._outcomes]
            self._decisions.clear()
            self._outcomes.clear()
        self._refuse(rest, Tap2Error("the client was closed", code="closed"))
        return len(rest)

    def deliver(self) -> Steps[None]:
        """Send until nothing is left."""
        failures = 0
        while batch := self._next():
            try:
                yield from self._send(batch)
            except Tap2Error as error:
                if error.is_temporary:
                    yield Wait(backoff(failures, error.retry_after))
                    failures += 1
                elif len(batch) > 1 and error.status != 401:
                    # A list is refused as a whole for one of its outcomes; with a wrong key, all are.
                    self._at_once = 1
                else:
                    self._take(batch)
                    self._refuse(batch, error)
            else:
                failures = 0
                self._at_once = min(MOST_AT_ONCE, self._at_once * 2)

    def _next(self) -> List[Entry]:
        with self._lock:
            batch = list(islice(self._decisions or self._outcomes, self._at_once))
            if not batch:
                self._is_delivering = False
            return batch

    def _queue(self, entry: Entry) -> Deque[Entry]:
        return self._outcomes if entry.path == PATH else self._decisions

    def _send(self, batch: Sequence[Entry]) -> Steps[None]:
        events = [entry.event for entry in batch]
        answer = yield from exchange(request("POST", batch[0].path, events, timeout=self._timeout))
        receipts: Sequence[Receipt] = answer.get("results") or () if isinstance(answer, dict) else ()
        if len(receipts) != len(batch):
            raise ServerError("no receipts", status=502)
        self._take(batch)
        for entry, receipt in zip(batch, receipts):
            entry.settle(receipt)

    def _take(self, batch: Sequence[Entry]) -> None:
        with self._lock:
            for entry in batch:
                # One that was given up meanwhile is gone already.
                queue = self._queue(entry)
                if queue and queue[0] is entry:
                    queue.popleft()

    def _refuse(self, batch: Sequence[Entry], error: Tap2Error) -> None:
        for entry in batch:
            entry.settle(error)
            self._on_refusal(error, entry.event)
