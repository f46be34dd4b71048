"""Margin, checkout time, redemption and types of outcomes as metrics, and the largest amounts that count."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower

from engine.clock import now_ms
from engine.decisions.rebuild import compare, rebuild
from engine.experiments.adaptive.comparison import MovedTraffic, next_shares
from engine.experiments.comparisons import VariantTotals, estimates_of
from engine.experiments.comparisons import compare as compare_variants
from engine.experiments.conversions import ReportedConversion, ReportedRefund
from engine.experiments.past.purchases import PastPurchase, caps_of
from engine.experiments.results import Results, results_of
from engine.experiments.supervisor import reason_to_stop
from engine.kernel.experiments.measures import CandidateFees, MeasureTerms, measures_of, paid_order
from engine.kernel.experiments.shares import HourlyShares
from engine.model.documents.metric import METRICS, MetricName
from engine.model.errors import Invalid
from engine.model.experiment import Experiment, ExperimentStatus, Guardrail, MetricCap, Variant
from engine.model.outcome import OutcomeRow
from engine.model.placement import Fixed
from engine.model.timestamps import DAY
from engine.store.experiments import sums
from engine.store.experiments.activity import PurchaseDecision
from engine.store.experiments.sums import PhaseKey, SumRow, UnitTotals
from tests import factories
from tests.marks import SQLITE, SQLITE_FIRST
from tests.shop import Shop

PLACEMENT = "payment_methods"
ID = "paypal-first"
CONTROL = Variant(id="control", name="As it is")
PAYPAL = Variant(id="paypal", name="PayPal first", order=("paypal",))
NOW = 30 * DAY


def experiment(**changes: Any) -> Experiment:
    setup: dict[str, Any] = {"id": ID, "name": "PayPal first", "variants": (CONTROL, PAYPAL), "minimum_days": 0}
    return Experiment(**(setup | changes))


def running(**changes: Any) -> Experiment:
    return experiment(status=ExperimentStatus(state="running", started_at=0, phase_started_at=0), **changes)


async def open_shop(shop: Shop, **changes: Any) -> None:
    """Run an experiment on methods of which the card costs 1% and 10 cents, at a margin of 30%."""
    methods = [factories.candidate("card", fee_percent=1.0, fee_fixed=10), factories.candidate("paypal")]
    await shop.add_placement(factories.placement(policy=Fixed(), margin_percent=30.0), *methods)
    await shop.engine.experiments.create(shop.actor(), PLACEMENT, experiment(**changes))
    await shop.engine.experiments.start(shop.actor(), PLACEMENT, ID)


async def look(shop: Shop) -> Results:
    """Return the results, whose sums agree with the log."""
    await shop.engine.supervisor.add_up()
    assert await compare(shop.engine.database) == []
    resource = await shop.engine.experiments.get(shop.id, PLACEMENT, ID)
    return await shop.engine.experiment_results.look(shop.id, resource, now=now_ms() + 2 * DAY)


async def values_of(shop: Shop, metric: MetricName) -> dict[str, float | None]:
    """Return a metric by variant."""
    own = [each for each in (await look(shop)).comparisons if each.metric == metric]
    return {"control": own[0].control_value} | {each.variant: each.value for each in own}


async def some_units(shop: Shop, count: int = 12) -> dict[str, list[Any]]:
    """Let customers decide; return their answers by variant."""
    answers: dict[str, list[Any]] = {"control": [], "paypal": []}
    for number in range(count):
        answer = await shop.decide(f"c{number}")
        answers[answer.decision.experiments[0]["variant"]].append(answer)
    assert min(map(len, answers.values())) >= 2
    return answers


@pytest.mark.anyio
async def test_margin_is_net_of_fees_and_refunds(empty_shop: Shop) -> None:
    await open_shop(empty_shop, primary="margin")
    answers = await some_units(empty_shop)
    for answer in answers["control"]:
        await empty_shop.report(answer, "converted", "card", amount=10_000)
    await empty_shop.report(answers["control"][0], "refunded", "card", amount=4_000)
    await empty_shop.report(answers["paypal"][0], "converted", "paypal", amount=2_000)
    values, units = await values_of(empty_shop, "margin"), {name: len(each) for name, each in answers.items()}
    full, rest = 10_000 * 0.29 - 10, 6_000 * 0.29 - 10
    assert values["control"] == pytest.approx((full * (units["control"] - 1) + rest) / units["control"])
    assert values["paypal"] == pytest.approx(2_000 * 0.3 / units["paypal"])
    await empty_shop.report(answers["paypal"][0], "refunded", "paypal", amount=2_000)
    assert (await values_of(empty_shop, "margin"))["paypal"] == 0.0


@pytest.mark.anyio
async def test_experiment_counts_the_discount_of_kept_orders(empty_shop: Shop) -> None:
    await open_shop(empty_shop, primary="margin")
    answers = await some_units(empty_shop)
    answer, units = answers["control"][0], len(answers["control"])
    await empty_shop.report(answer, "redeemed", "card", amount=700)
    await empty_shop.report(answer, "converted", "card", amount=10_000)
    assert (await values_of(empty_shop, "margin"))["control"] == pytest.approx((3_000 - 110 - 700) / units)
    await empty_shop.report(answer, "refunded", "card", amount=4_000)
    assert (await values_of(empty_shop, "margin"))["control"] == pytest.approx((1_800 - 70 - 420) / units)
    assert await compare(empty_shop.engine.database) == []


@pytest.mark.anyio
async def test_checkouts_are_timed_from_shown_to_bought(empty_shop: Shop) -> None:
    await open_shop(empty_shop, primary="checkout_time")
    now, answers = now_ms(), await some_units(empty_shop)
    for variant, seconds in (("control", 40), ("paypal", 25)):
        first, second, *_ = answers[variant]
        await empty_shop.report(first, "shown", occurred_at=now)
        await empty_shop.report(first, "shown", occurred_at=now + 5_000)
        await empty_shop.report(first, "converted", "card", occurred_at=now + seconds * 1_000)
        # The outcome `shown` may be reported last; without it there is no duration.
        await empty_shop.report(second, "converted", "card", occurred_at=now + 3 * seconds * 1_000)
        await empty_shop.report(second, "shown", occurred_at=now)
    last = answers["paypal"][2] if len(answers["paypal"]) > 2 else answers["control"][2]
    await empty_shop.report(last, "converted", "card")
    assert await values_of(empty_shop, "checkout_time") == {"control": 80_000.0, "paypal": 50_000.0}


@pytest.mark.anyio
async def test_types_of_outcomes_are_shares_of_units(empty_shop: Shop) -> None:
    await open_shop(empty_shop, secondary=("declined", "shown", "redemption"))
    answers = await some_units(empty_shop)
    for answer in answers["paypal"][:2]:
        await empty_shop.report(answer, "declined", "card")
        await empty_shop.report(answer, "declined", "paypal")
    await empty_shop.report(answers["control"][0], "shown")
    await empty_shop.report(answers["control"][0], "redeemed", "card")
    units = {name: len(each) for name, each in answers.items()}
    assert await values_of(empty_shop, "declined") == {"control": 0.0, "paypal": 2 / units["paypal"]}
    assert await values_of(empty_shop, "shown") == {"control": 1 / units["control"], "paypal": 0.0}
    assert await values_of(empty_shop, "redemption") == {"control": 1 / units["control"], "paypal": 0.0}


@pytest.mark.anyio
async def test_unused_measures_are_not_stored(empty_shop: Shop) -> None:
    await open_shop(empty_shop)
    answers = await some_units(empty_shop)
    await empty_shop.report(answers["control"][0], "shown")
    await empty_shop.report(answers["control"][0], "converted", "card", amount=500)
    resource = await empty_shop.engine.experiments.get(empty_shop.id, PLACEMENT, ID)
    await look(empty_shop)
    assert resource.document.status.measured == ("conversion",)
    guarded = msgspec.structs.replace(resource.document, guardrails=(Guardrail(metric="margin"),))
    with pytest.raises(Invalid, match="margin was not measured from the start"):
        await empty_shop.engine.experiments.update(empty_shop.actor(), PLACEMENT, ID, guarded, version=None)
    allowed = msgspec.structs.replace(resource.document, guardrails=(Guardrail(metric="revenue"),))
    await empty_shop.engine.experiments.update(empty_shop.actor(), PLACEMENT, ID, allowed, version=None)


@pytest.mark.anyio
async def test_a_rebuild_gives_the_same_measures(empty_shop: Shop) -> None:
    await open_shop(empty_shop, primary="margin", secondary=("checkout_time",))
    answers = await some_units(empty_shop)
    for answer in answers["control"]:
        await empty_shop.report(answer, "shown")
        await empty_shop.report(answer, "converted", "card", amount=9_000)
    before = (await look(empty_shop)).comparisons
    await rebuild(empty_shop.engine.database)
    assert (await look(empty_shop)).comparisons == before


@pytest.mark.anyio
async def test_purchases_without_a_decision_have_a_margin(empty_shop: Shop) -> None:
    await open_shop(empty_shop, primary="margin", unit="customer")
    answer = await empty_shop.decide("anna")
    variant, now = answer.decision.experiments[0]["variant"], now_ms()
    same: dict[str, Any] = {"occurred_at": now, "recorded_at": now, "key_id": "k"}
    bought = ReportedConversion(event_id="e", unit="anna", amount=5_000, currency="EUR", source="server", **same)
    await empty_shop.engine.conversions.record(empty_shop.id, PLACEMENT, ID, bought)
    await look(empty_shop)
    back = ReportedRefund(event_id="r", purchase="e", unit=None, amount=1_000, **same)
    await empty_shop.engine.conversions.refund(empty_shop.id, PLACEMENT, ID, back)
    assert {each.id: each.revenue for each in (await look(empty_shop)).variants}[variant] == 4_000
    resource = await empty_shop.engine.experiments.get(empty_shop.id, PLACEMENT, ID)
    async with empty_shop.engine.database.read() as connection:
        key = PhaseKey(empty_shop.id, PLACEMENT, ID, 1)
        [margin] = [row for row in await sums.totals(connection, key) if (row.segment, row.measure) == ("", "margin")]
    assert (margin.variant, margin.totals.revenue) == (variant, 1_200)
    # The setting of the placement may change, what an experiment counts by does not.
    setup = factories.placement(policy=Fixed(), margin_percent=90.0)
    await empty_shop.engine.catalogue.update(empty_shop.actor(), "placement", "", PLACEMENT, setup, version=None)
    assert resource.document.status.margin_percent == 30.0
    await look(empty_shop)


@pytest.mark.anyio
async def test_a_refund_after_the_end_makes_a_new_look_at_margins(empty_shop: Shop) -> None:
    await open_shop(empty_shop, primary="margin")
    answers = await some_units(empty_shop)
    for answer in answers["control"]:
        await empty_shop.report(answer, "converted", "card", amount=9_000)
    await empty_shop.engine.supervisor.add_up()
    stopped = await empty_shop.engine.experiments.stop(empty_shop.actor(), PLACEMENT, ID, reason="done")
    looks, now = empty_shop.engine.experiment_looks, now_ms()
    await looks.keep(empty_shop.id, stopped, now=now + DAY)
    await empty_shop.report(answers["control"][0], "refunded", "card", amount=3_000)
    await empty_shop.engine.supervisor.add_up()
    await looks.keep(empty_shop.id, stopped, now=now + 3 * DAY)
    first, *_, last = await looks.page(empty_shop.id, stopped)
    before, after = [await looks.read(empty_shop.id, stopped, now=now, number=each.number) for each in (first, last)]
    assert after.comparisons[0].control_value < before.comparisons[0].control_value
    assert await looks.read(empty_shop.id, stopped, now=now, number=1) == before


# The largest amounts


def purchases(amounts: list[int]) -> list[PastPurchase]:
    return [
        PastPurchase(PurchaseDecision(str(n), None, 0, "{}"), {"revenue": (1, each)}) for n, each in enumerate(amounts)
    ]


@pytest.mark.parametrize(("count", "amount"), [(99, None), (100, 100), (999, 999), (1_000, 999), (10_000, 9_990)])
def test_the_largest_thousandth_is_capped(count: int, amount: int | None) -> None:
    caps = caps_of(purchases(list(range(1, count + 1))))
    assert [(cap.metric, cap.amount, cap.values) for cap in caps] == ([("revenue", amount, count)] if amount else [])
    if amount:
        expected = np.quantile(np.arange(1, count + 1), 0.999, method="inverted_cdf")
        assert amount == expected


@SQLITE_FIRST
@pytest.mark.anyio
async def test_caps_are_fixed_from_data_before_the_start(empty_shop: Shop) -> None:
    await empty_shop.add_placement(
        factories.placement(policy=Fixed()), factories.candidate("card"), factories.candidate("paypal")
    )
    for number in range(100):
        await empty_shop.report(await empty_shop.decide(f"p{number}"), "converted", "card", amount=1_000 + number)
    await empty_shop.engine.experiments.create(empty_shop.actor(), PLACEMENT, experiment(primary="revenue"))
    begun = await empty_shop.engine.experiments.start(empty_shop.actor(), PLACEMENT, ID)
    [revenue, margin] = begun.document.status.caps
    assert (revenue, margin.metric) == (MetricCap("revenue", 1_099, 100), "margin")
    answers = await some_units(empty_shop)
    for answer in answers["control"]:
        await empty_shop.report(answer, "converted", "card", amount=500)
    await empty_shop.report(answers["paypal"][0], "converted", "card", amount=1_000_000)
    results = await look(empty_shop)
    assert results.comparisons[0].value == pytest.approx(1_099 / len(answers["paypal"]))
    assert {each.id: each.revenue for each in results.variants}["paypal"] == 1_000_000
    stored = await empty_shop.engine.experiments.get(empty_shop.id, PLACEMENT, ID)
    assert stored.document.status.caps == begun.document.status.caps


# Directions


def timed(units: int, seconds: float, spread: float) -> tuple[UnitTotals, UnitTotals]:
    """Return purchases and checkout times of units of which each bought once."""
    amounts = np.random.default_rng(int(seconds)).normal(seconds * 1_000, spread * 1_000, units).round()
    measure = UnitTotals(0, units, units, units, int(amounts.sum()), float(amounts @ amounts), float(amounts.sum()))
    return UnitTotals(units, units, units, units), measure


def rows_of(measure: str, **variants: tuple[UnitTotals, UnitTotals]) -> list[SumRow]:
    return [
        SumRow("", 0, name, each, key)
        for name, (bought, other) in variants.items()
        for key, each in (("", bought), (measure, other))
    ]


@pytest.mark.parametrize(
    ("seconds", "verdict", "broken"), [(20.0, "better", False), (40.0, "worse", True), (30.0, "no_difference", False)]
)
def test_less_time_is_better(seconds: float, verdict: str, broken: bool) -> None:
    document = running(primary="checkout_time")
    rows = rows_of("checkout_time", control=timed(20_000, 30.0, 8.0), paypal=timed(20_000, seconds, 8.0))
    results = results_of(document, PLACEMENT, rows, window_minutes=60, now=NOW)
    assert results.verdict.kind == verdict
    assert (results.comparisons[0].chance_to_win > 0.99) == (verdict == "better")
    guarded = running(guardrails=(Guardrail(metric="checkout_time", tolerated_percent=10),))
    results = results_of(guarded, PLACEMENT, rows, window_minutes=60, now=NOW)
    assert [state.is_broken for state in results.guardrails] == [broken]
    reason = "guardrail: PayPal first raises checkout time by more than 10%" if broken else ""
    assert reason_to_stop(guarded, results, DAY) == reason


def test_a_bandit_moves_towards_fewer_declines() -> None:
    document = running(primary="declined", allocation="bandit")

    def declined(count: int) -> tuple[UnitTotals, UnitTotals]:
        return UnitTotals(2_000), UnitTotals(0, count, count, count)

    rows = sorted(rows_of("declined", control=declined(400), paypal=declined(250)))
    shares = next_shares(MovedTraffic(document, rows, HourlyShares(document, {})))
    assert shares is not None
    assert shares["paypal"] == pytest.approx(0.95, abs=0.001)


def test_a_loss_of_the_control_has_no_relative_change() -> None:
    def lost(amount: int) -> tuple[UnitTotals, UnitTotals]:
        return UnitTotals(5_000, 2_000, 2_000, 2_000), UnitTotals(0, 2_000, 2_000, 2_000, 2_000 * amount, 4e9, 0.0)

    rows = rows_of("margin", control=lost(-300), paypal=lost(500))
    [comparison] = compare_variants(running(primary="margin"), VariantTotals.of(running(), rows), planned_units=1e4)
    assert (comparison.lift, comparison.low, comparison.is_ready) == (None, None, False)


def test_the_time_of_a_checkout_is_a_ratio_as_in_scipy() -> None:
    """A unit with several checkouts counts with all of them: the same as the delta method on the units' numbers."""
    rng = np.random.default_rng(5)
    times = rng.poisson(1.2, 4_000)
    amounts = np.array([rng.lognormal(10, 1, count).sum().round() for count in times])
    units = [UnitTotals.of(1, 0, 0) for _ in times]
    measure = sum((UnitTotals.of_measure(int(n), int(a), 0) for n, a in zip(times, amounts, strict=True)), UnitTotals())
    totals = VariantTotals(("a",), (sum(units, UnitTotals()),), {"checkout_time": (measure,)})
    [estimate] = estimates_of("checkout_time", totals.of_metric("checkout_time"))
    ratio = amounts.sum() / times.sum()
    residuals = (amounts - ratio * times) / times.mean()
    assert estimate.value == pytest.approx(ratio, rel=1e-12)
    assert estimate.error == pytest.approx(stats.sem(residuals), rel=1e-9)


