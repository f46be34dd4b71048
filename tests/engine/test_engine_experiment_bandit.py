"""Experiments in which a bandit moves the shares: chances are exact, customers keep their variant, and it ends."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from engine.clock import now_ms, simulated_time
from engine.decisions.replay import replay
from engine.decisions.requests.answers import DecisionAnswer
from engine.experiments.adaptive.allocation import move_shares
from engine.experiments.adaptive.comparison import MovedTraffic
from engine.experiments.results import results_of
from engine.kernel.experiments.shares import HourlyShares, hour_of
from engine.model.errors import Invalid
from engine.model.experiment import Experiment, ExperimentStatus, Guardrail, Variant
from engine.model.placement import FieldDocument, Fixed
from engine.model.timestamps import HOUR, MINUTE
from engine.store.connection.bulk import insert_many
from engine.store.experiments.sums import SumRow, UnitTotals
from engine.store.tables import experiment_sums
from tests import factories
from tests.shop import Shop

PLACEMENT, ID = "payment_methods", "order"
VARIANTS = (Variant(id="control", name="As it is"), Variant(id="paypal", name="PayPal first", order=("paypal",)))
TEN = tuple(Variant(id=f"v{number}", name=f"{number}", values={"x": number}) for number in range(10))

pytestmark = pytest.mark.anyio


def experiment(**changes: object) -> Experiment:
    setup: dict[str, object] = {
        "id": ID, "name": "Order", "variants": VARIANTS, "allocation": "bandit", "minimum_days": 0, "maximum_days": 9,
    }  # fmt: skip
    return Experiment(**(setup | changes))  # type: ignore[arg-type]


class Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = now_ms() // HOUR * HOUR + MINUTE

    def advance(self, hours: int) -> None:
        """Go to the half of a later hour."""
        self.now = (self.now // HOUR + hours) * HOUR + 30 * MINUTE


@pytest.fixture
def time() -> Iterator[Time]:
    clock = Time()
    with simulated_time(lambda: clock.now):
        yield clock


@pytest.fixture
async def shop(time: Time, empty_shop: Shop) -> Shop:
    await empty_shop.add_placement(factories.placement(policy=Fixed(), window_minutes=30))
    return empty_shop


async def start(shop: Shop, **changes: object) -> Experiment:
    document = experiment(**changes)
    await shop.engine.experiments.create(shop.actor(), PLACEMENT, document)
    return (await shop.engine.experiments.start(shop.actor(), PLACEMENT, ID)).document


def enrolled(answer: DecisionAnswer) -> dict[str, str]:
    [entry] = answer.decision.experiments
    return entry


async def sell(shop: Shop, time: Time, **bought: int) -> None:
    """Add 2,000 customers of each variant to the sums of this hour."""
    rows = [
        (shop.id, PLACEMENT, ID, 1, "", time.now // HOUR, variant, *UnitTotals(2_000, count, count, count))
        for variant, count in bought.items()
    ]
    columns = ("merchant_id", "placement", "experiment", "phase", "segment", "hour", "variant", *UnitTotals._fields)
    async with shop.engine.database.write() as connection:
        await insert_many(connection, experiment_sums, columns, rows)


async def test_shares_change_with_exact_chances_until_a_variant_wins(shop: Shop, time: Time) -> None:
    await start(shop)
    await sell(shop, time, control=400, paypal=800)
    early = await shop.decide("early")
    assert enrolled(early)["chance"] == "0.5"
    time.advance(2)
    resource = await shop.engine.experiments.get(shop.id, PLACEMENT, ID)
    assert await move_shares(shop.engine.database, shop.id, resource, time.now)
    assert not await move_shares(shop.engine.database, shop.id, resource, time.now), "an hour is decided once"
    await shop.engine.live.follow()
    assert {enrolled(await shop.decide(f"same hour {n}"))["chance"] for n in range(5)} == {"0.5"}
    time.advance(1)
    later = [await shop.decide(f"later {n}") for n in range(60)]
    chances = {enrolled(each)["variant"]: float(enrolled(each)["chance"]) for each in later}
    assert chances["paypal"] > 0.9
    assert sum(enrolled(each)["variant"] == "paypal" for each in later) > 45
    again = await shop.decide("early")
    assert enrolled(again) == {**enrolled(early), "chance": "1.0"}
    for answer in (early, again, later[0]):
        row = (await shop.engine.logbook.get(shop.id, answer.decision.decision_id)).row
        assert (await replay(shop.engine.database, row)).same
    await shop.engine.supervisor.run()
    status = (await shop.engine.experiments.get(shop.id, PLACEMENT, ID)).document.status
    assert status.state == "stopped"
    assert status.reason.startswith("PayPal first wins: it is the best with a chance of ")


async def test_a_customers_variants_are_settled_by_the_first_exposure(shop: Shop, time: Time) -> None:
    await shop.create("field", FieldDocument(name="device.id", type="string"))
    document = await start(shop, unit="device")
    answer = await shop.decide(None, device_id="phone")
    [given] = await shop.engine.variant_reader.of_customer(shop.id, None, {"device": {"id": "phone"}})
    assert given.variant == enrolled(answer)["variant"]
    assert await shop.engine.settled.of_unit(shop.id, PLACEMENT, document, "nobody") is None
    assert (await shop.decide("no device")).decision.experiments == []


async def moved(shop: Shop, time: Time) -> None:
    """Let PayPal be far better in this hour, and go to the hour in which the shares have moved."""
    await sell(shop, time, control=400, paypal=800)
    time.advance(2)
    resource = await shop.engine.experiments.get(shop.id, PLACEMENT, ID)
    assert await move_shares(shop.engine.database, shop.id, resource, time.now)
    await shop.engine.live.follow()
    time.advance(1)


async def test_shares_stay_when_something_else_is_published(shop: Shop, time: Time) -> None:
    await start(shop)
    await moved(shop, time)
    before = enrolled(await shop.decide("anna"))
    await shop.create("rule", factories.rule({"set": {"name": "x", "value": 1}}, id="new"))
    after = await shop.decide("bert")
    assert after.decision.values == {"x": 1}
    assert {before["chance"], enrolled(after)["chance"]} <= {repr(share) for share in shares_of(shop)}
    assert max(shares_of(shop)) > 0.9


async def test_a_new_phase_begins_with_the_weights(shop: Shop, time: Time) -> None:
    document = await start(shop)
    await moved(shop, time)
    changed = msgspec.structs.replace(document, share=0.9)
    await shop.engine.experiments.update(shop.actor(), PLACEMENT, ID, changed, version=None)
    assert shares_of(shop) == (0.5, 0.5)


async def test_decisions_as_units_are_assigned_anew(shop: Shop, time: Time) -> None:
    await start(shop, unit="decision")
    chances = {enrolled(await shop.decide("anna"))["chance"] for _ in range(5)}
    assert chances == {"0.5"}


async def test_paused_bandit_shows_the_control_and_can_resume(shop: Shop, time: Time) -> None:
    await start(shop)
    await moved(shop, time)
    await shop.engine.experiments.pause(shop.actor(), PLACEMENT, ID, reason="calls")
    assert (await shop.decide("anna")).decision.experiments == []
    await shop.engine.experiments.resume(shop.actor(), PLACEMENT, ID)
    assert max(shares_of(shop)) > 0.9


def shares_of(shop: Shop) -> tuple[float, ...]:
    """Return the shares that decisions are made by now."""
    active = shop.engine.live.get(shop.id, PLACEMENT)
    assert active is not None
    return active.experiments.shares[ID].during(now_ms() // HOUR)


async def test_few_units_do_not_change_shares(shop: Shop, time: Time) -> None:
    await start(shop)
    await sell(shop, time, control=9, paypal=30)
    time.advance(2)
    resource = await shop.engine.experiments.get(shop.id, PLACEMENT, ID)
    assert not await move_shares(shop.engine.database, shop.id, resource, time.now)
    time.now = (time.now // HOUR + 1) * HOUR - 1
    assert not await move_shares(shop.engine.database, shop.id, resource, time.now), "too late for the next hour"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"method": "fixed"}, "method"),
        ({"primary": "order_value"}, "primary"),
        ({"counts_log": True}, "counts_log"),
        (
            {"variants": tuple(Variant(id=f"v{n}", name=f"{n}", values={"x": n}) for n in range(10)), "floor": 0.1},
            "floor",
        ),
    ],
)
async def test_settings_incompatible_with_a_bandit_are_refused(
    shop: Shop, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await start(shop, **changes)
    assert [problem.field for problem in refused.value.problems] == [field]


# Results, without a database


def rows(hour: int, control: tuple[int, int], paypal: tuple[int, int]) -> list[SumRow]:
    """Return an hour's sums, as (units, converted) by variant."""
    totals = [
        UnitTotals(units=units, converted=won, orders=won, orders_squared=won, revenue=won, revenue_squared=won)
        for units, won in (control, paypal)
    ]
    return [SumRow("", hour, variant.id, each) for variant, each in zip(VARIANTS, totals, strict=True)]


