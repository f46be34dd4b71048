"""The funnel and segments of an experiment as read from the log, and the decisions of a group, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from engine.clock import now_ms
from engine.experiments.details import FieldSegments, Funnel, Grouping
from engine.insights.strata import count_strata
from engine.kernel.plan import Plan, vocabulary_of
from engine.model.errors import NotFound
from engine.model.experiment import Experiment, Variant
from engine.model.placement import FieldDocument, Fixed
from engine.model.resource import Resource
from engine.model.timestamps import DAY, HOUR
from engine.store import decisions, tables
from engine.store.connection.bulk import insert_many
from engine.store.experiments import exposures
from engine.store.experiments.sums import PhaseKey, UnitTotals, by_day
from tests import factories
from tests.marks import SQLITE_FIRST
from tests.shop import Shop

PLACEMENT = "payment_methods"
COUNTRY = Grouping(FieldDocument(name="geo.country", type="country"), vocabulary_of(factories.STANDARD, "EUR"))

pytestmark = pytest.mark.anyio


def experiment(**changes: Any) -> Experiment:
    variants = (Variant(id="control", name="As it is"), Variant(id="paypal", name="PayPal first", order=("paypal",)))
    return Experiment(**({"id": "e", "name": "E", "variants": variants, "minimum_days": 0} | changes))


@pytest.fixture
async def shop(empty_shop: Shop) -> Shop:
    await empty_shop.add_placement(factories.placement(policy=Fixed()))
    return empty_shop


async def start(shop: Shop, **changes: Any) -> None:
    document = experiment(**changes)
    await shop.engine.experiments.create(shop.actor(), PLACEMENT, document)
    await shop.engine.experiments.start(shop.actor(), PLACEMENT, document.id)


async def stored(shop: Shop, id: str = "e") -> Resource:
    await shop.engine.supervisor.add_up()
    return await shop.engine.experiments.get(shop.id, PLACEMENT, id)


async def funnel(shop: Shop, id: str = "e", *, phase: int = 0) -> Funnel:
    details = shop.engine.experiment_details
    return await details.funnel(shop.id, await stored(shop, id), now=now_ms() + 9 * DAY, phase=phase)


async def by_country(shop: Shop, id: str = "e") -> FieldSegments:
    details = shop.engine.experiment_details
    return await details.by_field(shop.id, await stored(shop, id), COUNTRY, now=now_ms() + 9 * DAY)


def sums(funnel: Funnel) -> tuple[int, int, int, int]:
    """Return decisions, shown, selected and converted of all variants together."""
    rows = funnel.rows
    return (
        sum(row.decisions for row in rows),
        sum(row.shown for row in rows),
        sum(row.selected for row in rows),
        sum(row.converted for row in rows),
    )


async def test_each_step_of_a_decision_counts_once(shop: Shop) -> None:
    await start(shop)
    answer = await shop.decide("anna")
    first = answer.decision.ranking[0].id
    for _ in range(2):
        await shop.report(answer, "shown")
        await shop.report(answer, "selected", first)
    await shop.report(answer, "converted", first, amount=500)
    await shop.decide("anna")
    assert sums(await funnel(shop)) == (2, 1, 1, 1)


async def test_decisions_outside_the_share_are_in_no_funnel(shop: Shop) -> None:
    await start(shop, share=0.5)
    names = [str(number) for number in range(40)]
    answers = [await shop.decide(name) for name in names]
    enrolled = sum(bool(answer.decision.experiments) for answer in answers)
    assert 0 < enrolled < 40
    assert sums(await funnel(shop))[0] == enrolled


@SQLITE_FIRST
async def test_id_with_a_common_prefix_is_another_experiment(shop: Shop) -> None:
    await start(shop, share=0.5, layer="a")
    other = (Variant(id="control", name="As it is"), Variant(id="b", name="B", candidates_off=("card",)))
    await start(shop, id="e2", share=1.0, layer="b", variants=other)
    answers = [await shop.decide(str(number)) for number in range(20)]
    for id in ("e", "e2"):
        inside = [each for answer in answers for each in answer.decision.experiments if each["id"] == id]
        assert sums(await funnel(shop, id))[0] == len(inside)


async def test_a_new_phase_has_a_funnel_of_its_own(shop: Shop) -> None:
    await start(shop)
    await shop.decide("anna")
    changed = experiment(share=0.9)
    resource = await stored(shop)
    await shop.engine.experiments.update(shop.actor(), PLACEMENT, "e", changed, version=resource.version)
    assert sums(await funnel(shop, phase=2))[0] == 0
    assert sums(await funnel(shop, phase=1))[0] == 1
    with pytest.raises(NotFound):
        await funnel(shop, phase=3)


async def test_a_customer_is_in_the_segment_of_the_first_exposure(shop: Shop) -> None:
    await start(shop)
    await shop.decide("anna", geo_country="DE")
    answer = await shop.decide("anna", geo_country="FR")
    await shop.report(answer, "converted", answer.decision.ranking[0].id, amount=500)
    await shop.decide("bert", geo_country="FR")
    segments = await by_country(shop)
    assert segments.units == 2
    assert {each.segment: each.units for each in segments.segments} == {"geo.country=DE": 1, "geo.country=FR": 1}


async def test_decisions_as_units_have_segments_too(shop: Shop) -> None:
    await start(shop, unit="decision")
    for country in ("DE", "DE", "FR"):
        await shop.decide(geo_country=country)
    segments = (await by_country(shop)).segments
    assert {each.segment: each.units for each in segments} == {"geo.country=DE": 2, "geo.country=FR": 1}


@SQLITE_FIRST
async def test_devices_are_in_the_segment_of_the_first_exposure(shop: Shop) -> None:
    await shop.create("field", FieldDocument(name="device.id", type="string"))
    await start(shop, unit="device")
    for number in range(450):
        await shop.decide(None if number % 2 else "anna", device_id=f"phone-{number}", geo_country="DE")
    await shop.decide("anna", device_id="phone-1", geo_country="FR")
    await shop.decide("anna", geo_country="FR")
    segments = await by_country(shop)
    assert segments.units == 450
    assert {each.segment: each.units for each in segments.segments} == {"geo.country=DE": 450}


async def test_units_whose_decision_left_the_log_are_left_out(shop: Shop) -> None:
    await start(shop)
    answer = await shop.decide("anna", geo_country="DE")
    resource = await stored(shop)
    async with shop.engine.database.write() as connection:
        gone = tables.decisions.c.id == answer.decision.decision_id
        await connection.execute(tables.decisions.delete().where(gone))
    details = shop.engine.experiment_details
    segments = await details.by_field(shop.id, resource, COUNTRY, now=now_ms() + 9 * DAY)
    assert (segments.units, segments.segments) == (0, [])


# The decisions of a group


def choosing(**changes: Any) -> Any:
    return factories.placement(credit="choice", reward="converted", buckets=("geo.country",), **changes)


async def seen(shop: Shop, bucket: str) -> int:
    active = shop.engine.live.get(shop.id, PLACEMENT)
    assert active
    plan: Plan = active.plan
    async with shop.engine.database.read() as connection:
        return (await count_strata(connection, shop.id, plan, bucket)).total()


async def test_only_decisions_of_the_group_are_sampled(empty_shop: Shop) -> None:
    shop = empty_shop
    await shop.add_placement(choosing())
    for country in ("DE", "DE", "FR", "DE"):
        await shop.decide(geo_country=country)
    assert [await seen(shop, bucket) for bucket in ("DE", "FR", "NL")] == [3, 1, 0]


async def test_customers_with_history_are_not_sampled(empty_shop: Shop) -> None:
    shop = empty_shop
    await shop.add_placement(choosing())
    answer = await shop.decide("anna", geo_country="DE")
    await shop.report(answer, "converted", answer.decision.ranking[0].id, amount=500)
    await shop.decide("anna", geo_country="DE")
    await shop.decide("bert", geo_country="DE")
    assert await seen(shop, "DE") == 2


async def test_only_the_newest_decisions_of_the_placement_are_looked_at(empty_shop: Shop) -> None:
    shop = empty_shop
    await shop.add_placement(choosing())
    for country in ("DE", "FR", "FR"):
        await shop.decide(geo_country=country)
    async with shop.engine.database.read() as connection:
        rows = await decisions.answers_without_past(connection, shop.id, placement=PLACEMENT, bucket="DE", limit=2)
        assert rows == []
        rows = await decisions.answers_without_past(connection, shop.id, placement=PLACEMENT, bucket="DE", limit=3)
    assert len(rows) == 1


async def test_daily_totals_and_matured_segments_are_separate(shop: Shop) -> None:
    cells = [("", hour, 1) for hour in (0, 23, 24, 47)] + [("geo.country=DE", 23, 2), ("geo.country=DE", 47, 2)]
    rows = [
        (shop.id, PLACEMENT, "e", 1, segment, hour, "control", *UnitTotals(units)) for segment, hour, units in cells
    ]
    columns = ("merchant_id", "placement", "experiment", "phase", "segment", "hour", "variant", *UnitTotals._fields)
    async with shop.engine.database.write() as connection:
        await insert_many(connection, tables.experiment_sums, columns, rows)
        read = await by_day(connection, PhaseKey(shop.id, PLACEMENT, "e", 1), last_hour=24)
    assert [(row.segment, row.hour, row.totals.units) for row in read] == [
        ("", 23, 2),
        ("", 24, 1),
        ("", 47, 1),
        ("geo.country=DE", 23, 2),
        ("geo.country=DE", 47, 2),
    ]


@pytest.mark.parametrize(("segment", "hour"), [("", 30), ("customer=new", 47)])
def test_units_of_segments_are_kept_by_day(segment: str, hour: int) -> None:
    assert exposures.cell_hour(segment, 30 * HOUR + 5) == hour
