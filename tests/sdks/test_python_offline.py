"""The clients for Python decide while the server is away, as the server does, and tell it afterwards."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import tap2_personalize as sdk
from tap2_personalize._snapshot import SnapshotPlan

from benchmarks.clients.killable import Killable
from benchmarks.process import ROOT
from tests.sdks.fake_server import FakeServer, ReceivedRequest, Reply, fake_server
from tests.serving import Side

SETTINGS = json.loads((ROOT / "tests/specs/offline.json").read_text())["settings"]
PLANS = {setting["name"]: setting["plan"] for setting in SETTINGS}
PLACEMENT = "payment_methods"
REQUEST: Any = {"placement": PLACEMENT, "context": {"geo": {"country": "DE"}}}
PATIENCE = 20.0


def moment(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def snapshot_of(plan: Any, **changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    times = {"issued_at": moment(now), "expires_at": moment(now + timedelta(minutes=15))}
    return {"token": "sn_1", "id_suffix": "0" * 14, "most_decisions": 50, **times, "plan": plan, **changes}


class Shop:
    """A server that gives a snapshot, and can be gone."""

    def __init__(self, snapshot: dict[str, Any] | None) -> None:
        self.snapshot = snapshot
        self.is_gone = False
        self.receipt: dict[str, Any] = {"status": "recorded"}
        self.answer: dict[str, Any] = {"decision_id": "dec_server", "ranking": [], "fallback": False}
        self.has_asked = threading.Event()

    def reply(self, _: FakeServer, seen: ReceivedRequest, reply: Reply) -> None:
        if self.is_gone:
            reply.reset()
        elif "/snapshots/" in seen.path:
            self.has_asked.set()
            reply.json(200, self.snapshot) if self.snapshot else reply.problem(409, "conflict")
        elif seen.path.endswith("/offline"):
            reply.json(202, {"results": [{"decision_id": each["decision_id"], **self.receipt} for each in seen.body]})
        elif seen.path.endswith("/feedback"):
            reply.json(202, {"results": [{"event_id": each["event_id"], "status": "recorded"} for each in seen.body]})
        else:
            reply.json(200, self.answer)


@contextmanager
def cut_off(
    make: Callable[..., Any], snapshot: dict[str, Any] | None, **request: Any
) -> Iterator[tuple[Shop, Any, FakeServer]]:
    """A client that got its snapshot, or heard that there is none, before the server went away."""
    shop = Shop(snapshot)
    with fake_server(shop.reply) as fake:
        client = make(fake, offline=[PLACEMENT])
        end = time.monotonic() + PATIENCE
        while not shop.has_asked.is_set() and time.monotonic() < end:
            client.decide(REQUEST)
        client.decide(REQUEST)
        for _ in range(20):  # gives the client's own loop the time to read the snapshot
            client.flush(0.02)
            time.sleep(0.005)
        shop.is_gone = True
        yield shop, client, fake
        shop.is_gone = False


@pytest.mark.parametrize("setting", SETTINGS, ids=[setting["name"] for setting in SETTINGS])
def test_a_client_decides_as_the_server_does_bit_for_bit(setting: dict[str, Any]):
    plan = SnapshotPlan(setting["plan"])
    for case in setting["cases"]:
        expected = case["answer"] and {name: case["answer"][name] for name in case["answer"] if name != "expires_at"}
        assert plan.decide(case["context"], case["id"]) == expected, case["context"]


def test_decisions_are_sent_before_their_outcomes(make: Callable[..., Any]):
    with cut_off(make, snapshot_of(PLANS["trials"])) as (shop, client, fake):
        decision = client.decide(REQUEST)
        assert (decision["source"], decision["fallback"]) == ("offline", False)
        assert type(decision["error"]) is sdk.ConnectionFailed
        assert client.get_methods(None, None, REQUEST["context"])["source"] == "offline"
        shown = client.track_feedback({"decision_id": decision["decision_id"], "type": "shown"})
        assert client.flush(0.05) == 3
        before, shop.is_gone = len(fake.requests), False
        assert client.flush(PATIENCE) == 0
        assert shown.result(PATIENCE)["status"] == "recorded"
    sent = [seen for seen in fake.requests[before:] if seen.path.endswith(("/offline", "/feedback"))]
    assert [seen.path.rpartition("/")[2] for seen in sent] == ["offline", "feedback"]
    first = sent[0].body[0]
    assert (first["decision_id"], first["snapshot"], first["context"]) == (
        decision["decision_id"],
        "sn_1",
        REQUEST["context"],
    )
    assert first["ranking"] == [ranked["id"] for ranked in decision["ranking"]]
    assert (first["propensity"], len({each["decision_id"] for each in sent[0].body})) == (decision["propensity"], 2)


REFUSED = {
    "an old snapshot": (snapshot_of(PLANS["trials"], expires_at=moment(datetime.now(UTC) - timedelta(hours=1))), {}),
    "no decision left": (snapshot_of(PLANS["trials"], most_decisions=0), {}),
    "no snapshot": (None, {}),
    "personalization refused": (snapshot_of(PLANS["trials"]), {"personalization": False}),
    "a fact not as declared": (snapshot_of(PLANS["trials"]), {"context": {"geo": {"country": "de"}}}),
    "a customer at a split": (snapshot_of(PLANS["split"]), {"customer_id": "c_1"}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_fallback_order_is_used_with(make: Callable[..., Any], name: str):
    snapshot, request = REFUSED[name]
    with cut_off(make, snapshot) as (_, client, _):
        answer = client.decide({**REQUEST, **request})
        assert (answer["fallback"], answer["decision_id"]) == (True, None)


def test_opted_out_customer_gets_the_fixed_order(make: Callable[..., Any]):
    with cut_off(make, snapshot_of(PLANS["trials"])) as (shop, client, _):
        shop.is_gone, shop.answer = False, {**shop.answer, "personalized": False}
        client.decide({**REQUEST, "customer_id": 7})
        shop.is_gone = True
        assert client.decide({**REQUEST, "customer_id": "7"})["fallback"]
        assert not client.decide({**REQUEST, "customer_id": "8"})["fallback"]


def test_a_decision_that_the_server_refuses_is_reported(make: Callable[..., Any]):
    errors: list[str] = []

    def with_errors(fake: FakeServer, **options: Any) -> Any:
        return make(fake, on_error=lambda error, _=None: errors.append(error.code), **options)

    with cut_off(with_errors, snapshot_of(PLANS["trials"])) as (shop, client, _):
        client.decide(REQUEST)
        shop.is_gone, shop.receipt = False, {"status": "differs"}
        assert client.flush(PATIENCE) == 0
    assert "refused" in errors


def test_a_publishable_key_cannot_decide():
    with pytest.raises(ValueError, match="secret key"):
        sdk.Client("http://127.0.0.1:1", "pk_test_x", offline=[PLACEMENT])


def test_offline_decision_replays_on_the_server(side: Side):
    candidates = [{"id": each, "label": each} for each in "abcd"]
    side.client.post("/v1/placements", json={"key": "steps", "name": "Steps"})
    side.client.post("/v1/placements/steps/candidates", json=candidates)
    request: Any = {"placement": "steps", "context": {"cart": {"total": 5_000, "currency": "EUR"}}}
    with sdk.Client(side.server.url, side.key, offline=["steps"], fallback={"steps": ["a"]}) as client:
        end = time.monotonic() + PATIENCE
        while (decision := client.decide(request, timeout=0.0)).get("source") != "offline":
            assert time.monotonic() < end
        more = [client.decide(request, timeout=0.0) for _ in range(30)]
        receipts = [
            client.track_feedback(
                {"decision_id": each["decision_id"], "type": "selected", "candidate_id": each["ranking"][0]["id"]}
            )
            for each in (decision, *more)
        ]
        assert client.flush(PATIENCE) == 0
        assert {receipt.result(PATIENCE)["status"] for receipt in receipts} == {"recorded"}
    for each in (decision, more[-1]):
        assert side.client.post(f"/v1/decisions/{each['decision_id']}/replay").json()["same"]


@pytest.mark.long
def test_no_decision_is_lost_or_doubled_while_the_server_dies(killable_server: Killable):
    with sdk.Client(
        killable_server.url, killable_server.key, timeout=0.05, offline=[PLACEMENT], fallback={PLACEMENT: ["card"]}
    ) as client:
        end = time.monotonic() + PATIENCE
        while client.decide(REQUEST, timeout=0.0).get("source") != "offline":
            assert time.monotonic() < end
        dying = threading.Thread(target=killable_server.fail_and_return)
        dying.start()
        decisions = []
        while dying.is_alive():
            decisions.append(client.decide(REQUEST))
            event: Any = {"decision_id": decisions[-1]["decision_id"], "type": "shown"}
            client.track_feedback({**event, "event_id": f"e{len(decisions)}"})
            time.sleep(0.005)
        assert client.flush(PATIENCE) == 0
    offline = [each["decision_id"] for each in decisions if each.get("source") == "offline"]
    assert len(offline) > 10
    assert not any(each["fallback"] for each in decisions)
    with closing(
        sqlite3.connect(f"file:{killable_server.process.folder / 'tap2.sqlite'}?mode=ro", uri=True)
    ) as database:
        logged = Counter(f"dec_{id.hex()}" for (id,) in database.execute("SELECT id FROM decisions"))
        (counted,) = database.execute("SELECT sum(decisions) FROM metric_hours WHERE dimension = ''").fetchone()
    assert [logged[id] for id in offline] == [1] * len(offline)
    assert counted == logged.total()
    assert sorted(event for _, event in killable_server.outcomes()) == sorted(
        f"e{n + 1}" for n in range(len(decisions))
    )
