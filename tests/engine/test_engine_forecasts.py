"""The forecast of a preview is stored with its version and compared with the result."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest
from statsmodels.datasets import ccard

from engine.clock import now_ms
from engine.model.experiment import HOLDBACK_ID, NOT_PERSONALIZED
from engine.model.outcome import OutcomeRow
from engine.model.placement import Holdback
from engine.model.timestamps import DAY, first_id_of
from engine.previews import forecasts as service
from engine.previews.estimation.effect import Effect
from engine.previews.estimation.forecast import LEAST_DECISIONS, Earned, outcome_of
from engine.previews.estimation.result import Result
from engine.previews.forecasts import LONGEST_DAYS, count_correct
from engine.previews.previews import Subject
from engine.store import decisions, outcomes, previews
from engine.store.decisions import DecisionRow
from engine.store.previews import PreviewRow
from tests.factories import candidate, placement, rule
from tests.marks import SQLITE_FIRST

PLACEMENT = "payment_methods"
GOLDEN = 5**0.5 / 2 - 0.5
"""Its multiples spread evenly over the unit interval (Weyl)."""
BOOST = rule({"boost": {"candidates": ["card"], "factor": 2}}, id="boost", name="Card up")
NO_IDEAL = rule({"exclude": ["ideal"]}, id="no-ideal", name="No iDEAL")
EFFECT = Effect(5_000, 5_000, 0.3, 0.05, 0.03, 0.07, 4_000, 3.0, 0.0, 0.0)


def earned(rate, count, *, after, held=False, seed=0, visits=1):
    luck = random.Random(f"{rate} {after} {held} {seed}")
    return [Earned(after, held, f"c{held}{n // visits}", float(luck.random() < rate)) for n in range(count)]


def test_a_change_as_forecast_agrees_and_another_does_not():
    before = earned(0.30, 4_000, after=False)
    right = outcome_of(EFFECT, [*before, *earned(0.35, 4_000, after=True)], has_holdback=False)
    assert (right.holds, right.against, right.before, right.after) == (True, "before", 4_000, 4_000)
    assert right.low < right.value < right.high
    assert outcome_of(EFFECT, [*before, *earned(0.20, 4_000, after=True)], has_holdback=False).holds is False


def test_few_decisions_give_no_verdict():
    few = [*earned(0.3, 4_000, after=False), *earned(0.9, LEAST_DECISIONS - 1, after=True)]
    assert outcome_of(EFFECT, few, has_holdback=False).holds is None


def test_holdback_removes_the_effect_of_a_sale():
    """All buy more from the day of publishing on; the version adds what was expected."""
    all_customers = [
        *earned(0.30, 4_000, after=False),
        *earned(0.55, 4_000, after=True),
        *earned(0.30, 2_000, after=False, held=True),
        *earned(0.50, 2_000, after=True, held=True),
    ]
    alone = outcome_of(EFFECT, all_customers, has_holdback=False)
    assert (alone.holds, alone.against) == (False, "before")
    compared = outcome_of(EFFECT, all_customers, has_holdback=True)
    assert (compared.holds, compared.against) == (True, "holdback")
    assert compared.value == pytest.approx(0.05, abs=0.04)
    assert compared.high - compared.low > alone.high - alone.low


def test_few_customers_give_no_verdict():
    many = [Earned(after, False, f"c{n % 15}", float(n % 3 == 0)) for after in (False, True) for n in range(3_000)]
    assert outcome_of(EFFECT, many, has_holdback=False).holds is None


def test_small_holdback_gives_no_verdict():
    groups = [*earned(0.3, 900, after=False), *earned(0.3, 900, after=True), *earned(0.3, 50, after=True, held=True)]
    assert outcome_of(EFFECT, groups, has_holdback=True).against == "before"


def test_returning_customers_widen_the_interval():
    def width(visits):
        rng, rows = np.random.default_rng(5), []
        for after in (False, True):
            rates = np.repeat(rng.beta(0.3, 0.7, 4_000 // visits), visits)
            rows += [
                Earned(after, False, f"c{after}{n // visits}", float(rng.random() < rate))
                for n, rate in enumerate(rates)
            ]
        outcome = outcome_of(EFFECT, rows, has_holdback=False)
        return outcome.high - outcome.low

    assert width(20) > 2 * width(1)


def test_agreement_has_its_nominal_rate():
    """Both the forecast and the result have their own errors."""
    rng, held = np.random.default_rng(7), 0
    for run in range(200):
        forecast = float(rng.normal(0.05, 0.02 / 1.96))
        effect = msgspec.structs.replace(EFFECT, value=forecast, low=forecast - 0.02, high=forecast + 0.02)
        rows = [*earned(0.3, 1_000, after=False, seed=run), *earned(0.35, 1_000, after=True, seed=run)]
        held += bool(outcome_of(effect, rows, has_holdback=False).holds)
    assert 180 <= held <= 199


# In the engine


async def previewed(shop, revision, *, effect=EFFECT, reward="converted", alternative=""):
    """Store a preview that has ended, as a worker does."""
    result = Result(reward, 5_000, 0, 1, [1], 0, 0, 5_000, 0, [], [], [], effect)
    row = PreviewRow(
        id=f"pre_{revision}_{alternative}",
        merchant_id=shop.id,
        placement=PLACEMENT,
        draft=msgspec.json.encode(Subject(revision)).decode(),
        alternative=alternative,
        state="done",
        since=0,
        until=1,
        started_by="tester",
        started_at=now_ms(),
        seen_at=now_ms(),
        result=msgspec.json.encode(result).decode(),
    )
    async with shop.engine.database.write() as connection:
        await previews.add(connection, row)


async def published(shop, *rules, **preview):
    for item in rules:
        await shop.engine.drafts.save(shop.actor(), PLACEMENT, item, revision=None)
    head, _ = await shop.engine.drafts.held(shop.id, PLACEMENT)
    await previewed(shop, head.revision + preview.pop("behind", 0), **preview)
    return await shop.engine.releases.publish(shop.actor(), PLACEMENT, revision=head.revision, reason="")


async def logged(shop, rate, count, moment, *, held=False, amounts=(None,), carts=(None,)):
    """Store closed decisions a second apart from a moment on; the share `rate` buys, evenly spread, for `amounts`."""
    rows, bought = [], []
    experiments = [{"id": HOLDBACK_ID, "variant": NOT_PERSONALIZED, "phase": "1", "counted": "yes"}] if held else []
    answer = {"ranking": [{"id": "card"}], "excluded": [], "fallback": False, "experiments": experiments}
    text = msgspec.json.encode(answer).decode()
    for number in range(count):
        decided_at = moment + 1_000 * number
        id = f"{first_id_of(decided_at)}{int(held):010x}{number:010x}"
        cart, amount = carts[number % len(carts)], amounts[number % len(amounts)]
        facts = "{}" if cart is None else f'{{"cart.total": {cart}}}'
        rows.append(
            DecisionRow(
                id, shop.id, PLACEMENT, f"{int(held):016x}{number:016x}", decided_at, None, 1, 0, "", facts, "{}", text
            )
        )
        if number * GOLDEN % 1 < rate:
            paid = ("converted", "card", amount, None if amount is None else "EUR")
            bought.append(OutcomeRow(shop.id, f"e{id}", id, None, "", *paid, decided_at, decided_at))
    async with shop.engine.database.write() as connection:
        await decisions.append(connection, rows)
        await outcomes.append_new(connection, bought)


async def looked_at(shop, monkeypatch, *, days):
    later = now_ms() + days * DAY
    monkeypatch.setattr(service, "now_ms", lambda: later)
    await shop.engine.forecasts.check_due()
    return await shop.engine.forecasts.of(shop.id, PLACEMENT)


@pytest.mark.anyio
async def test_a_version_keeps_the_forecast_of_its_own_draft(shop):
    version = await published(shop, BOOST)
    [forecast] = await shop.engine.forecasts.of(shop.id, PLACEMENT)
    assert (forecast.version, forecast.expected, forecast.outcome) == (version, EFFECT, None)
    assert not forecast.is_final


@pytest.mark.anyio
@pytest.mark.parametrize("preview", [{"behind": -1}, {"alternative": "boost"}])
async def test_the_preview_of_another_draft_is_no_forecast(shop, preview):
    await published(shop, BOOST, **preview)
    assert await shop.engine.forecasts.of(shop.id) == []


@pytest.mark.anyio
async def test_forecast_is_compared_with_the_result(shop, monkeypatch):
    await published(shop, BOOST)
    await logged(shop, 0.30, 1_500, now_ms() - DAY)
    await logged(shop, 0.36, 1_500, now_ms() + DAY)
    [forecast] = await looked_at(shop, monkeypatch, days=2)
    assert forecast.outcome.holds
    assert (forecast.outcome.before, forecast.outcome.after) == (1_500, 1_500)
    assert (forecast.outcome.against, forecast.is_final) == ("before", False)
    [forecast] = await looked_at(shop, monkeypatch, days=LONGEST_DAYS + 1)
    assert forecast.is_final
    assert count_correct([forecast]) == (1, 1)


@SQLITE_FIRST
@pytest.mark.anyio
@pytest.mark.parametrize(("change", "against"), [(BOOST, "holdback"), (NO_IDEAL, "before")])
async def test_unchanged_holdback_is_used(empty_shop, monkeypatch, change, against):
    shop = empty_shop
    await shop.add_placement(placement(holdback=Holdback(share=0.2)))
    await published(shop, change)
    for rate, moment in ((0.3, -DAY), (0.5, DAY)):
        await logged(shop, rate + 0.05 * (moment > 0), 800, now_ms() + moment)
        await logged(shop, rate, 800, now_ms() + moment, held=True)
    [forecast] = await looked_at(shop, monkeypatch, days=3)
    assert forecast.outcome.against == against
    assert forecast.outcome.holds is (against == "holdback")


@pytest.mark.anyio
async def test_refusals_are_kept_but_not_judged(shop, monkeypatch):
    await published(shop, BOOST, effect=msgspec.structs.replace(EFFECT, refused="too few"))
    [forecast] = await looked_at(shop, monkeypatch, days=1)
    assert (forecast.outcome, forecast.is_final) == (None, True)
    assert count_correct([forecast]) == (0, 0)


# Money


MONTHLY = [round(100 * spent) for spent in ccard.load_pandas().data["AVGEXP"]]
"""What 72 holders of a credit card spent in a month, in cents (Greene, Econometric Analysis); at most 7 x the mean."""


def spent(rate, count, *, after, seed):
    rng = np.random.default_rng([seed, after])
    amounts = rng.choice(MONTHLY, count) * (rng.random(count) < rate)
    return [Earned(after, False, f"c{after}{n}", float(amount)) for n, amount in enumerate(amounts)]


def test_forecasts_of_real_amounts_have_nominal_agreement():
    """Conversion rises by a tenth; forecasts err as previews of 20,000 decisions do, and sides have unequal sizes."""
    mean, held = float(np.mean(MONTHLY)), 0
    true_effect, error = 0.03 * mean, mean / 20_000**0.5
    for run in range(300):
        value = true_effect + error * float(np.random.default_rng([run, 7]).normal())
        effect = Effect(5_000, 5_000, 0.3, value, value - 1.96 * error, value + 1.96 * error, 4_000, 3.0, 0.0, 0.0)
        rows = [*spent(0.30, 1_500, after=False, seed=run), *spent(0.33, 300, after=True, seed=run)]
        held += bool(outcome_of(effect, rows, has_holdback=False).holds)
    assert 0.92 * 300 <= held <= 0.98 * 300


def test_a_large_order_makes_the_upper_end_wider_than_the_lower():
    """Twice the usual amounts may still come; less than nothing may not."""
    rows = [Earned(after, False, f"c{after}{n}", float(n % 4 == 0)) for after in (False, True) for n in range(400)]
    rows[400] = rows[400]._replace(reward=100.0)
    outcome = outcome_of(EFFECT, rows, has_holdback=False)
    assert outcome.high - outcome.value > 2 * (outcome.value - outcome.low)
    assert outcome.holds


@SQLITE_FIRST
@pytest.mark.anyio
@pytest.mark.parametrize(("reward", "share"), [("revenue", 1.0), ("margin", 0.25)])
async def test_forecast_of_money_is_compared_with_earnings(empty_shop, monkeypatch, reward, share):
    """A version that raises conversion from 30 to 36%; `margin` takes the cart, less the version's own fee of 5%."""
    shop, mean = empty_shop, float(np.mean(MONTHLY))
    await shop.add_placement(placement(reward=reward, margin_percent=30.0), candidate("card", fee_percent=5.0))
    change = share * mean * 0.06
    effect = Effect(5_000, 5_000, 0.3, change, 0.8 * change, 1.2 * change, 4_000, 3.0, 0.0, 0.0)
    await published(shop, BOOST, effect=effect, reward=reward)
    for rate, moment in ((0.30, -DAY), (0.36, DAY)):
        await logged(shop, rate, 1_440, now_ms() + moment, amounts=MONTHLY, carts=MONTHLY)
    [forecast] = await looked_at(shop, monkeypatch, days=3)
    assert forecast.outcome.holds
    assert forecast.outcome.value == pytest.approx(change, rel=0.1)


