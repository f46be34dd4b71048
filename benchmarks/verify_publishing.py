"""Publishing a large set of rules under load: how long it takes, who waits for it, and what the answers obey.

`python -m benchmarks.verify publishing`. Four clients decide over HTTP while a rule of a set of 1,000 is changed in the
draft and published, again and again. Each published version sets its own mark in the answers.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.process import TAP2, Server, free_port
from engine.service import open_engine
from engine.settings import Settings

Figure = tuple[str, str, str]
Json = dict[str, Any]

RULES, PUBLISHES, CLIENTS = 1_000, 100, 4
QUIET_SECONDS = 10.0
PAUSE_SECONDS = 0.01
PLACE = "/v1/placements/payment_methods"
METHODS = ("card", "paypal", "klarna", "ideal", "sepa_debit", "apple_pay")
DECISION = {"placement": "payment_methods", "context": {"cart": {"total": 12900}, "geo": {"country": "DE"}}}


class Answer(NamedTuple):
    """When a decision was asked for, how long it took, which version it names and which mark it carries.

    A fallback, given where a decision took longer than a second, obeys no rules and carries none.
    """

    at: float
    seconds: float
    version: int
    mark: int | None
    is_fallback: bool


@dataclass
class Result:
    publish_seconds: list[float] = field(default_factory=list)
    spans: list[tuple[float, float]] = field(default_factory=list)
    marks: dict[int, int] = field(default_factory=dict)
    quiet: list[Answer] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    kept: int = 0

    @property
    def during(self) -> list[float]:
        """Seconds that decisions took which were asked for while a version was being published."""
        return [one.seconds for one in self.answers if any(begin <= one.at <= end for begin, end in self.spans)]

    @property
    def disobeying(self) -> int:
        """Answers that carry another mark than the version that they name."""
        return sum(self.marks.get(one.version) != one.mark for one in self.answers if not one.is_fallback)

    @property
    def fallbacks(self) -> int:
        return sum(one.is_fallback for one in self.answers)


class Client:
    """One connection with a secret key."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Json:
        text = None if body is None else json.dumps(body)
        self._connection.request(method, path, body=text, headers=self._headers | headers)
        answer = self._connection.getresponse()
        read = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {read[:500].decode()}")
        found: Json = json.loads(read) if read else {}
        return found


def rule(number: int, dice: random.Random) -> Json:
    """A condition of 3 to 5 comparisons."""
    clauses = [
        {">": [{"var": "cart.total"}, dice.randrange(1_000, 90_000)]},
        {"in": [{"var": "geo.country"}, dice.sample(["DE", "AT", "FR", "NL", "BE", "IT"], 3)]},
        {"==": [{"var": "device.type"}, dice.choice(["mobile", "desktop"])]},
        {"<": [{"var": "risk.score"}, dice.randrange(1, 99)]},
        {"==": [{"var": "customer.segment"}, f"segment {dice.randrange(20)}"]},
    ]
    return {
        "id": f"rule-{number}",
        "name": f"Rule {number}",
        "priority": dice.randrange(100),
        "when": {"and": dice.sample(clauses, dice.randrange(3, 6))},
        "effects": [{"boost": {"candidates": [dice.choice(METHODS)], "factor": 1.5}}],
    }


def marker(mark: int) -> Json:
    """The rule that says which version an answer obeys."""
    effects = [{"set": {"name": "mark", "value": mark}}]
    return {"id": "marker", "name": "Marker", "when": {"==": [1, 1]}, "effects": effects}


def publish(client: Client, why: str) -> tuple[int, float, float]:
    """The version, when it began and when it was in force."""
    began = time.perf_counter()
    version = client.ask("POST", f"{PLACE}/draft/publish", {"why": why}, **{"If-Match": "*"})["version"]
    return version, began, time.perf_counter()


async def new_merchant(folder: str) -> str:
    """A secret key of a merchant in a new database."""
    engine = await open_engine(Settings(data=folder))
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    _, key = await engine.accounts.create_key(merchant, "secret", "publishing", who="benchmark")
    await engine.database.close()
    return key


