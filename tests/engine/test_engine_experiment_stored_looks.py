"""Stored looks: what was read of an experiment stays, whatever is refunded later."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.clock import now_ms
from engine.experiments.looks.stored import StoredLook, StoredLooks
from engine.experiments.results import Results
from engine.model.errors import NotFound
from engine.model.experiment import Experiment, Variant
from engine.model.placement import Fixed
from engine.model.resource import Resource
from engine.model.timestamps import DAY
from engine.store.connection.bulk import insert_many
from engine.store.experiments.sums import UnitTotals
from engine.store.tables import experiment_sums
from tests import factories
from tests.shop import Shop

PLACEMENT = "payment_methods"
COLUMNS = ("merchant_id", "placement", "experiment", "phase", "segment", "hour", "variant", *UnitTotals._fields)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def shop(empty_shop: Shop) -> Shop:
    """A merchant with a running experiment that has exposures of its first two days."""
    await empty_shop.add_placement(factories.placement(policy=Fixed()))
    variants = (Variant(id="control", name="As it is"), Variant(id="paypal", name="PayPal", order=("paypal",)))
    document = Experiment(id="e", name="E", variants=variants, minimum_days=0)
    await empty_shop.engine.experiments.create(empty_shop.actor(), PLACEMENT, document)
    await empty_shop.engine.experiments.start(empty_shop.actor(), PLACEMENT, "e")
    for day in (0, 1):
        await sell(empty_shop, day, "control", bought=100)
        await sell(empty_shop, day, "paypal", bought=400)
    return empty_shop


async def sell(shop: Shop, day: int, variant: str, *, bought: int, units: int = 1_000, segment: str = "") -> None:
    """Add units that were exposed in the second hour of a day, so many days after the start."""
    totals = UnitTotals(units, bought, bought, bought, bought * 1_000, bought * 1e6, bought * 1e3)
    row = (shop.id, PLACEMENT, "e", 1, segment, (now_ms() // DAY + day) * 24 + 1, variant, *totals)
    async with shop.engine.database.write() as connection:
        await insert_many(connection, experiment_sums, COLUMNS, [row], on_conflict="add")


async def refund(shop: Shop, day: int, orders: int) -> None:
    await sell(shop, day, "paypal", bought=-orders, units=0)


async def the_experiment(shop: Shop) -> Resource:
    return await shop.engine.experiments.get(shop.id, PLACEMENT, "e")


def noon(day: int) -> int:
    """Return noon of a day, so many days after the start."""
    return (now_ms() // DAY + day) * DAY + DAY // 2


async def keep(shop: Shop, *, day: int) -> list[StoredLook]:
    """Run the job as it would on a day after the start, in a process of its own."""
    resource, keeper = await the_experiment(shop), StoredLooks(shop.engine.database, shop.engine.experiment_results)
    for _ in range(2):
        await keeper.keep(shop.id, resource, now=noon(day))
    return await keeper.page(shop.id, resource)


async def read(shop: Shop, number: int) -> Results:
    return await shop.engine.experiment_looks.read(shop.id, await the_experiment(shop), now=0, number=number)


async def look(shop: Shop, *, day: int) -> Results:
    return await shop.engine.experiment_results.look(shop.id, await the_experiment(shop), now=noon(day))


async def test_a_look_is_stored_each_day(shop: Shop) -> None:
    assert [len(await keep(shop, day=day)) for day in (0, 1, 1, 2)] == [0, 1, 1, 1]
    await sell(shop, 3, "control", bought=100)
    stored = await keep(shop, day=3)
    assert [each.number for each in stored] == [1, 2]
    assert stored[0].as_of < stored[1].as_of
    assert [each.verdict.kind for each in stored] == ["better", "better"]


async def test_days_without_new_data_store_no_look(shop: Shop) -> None:
    await keep(shop, day=5)
    assert len(await keep(shop, day=9)) == 1


async def test_an_end_stores_a_look_at_once(shop: Shop) -> None:
    await shop.engine.experiments.stop(shop.actor(), PLACEMENT, "e", reason="enough")
    await shop.engine.supervisor.run()
    await shop.engine.supervisor.run()
    resource = await the_experiment(shop)
    [only] = await shop.engine.experiment_looks.page(shop.id, resource)
    assert only.as_of >= resource.document.status.ended_at


async def test_a_refund_after_the_end_makes_a_new_look(shop: Shop) -> None:
    await shop.engine.experiments.stop(shop.actor(), PLACEMENT, "e", reason="enough")
    await keep(shop, day=5)
    before = msgspec.json.encode(await read(shop, 1))
    await refund(shop, 1, 60)
    assert [each.number for each in await keep(shop, day=6)] == [1, 2]
    assert msgspec.json.encode(await read(shop, 1)) == before
    bought = [sum(variant.converted for variant in (await read(shop, number)).variants) for number in (1, 2)]
    assert bought == [1_000, 940]


async def test_stated_days_of_the_chart_do_not_change(shop: Shop) -> None:
    await keep(shop, day=5)
    before = (await look(shop, day=5)).history
    await refund(shop, 0, 60)
    await sell(shop, 6, "control", bought=100)
    await sell(shop, 6, "paypal", bought=100)
    after = (await look(shop, day=9)).history
    assert (len(before), len(after)) == (2, 3)
    assert after[:2] == before
    assert after[2].value == pytest.approx(840 / 3_000)


async def test_incomplete_day_is_not_stored(shop: Shop) -> None:
    await keep(shop, day=1)
    before = (await look(shop, day=1)).history
    await refund(shop, 1, 60)
    after = (await look(shop, day=2)).history
    assert after[0] == before[0]
    assert (before[1].day, before[1].value, after[1].value) == (after[1].day, 800 / 2_000, 740 / 2_000)


async def test_days_of_a_bandits_chart_stay_too(empty_shop: Shop) -> None:
    await empty_shop.add_placement(factories.placement(policy=Fixed()))
    variants = (Variant(id="control", name="As it is"), Variant(id="paypal", name="PayPal", order=("paypal",)))
    document = Experiment(id="e", name="E", variants=variants, minimum_days=0, allocation="bandit")
    await empty_shop.engine.experiments.create(empty_shop.actor(), PLACEMENT, document)
    await empty_shop.engine.experiments.start(empty_shop.actor(), PLACEMENT, "e")
    for variant, bought in (("control", 200), ("paypal", 260)):
        await sell(empty_shop, 0, variant, bought=bought)
    await keep(empty_shop, day=3)
    before = (await look(empty_shop, day=3)).history
    await refund(empty_shop, 0, 60)
    assert before
    assert (await look(empty_shop, day=4)).history == before


async def test_each_phase_has_its_own_looks(shop: Shop) -> None:
    resource = await the_experiment(shop)
    changed: Any = msgspec.structs.replace(resource.document, share=0.5)
    await shop.engine.experiments.update(shop.actor(), PLACEMENT, "e", changed, version=None)
    assert await keep(shop, day=3) == []
    past = await shop.engine.experiment_looks.page(shop.id, await the_experiment(shop), phase=1)
    assert [each.number for each in past] == [1]


async def test_two_processes_store_a_look_once(shop: Shop) -> None:
    resource, now = await the_experiment(shop), noon(4)
    for _ in range(2):
        await StoredLooks(shop.engine.database, shop.engine.experiment_results).keep(shop.id, resource, now=now)
    assert len(await shop.engine.experiment_looks.page(shop.id, resource)) == 1


async def test_a_missing_look_is_not_found(shop: Shop) -> None:
    with pytest.raises(NotFound):
        await read(shop, 7)
    with pytest.raises(NotFound):
        await shop.engine.experiment_looks.page(shop.id, await the_experiment(shop), phase=3)