@pytest.mark.anyio
async def test_margins_of_both_sides_are_the_versions_own(empty_shop, monkeypatch):
    """The version halves the margin, which is no effect of it: the same is bought as before."""
    shop = empty_shop
    await shop.add_placement(placement(reward="margin", margin_percent=60.0), candidate("card"))
    await shop.engine.drafts.save(
        shop.actor(), PLACEMENT, placement(reward="margin", margin_percent=30.0), revision=None
    )
    await published(shop, BOOST, effect=msgspec.structs.replace(EFFECT, value=0.0, low=-1.0, high=1.0), reward="margin")
    for moment in (-DAY, DAY):
        await logged(shop, 0.3, 800, now_ms() + moment, carts=[5_000])
    [forecast] = await looked_at(shop, monkeypatch, days=3)
    assert forecast.outcome.value == pytest.approx(0.0)


@pytest.mark.anyio
async def test_the_next_version_ends_the_comparison(shop, monkeypatch):
    await published(shop, BOOST)
    await logged(shop, 0.3, 200, now_ms() - DAY)
    await shop.engine.drafts.save(shop.actor(), PLACEMENT, NO_IDEAL, revision=None)
    head, _ = await shop.engine.drafts.held(shop.id, PLACEMENT)
    await shop.engine.releases.publish(shop.actor(), PLACEMENT, revision=head.revision, reason="")
    await logged(shop, 0.3, 200, now_ms() + DAY)
    [forecast] = await looked_at(shop, monkeypatch, days=5)
    assert (forecast.outcome.after, forecast.is_final) == (0, True)
