"""A guardrail that breaks while shoppers buy over HTTP stops the experiment, and everybody can read why."""

from __future__ import annotations

from benchmarks.checks.guardrail_stop import EXPERIMENTS, ID, REASON, Shoppers, create_resources, poster
from tests.serving import Server
from tests.web.people import add_person

HEALTHY, BROKEN = 60, 240


def test_a_guardrail_that_breaks_live_stops_the_experiment(server: Server):
    side, _ = server.sides()
    create_resources(poster(side.client))
    shoppers = Shoppers(poster(side.client), 7, rates=(0.8, 0.05))
    healthy = [shoppers.visit() for _ in range(HEALTHY)]
    server.run(server.engine.supervisor.run())
    assert side.client.get(f"{EXPERIMENTS}/{ID}").json()["status"]["state"] == "running"
    shoppers.is_broken = True
    broken = [shoppers.visit() for _ in range(BROKEN)]
    assert all(healthy)
    assert broken[0]
    server.run(server.engine.supervisor.run())
    assert side.client.get(f"{EXPERIMENTS}/{ID}").json()["status"]["reason"] == REASON
    assert REASON in side.client.get("/v1/audit").text
    assert REASON in add_person(server, side).get(f"/admin/experiments/payment_methods/{ID}")
    assert not shoppers.visit()
