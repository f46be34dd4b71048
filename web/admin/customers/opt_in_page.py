"""Opt-in rates: how many of the customers who answer accept each purpose, over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from litestar import get
from litestar.di import NamedDependency

from engine.customers.opt_in import OptInRates, PurposeAnswers
from web.admin.shell.admission import AnyRequest
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page
from web.charts.candidate_charts import ArmShare, Spec, shares
from web.format import Show
from web.overview.period import RANGES, OverviewPeriod

MOST_DAILY = 31
"""Longer ranges are shown by week."""
DAYS_A_WEEK = 7


@dataclass(frozen=True)
class OptInRow:
    """The answers about a purpose in a day or week, or in the whole time; `when` is empty for the whole time."""

    when: str
    purpose: str
    accepted: int
    refused: int
    rate: float


@dataclass(frozen=True)
class OptInPage:
    """Rates by purpose, the chart where there are several days, and its figures; `headline` says the main one."""

    period: OverviewPeriod
    is_weekly: bool
    totals: Sequence[OptInRow]
    rows: Sequence[OptInRow]
    chart: Spec | None
    headline: str
    dismissed: int
    signals: int
    is_sample: bool
    ranges: Sequence[tuple[str, str]] = tuple(RANGES.items())


@get("/customers/opt-in")
async def opt_in_page(request: AnyRequest, frame: NamedDependency[Frame]) -> Page:
    """Show the rates in the range of days of the address."""
    period = OverviewPeriod.of(request.query_params, frame.show)
    days, is_weekly = _edges(period)
    edges = [*(frame.show.midnight(day) for day in days), period.span.end]
    rates = await frame.engine.opt_ins.rates(frame.merchant.id, edges)
    names = await frame.engine.consents.purposes(frame.merchant.id)
    order = [*names, *sorted({each.purpose for each in rates.answers} - set(names))]
    totals = [_total(purpose, own) for purpose in order if (own := _of(rates, purpose))]
    page = OptInPage(
        period=period,
        is_weekly=is_weekly,
        totals=totals,
        rows=[_row(each, frame.show) for each in sorted(rates.answers, key=lambda each: (-each.since, each.purpose))],
        chart=_chart(rates, order, frame.show) if len({each.since for each in rates.answers}) > 1 else None,
        headline=_headline(totals, period, frame.show),
        dismissed=rates.dismissed,
        signals=rates.signals,
        is_sample=rates.is_sample,
    )
    return frame.page("customers/opt_in.html", page)


def _edges(period: OverviewPeriod) -> tuple[list[date], bool]:
    """Return the first days of what is counted together, and whether these are weeks."""
    first = date.fromisoformat(period.first)
    step = DAYS_A_WEEK if period.days > MOST_DAILY else 1
    return [first + timedelta(days=number) for number in range(0, period.days, step)], step > 1


def _of(rates: OptInRates, purpose: str) -> list[PurposeAnswers]:
    return [each for each in rates.answers if each.purpose == purpose]


def _words(purpose: str) -> str:
    return purpose.replace("_", " ").capitalize()


def _row(each: PurposeAnswers, show: Show) -> OptInRow:
    return OptInRow(show.day(each.since), _words(each.purpose), each.accepted, each.refused, each.rate)


def _total(purpose: str, answers: Sequence[PurposeAnswers]) -> OptInRow:
    accepted, refused = sum(each.accepted for each in answers), sum(each.refused for each in answers)
    return OptInRow("", _words(purpose), accepted, refused, accepted / (accepted + refused))


def _chart(rates: OptInRates, order: Sequence[str], show: Show) -> Spec:
    lines = [
        ArmShare(
            label=_words(purpose),
            colour=number,
            points=[(each.since, each.rate) for each in sorted(_of(rates, purpose))],
        )
        for number, purpose in enumerate(order)
    ]
    return shares([line for line in lines if line.points], show=show, subject="Purpose", in_words=show.day)


def _headline(totals: Sequence[OptInRow], period: OverviewPeriod, show: Show) -> str:
    if not totals:
        return ""
    first = totals[0]
    answers = show.count(first.accepted + first.refused, "answer")
    share = show.percent(first.rate)
    return f"{share} of {answers} {period.in_words} allow {first.purpose.lower()}"


handlers = [opt_in_page]