def furnish(client: Client, rules: int) -> None:
    client.ask("POST", "/v1/placements", {"key": "payment_methods", "name": "Payment methods"})
    client.ask("POST", f"{PLACE}/candidates", [{"id": name, "label": name} for name in METHODS])
    dice = random.Random(7)
    wanted = [*(rule(number, dice) for number in range(rules - 1)), marker(0)]
    client.ask("PUT", f"{PLACE}/draft", {"rules": wanted}, **{"If-Match": "*"})


class Load:
    """Clients that decide until they are stopped."""

    def __init__(self, port: int, key: str, clients: int) -> None:
        self.answers: list[Answer] = []
        self._going = True
        self._threads = [threading.Thread(target=self._decide, args=(Client(port, key),)) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _decide(self, client: Client) -> None:
        while self._going:
            began = time.perf_counter()
            answer = client.ask("POST", "/v1/personalize/decisions", DECISION)
            seconds = time.perf_counter() - began
            mark = answer["values"].get("mark")
            self.answers.append(Answer(began, seconds, answer["plan_version"], mark, answer["fallback"]))
            time.sleep(PAUSE_SECONDS)

    def stop(self) -> list[Answer]:
        self._going = False
        for thread in self._threads:
            thread.join()
        return self.answers


def run(*, rules: int = RULES, publishes: int = PUBLISHES, quiet_seconds: float = QUIET_SECONDS) -> Result:
    found, port = Result(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        key = asyncio.run(new_merchant(folder))
        with Server([*TAP2, "serve"], Path(folder), port, {}):
            client = Client(port, key)
            furnish(client, rules)
            first, *_ = publish(client, "all of them")
            found.marks[first] = 0
            load = Load(port, key, CLIENTS)
            time.sleep(quiet_seconds)
            found.quiet = list(load.answers)
            # The server has closed the connection that nobody used meanwhile.
            client = Client(port, key)
            for mark in range(1, publishes + 1):
                client.ask("PUT", f"{PLACE}/draft/rules/marker", marker(mark), **{"If-Match": "*"})
                version, began, ended = publish(client, f"mark {mark}")
                found.marks[version] = mark
                found.publish_seconds.append(ended - began)
                found.spans.append((began, ended))
            found.answers = load.stop()
            found.kept = sum(readable(client, version, mark) for version, mark in list(found.marks.items())[-100:])
    return found


def readable(client: Client, version: int, mark: int) -> bool:
    """Whether a version is still there, as it was published."""
    plan = client.ask("GET", f"{PLACE}/versions/{version}")
    return marker(mark)["effects"] in [one["effects"] for one in plan["rules"] if one["id"] == "marker"]


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def milliseconds(values: Sequence[float]) -> str:
    return f"{1000 * quantile(values, 0.5):.1f}, {1000 * quantile(values, 0.99):.1f}, {1000 * max(values):.1f} ms"


def figures() -> list[Figure]:
    """(what, goal, measured)."""
    found = run()
    longest, waits = max(found.publish_seconds), found.during
    versions = len({one.version for one in found.answers})
    return [
        (f"publishing a change of {RULES:,} rules, compiling included: median, longest of {PUBLISHES}", "under 2 s",
         f"{quantile(found.publish_seconds, 0.5):.2f}, {longest:.2f} s"),
        ("decisions without publishing: median, p99, longest", "", milliseconds([one.seconds for one in found.quiet])),
        (f"decisions while a version is published ({len(waits):,}): median, p99, longest",
         "none waits over 50 ms for it", milliseconds(waits)),
        (f"answers that obey another version than they name, of {len(found.answers):,} by {versions} versions", "0",
         str(found.disobeying)),
        ("of them fallbacks, which obey no rules and say so", "0", str(found.fallbacks)),
        ("of the last 100 versions, still there as published", "100", str(found.kept)),
    ]  # fmt: skip
