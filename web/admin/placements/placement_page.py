"""The page of one placement: which candidate is ahead, how sure that is, and who came first over time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.insights.arms_monitor import Arm, Arms
from engine.model.errors import NotFound
from engine.model.placement import Contextual, Fixed, Placement, Split, Thompson
from engine.model.timestamps import MINUTE
from engine.statistics.share import Share
from web.admin.placements.placement_health import HealthView, health_view
from web.admin.placements.placement_learned import LearnedView, learned_view
from web.admin.shell.csv_file import csv_file
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page
from web.charts.candidate_charts import ArmEstimate, ArmShare, Spec, estimates, shares, unique_names
from web.csv_text import Rows

MINUTES = 60
ENOUGH_IN_A_BIN = 30
MOST_BINS = 30
SURE = 0.95
LIKELY = 0.6


@dataclass(frozen=True)
class Measure:
    """The outcome that the placement learns from, in words."""

    name: str
    verb: str
    meaning: str
    tries: str


@dataclass(frozen=True)
class ArmRow:
    """One candidate; shares and rates are 0 to 1, `share` is None where nothing was answered lately.

    `chance` is None where customers are looked at together that are learned about apart.
    """

    label: str
    colour: int
    chance: float | None
    mean: float
    low: float
    high: float
    trials: int
    successes: int
    share: float | None
    why_not: str


@dataclass(frozen=True)
class MonitorView:
    """The verdict in words first, then the figures behind it."""

    outages: Sequence[str]
    verdict: str
    evidence: str
    has_chances: bool
    arms: Sequence[ArmRow]
    lines: Sequence[ArmShare]
    estimates_chart: Spec
    shares_chart: Spec


@dataclass(frozen=True)
class Choice:
    """A group of customers that is learned about by itself."""

    value: str
    name: str


@dataclass(frozen=True)
class PlacementPage:
    """The whole page."""

    placement: Placement
    purpose: str
    measure: Measure
    monitor: MonitorView
    buckets: Sequence[Choice]
    bucket: str
    floor_note: str
    share_lines: Sequence[ArmShare]
    share_moments: Sequence[int]
    learned: LearnedView | None
    health: HealthView


@dataclass(frozen=True)
class ArmsFragment:
    """The part of the page that is refreshed."""

    placement: Placement
    measure: Measure
    monitor: MonitorView


MEASURES = {
    "selected": Measure(
        "Selection rate",
        "is chosen most often",
        "how often customers choose this candidate when they can.",
        "decisions in which the customer chose and saw this candidate.",
    ),
    "converted": Measure(
        "Conversion rate",
        "converts best",
        "how often a purchase is completed with this candidate when the customer tried or skipped it.",
        "completed decisions in which the customer saw this candidate.",
    ),
    "revenue": Measure(
        "Conversion rate",
        "converts best",
        "how often a purchase is completed with this candidate. The engine learns the amount of a purchase separately.",
        "completed decisions in which the customer saw this candidate.",
    ),
    "margin": Measure(
        "Conversion rate",
        "converts best",
        "how often a purchase is completed with this candidate. The engine adds the margin after fees for each cart.",
        "completed decisions in which the customer saw this candidate.",
    ),
}


@get("/placements/{key:str}")
async def placement_page(
    frame: NamedDependency[Frame], key: FromPath[str], bucket: FromQuery[str | None] = None
) -> Page:
    """Show how each candidate of a placement performs."""
    placement, arms, monitor = await _monitor(frame, key, bucket)
    labels = {arm.id: arm.label for arm in arms.arms}
    colours = {arm.id: row.colour for arm, row in zip(arms.arms, monitor.arms, strict=True)}
    health = await frame.engine.health.of(frame.merchant.id, key)
    page = PlacementPage(
        placement=placement,
        purpose=purpose_of(placement),
        measure=measure_of(placement),
        monitor=monitor,
        buckets=_choices(frame, placement, arms),
        bucket=arms.bucket or "",
        floor_note=_floor_note(frame, placement),
        share_lines=monitor.lines,
        share_moments=[moment for moment, _ in monitor.lines[0].points] if monitor.lines else [],
        learned=learned_view(frame, placement, [arm.id for arm in arms.arms], [arm.label for arm in arms.arms]),
        health=health_view(frame, health, labels, colours),
    )
    return frame.page("placements/placement.html", page)


def measure_of(placement: Placement) -> Measure:
    """Return what the rates on the page of a placement are rates of."""
    measure = MEASURES[placement.reward]
    if not placement.learns_choices:
        return measure
    meaning = "how often customers would choose this candidate if it alone were offered, in the first slot."
    tries = (
        "decisions that offered this candidate. Rates come from comparisons with the other candidates, not from counts."
    )
    return replace(measure, name="Chosen if alone", meaning=meaning, tries=tries)


@get("/placements/{key:str}/arms")
async def arms_fragment(
    frame: NamedDependency[Frame], key: FromPath[str], bucket: FromQuery[str | None] = None
) -> Page:
    """Show the figures alone, for the page that refreshes them."""
    placement, _, monitor = await _monitor(frame, key, bucket)
    return frame.page("placements/_placement_arms.html", ArmsFragment(placement, measure_of(placement), monitor))


@get("/placements/{key:str}/arms/{file:str}")
async def arms_csv(
    frame: NamedDependency[Frame], key: FromPath[str], file: FromPath[str], bucket: FromQuery[str | None] = None
) -> Response[str]:
    """Send the figures of a chart as CSV, `estimates.csv` or `shares.csv`; rates and shares are 0 to 1."""
    _, _, monitor = await _monitor(frame, key, bucket)
    tables = {"estimates.csv": _estimate_table, "shares.csv": _share_table}
    if file not in tables:
        raise NotFound(f"there is no file “{file}”", field="file")
    return csv_file(f"{key}-{file}", tables[file](monitor))


def _estimate_table(monitor: MonitorView) -> Rows:
    names = ("label", "mean", "low", "high", "successes", "trials", "chance", "share")
    return [names, *([getattr(arm, name) for name in names] for arm in monitor.arms)]


def _share_table(monitor: MonitorView) -> Rows:
    moments = [(moment, line.label, share) for line in monitor.lines for moment, share in line.points]
    return [("epoch_ms", "candidate", "share"), *sorted(moments)]


def purpose_of(placement: Placement) -> str:
    """Return one sentence on how this placement chooses."""
    match placement.policy:
        case Fixed():
            return "Shows candidates in your own order, changed only by rules."
        case Split():
            return "Shows candidates in fixed shares; the same customer always sees the same."
        case Thompson():
            return f"Learns which candidates {goal_of(placement)}, and shows those first more and more often."
        case Contextual():
            return f"Learns which candidates {goal_of(placement)} for whom, and shows each customer those first."


def goal_of(placement: Placement) -> str:
    """Return what the best candidates do, as in “which candidates convert best”."""
    done = {"selected": "are chosen", "converted": "convert", "revenue": "bring in", "margin": "earn"}[placement.reward]
    measure = "most" if placement.reward in ("revenue", "margin") else "best"
    return f"{done} {'least' if placement.goal == 'minimise' else measure}"


async def _monitor(frame: Frame, key: str, bucket: str | None) -> tuple[Placement, Arms, MonitorView]:
    merchant_id = frame.merchant.id
    configuration = await frame.engine.catalogue.configuration(merchant_id)
    placement: Placement = configuration.get("placement", "", key).document
    arms = await frame.engine.monitor.arms(merchant_id, key, bucket=bucket or None, minutes=MINUTES)
    names = unique_names({arm.id: arm.label for arm in arms.arms})
    arms = arms._replace(arms=[arm._replace(label=names[arm.id]) for arm in arms.arms])
    return placement, arms, _view(frame, placement, arms, configuration.colours(key))


def _view(frame: Frame, placement: Placement, arms: Arms, colours: dict[str, int]) -> MonitorView:
    rows = [_row(arm, colours, is_answering=arms.decisions > 0) for arm in arms.arms]
    verdict, evidence = verdict_on(frame, placement, rows)
    dots = [
        ArmEstimate(label=row.label, colour=row.colour, mean=row.mean, low=row.low, high=row.high)
        for row in rows
        if not row.why_not
    ]
    lines = [
        ArmShare(label=row.label, colour=row.colour, points=points)
        for row, points in zip(rows, _lines(arms), strict=True)
    ]
    labels = {arm.id: arm.label for arm in arms.arms}
    return MonitorView(
        outages=[
            f"{labels.get(outage.candidate, outage.candidate)} seems to be down since {frame.show.clock(outage.since)}."
            for outage in frame.engine.live.outages(frame.merchant.id, placement.key)
        ],
        verdict=verdict,
        evidence=evidence,
        has_chances=arms.bucket is not None,
        arms=rows,
        lines=lines,
        estimates_chart=estimates(dots, show=frame.show, measure=measure_of(placement).name),
        shares_chart=shares(lines, show=frame.show),
    )


def _row(arm: Arm, colours: dict[str, int], *, is_answering: bool) -> ArmRow:
    return ArmRow(
        label=arm.label,
        colour=colours.get(arm.id, 0),
        chance=arm.chance,
        mean=arm.mean,
        low=arm.low,
        high=arm.high,
        trials=round(arm.trials),
        successes=round(arm.successes),
        share=arm.share if is_answering else None,
        why_not=arm.why_not[:1].upper() + arm.why_not[1:],
    )


def verdict_on(frame: Frame, placement: Placement, rows: Sequence[ArmRow]) -> tuple[str, str]:
    """Return what the figures say and how many tries they are based on."""
    # One choice among all is a try of each of them.
    tries = (max if placement.learns_choices else sum)([0, *(row.trials for row in rows)])
    rests_on = f"Based on {frame.show.count(tries, 'try', 'tries')} so far."
    if isinstance(placement.policy, Fixed):
        return "The order is fixed", "Results are counted, but do not change the order."
    if isinstance(placement.policy, Split):
        return "The shares are fixed", f"Results are counted, but do not change the shares. {rests_on}"
    if not tries:
        return "Nothing learned yet", "Every candidate is about equally likely to come first until results arrive."
    return _leader(frame, placement, rows, rests_on)


def _leader(frame: Frame, placement: Placement, rows: Sequence[ArmRow], rests_on: str) -> tuple[str, str]:
    racing = sorted((row for row in rows if row.chance is not None), key=lambda row: -(row.chance or 0))
    if not racing:
        most = max(rows, key=lambda row: row.share or 0)
        apart = "Choose a customer group to see its chances."
        if not most.share:
            return "No decisions in the last hour", f"{apart} {rests_on}"
        share = frame.show.percent(most.share, digits=0)
        return f"{most.label} comes first most often", f"In {share} of the last hour's decisions. {apart} {rests_on}"
    first, *others = racing
    chance = first.chance or 0
    if chance >= SURE or not others:
        return f"{first.label} {MEASURES[placement.reward].verb}", f"This is nearly certain. {rests_on}"
    if chance >= LIKELY:
        often = frame.show.percent(chance, digits=0)
        return f"{first.label} is ahead", f"It is first for {often} of new customers. {rests_on}"
    return f"Too close to call: {first.label} or {others[0].label}", f"More results are needed. {rests_on}"


def _choices(frame: Frame, placement: Placement, arms: Arms) -> list[Choice]:
    """Return the choices of customers: everyone first, then each group that is learned separately."""
    if not placement.buckets:
        return []
    named = [Choice(name, _bucket_name(frame, placement, name)) for name in arms.buckets]
    return [Choice("", "All"), *sorted(named, key=lambda choice: choice.name)]


def _bucket_name(frame: Frame, placement: Placement, bucket: str) -> str:
    parts = zip(placement.buckets, bucket.split("|"), strict=False)
    return " · ".join(_part(frame, name, value) for name, value in parts)


def _part(frame: Frame, name: str, value: str) -> str:
    if value in ("", "-"):
        return "unknown"
    return frame.show.country(value) if name.endswith("country") else value


def _floor_note(frame: Frame, placement: Placement) -> str:
    if not isinstance(placement.policy, Thompson | Contextual) or not placement.policy.floor:
        return ""
    share = frame.show.percent(placement.policy.floor)
    if placement.learns_choices:
        return f"; {share} is reserved for trying each candidate, more with few visits and less with many"
    return f"; {share} is spread evenly, so that each candidate is tried"


def _lines(arms: Arms) -> list[list[tuple[int, float]]]:
    """Return each candidate's share of first places by bin, at the bin's first minute."""
    bins = _bins(arms.shares)
    return [[(minute * MINUTE, count[arm.id] / count.total()) for minute, count in bins] for arm in arms.arms]


def _bins(shares: Sequence[Share]) -> list[tuple[int, Counter[str]]]:
    """Count who came first in consecutive minutes, so many of them that each bin has enough decisions."""
    by_minute: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for share in shares:
        by_minute[share.minute][share.candidate] += share.firsts
    narrowest = (max(by_minute, default=0) - min(by_minute, default=0)) / MOST_BINS
    bins: list[tuple[int, Counter[str]]] = []
    for minute, count in sorted(by_minute.items()):
        is_full = bins and bins[-1][1].total() >= ENOUGH_IN_A_BIN and minute - bins[-1][0] >= narrowest
        if is_full or not bins:
            bins.append((minute, Counter(count)))
        else:
            bins[-1][1].update(count)
    return bins


handlers = [placement_page, arms_fragment, arms_csv]
