"""Purchases of an experiment's units that no decision led to, their refunds, and the variants of a customer."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from engine.clock import now_ms
from engine.decisions.rebuild import compare
from engine.experiments.conversions import (
    AFTER_WINDOW,
    BEFORE_EXPOSURE,
    ConversionReceipt,
    RefundReceipt,
    ReportedConversion,
    ReportedRefund,
)
from engine.model.errors import Invalid, NotFound
from engine.model.experiment import Experiment, Variant
from engine.model.placement import FieldDocument, Fixed, Holdback
from engine.model.timestamps import DAY, MINUTE
from tests import factories
from tests.marks import SQLITE_FIRST
from tests.shop import Shop

PLACEMENT = "payment_methods"
ID = "paypal-first"

pytestmark = pytest.mark.anyio


@pytest.fixture
async def shop(empty_shop: Shop) -> Shop:
    await empty_shop.add_placement(factories.placement(policy=Fixed()))
    return empty_shop


async def start(shop: Shop, **changes: object) -> None:
    variants = (Variant(id="control", name="As it is"), Variant(id="paypal", name="PayPal", order=("paypal",)))
    setup: dict[str, object] = {"id": ID, "name": "PayPal first", "variants": variants}
    document = Experiment(**(setup | changes))  # type: ignore[arg-type]
    await shop.engine.experiments.create(shop.actor(), PLACEMENT, document)
    await shop.engine.experiments.start(shop.actor(), PLACEMENT, document.id)


async def convert(shop: Shop, unit: str = "anna", *, event: str = "e1", **changes: object) -> ConversionReceipt:
    now = now_ms()
    setup: dict[str, object] = {
        "event_id": event,
        "unit": unit,
        "amount": 2_500,
        "currency": "EUR",
        "occurred_at": now,
        "recorded_at": now,
        "source": "server",
        "key_id": "key",
    }
    reported = ReportedConversion(**(setup | changes))  # type: ignore[arg-type]
    return await shop.engine.conversions.record(shop.id, PLACEMENT, ID, reported)


async def bought(shop: Shop) -> tuple[int, int]:
    """Return orders and revenue in the results, whose sums agree with the log."""
    await shop.engine.supervisor.add_up()
    assert await compare(shop.engine.database) == []
    resource = await shop.engine.experiments.get(shop.id, PLACEMENT, ID)
    look = await shop.engine.experiment_results.look(shop.id, resource, now=now_ms() + 2 * DAY)
    return sum(variant.orders for variant in look.variants), sum(variant.revenue for variant in look.variants)


@SQLITE_FIRST
async def test_a_purchase_counts_once_for_an_exposed_customer(shop: Shop) -> None:
    await start(shop)
    await shop.decide("anna")
    assert await convert(shop) == ConversionReceipt("e1", "recorded", True)
    assert await convert(shop) == ConversionReceipt("e1", "duplicate", True)
    assert (await convert(shop, amount=1)).status == "conflict"
    assert await bought(shop) == (1, 2_500)
    await convert(shop, event="e2", amount=900, currency="USD")
    assert await bought(shop) == (2, 2_500)


async def test_purchases_outside_the_units_time_are_not_counted(shop: Shop) -> None:
    await start(shop)
    before = now_ms() - MINUTE
    await shop.decide("anna")
    window = factories.placement().window_minutes * MINUTE
    assert (await convert(shop, "bert")).message == BEFORE_EXPOSURE
    assert (await convert(shop, event="e2", occurred_at=before)).message == BEFORE_EXPOSURE
    late = await convert(shop, event="e3", occurred_at=now_ms() + window + MINUTE)
    assert (late.status, late.counted, late.message) == ("recorded", False, AFTER_WINDOW)
    assert await bought(shop) == (0, 0)


async def test_browsers_cannot_take_ids_of_the_server(shop: Shop) -> None:
    await start(shop)
    await shop.decide("anna")
    assert (await convert(shop, source="browser", learns=False)).counted is False
    assert (await convert(shop)).counted is True
    assert await bought(shop) == (1, 2_500)


async def test_devices_and_decisions_are_units_too(shop: Shop) -> None:
    field = FieldDocument(name="device.id", type="string")
    await shop.create("field", field)
    await start(shop, unit="device")
    await shop.decide("anna", device_id="phone")
    assert (await convert(shop, "phone")).counted
    assert not (await convert(shop, "anna", event="e2")).counted


async def test_a_purchase_counts_in_the_phase_of_the_exposure(shop: Shop) -> None:
    await start(shop)
    await shop.decide("anna")
    old = (await shop.engine.experiments.get(shop.id, PLACEMENT, ID)).document
    changed = Experiment(**{name: getattr(old, name) for name in old.__struct_fields__} | {"share": 0.9})
    await shop.engine.experiments.update(shop.actor(), PLACEMENT, ID, changed, version=None)
    assert (await convert(shop)).counted
    resource = await shop.engine.experiments.get(shop.id, PLACEMENT, ID)
    await shop.engine.supervisor.add_up()
    look = await shop.engine.experiment_results.look(shop.id, resource, now=now_ms() + 2 * DAY, phase=1)
    assert sum(variant.orders for variant in look.variants) == 1


# Refunds


async def refund(shop: Shop, amount: int | None = None, *, event: str = "r1", **changes: object) -> RefundReceipt:
    now = now_ms()
    setup: dict[str, object] = {
        "event_id": event,
        "purchase": "e1",
        "unit": None,
        "amount": amount,
        "occurred_at": now,
        "recorded_at": now,
        "key_id": "key",
    }
    return await shop.engine.conversions.refund(shop.id, PLACEMENT, ID, ReportedRefund(**(setup | changes)))  # type: ignore[arg-type]


async def sold(shop: Shop, **changes: object) -> None:
    """Start the experiment and report a purchase of 25.00 EUR for a customer who is exposed."""
    await start(shop)
    await shop.decide("anna")
    await convert(shop, **changes)


async def test_refunds_in_parts_take_the_purchase_back(shop: Shop) -> None:
    await sold(shop)
    assert await bought(shop) == (1, 2_500)
    assert await refund(shop, 1_000) == RefundReceipt("r1", "recorded", True, 1_500)
    assert await bought(shop) == (1, 1_500)
    assert await refund(shop, 1_500, event="r2") == RefundReceipt("r2", "recorded", True, 0)
    assert await bought(shop) == (0, 0)


async def test_refund_without_an_amount_is_the_remaining_amount(shop: Shop) -> None:
    await sold(shop)
    await convert(shop, event="e2", amount=700)
    await refund(shop, 1_000)
    assert (await refund(shop, event="r2")).left == 0
    assert await bought(shop) == (1, 700)


async def test_a_repeated_refund_changes_nothing(shop: Shop) -> None:
    await sold(shop)
    await refund(shop, 1_000)
    assert await refund(shop, 1_000) == RefundReceipt("r1", "duplicate", True, 1_500)
    assert (await refund(shop, 1_001)).status == "conflict"
    assert (await refund(shop, 1_000, event="e1")).status == "conflict"
    assert (await convert(shop, event="r1")).status == "conflict"
    assert await bought(shop) == (1, 1_500)


async def test_refunds_at_the_same_time_never_exceed_the_purchase(shop: Shop) -> None:
    await sold(shop)
    receipts = await asyncio.gather(
        *(refund(shop, 1_000, event=f"r{number}") for number in range(6)), return_exceptions=True
    )
    assert sum(isinstance(receipt, RefundReceipt) for receipt in receipts) == 2
    assert await bought(shop) == (1, 500)


async def test_more_than_is_left_cannot_be_refunded(shop: Shop) -> None:
    await sold(shop)
    with pytest.raises(Invalid, match="at most 2500 minor units"):
        await refund(shop, 2_501)
    await refund(shop)
    with pytest.raises(Invalid, match="refunded in full already"):
        await refund(shop, 1, event="r2")
    with pytest.raises(Invalid, match="refunded in full already"):
        await refund(shop, event="r3")


async def test_only_purchases_can_be_refunded(shop: Shop) -> None:
    await sold(shop)
    await refund(shop, 100)
    with pytest.raises(NotFound, match="no purchase is stored under the event “e9”"):
        await refund(shop, purchase="e9", event="r2")
    with pytest.raises(NotFound, match="no purchase is stored under the event “r1”"):
        await refund(shop, purchase="r1", event="r2")
    with pytest.raises(NotFound, match="e1"):
        await refund(shop, unit="anna", event="r2")


@SQLITE_FIRST
async def test_a_purchase_without_an_amount_is_refunded_as_a_whole(shop: Shop) -> None:
    await sold(shop, amount=None, currency=None)
    with pytest.raises(Invalid, match="without an amount"):
        await refund(shop, 100)
    assert await refund(shop) == RefundReceipt("r1", "recorded", True, 0)
    assert await bought(shop) == (0, 0)


async def test_a_purchase_in_another_currency_keeps_its_order(shop: Shop) -> None:
    await sold(shop, currency="USD")
    await refund(shop, 2_499)
    assert await bought(shop) == (1, 0)
    await refund(shop, 1, event="r2")
    assert await bought(shop) == (0, 0)


async def test_refund_of_an_uncounted_purchase_is_not_counted(shop: Shop) -> None:
    await start(shop)
    await convert(shop)
    assert await refund(shop) == RefundReceipt("r1", "recorded", False, 0)
    assert await bought(shop) == (0, 0)


async def test_purchases_of_browsers_are_refunded_by_their_unit(shop: Shop) -> None:
    await sold(shop, source="browser")
    assert (await refund(shop, 500, unit="anna")).left == 2_000
    assert await bought(shop) == (1, 2_000)


async def test_refund_after_the_end_keeps_earlier_looks(shop: Shop) -> None:
    await sold(shop)
    await shop.engine.supervisor.add_up()
    await shop.engine.experiments.stop(shop.actor(), PLACEMENT, ID, reason="enough")
    resource = await shop.engine.experiments.get(shop.id, PLACEMENT, ID)
    results, later = shop.engine.experiment_results, now_ms() + 2 * DAY
    first = await results.look(shop.id, resource, now=later)
    kept = msgspec.json.encode(first)
    await refund(shop, 500)
    await shop.engine.supervisor.add_up()
    second = await results.look(shop.id, resource, now=later + 1)
    assert sum(variant.revenue for variant in second.variants) == 2_000
    assert (msgspec.json.encode(first), second.as_of) == (kept, first.as_of + 1)


async def test_a_missing_experiment_is_not_found(shop: Shop) -> None:
    with pytest.raises(NotFound):
        await convert(shop)
    with pytest.raises(NotFound):
        await shop.engine.conversions.unit_kind(shop.id, PLACEMENT, ID)


# The variants of a customer


async def test_variants_of_a_customer_are_those_of_decisions(shop: Shop) -> None:
    await start(shop, audience={"==": [{"var": "geo.country"}, "DE"]})
    await start(shop, id="each", unit="decision", layer="each")
    decision = (await shop.decide("anna", geo_country="DE")).decision
    [given] = await shop.engine.variant_reader.of_customer(shop.id, "anna", {"geo": {"country": "DE"}})
    assert (given.placement, given.experiment, given.phase) == (PLACEMENT, ID, 1)
    assert given.variant == next(each["variant"] for each in decision.experiments if each["id"] == ID)
    assert await shop.engine.variant_reader.of_customer(shop.id, "anna", {"geo": {"country": "FR"}}) == []
    assert await shop.engine.variant_reader.of_customer(shop.id, None, {"geo": {"country": "DE"}}) == []


async def test_answer_shows_the_holdback(empty_shop: Shop) -> None:
    await empty_shop.add_placement(factories.placement(holdback=Holdback(share=0.5)))
    names = {
        each.variant
        for customer in map(str, range(40))
        for each in await empty_shop.engine.variant_reader.of_customer(empty_shop.id, customer, {})
    }
    assert names == {"not_personalized", "personalized"}