def test_every_metric_has_a_quantity() -> None:
    assert set(METRICS) == set(MetricName.__args__)


# Sizes in advance


@SQLITE
@pytest.mark.anyio
@pytest.mark.parametrize("metric", ["revenue", "margin", "checkout_time", "order_value", "orders", "declined"])
async def test_sizes_of_other_metrics_come_from_the_log(empty_shop: Shop, metric: MetricName) -> None:
    await empty_shop.add_placement(
        factories.placement(policy=Fixed(), margin_percent=30.0), factories.candidate("card")
    )
    rng, now, spent, times = np.random.default_rng(3), now_ms(), np.zeros(40), np.zeros(40)
    for number in range(40):
        answer = await empty_shop.decide(f"c{number}")
        if number % 2:
            spent[number], times[number] = round(rng.lognormal(8, 1)), round(rng.lognormal(10, 0.5))
            await empty_shop.report(answer, "shown", occurred_at=now)
            await empty_shop.report(
                answer, "converted", "card", amount=int(spent[number]), occurred_at=now + int(times[number])
            )
        elif number % 4 == 0:
            await empty_shop.report(answer, "declined", "card")
    document = experiment(primary=metric, method="fixed", minimum_effect_percent=50)
    answer = await empty_shop.engine.experiment_sizes.size(empty_shop.id, PLACEMENT, document, now=now_ms())
    bought = spent > 0
    expected: dict[str, tuple[float, float]] = {
        "revenue": (spent.mean(), spent.std(ddof=1)),
        "margin": ((0.3 * spent).round().mean(), (0.3 * spent).round().std(ddof=1)),
        "orders": (0.5, bought.std(ddof=1)),
        "checkout_time": (times[bought].mean(), 2 * np.std(np.where(bought, times - times[bought].mean(), 0), ddof=1)),
        "order_value": (spent[bought].mean(), 2 * np.std(np.where(bought, spent - spent[bought].mean(), 0), ddof=1)),
        "declined": (0.25, (0.25 * 0.75) ** 0.5),
    }
    value, spread = expected[metric]
    assert (answer.value, answer.spread) == (pytest.approx(value), pytest.approx(spread))
    assert answer.units is not None
    if metric != "declined":
        needed = 2 * TTestIndPower().solve_power(0.5 * value / spread, alpha=0.05, power=0.8)
        assert answer.units.fixed == pytest.approx(needed, abs=6)
        assert answer.units.sequential > answer.units.fixed


def test_a_margin_pays_the_discount_of_redeemed_offers() -> None:
    rows = [
        OutcomeRow(1, name, "d", None, "", name, "card", amount, "EUR", occurred_at, occurred_at)
        for occurred_at, (name, amount) in enumerate((("redeemed", 700), ("converted", 10_000)))
    ]
    terms = MeasureTerms(frozenset({"margin"}), {}, 30.0, {"card": CandidateFees("card", 1.0, 10)})
    order = paid_order(rows, "EUR")
    assert measures_of(terms, order, rows, "EUR") == {"margin": (1, 10_000 * 30 // 100 - 110 - 700)}
    assert measures_of(terms, order, rows[1:], "EUR") == {"margin": (1, 2_890)}
