"""What learning brings and what trying costs, in money, in sentences with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from engine.model.placement import Contextual, Placement, Thompson
from engine.statistics.learning_money import LearningMoney, MoneyInterval
from web.admin.placements.performance.period import span_of
from web.admin.shell.csv_file import exported_csv
from web.admin.shell.frame import Frame
from web.charts.candidate_charts import Spec
from web.charts.performance_charts import gain_course

DAYS = 90
LEAST_POINTS = 3


@dataclass(frozen=True)
class MoneyView:
    """The gain and the cost in words; `needs_holdback` is whether a holdback would tell more.

    There is no `chart` before the gain is clear.
    """

    gain: str
    cost: str
    needs_holdback: bool
    points: Sequence[tuple[int, str, str]]
    chart: Spec | None


async def money_view(frame: Frame, placement: Placement) -> MoneyView | None:
    """Say what learning brings and costs; None where nothing is learned."""
    if not isinstance(placement.policy, Thompson | Contextual):
        return None
    days, total, money = await frame.engine.comparisons.money(frame.merchant.id, placement.key, days=DAYS)
    words = MoneyWords(frame, placement, money, days, total * money.personalized)
    points = [(point.end, words.each(point.gain), words.between(point.gain)) for point in money.course]
    is_clear = money.gain is not None and not money.gain.low <= 0 <= money.gain.high
    has_chart = is_clear and len(points) >= LEAST_POINTS
    chart = gain_course(money.course, show=frame.show, currency=frame.merchant.currency) if has_chart else None
    return MoneyView(words.gain(), words.cost(), placement.holdback is None, points, chart)


@get("/placements/{key:str}/learning/money.csv")
async def money_csv(frame: NamedDependency[Frame], key: FromPath[str]) -> Response[str]:
    """Send what learning had brought a checkout at several times, in minor units."""
    _, _, money = await frame.engine.comparisons.money(frame.merchant.id, key, days=DAYS)
    rows = [[point.end, *point.gain] for point in money.course]
    return await exported_csv(frame, f"{key}-money.csv", [("until_epoch_ms", "gain_a_checkout", "low", "high"), *rows])


class MoneyWords:
    """Says amounts of the last `days`, in which there were `checkouts` that learning decided."""

    def __init__(self, frame: Frame, placement: Placement, money: LearningMoney, days: int, checkouts: float) -> None:
        self._frame = frame
        self._placement = placement
        self._money = money
        self._days = days
        self._checkouts = checkouts

    def gain(self) -> str:
        """Say what learning has brought, and against what."""
        money = self._money
        if not money.has_amounts:
            return (
                f"What learning brings in money is not known: no purchase had an amount in {self._currency}. "
                "Report amounts with purchases."
            )
        if money.gain is None:
            return self._no_gain()
        total = money.gain.times(self._checkouts)
        span = f"in the last {span_of(self._days)}"
        beside = f"compared with the holdback ({self._frame.show.percent(1 - money.personalized)} of checkouts)"
        if total.low <= 0 <= total.high:
            between = self.between(money.gain)
            return f"It is not clear yet what learning brings: {between} a checkout {span}, {beside}."
        verb = "brought" if total.value > 0 else "lost"
        size = total if total.value > 0 else MoneyInterval(-total.value, -total.high, -total.low)
        return f"Learning has {verb} about {self._amount(size.value)} {span} ({self._span(size)}), {beside}."

    def cost(self) -> str:
        """Say what trying other candidates costs a day."""
        money = self._money
        if not money.has_amounts:
            return ""
        if money.cost is None:
            return f"What trying other candidates costs cannot be said yet: {money.cost_refused}."
        daily = money.cost.times(self._checkouts / self._days)
        beside = "compared with always showing the likeliest candidate first"
        if daily.high <= 0:
            return f"Trying other candidates costs nothing measurable a day, {beside}."
        if daily.low <= 0:
            return f"Trying other candidates costs at most {self._amount(daily.high)} a day, maybe nothing, {beside}."
        return f"Trying other candidates costs about {self._amount(daily.value)} a day ({self._span(daily)}), {beside}."

    def each(self, gain: MoneyInterval) -> str:
        """Return the gain of a checkout."""
        return self._amount(gain.value, is_small=True)

    def between(self, gain: MoneyInterval) -> str:
        """Return the interval of the gain of a checkout."""
        return f"{self._amount(gain.low, is_small=True)} to {self._amount(gain.high, is_small=True)}"

    def _no_gain(self) -> str:
        if self._placement.holdback is None:
            return (
                "What learning brings cannot be known without a holdback: customers who always get your own order, "
                "to compare with."
            )
        decisions = self._frame.show.count(self._money.held_back, "complete checkout")
        return (
            f"What learning brings cannot be said yet: the holdback has {decisions} in the sample, too few to compare."
        )

    def _span(self, interval: MoneyInterval) -> str:
        return f"{self._amount(interval.low)} to {self._amount(interval.high)}"

    def _amount(self, amount: float, *, is_small: bool = False) -> str:
        """Return an amount, rounded to two figures where more would pretend to be exact."""
        rounded = round(amount) if is_small or abs(amount) < 100 else round(amount, 2 - len(str(abs(int(amount)))))
        return self._frame.show.money(int(rounded), self._currency)

    @property
    def _currency(self) -> str:
        return self._frame.merchant.currency


handlers = [money_csv]