def looked(traffic: list[SumRow], shares: dict[int, dict[str, float]], **changes: object):
    status = ExperimentStatus(state="running", started_at=0, phase_started_at=0)
    document = experiment(status=status, **changes)
    moved = MovedTraffic(document, traffic, HourlyShares(document, shares))
    return results_of(document, PLACEMENT, moved, window_minutes=30, now=90 * HOUR)


def test_a_change_of_rates_and_shares_is_no_difference():
    """By the plain means PayPal would win: it had more customers in the hour in which all bought more."""
    traffic = rows(1, (1_000, 100), (1_000, 100)) + rows(30, (200, 100), (1_800, 900))
    look = looked(traffic, {20: {"control": 0.1, "paypal": 0.9}})
    [comparison] = [each for each in look.comparisons if each.metric == "conversion"]
    assert comparison.lift == pytest.approx(0.0, abs=0.02)
    assert comparison.low < 0 < comparison.high
    assert [round(variant.expected_share, 3) for variant in look.variants] == [0.3, 0.7]
    assert look.mismatch_p_value > 0.1
    assert [point.day for point in look.history] == [0, 1]
    assert look.segments == []


def test_broken_guardrail_and_wrong_split_are_detected():
    worse = looked(rows(1, (3_000, 1_500), (3_000, 600)), {}, guardrails=(Guardrail(metric="conversion"),))
    assert worse.verdict.kind == "guardrail"
    assert looked(rows(1, (3_000, 300), (2_000, 200)), {}).verdict.kind == "mismatch"


@pytest.mark.parametrize("traffic", [[], rows(1, (5, 0), (5, 0)), rows(1, (500, 0), (500, 0))])
def test_little_or_flat_traffic_is_too_few(traffic: list[SumRow]):
    look = looked(traffic, {})
    assert look.verdict.kind == "too_few"
    assert msgspec.json.encode(look)


def test_shares_hold_from_their_hour_on():
    shares = HourlyShares(experiment(), {7: {"paypal": 0.9, "control": 0.1}, 3: {"control": 0.4, "paypal": 0.6}})
    assert [shares.during(hour) for hour in (None, 2, 3, 6, 7, 99)] == [
        (0.5, 0.5), (0.5, 0.5), (0.4, 0.6), (0.4, 0.6), (0.1, 0.9), (0.1, 0.9),
    ]  # fmt: skip
    assert hour_of("dec_1") is None
    assert hour_of(f"dec_{5 * HOUR:012x}" + "0" * 20) == 5
