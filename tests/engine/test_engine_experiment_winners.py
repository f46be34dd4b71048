"""Winners that are published by themselves, or wait in the draft for approval."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from engine.clock import now_ms
from engine.experiments import experiments, supervisor
from engine.experiments.ending.winners import may_conclude
from engine.model.actor import Actor
from engine.model.errors import Conflict
from engine.model.experiment import Experiment, ExperimentStatus, Guardrail, Variant
from engine.model.placement import Fixed
from engine.model.timestamps import DAY
from engine.store.connection.bulk import insert_many
from engine.store.events import outbox
from engine.store.experiments.sums import UnitTotals
from engine.store.tables import experiment_sums
from tests import factories
from tests.marks import SQLITE
from tests.shop import Shop

PLACEMENT = "payment_methods"
ID = "paypal-first"
CONTROL = Variant(id="control", name="As it is")
PAYPAL = Variant(id="paypal", name="PayPal first", order=("paypal",))
COLUMNS = ("merchant_id", "placement", "experiment", "phase", "segment", "hour", "variant", *UnitTotals._fields)

pytestmark = pytest.mark.anyio


def experiment(**changes: Any) -> Experiment:
    setup: dict[str, Any] = {"id": ID, "name": "PayPal", "variants": (CONTROL, PAYPAL), "publishes_winner": True}
    return Experiment(**(setup | changes))


@pytest.fixture
async def shop(empty_shop: Shop) -> Shop:
    await empty_shop.add_placement(factories.placement(policy=Fixed()))
    return empty_shop


async def start(shop: Shop, *, control: int = 500, paypal: int = 700, **changes: Any) -> None:
    """Start an experiment in which so many of 5,000 units bought an hour after the start."""
    await shop.engine.experiments.create(shop.actor(), PLACEMENT, experiment(**changes))
    await shop.engine.experiments.start(shop.actor(), PLACEMENT, ID)
    await sell(shop, control, paypal)


async def sell(shop: Shop, control: int, paypal: int) -> None:
    hour = now_ms() // 3_600_000
    rows = [
        (shop.id, PLACEMENT, ID, 1, "", hour, name, *UnitTotals(5_000, bought, bought, bought))
        for name, bought in (("control", control), ("paypal", paypal))
    ]
    async with shop.engine.database.write() as connection:
        await insert_many(connection, experiment_sums, COLUMNS, rows, on_conflict="add")


async def after(shop: Shop, days: float) -> Experiment:
    """Run the supervisor so many days after now; return the experiment."""
    moment = now_ms() + round(days * DAY)
    with patch.object(supervisor, "now_ms", lambda: moment), patch.object(experiments, "now_ms", lambda: moment):
        await shop.engine.supervisor.run()
    document: Experiment = (await shop.engine.experiments.get(shop.id, PLACEMENT, ID)).document
    return document


async def first_of(shop: Shop) -> str:
    return (await shop.decide("somebody")).decision.ranking[0].id


async def test_a_winner_is_published_once_whole_weeks_are_over(shop: Shop) -> None:
    await start(shop, minimum_days=8)
    assert (await after(shop, 8.5)).status.state == "running"
    done = await after(shop, 14.1)
    assert (done.status.state, done.status.winner) == ("concluded", "paypal")
    assert done.status.reason.startswith("by itself: PayPal first is better, +")
    assert await first_of(shop) == "paypal"
    entries = await shop.engine.catalogue.audit(shop.id, limit=5)
    assert any(entry.actor == "engine" and entry.reason == done.status.reason for entry in entries)


async def test_without_the_setting_nothing_is_published(shop: Shop) -> None:
    await start(shop, publishes_winner=False)
    assert (await after(shop, 14.1)).status.state == "running"


async def test_the_control_wins_where_all_others_are_worse(shop: Shop) -> None:
    await start(shop, control=700, paypal=500)
    done = await after(shop, 7.1)
    assert (done.status.state, done.status.winner) == ("concluded", "control")
    assert "every other variant is worse, PayPal first -" in done.status.reason
    assert await first_of(shop) != "paypal"


async def test_harm_stops_before_anything_is_published(shop: Shop) -> None:
    await start(shop, guardrails=(Guardrail(metric="order_value"), Guardrail(metric="orders", tolerated_percent=1)))
    async with shop.engine.database.write() as connection:
        lost = (shop.id, PLACEMENT, ID, 1, "", now_ms() // 3_600_000, "paypal", *UnitTotals(20_000))
        await insert_many(connection, experiment_sums, COLUMNS, [lost], on_conflict="add")
    done = await after(shop, 7.1)
    assert (done.status.state, done.status.winner) == ("stopped", "")


async def test_the_planned_end_publishes_when_the_last_outcomes_are_in(shop: Shop) -> None:
    await start(shop, control=500, paypal=505, maximum_days=14)
    ended = await after(shop, 14.1)
    assert (ended.status.state, ended.status.winner) == ("stopped", "")
    await sell(shop, 500, 1_500)
    done = await after(shop, 14.5)
    assert (done.status.state, done.status.winner) == ("concluded", "paypal")


async def test_experiment_stopped_by_a_person_stays_stopped(shop: Shop) -> None:
    await start(shop)
    await shop.engine.experiments.stop(shop.actor(), PLACEMENT, ID, reason="support calls")
    assert (await after(shop, 30)).status.state == "stopped"


async def with_review(shop: Shop, sold: tuple[int, int] = (500, 700), **changes: Any) -> None:
    """Let changes need a second person; the experiment is approved by one."""
    await shop.engine.experiments.create(shop.actor(), PLACEMENT, experiment(**changes))
    await shop.engine.accounts.set_review(shop.merchant, on=True, actor_name="tester")
    await shop.engine.experiments.ask(shop.actor(), PLACEMENT, ID)
    await shop.engine.experiments.approve(Actor(shop.id, "second"), PLACEMENT, ID)
    await shop.engine.experiments.start(shop.actor(), PLACEMENT, ID)
    await sell(shop, *sold)


async def publish_draft(shop: Shop) -> None:
    """Let a second person approve what is in the draft, and put it in force."""
    head = (await shop.engine.drafts.get(shop.id, PLACEMENT)).head
    if head.state != "in_review":
        await shop.engine.releases.ask(shop.actor(), PLACEMENT, revision=head.revision, reason="")
        head = (await shop.engine.drafts.get(shop.id, PLACEMENT)).head
    await shop.engine.releases.approve(Actor(shop.id, "second"), PLACEMENT, revision=head.revision)
    head = (await shop.engine.drafts.get(shop.id, PLACEMENT)).head
    await shop.engine.releases.publish(shop.actor(), PLACEMENT, revision=head.revision, reason="")


async def ends_of(shop: Shop) -> list[tuple[str, str | None]]:
    """Return the state and the winner of each `experiment.completed`, the oldest first."""
    async with shop.engine.database.read() as connection:
        rows = await outbox.page(connection, shop.id, after=0, type="experiment.completed", limit=10)
    ends = [msgspec.json.decode(row.body) for row in rows]
    return [(each["state"], each["winner"]) for each in ends]


async def test_with_review_the_winner_is_added_to_the_draft(shop: Shop) -> None:
    await with_review(shop)
    done = await after(shop, 7.1)
    assert (done.status.state, done.status.winner) == ("stopped", "paypal")
    entry, *_ = await shop.engine.catalogue.audit(shop.id, limit=1)
    assert entry.reason == f"{done.status.reason}; its changes wait in the draft for approval"
    assert await first_of(shop) != "paypal"
    draft = await shop.engine.drafts.get(shop.id, PLACEMENT)
    assert draft.head.state == "in_review"
    assert draft.head.asked_by == "engine"
    assert (await after(shop, 7.15)).status == done.status
    assert await ends_of(shop) == [("stopped", "paypal")]


async def test_a_published_draft_concludes_the_experiment(shop: Shop) -> None:
    await with_review(shop)
    stopped = await after(shop, 7.1)
    await publish_draft(shop)
    assert await first_of(shop) == "paypal"
    version = (await shop.decide("somebody")).decision.plan_version
    done = await after(shop, 7.2)
    assert done.status == msgspec.structs.replace(stopped.status, state="concluded")
    entry, *_ = await shop.engine.catalogue.audit(shop.id, limit=1)
    assert (entry.actor, entry.subject) == ("engine", f"experiment {ID} in {PLACEMENT}")
    assert entry.reason == f"{stopped.status.reason}; its changes are published"
    assert (await after(shop, 7.3)).status == done.status
    assert await ends_of(shop) == [("stopped", "paypal"), ("concluded", "paypal")]
    again = await shop.decide("somebody")
    assert (again.decision.ranking[0].id, again.decision.plan_version > version) == ("paypal", True)


async def test_other_changes_of_the_draft_do_not_hide_the_winner(shop: Shop) -> None:
    await with_review(shop)
    await shop.engine.drafts.save(shop.actor(), PLACEMENT, factories.rule({"exclude": ["klarna"]}), revision=None)
    await after(shop, 7.1)
    await publish_draft(shop)
    assert (await after(shop, 7.2)).status.state == "concluded"


async def test_a_discarded_winner_stays_stopped(shop: Shop) -> None:
    await with_review(shop)
    stopped = await after(shop, 7.1)
    await shop.engine.drafts.discard(shop.actor(), PLACEMENT, revision=None)
    assert (await after(shop, 7.2)).status == stopped.status
    # What else is published meanwhile concludes nothing.
    await shop.engine.drafts.save(shop.actor(), PLACEMENT, factories.rule({"exclude": ["klarna"]}), revision=None)
    await publish_draft(shop)
    assert (await after(shop, 7.3)).status == stopped.status
    with pytest.raises(Conflict, match="what the winner changes is not in force"):
        await shop.engine.experiments.complete(shop.actor(), PLACEMENT, ID, reason="by hand")
    assert await ends_of(shop) == [("stopped", "paypal")]


async def test_partially_published_winner_concludes_nothing(shop: Shop) -> None:
    both = msgspec.structs.replace(PAYPAL, candidates_off=("klarna",), values={"layout": "wide"})
    await with_review(shop, variants=(CONTROL, both))
    stopped = await after(shop, 7.1)
    draft = await shop.engine.drafts.get(shop.id, PLACEMENT)
    [rule] = [item.id for item in draft.changes if item.kind == "rule"]
    await shop.engine.drafts.discard(shop.actor(), PLACEMENT, [rule], revision=None)
    await publish_draft(shop)
    assert (await after(shop, 7.2)).status == stopped.status
    document = draft.of_kind("rule")[rule].after
    await shop.engine.drafts.save(shop.actor(), PLACEMENT, document, revision=None)
    await publish_draft(shop)
    assert (await after(shop, 7.3)).status.state == "concluded"


async def test_with_review_a_winning_control_needs_no_approval(shop: Shop) -> None:
    await with_review(shop, sold=(700, 500))
    done = await after(shop, 7.1)
    assert (done.status.state, done.status.winner) == ("concluded", "control")
    assert not (await shop.engine.drafts.get(shop.id, PLACEMENT)).changes


async def test_draft_of_other_people_is_not_published(shop: Shop) -> None:
    await with_review(shop)
    setup = factories.placement(policy=Fixed(), window_minutes=90)
    await shop.engine.drafts.save(shop.actor(), PLACEMENT, setup, revision=None)
    await after(shop, 7.1)
    draft = await shop.engine.drafts.get(shop.id, PLACEMENT)
    assert (draft.head.state, len(draft.changes) > 1) == ("open", True)


async def test_edited_document_is_not_overwritten(shop: Shop) -> None:
    await with_review(shop)
    edited = msgspec.structs.replace(factories.candidates()[0], label="Mine", position=7)
    await shop.engine.drafts.save(shop.actor(), PLACEMENT, edited, revision=None)
    done = await after(shop, 7.1)
    assert (done.status.state, done.status.winner) == ("stopped", "paypal")
    entry, *_ = await shop.engine.catalogue.audit(shop.id, limit=1)
    assert f"{done.status.reason}; its changes are not in the draft: " in entry.reason
    item = await shop.engine.drafts.item(shop.id, PLACEMENT, "candidate", edited.id)
    assert item.after == edited


@pytest.mark.parametrize(
    ("changes", "days", "expected"),
    [({}, 7.0, True), ({}, 6.9, False), ({"state": "paused"}, 9.0, False), ({"winner": "paypal"}, 9.0, False)],
)
def test_only_a_running_experiment_may_be_concluded(changes: dict[str, Any], days: float, expected: bool) -> None:
    status = ExperimentStatus(state="running", started_at=0, phase_started_at=0)
    document = experiment(status=msgspec.structs.replace(status, **changes))
    assert may_conclude(document, 0, round(days * DAY)) is expected


@SQLITE
async def test_a_rule_that_the_winner_has_switched_off_is_off(shop: Shop):
    rule = factories.rule({"exclude": ["klarna"]})
    await shop.create("rule", rule)
    without = Variant(id="paypal", name="Without", rules=(msgspec.structs.replace(rule, enabled=False),))
    await start(shop, variants=(CONTROL, without), publishes_winner=False)
    week_later = now_ms() + 8 * DAY
    with patch.object(experiments, "now_ms", lambda: week_later):
        await shop.engine.experiments.conclude(shop.actor(), PLACEMENT, ID, winner="paypal", reason="It sells more.")
    answer = await shop.decide()
    assert "klarna" in {ranked.id for ranked in answer.decision.ranking}
