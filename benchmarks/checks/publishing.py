"""Publishing a large rule set under load: its duration, the delay of decisions, and the rules of answers.

`python -m benchmarks.verify publishing`. Four clients decide over HTTP while a rule of a set of 1,000 is changed in the
draft and published, again and again. Each published version sets its own mark in the answers. Before each publishing
nothing is published for a while, so that decisions with and without it are asked for under the same conditions.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.process import TAP2, Server, free_port
from benchmarks.speed.load import Connection, Tally, request
from benchmarks.speed.publishing_wait import waits
from engine.service import open_engine
from engine.settings import Settings

Figure = tuple[str, str, str]
Json = dict[str, Any]
Span = tuple[float, float]

RULES, PUBLISHES, CLIENTS = 1_000, 100, 4
QUIET_SECONDS = 0.25
PAUSE_SECONDS = 0.01
WARM_UP_SECONDS = 0.5
TOO_LONG = 0.05
HTTP_OK = 200
PLACEMENT = "/v1/placements/payment_methods"
METHODS = ("card", "paypal", "klarna", "ideal", "sepa_debit", "apple_pay")
DECISION = {"placement": "payment_methods", "context": {"cart": {"total": 12900}, "geo": {"country": "DE"}}}


class Answer(NamedTuple):
    """The time of a decision's request, its duration, its version and its mark.

    A fallback, given where a decision took longer than a second, obeys no rules and carries none.
    """

    sent_at: float
    seconds: float
    version: int
    mark: int | None
    is_fallback: bool


@dataclass
class Result:
    publishing: list[Span] = field(default_factory=list)
    pauses: list[Span] = field(default_factory=list)
    marks: dict[int, int] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    kept: int = 0

    @property
    def publish_seconds(self) -> list[float]:
        return [end - begin for begin, end in self.publishing]

    def asked_for_in(self, spans: Sequence[Span]) -> list[float]:
        """Return the seconds of decisions that were sent in one of these periods."""
        return [
            answer.seconds for answer in self.answers if any(begin <= answer.sent_at <= end for begin, end in spans)
        ]

    @property
    def disobeying(self) -> int:
        """Answers that carry another mark than the version that they name."""
        return sum(self.marks.get(answer.version) != answer.mark for answer in self.answers if not answer.is_fallback)

    @property
    def fallbacks(self) -> int:
        return sum(answer.is_fallback for answer in self.answers)


class Client:
    """One connection with a secret key."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Json:
        text = None if body is None else json.dumps(body)
        self._connection.request(method, path, body=text, headers=self._headers | headers)
        answer = self._connection.getresponse()
        read = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {read[:500].decode()}")
        document: Json = json.loads(read) if read else {}
        return document


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


def publish(client: Client, reason: str) -> int:
    """The version that is in force now."""
    version: int = client.call("POST", f"{PLACEMENT}/draft/publish", {"why": reason}, **{"If-Match": "*"})["version"]
    return version


async def new_merchant(folder: str) -> str:
    """A secret key of a merchant in a new database."""
    engine = await open_engine(Settings(data=folder))
    merchant, _ = await engine.accounts.add_merchant("shop", "Shop")
    _, key = await engine.accounts.create_key(merchant, "secret", "publishing", actor_name="benchmark")
    await engine.database.close()
    return key


def rule_set(rules: int) -> list[Json]:
    dice = random.Random(7)
    return [*(rule(number, dice) for number in range(rules - 1)), marker(0)]


def create_resources(client: Client, rules: int) -> None:
    client.call("POST", "/v1/placements", {"key": "payment_methods", "name": "Payment methods"})
    client.call("POST", f"{PLACEMENT}/candidates", [{"id": name, "label": name} for name in METHODS])
    client.call("PUT", f"{PLACEMENT}/draft", {"rules": rule_set(rules)}, **{"If-Match": "*"})


class Head(msgspec.Struct):
    """The fields that are read from an answer."""

    plan_version: int
    values: dict[str, Any]
    fallback: bool


