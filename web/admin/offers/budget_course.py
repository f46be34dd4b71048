"""How a budget is used up over time, in words and as a chart."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model.documents.offer import OfferBudget
from engine.model.timestamps import ms_of
from engine.offers.budgets import BudgetBalance, SpendingHistory
from engine.offers.burn_down import BurnDown
from rules.language.codes import decimals_of
from web.admin.shell.frame import Frame
from web.charts.budget_charts import DAY, DAYS, BudgetMeasure, burn_down_chart, spent_by_day
from web.charts.candidate_charts import Spec
from web.format import Show

SOON = 2 * DAY
"""A forecast this near is said with the time of day."""


@dataclass(frozen=True)
class Course:
    """The chart of a budget with its message; `measured` is what its values are."""

    chart: Spec
    message: str
    explained: str
    measured: str


async def course_of(frame: Frame, row: BudgetBalance) -> Course:
    """Return the course of a budget that was used."""
    show, budget = frame.show, row.budget
    spending = await frame.engine.budgets.spending(frame.merchant.id, row, now=show.now)
    measure = _measure(budget, show, by_uses=spending.by_uses)
    if spending.course is not None:
        chart = burn_down_chart(spending.course, measure, show=show)
        text = _left_at_end(spending.course, budget, measure, show) or forecast_text(spending.course, show)
        return Course(chart, text, _pace_text(spending.course, measure), "Left")
    cap = None if budget.scope == "customer" else budget.uses if spending.by_uses else budget.amount
    chart = spent_by_day(spending.days, measure, last=show.now // DAY, cap=cap, show=show)
    explained = "What was redeemed, less refunds, by day (UTC)." + (" The line is the limit of a day." if cap else "")
    return Course(chart, _spent_text(spending, measure, show), explained, "Spent")


def forecast_text(course: BurnDown, show: Show) -> str:
    """Return when a budget is used up at its pace, such as “At this pace used up on Dec 12, 2026”."""
    if course.points[-1][1] <= 0:
        return "Nothing is left"
    if course.used_up_at is None:
        return "At this pace it lasts for years" if course.pace else "Nothing was spent in the last days"
    if course.used_up_at - show.now < SOON:
        return f"At this pace used up {show.ago(course.used_up_at)}, at {show.clock(course.used_up_at)}"
    return f"At this pace used up on {show.day(course.used_up_at)}"


def _left_at_end(course: BurnDown, budget: OfferBudget, measure: BudgetMeasure, show: Show) -> str:
    """Return what a paced budget has left when its time ends; empty without pacing, and where nothing is left then."""
    end = ms_of(budget.pacing.ends_at) if budget.pacing is not None else None
    if end is None or end <= show.now:
        return ""
    left = round(course.points[-1][1] - course.pace * (end - show.now) / DAY)
    return f"At this pace {measure.text(left)} is left when its time ends on {show.day(end)}" if left > 0 else ""


def _pace_text(course: BurnDown, measure: BudgetMeasure) -> str:
    pace = measure.text(round(course.pace))
    return f"What is left after all that is spent or held. Pace: {pace} a day, the average of the last 7 days."


def _spent_text(spending: SpendingHistory, measure: BudgetMeasure, show: Show) -> str:
    today = show.now // DAY
    spent = sum(day.spent for number, day in spending.days.items() if number > today - DAYS)
    return f"{measure.text(spent)} spent in the last {DAYS} days"


def _measure(budget: OfferBudget, show: Show, *, by_uses: bool) -> BudgetMeasure:
    if by_uses:
        return BudgetMeasure(lambda value: show.count(value, "use"), 1, "Uses")
    currency = budget.currency
    return BudgetMeasure(lambda value: show.money(value, currency), 10 ** decimals_of(currency), currency)
