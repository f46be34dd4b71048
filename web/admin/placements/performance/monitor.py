"""What decides at this moment: the engine's estimates, the chances that follow from them, and who came first lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.insights.arms_monitor import Arm, Arms
from engine.model.placement import Fixed, Placement, Split
from web.admin.shell.frame import Frame
from web.charts.candidate_charts import ArmEstimate, Spec, estimates
from web.charts.candidate_names import CandidateNames
from web.csv_text import Rows

SURE = 0.95
LIKELY = 0.6


@dataclass(frozen=True)
class Measure:
    """The outcome that the placement learns from, in words."""

    name: str
    meaning: str
    tries: str


@dataclass(frozen=True)
class ArmRow:
    """One candidate; shares and rates are 0 to 1, `share` is None where nothing was answered lately.

    `chance` is None where customers are looked at together that are learned about apart.
    """

    id: str
    label: str
    colour: int
    chance: float | None
    mean: float
    low: float
    high: float
    trials: int
    successes: int
    share: float | None
    exclusion: str


@dataclass(frozen=True)
class MonitorView:
    """The verdict in words first, then the figures behind it."""

    outages: Sequence[str]
    verdict: str
    evidence: str
    has_chances: bool
    arms: Sequence[ArmRow]
    chart_title: str
    chart: Spec | None


MEASURES = {
    "selected": Measure(
        "Chosen when seen",
        "how often customers choose this candidate when they can.",
        "decisions in which the customer chose and saw this candidate.",
    ),
    "converted": Measure(
        "Chosen when seen",
        "how often a purchase is completed with this candidate when the customer tried or skipped it.",
        "completed decisions in which the customer saw this candidate.",
    ),
    "revenue": Measure(
        "Chosen when seen",
        "how often a purchase is completed with this candidate. The engine learns the amount of a purchase separately.",
        "completed decisions in which the customer saw this candidate.",
    ),
    "margin": Measure(
        "Chosen when seen",
        "how often a purchase is completed with this candidate. The engine adds the margin after fees for each cart.",
        "completed decisions in which the customer saw this candidate.",
    ),
}


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


def monitor_view(frame: Frame, placement: Placement, arms: Arms, names: CandidateNames) -> MonitorView:
    """Say what the engine believes and does now."""
    rows = [_row(arm, names, is_answering=arms.decisions > 0) for arm in arms.arms]
    verdict, evidence = verdict_on(frame, placement, rows)
    measure = measure_of(placement)
    offered = [row for row in rows if not row.exclusion]
    dots = [
        ArmEstimate(label=row.label, colour=row.colour, mean=row.mean, low=row.low, high=row.high) for row in offered
    ]
    tried = [row for row in offered if row.trials]
    has_chart = bool(tried) and arms.bucket is not None
    return MonitorView(
        outages=[
            f"{names[outage.candidate]} seems to be down since {frame.show.clock(outage.since)}."
            for outage in frame.engine.live.outages(frame.merchant.id, placement.key)
        ],
        verdict=verdict,
        evidence=evidence,
        has_chances=arms.bucket is not None,
        arms=rows,
        chart_title=_highest(frame, tried, measure) if has_chart else "",
        chart=estimates(dots, show=frame.show, measure=measure.name) if has_chart else None,
    )


def estimate_table(monitor: MonitorView) -> Rows:
    """Return the estimates as CSV rows; rates and shares are 0 to 1."""
    names = ("label", "mean", "low", "high", "successes", "trials", "chance", "share")
    return [names, *([getattr(arm, name) for name in names] for arm in monitor.arms)]


def _highest(frame: Frame, rows: Sequence[ArmRow], measure: Measure) -> str:
    best = max(rows, key=lambda row: row.mean)
    return f"{best.label} has the highest estimate: {measure.name.lower()} {frame.show.percent(best.mean)}"


def _row(arm: Arm, names: CandidateNames, *, is_answering: bool) -> ArmRow:
    return ArmRow(
        id=arm.id,
        label=names[arm.id],
        colour=names.colours.get(arm.id, 0),
        chance=arm.chance,
        mean=arm.mean,
        low=arm.low,
        high=arm.high,
        trials=round(arm.trials),
        successes=round(arm.successes),
        share=arm.share if is_answering else None,
        exclusion=arm.exclusion[:1].upper() + arm.exclusion[1:],
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
    often = frame.show.percent(chance, digits=0)
    if chance >= SURE or not others:
        return f"Nearly all new customers see {first.label} first", f"It comes first for {often} of them. {rests_on}"
    if chance >= LIKELY:
        return f"Most new customers see {first.label} first", f"It comes first for {often} of them. {rests_on}"
    title = f"New customers see {first.label} or {others[0].label} first"
    return title, f"More results are needed to prefer one of them. {rests_on}"