class Load:
    """Clients that decide until stopped; each sends its next request shortly after an answer."""

    def __init__(self, port: int, key: str, clients: int) -> None:
        self.answers: list[Answer] = []
        self._port = port
        self._request = request("POST", "/v1/personalize/decisions", DECISION, key=key)
        self._faults: list[str] = []
        self._going = True
        self._thread = threading.Thread(target=lambda: asyncio.run(self._decide(clients)))
        self._thread.start()

    async def _decide(self, clients: int) -> None:
        made = [self._client() for _ in range(clients)]
        loop = asyncio.get_running_loop()
        connections = [(await loop.create_connection(make, "127.0.0.1", self._port))[1] for make in made]
        await asyncio.gather(*(connection.closed for connection in connections))

    def _client(self) -> Callable[[], Connection]:
        tally, loop = Tally(), asyncio.get_running_loop()

        def call(connection: Connection) -> None:
            if self._going:
                connection.send(self._request, time.perf_counter())
            else:
                connection.close()

        def answered(status: int, body: bytes) -> None:
            if status != HTTP_OK:
                self._faults.append(f"{status}: {body[:500].decode()}")
                return
            head, seconds = msgspec.json.decode(body, type=Head), tally.latencies[-1]
            began = time.perf_counter() - seconds
            self.answers.append(Answer(began, seconds, head.plan_version, head.values.get("mark"), head.fallback))

        return lambda: Connection(tally, lambda idle: loop.call_later(PAUSE_SECONDS, call, idle), answered)

    def stop(self) -> list[Answer]:
        self._going = False
        self._thread.join()
        if self._faults:
            raise RuntimeError(f"{len(self._faults)} decisions were not answered, the first with {self._faults[0]}")
        return self.answers


def run(*, rules: int = RULES, publishes: int = PUBLISHES, quiet_seconds: float = QUIET_SECONDS) -> Result:
    result, port = Result(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        key = asyncio.run(new_merchant(folder))
        with Server([*TAP2, "serve"], Path(folder), port, {}):
            client = Client(port, key)
            create_resources(client, rules)
            result.marks[publish(client, "all of them")] = 0
            load = Load(port, key, CLIENTS)
            time.sleep(WARM_UP_SECONDS)
            for mark in range(1, publishes + 1):
                client.call("PUT", f"{PLACEMENT}/draft/rules/marker", marker(mark), **{"If-Match": "*"})
                began = time.perf_counter()
                time.sleep(quiet_seconds)
                quiet = time.perf_counter()
                result.marks[publish(client, f"mark {mark}")] = mark
                result.pauses.append((began, quiet))
                result.publishing.append((quiet, time.perf_counter()))
            result.answers = load.stop()
            result.kept = sum(readable(client, version, mark) for version, mark in list(result.marks.items())[-100:])
    return result


def readable(client: Client, version: int, mark: int) -> bool:
    """Return whether a version can still be read as it was published."""
    plan = client.call("GET", f"{PLACEMENT}/versions/{version}")
    return marker(mark)["effects"] in [answer["effects"] for answer in plan["rules"] if answer["id"] == "marker"]


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def milliseconds(values: Sequence[float]) -> str:
    return f"{1000 * quantile(values, 0.5):.1f}, {1000 * quantile(values, 0.99):.1f}, {1000 * max(values):.1f} ms"


def too_long(values: Sequence[float]) -> str:
    late = sum(value > TOO_LONG for value in values)
    return f"{late} of {len(values):,} ({100 * late / len(values):.1f}%)"


def figures() -> list[Figure]:
    """(what, goal, measured)."""
    result = run()
    longest, versions = max(result.publish_seconds), len({answer.version for answer in result.answers})
    quiet, while_publishing = result.asked_for_in(result.pauses), result.asked_for_in(result.publishing)
    changed = [marker(mark) for mark in range(1, PUBLISHES + 1)]
    held = asyncio.run(waits(rule_set(RULES), changed, methods=METHODS))
    return [
        (f"publishing a change of {RULES:,} rules, compiling included: median, longest of {PUBLISHES}", "under 2 s",
         f"{quantile(result.publish_seconds, 0.5):.2f}, {longest:.2f} s"),
        ("decisions just before: median, p99, longest", "", milliseconds(quiet)),
        ("decisions while a version is published: median, p99, longest", "none waits over 50 ms for it",
         milliseconds(while_publishing)),
        ("over 50 ms, just before", "", too_long(quiet)),
        ("over 50 ms, while a version is published", "as many", too_long(while_publishing)),
        ("the event loop meanwhile, held up by its own process, CPU time: median, p99, longest", "under 50 ms",
         milliseconds(held)),
        (f"answers that obey another version than they name, of {len(result.answers):,} by {versions} versions", "0",
         str(result.disobeying)),
        ("of them fallbacks, which obey no rules and say so", "0", str(result.fallbacks)),
        ("of the last 100 versions, still there as published", "100", str(result.kept)),
    ]  # fmt: skip
