"""How a placement learns: how sure it is of each candidate, how rates moved, when results arrive, what weighs how much.

Every chart has its figures as a table and as CSV.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

import bandits
from engine.insights.learning_history import BucketEvidence, DayRate, Insight, Jump, VersionRow
from engine.model.errors import NotFound
from engine.model.placement import Contextual, Thompson
from engine.model.timestamps import DAY, MINUTE
from web.admin.placements.performance.groups import group_name
from web.admin.placements.performance.learning_cost import MoneyView, money_view
from web.admin.placements.performance.monitor import MEASURES
from web.admin.placements.placement_calibration import CalibrationView, calibration_view
from web.admin.placements.placement_form import CREDITS
from web.admin.placements.placement_model import ModelView, model_view
from web.admin.shell.csv_file import exported_csv
from web.admin.shell.frame import Frame
from web.admin.shell.render import Page
from web.charts.candidate_charts import Spec, unique_names
from web.charts.learning_charts import ArmCurve, ArmDay, arrivals, densities, history, pooled
from web.csv_text import Rows

HOUR = 60 * MINUTE
MOST_HILLS, LEAST_HILLS, LEAST_TRIES = 8, 2, 10
MOST_GROUPS = 50
FEW_OUTCOMES = 30
ENOUGH_DAYS = 3


@dataclass(frozen=True)
class BeliefRow:
    """The belief about a candidate: its own evidence, and its prior; rates are 0 to 1."""

    label: str
    colour: int
    counted: int
    effective: float
    began_with: float
    strength: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class GroupRow:
    name: str
    trials: float
    own_share: float


@dataclass(frozen=True)
class LearningPage:
    """Each chart with the sentence above it; an empty sentence where there is nothing to say yet."""

    placement: object
    measure: str
    sure: str
    moved: str
    arrive: str
    pending: str
    weigh: str
    costs: str
    fades: str
    credit: str
    examination: Sequence[str]
    beliefs: Sequence[BeliefRow]
    days: Sequence[ArmDay]
    points: Sequence[tuple[str, float]]
    groups: Sequence[GroupRow]
    more_groups: int
    densities_chart: Spec | None
    history_chart: Spec | None
    arrivals_chart: Spec | None
    learns: bool
    calibration: CalibrationView | None
    model: ModelView | None
    money: MoneyView | None
    versions: Sequence[VersionRow]


@get("/placements/{key:str}/learning")
async def learning_page(frame: NamedDependency[Frame], key: FromPath[str]) -> Page:
    """Show what the placement's estimates are based on."""
    insight, colours = await _insight(frame, key)
    measure = _measure(insight)
    believed, days = _beliefs(insight, colours), _days(insight, colours)
    hills = _hills(insight, colours)
    page = LearningPage(
        placement=insight.placement,
        measure=measure,
        sure=_certainty(believed),
        moved=_movement(frame, insight),
        arrive=_arrival(frame, insight),
        pending=_pending(frame, insight),
        weigh=_pooling(frame, insight),
        costs=_exploration_cost(frame, insight),
        fades=_fading(frame, insight, believed),
        credit=dict(CREDITS)[insight.placement.credit],
        examination=_examination(frame, insight),
        beliefs=believed,
        days=days,
        points=[(_duration(frame, age), share) for age, share in insight.arrivals],
        groups=[_group(frame, insight, group) for group in insight.groups[:MOST_GROUPS]],
        more_groups=max(0, len(insight.groups) - MOST_GROUPS),
        densities_chart=densities(hills, show=frame.show, measure=measure) if len(hills) >= LEAST_HILLS else None,
        history_chart=history(pooled(days), show=frame.show, measure=measure) if _has_several_days(insight) else None,
        arrivals_chart=arrivals(insight.arrivals, show=frame.show) if insight.outcomes >= FEW_OUTCOMES else None,
        learns=isinstance(insight.placement.policy, Thompson | Contextual),
        calibration=calibration_view(insight, frame.show),
        model=await model_view(frame, insight),
        money=await money_view(frame, insight.placement),
        versions=insight.versions,
    )
    return frame.page("placements/placement_learning.html", page)


@get("/placements/{key:str}/learning/{file:str}")
async def learning_csv(frame: NamedDependency[Frame], key: FromPath[str], file: FromPath[str]) -> Response[str]:
    """Send the figures of a chart as CSV, such as `days.csv`; shares and rates are 0 to 1."""
    table = TABLES.get(file.removesuffix(".csv"))
    if table is None:
        raise NotFound(f"there is no file “{file}”", field="file")
    insight, colours = await _insight(frame, key)
    return await exported_csv(frame, f"{key}-{file}", table(insight, colours))


