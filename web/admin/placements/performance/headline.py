"""How checkouts end: the share with a purchase, its trend, and what it is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bandits.evaluation.stratified import StratifiedDifference
from engine.insights.comparisons import Performance
from engine.statistics.checkouts import CheckoutBin
from web.admin.placements.performance.period import PagePeriod, span_of
from web.admin.shell.frame import Frame
from web.charts.candidate_charts import Spec
from web.charts.performance_charts import trend
from web.csv_text import Rows


@dataclass(frozen=True)
class HeadlineView:
    """The headline in words; `compared` says what with. There is no `chart` before there are several points."""

    title: str
    compared: str
    bins: Sequence[CheckoutBin]
    chart_title: str
    chart: Spec | None


def headline_view(frame: Frame, performance: Performance, period: PagePeriod, *, has_holdback: bool) -> HeadlineView:
    """Say how many checkouts end in a purchase."""
    figures, show = performance.checkouts, frame.show
    ends = "end in a choice" if figures.is_choice else "end in a purchase"
    if figures.share is None:
        return HeadlineView(f"Too few complete checkouts to say how many {ends}", "", [], "", None)
    share = figures.share
    title = f"{show.percent(share.mean)} of checkouts {ends} ({show.interval(share.low, share.high)})"
    compared = _compared(frame, performance, period, has_holdback=has_holdback)
    if figures.is_choice:
        compared += " No purchases were reported; report them as “converted”."
    # `total` is of all customers, also where one group is shown.
    if not period.bucket and share.decisions < performance.total:
        compared += f" Estimated from {show.number(share.decisions)} of {show.count(performance.total, 'checkout')}."
    chart = trend(figures.bins, show=show) if figures.bins else None
    return HeadlineView(title, compared, figures.bins, course_title(frame, figures.bins), chart)


def checkout_table(performance: Performance) -> Rows:
    """Return the trend as CSV rows; shares are 0 to 1."""
    rows = [[each.begin, each.end, *each.share] for each in performance.checkouts.bins]
    return [("from_epoch_ms", "to_epoch_ms", "share", "low", "high", "decisions"), *rows]


def _compared(frame: Frame, performance: Performance, period: PagePeriod, *, has_holdback: bool) -> str:
    figures = performance.checkouts
    if period.compare == "holdback":
        if figures.held_back is not None:
            return _difference(frame, figures.held_back, "customers in the holdback")
        if has_holdback:
            return "Too few customers in the holdback have complete checkouts to compare with."
        return "There is no holdback, so nobody knows what checkouts without personalization would do."
    if figures.before is None:
        return f"There are too few checkouts in the {span_of(performance.days)} before to compare with."
    return _difference(frame, figures.before, f"the {span_of(performance.days)} before")


def _difference(frame: Frame, difference: StratifiedDifference, beside: str) -> str:
    value, low, high = difference.value, difference.low, difference.high
    if low <= 0 <= high:
        return f"This is not clearly different from {beside}: {frame.show.points_between(low, high)} points."
    if value < 0:
        value, low, high = -value, -high, -low
    more = "more" if difference.value > 0 else "fewer"
    return f"This is {frame.show.points(value)} points {more} than {beside} ({frame.show.points_between(low, high)})."


def course_title(frame: Frame, bins: Sequence[CheckoutBin], *, subject: str = "The share") -> str:
    """Say how a share moved: whether its first and last points are surely different."""
    if not bins:
        return ""
    first, last = bins[0].share, bins[-1].share
    if last.low > first.high or last.high < first.low:
        way = "rose" if last.mean > first.mean else "fell"
        return f"{subject} {way} from {frame.show.percent(first.mean)} to {frame.show.percent(last.mean)}"
    low, high = min(each.share.mean for each in bins), max(each.share.mean for each in bins)
    return f"{subject} stayed between {frame.show.percent(low)} and {frame.show.percent(high)}"
