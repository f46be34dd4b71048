"""Many checkouts at once with the Python client: `python -m benchmarks.clients.python_checkouts`.

TAP2_URL and TAP2_KEY name the server, TAP2_CHECKOUTS the number; with TAP2_EVENTS, so many purchases are reported
instead. Prints `begun` in the middle of the checkouts, then a summary as JSON. sdks/javascript/test/checkouts.mjs does
the same.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections import Counter
from typing import Any

import tap2_personalize as sdk

AT_ONCE = 20
TIMEOUT = 0.3
MOST_LATE = 0.05
ORDER = ["paypal", "card"]


class Checkouts:
    """Checkouts of several threads, each with a bare timer beside it that says how late this process itself is."""

    def __init__(self, client: sdk.Client, count: int) -> None:
        self.client = client
        self.count = count
        self.late = self.wrong = 0
        self.codes: Counter[str] = Counter()
        self.events: dict[str, list[str]] = {}
        self._numbers = itertools.count()

    def run(self) -> None:
        threads = [threading.Thread(target=self._work) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        while (number := next(self._numbers)) < self.count:
            if number == self.count // 2:
                print("begun", flush=True)
            self._checkout(number)

    def _checkout(self, number: int) -> None:
        due: list[float] = []
        timer = threading.Timer(TIMEOUT, lambda: due.append(time.monotonic()))
        timer.start()
        decision: Any = self.client.decide({"placement": "payment_methods", "customer_id": f"c_{number}"})
        answered = time.monotonic()
        timer.join()
        self.late += answered - due[0] > MOST_LATE
        if decision["decision_id"] is None:
            self.codes[decision["error"].code] += 1
            self.wrong += [item["id"] for item in decision["ranking"]] != ORDER
        self._report(decision["decision_id"], decision["ranking"][0]["id"])

    def _report(self, decision_id: str | None, candidate: str) -> None:
        for index, kind in enumerate(("shown", "selected", "converted")):
            event: Any = {"event_id": f"{decision_id}.{index}", "type": kind, "candidate_id": candidate}
            self.client.track_feedback({**event, "decision_id": decision_id})
            if decision_id is not None:
                self.events.setdefault(decision_id, []).append(event["event_id"])


def main() -> None:
    options: Any = {"fallback": {"payment_methods": ORDER}, "on_error": lambda *_: None}
    client = sdk.Client(os.environ["TAP2_URL"], os.environ["TAP2_KEY"], timeout=TIMEOUT, request_timeout=0.7, **options)
    checkouts = Checkouts(client, int(os.environ.get("TAP2_CHECKOUTS", "0")))
    if checkouts.count:
        client.decide({"placement": "payment_methods"}, timeout=20)
        checkouts.run()
    for number in range(int(os.environ.get("TAP2_EVENTS", "0"))):
        client.track_feedback({"event_id": f"event-{number}", "customer_id": f"c_{number % 100}", "method_id": "card"})
    left = client.close(600)
    summary = {"late": checkouts.late, "wrong": checkouts.wrong, "left": left}
    print(json.dumps({**summary, "codes": checkouts.codes, "events": checkouts.events}))


if __name__ == "__main__":
    main()
