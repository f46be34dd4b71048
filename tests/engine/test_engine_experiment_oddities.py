"""Experiments with irregular data: repeated or early events, changed units, clock jumps, missing or strange data."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from engine.clock import now_ms
from engine.decisions import decide
from engine.decisions.requests.answers import DecisionAnswer
from engine.experiments.comparisons import UnitTotals
from engine.experiments.results import Results, results_of
from engine.model.documents.metric import MetricName
from engine.model.errors import Invalid
from engine.model.experiment import Experiment, ExperimentStatus, Guardrail, Variant
from engine.model.placement import Fixed
from engine.model.timestamps import DAY
from engine.store.experiments.sums import SumRow
from tests import factories
from tests.marks import SQLITE_FIRST
from tests.shop import Shop

PLACEMENT = "payment_methods"

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


async def look(shop: Shop, id: str = "e") -> Results:
    await shop.engine.supervisor.add_up()
    resource = await shop.engine.experiments.get(shop.id, PLACEMENT, id)
    return await shop.engine.experiment_results.look(shop.id, resource, now=now_ms() + 9 * DAY)


async def bought(shop: Shop) -> tuple[int, int, int]:
    """Return units, purchases and revenue of all variants together."""
    variants = (await look(shop)).variants
    return (
        sum(variant.units for variant in variants),
        sum(variant.orders for variant in variants),
        sum(variant.revenue for variant in variants),
    )


async def buy(shop: Shop, answer: DecisionAnswer, event: str | None = None, **more: Any) -> str:
    first = answer.decision.ranking[0].id
    return (await shop.report(answer, "converted", first, event=event, amount=1_000, **more)).status


async def test_two_events_for_one_payment_are_one_purchase(shop: Shop) -> None:
    await start(shop)
    answer = await shop.decide("anna")
    statuses = [await buy(shop, answer, event) for event in ("checkout", "checkout", "payment service")]
    assert statuses == ["recorded", "duplicate", "recorded"]
    assert await bought(shop) == (1, 1, 1_000)


async def test_an_outcome_that_occurred_before_its_exposure_counts(shop: Shop) -> None:
    await start(shop)
    answer = await shop.decide("anna")
    await buy(shop, answer, occurred_at=now_ms() - DAY)
    assert await bought(shop) == (1, 1, 1_000)


async def test_purchases_from_before_the_start_count_for_no_variant(shop: Shop) -> None:
    before = await shop.decide("anna")
    await start(shop)
    await shop.decide("anna")
    await buy(shop, before)
    assert await bought(shop) == (1, 0, 0)


async def test_exposures_at_the_same_time_make_one_unit(shop: Shop) -> None:
    await start(shop)
    answers = await asyncio.gather(*(shop.decide("anna") for _ in range(8)))
    assert len({answer.decision.experiments[0]["variant"] for answer in answers}) == 1
    assert (await bought(shop))[0] == 1


async def test_a_unit_that_changes_its_country_stays_in_its_first_segment(shop: Shop) -> None:
    await start(shop)
    await shop.decide("anna", geo_country="DE")
    answer = await shop.decide("anna", geo_country="AT")
    await buy(shop, answer)
    countries = {each.segment: each.units for each in (await look(shop)).segments if "country" in each.segment}
    assert countries == {"geo.country=DE": 1}
    assert await bought(shop) == (1, 1, 1_000)


async def test_unit_that_leaves_the_audience_keeps_its_counts(shop: Shop) -> None:
    await start(shop, audience={"==": [{"var": "geo.country"}, "DE"]})
    inside = await shop.decide("anna", geo_country="DE")
    outside = await shop.decide("anna", geo_country="AT")
    assert outside.decision.experiments == []
    await buy(shop, inside)
    await buy(shop, outside)
    assert await bought(shop) == (1, 1, 1_000)


@SQLITE_FIRST
async def test_deleted_experiment_frees_its_share_of_the_layer(shop: Shop) -> None:
    await start(shop, share=0.6)
    draft = experiment(id="draft", share=0.4)
    await shop.engine.experiments.create(shop.actor(), PLACEMENT, draft)
    await shop.engine.experiments.delete(shop.actor(), PLACEMENT, "draft", version=None)
    before = {name: (await shop.decide(name)).decision.experiments for name in map(str, range(40))}
    await start(shop, id="next", share=0.4)
    for name, entries in before.items():
        after = (await shop.decide(name)).decision.experiments
        assert after == entries or (entries == [] and after[0]["id"] == "next")


@pytest.mark.parametrize("jump", [-3 * DAY, 3 * DAY])
async def test_a_clock_that_jumps_counts_each_unit_once(shop: Shop, monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    await start(shop)
    first = await shop.decide("anna")
    await shop.engine.supervisor.add_up()
    with monkeypatch.context() as patched:
        patched.setattr(decide, "now_ms", lambda: now_ms() + jump)
        later = await shop.decide("anna")
    await buy(shop, first)
    await buy(shop, later)
    assert later.decision.experiments == first.decision.experiments
    assert await bought(shop) == (1, 2, 2_000)


async def test_two_workers_give_and_count_the_same_variants(shop: Shop, start_engine: Any) -> None:
    await start(shop)
    second = await start_engine()
    other = Shop(second, shop.merchant)
    for name in map(str, range(12)):
        ours, theirs = await asyncio.gather(shop.decide(name), other.decide(name))
        assert ours.decision.experiments == theirs.decision.experiments
        await buy(shop, ours, f"ours {name}")
        await buy(other, theirs, f"theirs {name}")
    await asyncio.gather(shop.engine.supervisor.add_up(), second.supervisor.add_up())
    assert await bought(shop) == (12, 24, 24_000)


# Strange data

METRICS: tuple[MetricName, ...] = ("conversion", "orders", "revenue", "order_value")


def totals(units: int, buyers: int, amount: int = 1_000) -> UnitTotals:
    unit_totals = [UnitTotals.of(int(number < buyers), amount * int(number < buyers), 0) for number in range(units)]
    return sum(unit_totals, UnitTotals())


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "sides",
    [
        ((0, 0), (0, 0)),
        ((500, 100), (0, 0)),
        ((0, 0), (500, 100)),
        ((1, 1), (1, 0)),
        ((500, 0), (500, 0)),
        ((500, 500), (500, 500)),
        ((500, 0), (500, 250)),
        ((500, 250), (500, 0)),
    ],
)
def test_strange_data_has_a_verdict(metric: MetricName, sides: tuple[tuple[int, int], ...]) -> None:
    status = ExperimentStatus(state="running", started_at=0, phase_started_at=0)
    document = experiment(
        primary=metric, secondary=METRICS, guardrails=(Guardrail(metric=metric),), status=status, method="sequential"
    )
    rows = [
        SumRow(segment, 0, variant.id, totals(*counts))
        for segment in ("", "customer=new")
        for variant, counts in zip(document.variants, sides, strict=True)
        if counts[0]
    ]
    results = results_of(document, PLACEMENT, rows, window_minutes=60, now=20 * DAY)
    assert results.verdict.kind in (
        "too_few",
        "keep_going",
        "no_difference",
        "better",
        "worse",
        "guardrail",
        "mismatch",
    )
    assert msgspec.json.decode(msgspec.json.encode(results))["verdict"]["kind"] == results.verdict.kind


async def test_document_used_by_a_variant_can_be_deleted_after_the_experiment(shop: Shop) -> None:
    await start(shop)
    with pytest.raises(Invalid, match="variant “paypal” names candidate “paypal”: end the experiment first"):
        await shop.engine.catalogue.delete(shop.actor(), "candidate", PLACEMENT, "paypal", version=None)
    await shop.engine.experiments.stop(shop.actor(), PLACEMENT, "e", reason="calls")
    await shop.engine.catalogue.delete(shop.actor(), "candidate", PLACEMENT, "paypal", version=None)


async def test_rule_of_a_running_variant_can_be_switched_off(shop: Shop) -> None:
    hide = factories.rule({"exclude": ["ideal"]}, id="hide")
    await shop.engine.catalogue.create(shop.actor(), "rule", PLACEMENT, [hide])
    version = (await shop.decide("anna")).decision.plan_version
    variants = (Variant(id="control", name="Control"), Variant(id="shown", name="Shown", rules_off=("hide",)))
    await start(shop, variants=variants)
    for enabled in (False, True):
        switched = msgspec.structs.replace(hide, enabled=enabled)
        await shop.engine.catalogue.update(shop.actor(), "rule", PLACEMENT, "hide", switched, version=None)
    await shop.engine.versions.roll_back(shop.actor(), PLACEMENT, version - 1)
    with pytest.raises(Invalid, match="variant “shown” names rule “hide”"):
        await shop.engine.catalogue.delete(shop.actor(), "rule", PLACEMENT, "hide", version=None)
