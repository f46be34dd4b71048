"""What people of the demo merchant did in the simulated month: each step runs at its hour through the engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from engine.model.actor import Actor
from engine.model.experiment import Experiment, Guardrail, Variant
from engine.model.placement import (
    Expectation,
    Fixed,
    Holdback,
    Pinned,
    RuleDocument,
    Scenario,
)
from engine.service import Engine
from simulation.worlds.month import OUTAGE_DAY, OUTAGE_HOURS, OUTAGE_METHOD
from web.demo import catalogue

KEY = catalogue.PLACEMENT.key
OWNER, COLLEAGUE = catalogue.USER_EMAIL, catalogue.COLLEAGUE_EMAIL

WEEKEND_RULE = RuleDocument(
    id="ideal-first-at-weekends",
    name="iDEAL first in the Netherlands at weekends",
    priority=30,
    when={
        "and": [
            {"==": [{"var": "geo.country"}, "NL"]},
            {"weekday_in": [{"var": "time.now"}, ["sat", "sun"], catalogue.TIMEZONE]},
        ]
    },
    effects=({"pin": {"candidate": "ideal", "slot": 1}},),
    notes="Asked for by marketing.",
)

SCENARIOS = (
    Scenario(
        id="large-german-cart",
        name="A German cart of EUR 620.00 gets no Klarna",
        context={
            "cart": {"total": 62_000, "currency": "EUR", "items": 2},
            "geo": {"country": "DE"},
            "device": {"type": "desktop", "os": "windows"},
            "customer": {"returning": True},
            "risk": {"score": 12.0},
        },
        expect=Expectation(shown=("card", "paypal"), hidden=("klarna",)),
    ),
    Scenario(
        id="belgian-phone",
        name="A Belgian phone sees Bancontact first",
        context={
            "cart": {"total": 4_500, "currency": "EUR", "items": 1},
            "geo": {"country": "BE"},
            "device": {"type": "mobile", "os": "android"},
            "customer": {"returning": False},
            "risk": {"score": 20.0},
        },
        expect=Expectation(pinned=(Pinned("bancontact", 1),)),
    ),
)

EXPERIMENT = Experiment(
    id="own-order",
    name="The shop's own order against the learned order",
    hypothesis="The order that the shop chose by hand sells as much as the order that is learned.",
    unit="decision",
    share=0.5,
    variants=(
        Variant(id="learned", name="Learned order"),
        Variant(id="own", name="The shop's own order", policy=Fixed()),
    ),
    primary="conversion",
    secondary=("revenue",),
    guardrails=(Guardrail(metric="revenue", tolerated_percent=20.0),),
    minimum_effect_percent=4.0,
    minimum_days=7,
    maximum_days=14,
)


class StoryStep(NamedTuple):
    """Something that is done on a day (from 0) at an hour of the shop's time."""

    day: int
    hour: int
    run: Callable[[Engine, int], Awaitable[object]]


async def _keep_a_holdback(engine: Engine, merchant_id: int) -> None:
    document = msgspec.structs.replace(catalogue.PLACEMENT, holdback=Holdback(share=0.05))
    await engine.catalogue.update(Actor(merchant_id, OWNER), "placement", "", KEY, document, version=None)


async def _add_scenarios(engine: Engine, merchant_id: int) -> None:
    await engine.catalogue.create(Actor(merchant_id, OWNER), "scenario", KEY, SCENARIOS)


async def _draft_weekend_rule(engine: Engine, merchant_id: int) -> None:
    await engine.drafts.save(Actor(merchant_id, COLLEAGUE), KEY, WEEKEND_RULE, revision=0)


async def _publish_draft(engine: Engine, merchant_id: int) -> None:
    draft = await engine.drafts.get(merchant_id, KEY)
    reason = "Marketing wants iDEAL first at weekends"
    await engine.releases.publish(Actor(merchant_id, OWNER), KEY, revision=draft.head.revision, reason=reason)


async def _roll_back(engine: Engine, merchant_id: int) -> None:
    _, before = await engine.versions.page(merchant_id, KEY, limit=2)
    reason = "Sold no more than the learned order"
    await engine.versions.roll_back(Actor(merchant_id, OWNER), KEY, before.version, reason=reason)


async def _start_experiment(engine: Engine, merchant_id: int) -> None:
    actor = Actor(merchant_id, COLLEAGUE)
    await engine.experiments.create(actor, KEY, EXPERIMENT)
    await engine.experiments.start(actor, KEY, EXPERIMENT.id, reason="Asked for by the board")


async def _conclude_experiment(engine: Engine, merchant_id: int) -> None:
    resource = await engine.experiments.get(merchant_id, KEY, EXPERIMENT.id)
    if resource.document.status.state in ("running", "paused", "stopped"):
        reason = "The learned order stays"
        await engine.experiments.conclude(
            Actor(merchant_id, COLLEAGUE), KEY, EXPERIMENT.id, winner=EXPERIMENT.control.id, reason=reason
        )


async def _pause_method(engine: Engine, merchant_id: int) -> None:
    reason = "The provider reports an outage"
    await engine.emergencies.pause(Actor(merchant_id, OWNER), KEY, OUTAGE_METHOD, reason=reason)


async def _resume_method(engine: Engine, merchant_id: int) -> None:
    reason = "The provider is back"
    await engine.catalogue.switch(Actor(merchant_id, OWNER), KEY, OUTAGE_METHOD, enabled=True, reason=reason)


async def _acknowledge_pause(engine: Engine, merchant_id: int) -> None:
    for emergency in await engine.emergencies.unseen(merchant_id):
        await engine.emergencies.acknowledge(Actor(merchant_id, COLLEAGUE), emergency.id)


STEPS = (
    StoryStep(1, 10, _keep_a_holdback),
    StoryStep(2, 11, _add_scenarios),
    StoryStep(5, 9, _draft_weekend_rule),
    StoryStep(5, 15, _publish_draft),
    StoryStep(9, 10, _roll_back),
    StoryStep(14, 9, _start_experiment),
    StoryStep(OUTAGE_DAY, OUTAGE_HOURS[2], _pause_method),
    StoryStep(OUTAGE_DAY, OUTAGE_HOURS[-1] + 1, _resume_method),
    StoryStep(OUTAGE_DAY, OUTAGE_HOURS[-1] + 2, _acknowledge_pause),
    StoryStep(27, 9, _conclude_experiment),
)