async def _insight(frame: Frame, key: str) -> tuple[Insight, dict[str, int]]:
    insight = await frame.engine.insights.of(frame.merchant.id, key)
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    return insight._replace(labels=unique_names(insight.labels)), configuration.colours(key)


def _beliefs(insight: Insight, colours: dict[str, int]) -> list[BeliefRow]:
    counted = _counted(insight.days)
    rows = []
    for name, label in insight.labels.items():
        belief = insight.beliefs.get(name)
        evidence = belief.evidence if belief else bandits.Evidence()
        prior = belief.prior if belief else bandits.FLAT
        low, high = bandits.interval(evidence, prior=prior)
        mean = bandits.mean(evidence, prior)
        rows.append(
            BeliefRow(label, colours.get(name, 0), counted.get(name, 0), evidence.trials, prior.mean, prior.strength,
                   mean, low, high)
        )  # fmt: skip
    return rows


def _measure(insight: Insight) -> str:
    """Return what the rates here are rates of: one choice among all is a try of each candidate that was offered."""
    return "Chosen when offered" if insight.placement.learns_choices else MEASURES[insight.placement.reward].name


def _counted(days: Sequence[DayRate]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in days:
        sums[row.candidate] = sums.get(row.candidate, 0) + row.trials
    return sums


def _hills(insight: Insight, colours: dict[str, int]) -> list[ArmCurve]:
    """Return the candidates with the most certain estimates: there are only so many colours."""
    arms = []
    for name, label in insight.labels.items():
        belief = insight.beliefs.get(name)
        if belief is not None and belief.trials >= LEAST_TRIES:
            a, b = bandits.posterior(belief.evidence, belief.prior)
            arms.append(ArmCurve(label=label, colour=colours.get(name, 0), a=a, b=b))
    return sorted(arms, key=lambda arm: -(arm.a + arm.b))[:MOST_HILLS]


def _days(insight: Insight, colours: dict[str, int]) -> list[ArmDay]:
    begun = {jump.candidate: jump.day for jump in insight.jumps}
    return [
        ArmDay(
            label=insight.labels[row.candidate],
            colour=colours.get(row.candidate, 0),
            day=row.day,
            rate=row.successes / row.trials,
            trials=row.trials,
            forgotten=row.day < begun.get(row.candidate, 0),
        )
        for row in insight.days
        if row.trials > 0 and row.candidate in insight.labels
    ]


def _certainty(beliefs: Sequence[BeliefRow]) -> str:
    ranked = sorted((belief for belief in beliefs if belief.effective), key=lambda belief: belief.high - belief.low)
    if not ranked:
        return "No results yet: every rate is equally likely"
    if len(ranked) == 1:
        return f"Only {ranked[0].label} has results so far"
    return f"{ranked[0].label} is the most certain, {ranked[-1].label} the least"


def _exploration_cost(frame: Frame, insight: Insight) -> str:
    if (
        insight.regret is None
        or insight.placement.goal == "minimise"
        or insight.placement.reward in ("revenue", "margin")
    ):
        return ""
    lost = frame.show.number(1000 * insight.regret, digits=1)
    return f"Trying other candidates costs about {lost} successes in 1,000 decisions."


def _fading(frame: Frame, insight: Insight, beliefs: Sequence[BeliefRow]) -> str:
    show, days = frame.show, insight.placement.half_life_days
    text = f"Results of {show.number(days)} days ago count half"
    counted, effective = sum(belief.counted for belief in beliefs), sum(belief.effective for belief in beliefs)
    if not counted:
        return f"{text}."
    tries = show.count(counted, "try", "tries")
    return f"{text}: the {tries} of the last 90 days weigh as much as {show.number(effective)} new ones."


def _has_several_days(insight: Insight) -> bool:
    return len({row.day for row in insight.days}) > 1


def _movement(frame: Frame, insight: Insight) -> str:
    if not insight.days:
        return ""
    if len({row.day for row in insight.days}) < ENOUGH_DAYS:
        return "Results of a few days are needed to show changes"
    if not insight.jumps:
        return "No candidate's rate has jumped in the last 90 days"
    return " ".join(_jump(frame, insight, jump) for jump in insight.jumps)


def _jump(frame: Frame, insight: Insight, jump: Jump) -> str:
    label, when = insight.labels.get(jump.candidate, jump.candidate), frame.show.day(jump.day * DAY)
    before, after = frame.show.percent(jump.before), frame.show.percent(jump.after)
    return f"{label} went from {before} to {after} on {when}. Earlier results are dropped."


def _arrival(frame: Frame, insight: Insight) -> str:
    if insight.outcomes < FEW_OUTCOMES:
        return "Too few results are complete to say when they arrive" if insight.pending else ""
    half, most = (_duration(frame, _within(insight, share)) for share in (0.5, 0.95))
    if half == most:
        return f"95% of the successes arrive within {most}"
    return f"Half of the successes arrive within {half}, 95% within {most}"


def _pending(frame: Frame, insight: Insight) -> str:
    pending = frame.show.count(insight.pending, "try", "tries")
    return f"{pending} still wait for a result{' and count in part' if insight.outcomes >= FEW_OUTCOMES else ''}."


def _within(insight: Insight, share: float) -> int:
    return next(
        (age for age, arrived in insight.arrivals if arrived >= share), insight.placement.window_minutes * MINUTE
    )


def _duration(frame: Frame, ms: int) -> str:
    if ms < 2 * MINUTE:
        return f"{frame.show.number(ms / 1000)} s"
    if ms < 2 * HOUR:
        return f"{frame.show.number(ms / MINUTE)} min"
    return f"{frame.show.number(ms / HOUR)} h"


def _pooling(frame: Frame, insight: Insight) -> str:
    own = _tries(frame, insight.fit.customer_strength)
    customers = f"A customer's own choices count as much as those of all other customers after {own}."
    if not insight.placement.buckets:
        return customers
    begin = _tries(frame, insight.fit.bucket_strength)
    return f"A group of customers starts from all customers' results, counted as {begin} per candidate. {customers}"


def _tries(frame: Frame, strength: float) -> str:
    return frame.show.count(round(strength), "try", "tries")


def _examination(frame: Frame, insight: Insight) -> list[str]:
    if insight.placement.credit not in ("position", "cascade"):
        return []
    is_set = insight.placement.credit == "position" and insight.placement.examination
    weights = insight.placement.examination if is_set else insight.fit.examination
    return [frame.show.percent(weight, digits=0) for weight in weights]


def _group(frame: Frame, insight: Insight, group: BucketEvidence) -> GroupRow:
    return GroupRow(group_name(frame, insight.placement, group.bucket), group.trials, group.own_share)


def _belief_table(insight: Insight, colours: dict[str, int]) -> Rows:
    names = ("candidate", "counted", "effective", "began_with", "strength", "mean", "low", "high")
    rows: list[list[object]] = [
        [belief.label, *(getattr(belief, name) for name in names[1:])] for belief in _beliefs(insight, colours)
    ]
    return [list(names), *rows]


def _day_table(insight: Insight, colours: dict[str, int]) -> Rows:
    rows: list[list[object]] = [
        [day.label, day.day, day.trials, day.rate, day.forgotten] for day in _days(insight, colours)
    ]
    return [["candidate", "epoch_day", "trials", "rate", "forgotten"], *rows]


def _arrival_table(insight: Insight, _colours: dict[str, int]) -> Rows:
    rows: list[list[object]] = [[age, share] for age, share in insight.arrivals]
    return [["milliseconds", "share"], *rows]


def _calibration_table(insight: Insight, _colours: dict[str, int]) -> Rows:
    rows: list[list[object]] = [
        [week.first_day, week.arm, week.sums.trials, week.sums.expected, week.sums.successes, week.is_off]
        for week in insight.calibration
    ]
    return [["first_epoch_day", "candidate", "trials", "expected", "successes", "is_off"], *rows]


def _group_table(insight: Insight, _colours: dict[str, int]) -> Rows:
    rows: list[list[object]] = [[group.bucket, group.trials, group.own_share] for group in insight.groups]
    return [["group", "trials", "own_share"], *rows]


def _weight_table(insight: Insight, _colours: dict[str, int]) -> Rows:
    facts, moments = (insight.weights.facts, insight.weights.moments) if insight.weights else ((), ())
    rows = [[fact.where, moment, odds] for fact in facts for moment, odds in zip(moments, fact.odds, strict=True)]
    return [["fact", "epoch_ms", "odds"], *rows]


TABLES: dict[str, Callable[[Insight, dict[str, int]], Rows]] = {
    "beliefs": _belief_table,
    "days": _day_table,
    "arrivals": _arrival_table,
    "groups": _group_table,
    "calibration": _calibration_table,
    "weights": _weight_table,
}


handlers = [learning_page, learning_csv]
