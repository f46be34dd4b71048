"""Phases: a change of split, share or audience starts a phase with separate results."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.clock import now_ms
from engine.decisions.replay import replay
from engine.experiments.checks import changed_fields, free_offset
from engine.model.errors import Conflict, NotFound
from engine.model.experiment import Experiment, ExperimentStatus, Variant
from engine.model.placement import Fixed
from engine.model.timestamps import DAY
from tests import factories
from tests.marks import SQLITE_FIRST
from tests.shop import Shop

PLACEMENT = "payment_methods"
CUSTOMERS = [str(number) for number in range(120)]

pytestmark = pytest.mark.anyio


def experiment(**changes: Any) -> Experiment:
    variants = (Variant(id="control", name="As it is"), Variant(id="paypal", name="PayPal first", order=("paypal",)))
    return Experiment(**({"id": "e", "name": "E", "variants": variants, "minimum_days": 0} | changes))


@pytest.fixture
async def shop(empty_shop: Shop) -> Shop:
    """A merchant with a fixed order and a running experiment."""
    await empty_shop.add_placement(factories.placement(policy=Fixed()))
    await empty_shop.engine.experiments.create(empty_shop.actor(), PLACEMENT, experiment(share=0.5))
    await empty_shop.engine.experiments.start(empty_shop.actor(), PLACEMENT, "e")
    return empty_shop


async def change(shop: Shop, **changes: Any) -> Experiment:
    resource = await shop.engine.experiments.get(shop.id, PLACEMENT, "e")
    document = msgspec.structs.replace(resource.document, **changes)
    update = shop.engine.experiments.update(shop.actor(), PLACEMENT, "e", document, version=None)
    return (await update).document


async def variants(shop: Shop) -> dict[str, str]:
    """Return the variant of each customer, "" for those who are not enrolled."""
    answers = {name: (await shop.decide(name)).decision.experiments for name in CUSTOMERS}
    return {name: entries[0]["variant"] if entries else "" for name, entries in answers.items()}


async def units(shop: Shop, phase: int) -> dict[str, int]:
    await shop.engine.supervisor.add_up()
    resource = await shop.engine.experiments.get(shop.id, PLACEMENT, "e")
    look = await shop.engine.experiment_results.look(shop.id, resource, now=now_ms() + 9 * DAY, phase=phase)
    return {variant.id: variant.units for variant in look.variants}


@SQLITE_FIRST
async def test_new_split_moves_the_fewest_units(shop: Shop) -> None:
    before = await variants(shop)
    document = experiment(share=0.5)
    changed = await change(shop, variants=document.weighted([3.0, 1.0]))
    assert (changed.status.phase, changed.status.state, changed.status.offset) == (2, "running", 0.0)
    after = await variants(shop)
    assert {name for name in CUSTOMERS if before[name] == ""} == {name for name in CUSTOMERS if after[name] == ""}
    moved = {(before[name], after[name]) for name in CUSTOMERS if before[name] != after[name]}
    assert moved == {("paypal", "control")}


@SQLITE_FIRST
async def test_results_of_phases_are_separate(shop: Shop) -> None:
    before = await variants(shop)
    answer = await shop.decide(next(name for name in CUSTOMERS if before[name] == "paypal"))
    await change(shop, share=0.8)
    after = await variants(shop)
    await shop.report(answer, "converted", answer.decision.ranking[0].id)
    for phase, seen in ((1, before), (2, after), (0, after)):
        counted = {id: sum(variant == id for variant in seen.values()) for id in ("control", "paypal")}
        assert await units(shop, phase) == counted
    assert all(after[name] == variant for name, variant in before.items() if variant)
    logged = await shop.engine.logbook.get(shop.id, answer.decision.decision_id)
    assert (await replay(shop.engine.database, logged.row)).same
    with pytest.raises(NotFound, match="no phase 3"):
        await units(shop, 3)


async def test_a_name_begins_no_phase(shop: Shop) -> None:
    assert (await change(shop, name="New", notes="n", maximum_days=60)).status.phase == 1
    with pytest.raises(Conflict, match="variants cannot change"):
        await change(shop, variants=experiment().variants[::-1])


async def test_earlier_phase_is_unchanged(shop: Shop) -> None:
    audience = {"==": [{"var": "geo.country"}, "DE"]}
    changed = await change(shop, audience=audience, variants=experiment().weighted([1.0, 4.0]))
    [past] = changed.status.earlier
    assert (past.share, past.weights, past.audience) == (0.5, (1.0, 1.0), None)
    first = changed.in_phase(1)
    assert first is not None
    assert (first.audience, first.status.ended_at) == (None, changed.status.phase_started_at)
    assert changed.in_phase(2) is changed


async def test_a_larger_share_must_fit_into_the_layer(shop: Shop) -> None:
    await shop.engine.experiments.create(shop.actor(), PLACEMENT, experiment(id="other", share=0.4))
    await shop.engine.experiments.start(shop.actor(), PLACEMENT, "other")
    with pytest.raises(Conflict, match="use the layer"):
        await change(shop, share=0.7)
    assert (await change(shop, share=0.3)).status.offset == 0.0


@pytest.mark.parametrize(
    ("share", "offset", "taken", "expected"),
    [(0.5, 0.2, (), 0.2), (0.9, 0.2, (), 0.0), (0.5, 0.2, ((0.6, 0.2),), 0.0), (0.6, 0.4, ((0.0, 0.4),), 0.4)],
)
def test_share_of_a_layer_keeps_its_offset(
    share: float, offset: float, taken: tuple[tuple[float, float], ...], expected: float
) -> None:
    own = experiment(share=share, status=ExperimentStatus(state="running", offset=offset))
    others = [
        experiment(id=str(number), share=width, status=ExperimentStatus(state="running", offset=first))
        for number, (first, width) in enumerate(taken)
    ]
    assert free_offset(own, others) == expected


def test_weight_changes_are_distinguished_from_other_changes() -> None:
    old = experiment()
    assert changed_fields(old, experiment(variants=old.weighted([1.0, 2.0]))) == {"weights"}
    assert changed_fields(old, experiment(variants=old.variants[::-1])) == {"variants"}
    assert changed_fields(old, experiment()) == set()


async def test_a_start_in_the_past_is_not_scheduled(shop: Shop) -> None:
    document = experiment(id="past", layer="past", starts_at="2001-01-01T00:00:00Z")
    await shop.engine.experiments.create(shop.actor(), PLACEMENT, document)
    with pytest.raises(Conflict, match="the planned start is over"):
        await shop.engine.experiments.schedule(shop.actor(), PLACEMENT, "past")
