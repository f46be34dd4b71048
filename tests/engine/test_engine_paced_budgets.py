"""The prices of paced budgets, step by step: whose time it is, what is due, and when a change is worth new beliefs."""

from __future__ import annotations

import msgspec
import pytest

from bandits.pacing import FIRST_PRICE
from engine.kernel.beliefs import BudgetPrice
from engine.kernel.plan import Plan, PlanDocument
from engine.learning.paced_budgets import differ, is_paced, next_prices, stretch_of, times_of
from engine.model.documents.offer import OfferBudget, Pacing
from engine.model.offers.hold import Balance, BalanceKey
from engine.model.placement import Fixed, Placement, Subset, Thompson
from engine.model.timestamps import DAY, MINUTE, rfc3339
from engine.store import rollups
from engine.store.connection.database import open_database, sqlite_url
from engine.store.offers import balances
from tests.offers import SHARED, add_merchant, offer_candidate

pytestmark = pytest.mark.anyio

BEGIN = 20_000 * DAY
END = BEGIN + 10 * DAY
PACED = OfferBudget(
    id="spring",
    name="Spring",
    currency="EUR",
    amount=100_000,
    pacing=Pacing(starts_at=rfc3339(BEGIN), ends_at=rfc3339(END)),
)
FREE = OfferBudget(id="autumn", name="Autumn", currency="EUR", amount=100_000)


def plan_of(*budgets: OfferBudget, policy=None) -> Plan:
    placement = Placement(key="offers", name="Offers", shape=Subset(1), policy=policy or Thompson())
    document = PlanDocument(placement=placement, candidates=(offer_candidate(),), budgets=budgets, weighs_offers=True)
    return Plan(document, version=1)


@pytest.fixture
async def database(settings):
    database = open_database(settings.database_url or sqlite_url(settings.data))
    await add_merchant(database)
    yield database
    await database.close()


async def use(database, amount: int) -> None:
    """Let the budget have so much more spent."""
    async with database.write() as connection:
        await balances.lock(connection, [SHARED])
        await balances.add(connection, {SHARED: Balance(spent=amount, spent_uses=1)})


async def prices(database, before: dict[str, BudgetPrice], now: int, plan: Plan | None = None):
    async with database.read() as connection:
        return await next_prices(connection, 1, plan or plan_of(PACED, FREE), before, now=now)


def test_a_budget_is_paced_from_its_beginning_until_its_end():
    assert times_of(PACED) == (BEGIN, END)
    assert [is_paced(PACED, now) for now in (BEGIN - 1, BEGIN, END - 1, END)] == [False, True, True, False]
    assert not is_paced(FREE, BEGIN)


def test_small_changes_wait_for_new_beliefs():
    before = {"spring": BudgetPrice(2.0, 0, 0)}
    assert not differ(before, {"spring": BudgetPrice(2.01, 50, 9)})
    assert differ(before, {"spring": BudgetPrice(2.03, 50, 9)})
    assert differ(before, {"spring": BudgetPrice(1.97, 50, 9)})
    assert differ(before, {})
    assert not differ({}, {})


async def test_first_price_uses_previous_spending(database):
    await use(database, 700)
    assert await prices(database, {}, BEGIN + DAY) == {"spring": BudgetPrice(FIRST_PRICE, 700, BEGIN + DAY)}


async def test_spending_at_the_pace_of_the_budget_keeps_the_price(database):
    before = {"spring": BudgetPrice(3.0, 0, BEGIN)}
    await use(database, 10_000)
    [price] = (await prices(database, before, BEGIN + DAY)).values()
    assert (price.price, price.used, price.made_at) == (pytest.approx(3.0), 10_000, BEGIN + DAY)


async def test_each_day_of_a_budget_is_paced_separately(database):
    daily = msgspec.structs.replace(PACED, period="day", amount=24_000)
    plan, evening = plan_of(daily), {"spring": BudgetPrice(3.0, 20_000, BEGIN + DAY - MINUTE)}
    today = SHARED._replace(period=BEGIN // DAY + 1)
    async with database.write() as connection:
        await balances.lock(connection, [SHARED._replace(period=BEGIN // DAY), today])
        await balances.add(connection, {SHARED._replace(period=BEGIN // DAY): Balance(spent=24_000, spent_uses=9)})
    noon = BEGIN + DAY + DAY // 2
    [price] = (await prices(database, evening, noon, plan)).values()
    assert (price.used, price.price < 3.0) == (0, True)
    async with database.write() as connection:
        await balances.add(connection, {today: Balance(spent=12_000, spent_uses=5)})
    [price] = (await prices(database, evening, noon, plan)).values()
    assert (price.used, price.price) == (12_000, pytest.approx(3.0))


async def test_price_of_a_daily_budget_converges_over_days(database):
    """A morning with few redemptions is little evidence: on later days, the same surplus changes the price less."""
    daily = msgspec.structs.replace(PACED, period="day")
    moved = []
    for day in (0, 3):
        morning = BEGIN + day * DAY
        before, key = {"spring": BudgetPrice(3.0, 0, morning)}, BalanceKey(1, "spring", morning // DAY, "")
        async with database.write() as connection:
            await balances.lock(connection, [key])
            await balances.add(connection, {key: Balance(spent=500, spent_uses=1)})
        [price] = (await prices(database, before, morning + MINUTE, plan_of(daily))).values()
        moved.append(price.price / 3.0)
    assert 1.0 < moved[1] < 1.02 < moved[0]


def test_a_day_is_paced_only_within_its_time():
    daily = msgspec.structs.replace(
        PACED, period="day", pacing=Pacing(starts_at=rfc3339(BEGIN + MINUTE), ends_at=rfc3339(BEGIN + DAY + MINUTE))
    )
    assert stretch_of(daily, BEGIN + 5 * MINUTE) == (BEGIN + MINUTE, BEGIN + DAY)
    assert stretch_of(daily, BEGIN + DAY) == (BEGIN + DAY, BEGIN + DAY + MINUTE)
    assert stretch_of(PACED, BEGIN + DAY) == (BEGIN, END)


async def test_cap_below_the_used_amount_leaves_zero(database):
    before = {"spring": BudgetPrice(3.0, 200_000, BEGIN)}
    assert (await prices(database, before, BEGIN + DAY))["spring"].price == 3.0


async def test_a_price_that_another_process_just_made_stays(database):
    before = {"spring": BudgetPrice(3.0, 5, BEGIN)}
    assert await prices(database, before, BEGIN + MINUTE // 3) == before


async def test_budgets_of_a_policy_that_does_not_learn_have_no_price(database):
    assert await prices(database, {}, BEGIN, plan_of(PACED, policy=Fixed())) == {}


async def test_traffic_is_counted_by_hour_over_all_placements(database):
    minute = BEGIN // MINUTE
    firsts = {
        (1, "offers", minute + 61, "ten"): 3,
        (1, "payment_methods", minute + 119, "card"): 4,
        (1, "payment_methods", minute + 24 * 60, "card"): 5,
        (1, "payment_methods", minute - 1, "card"): 100,
        (2, "offers", minute, "ten"): 100,
    }
    async with database.write() as connection:
        await rollups.add_firsts(connection, firsts)
    async with database.read() as connection:
        assert await rollups.traffic_by_hour(connection, 1, since=minute) == [5, 7, *[0] * 22]
