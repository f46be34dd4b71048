"""The gain of learning and the cost of exploration, in words and in charts; rates by day of many candidates."""

from __future__ import annotations

import pytest
from msgspec import structs

from engine.model.placement import Holdback, Placement, Thompson
from engine.model.timestamps import DAY
from engine.statistics.learning_money import GainPoint, LearningMoney, MoneyInterval
from web.admin.placements.performance.learning_cost import MoneyWords
from web.charts.learning_charts import ArmDay, history, pooled
from web.charts.performance_charts import gain_course
from web.format import Show, viewer_locale

SHOW = Show(locale=viewer_locale("en"), timezone="UTC", now=20_030 * DAY)
THOMPSON = Placement(key="payment_methods", name="Payment methods", policy=Thompson())
HELD = structs.replace(THOMPSON, holdback=Holdback(share=0.05))


class Euro:
    show = SHOW

    class merchant:
        currency = "EUR"


def money(placement=HELD, **changes):
    made = LearningMoney(True, 300, 0.95, MoneyInterval(19.0, 3.0, 35.0), [], MoneyInterval(0.82, 0.2, 1.6), "")
    return MoneyWords(Euro(), placement, made._replace(**changes), 30, 10_000)


def test_gain_and_cost_name_their_amount_and_baseline():
    words = money()
    assert words.gain() == (
        "Learning has brought about €1,900.00 in the last 30 days (€300.00 to €3,500.00), compared with the holdback "
        "(5.0% of checkouts)."
    )
    assert words.cost() == (
        "Trying other candidates costs about €2.70 a day (€0.67 to €5.30), compared with always showing the likeliest "
        "candidate first."
    )
    lost = money(gain=MoneyInterval(-19.0, -35.0, -3.0)).gain()
    assert lost.startswith("Learning has lost about €1,900.00 in the last 30 days (€300.00 to €3,500.00)")


def test_unclear_gain_has_no_amount():
    unclear = money(gain=MoneyInterval(500.0, -2_287.0, 2_466.0), cost=MoneyInterval(-1.0, -3.0, 0.9))
    assert unclear.gain() == (
        "It is not clear yet what learning brings: -€22.87 to €24.66 a checkout in the last 30 days, compared with the "
        "holdback (5.0% of checkouts)."
    )
    assert "costs at most €3.00 a day, maybe nothing" in unclear.cost()
    assert "nothing measurable" in money(cost=MoneyInterval(-1.0, -3.0, -0.1)).cost()


def test_missing_amount_explains_why():
    assert "cannot be known without a holdback" in money(THOMPSON, gain=None).gain()
    assert "the holdback has 300 complete checkouts in the sample, too few" in money(gain=None).gain()
    assert "no purchase had an amount in EUR" in money(has_amounts=False, gain=None).gain()
    assert money(has_amounts=False).cost() == ""
    refused = money(cost=None, cost_refused="there are too few decisions").cost()
    assert refused == "What trying other candidates costs cannot be said yet: there are too few decisions."


def test_the_gain_is_drawn_beside_zero():
    points = [GainPoint((20_000 + day) * DAY, MoneyInterval(190.0, 30.0, 350.0)) for day in range(4)]
    spec = gain_course(points, show=SHOW, currency="JPY")
    assert [row["gain"] for row in spec["data"]["values"]] == [190.0] * 4, "yen have no decimals"
    assert any(layer["encoding"].get("y", {}).get("datum") == 0 for layer in spec["layer"])
    assert gain_course(points, show=SHOW, currency="EUR")["data"]["values"][0]["gain"] == 1.9


# Many candidates


def test_rates_by_day_of_many_candidates_are_ten_lines():
    days = [
        ArmDay(label=f"m{n}", colour=n, day=day, rate=n / 100, trials=10 + n, forgotten=False)
        for n in range(40)
        for day in (1, 2)
    ]
    drawn = pooled(days)
    assert {day.label for day in drawn} == {*(f"m{n}" for n in range(31, 40)), "31 others"}
    [first, _] = [day for day in drawn if day.colour is None]
    assert first.trials == sum(10 + n for n in range(31))
    assert first.rate == pytest.approx(sum((10 + n) * n / 100 for n in range(31)) / first.trials)
    assert pooled(days[:20]) == days[:20]
    rows = history(drawn, show=SHOW, measure="Rate")["data"]["values"]
    assert {row["colour"] for row in rows if row["candidate"] == "31 others"} == {"others"}
