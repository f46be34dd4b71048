"""Read the results of experiments: one look, all of whose numbers are of one moment."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Literal

import msgspec

from engine.experiments.adaptive.allocation import read_shares
from engine.experiments.adaptive.comparison import (
    MovedTraffic,
    compare_moved,
    guardrails_moved,
    mismatch_moved,
)
from engine.experiments.comparisons import (
    GuardrailState,
    MetricComparison,
    VariantTotals,
    compare,
    estimates_of,
    guardrails,
    has_mismatch,
    mismatch_p_value,
    size_of,
    units_needed,
)
from engine.experiments.log_evidence import LogEvidence, log_evidence, units_of_log
from engine.experiments.looks.balance import GroupBalance, balance_of
from engine.experiments.looks.lift_history import LiftPoint, history_of, stated_points
from engine.experiments.looks.schedule import last_hour, looks_done, next_look
from engine.kernel.experiments.shares import HourlyShares
from engine.model.documents.metric import better_by
from engine.model.errors import NotFound
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from engine.model.timestamps import DAY
from engine.store import resources
from engine.store.connection.database import Database
from engine.store.experiments import looks, sums
from engine.store.experiments.sums import HOURS_A_DAY, PhaseKey, SumRow

DEFAULT_PLAN = 10_000
"""The units that intervals are narrowest at, where nothing is known of the metric yet."""

MOST_SEGMENTS = 30

VerdictKind = Literal["better", "worse", "no_difference", "keep_going", "too_few", "mismatch", "guardrail"]


class VariantUnits(msgspec.Struct, frozen=True):
    """The units of a variant: all that were exposed, and those whose time for outcomes is over."""

    id: str
    name: str
    expected_share: float
    units: int
    matured: int
    converted: int
    orders: int
    revenue: int


class SegmentResult(msgspec.Struct, frozen=True):
    """The primary metric in a segment such as `device.type=mobile`; many segments find differences by chance."""

    segment: str
    units: int
    comparisons: list[MetricComparison]


class ExperimentVerdict(msgspec.Struct, frozen=True):
    """What may be said of the primary metric; `variant` is the one it is about."""

    kind: VerdictKind
    variant: str = ""
    lift: float | None = None
    low: float | None = None
    high: float | None = None


class Results(msgspec.Struct, frozen=True):
    """One look at an experiment. `planned_units` are those that the smallest effect of interest needs.

    `days_left` counts the minimum time too, and is None where the pace is not known. `mismatch_p_value` is about the
    split. `next_look` (epoch ms) is that of a group-sequential experiment, null for others and after the last.
    """

    experiment: str
    placement: str
    as_of: int
    phase: int
    matured_share: float
    variants: list[VariantUnits]
    verdict: ExperimentVerdict
    comparisons: list[MetricComparison]
    guardrails: list[GuardrailState]
    mismatch_p_value: float
    planned_units: int | None
    units_a_day: float
    days_left: float | None
    history: list[LiftPoint]
    segments: list[SegmentResult]
    log: list[LogEvidence]
    next_look: int | None
    balance: list[GroupBalance] = []


class Health(msgspec.Struct, frozen=True):
    """Whether guardrails hold, and how likely units would arrive in shares this far from the split."""

    guardrails: list[GuardrailState]
    mismatch_p_value: float


class ExperimentResults:
    """Reads sums that are kept beside the log, so a look costs the same at any size of the log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def look(
        self, merchant_id: int, resource: Resource, *, now: int, has_details: bool = True, phase: int = 0
    ) -> Results:
        """Return the results of a phase (0: the last one) as they are at `now` (epoch ms); raise `NotFound`.

        Without details, `history` and `segments` are empty: they take most of the time.
        """
        resource = in_phase(resource, phase)
        experiment: Experiment = resource.document
        async with self._database.read() as connection:
            setup = await resources.get(connection, merchant_id, "placement", "", resource.placement)
            window = setup.document.window_minutes
            key, last = phase_of(merchant_id, resource), last_hour(resource.document, window, now)
            is_moved = experiment.is_adaptive
            rows = await (sums.by_hour(connection, key) if is_moved else sums.by_day(connection, key, last_hour=last))
            stated = stated_points(await looks.latest(connection, key)) if has_details else None
        shares = await read_shares(self._database, key, experiment) if is_moved else None
        sums_of = rows if shares is None else MovedTraffic(experiment, rows, shares)
        work = partial(results_of, window_minutes=window, now=now, stated=stated)
        return await asyncio.to_thread(work, experiment, resource.placement, sums_of)

    async def health(self, merchant_id: int, resource: Resource) -> Health:
        """Return what an experiment is stopped for, over all units that were exposed so far."""
        key, experiment = phase_of(merchant_id, resource), resource.document
        async with self._database.read() as connection:
            rows = await (sums.by_hour if experiment.is_adaptive else sums.totals)(connection, key)
        shares = await read_shares(self._database, key, experiment) if experiment.is_adaptive else None
        return health_of(experiment, rows, shares)


def in_phase(resource: Resource, phase: int) -> Resource:
    """Return an experiment as it was in a phase, 0 for the last one; raise `NotFound` where there was none."""
    document = resource.document.in_phase(phase) if phase else resource.document
    if document is None:
        raise NotFound(f"there was no phase {phase}", field="phase")
    return resource._replace(document=document)


def phase_of(merchant_id: int, resource: Resource) -> PhaseKey:
    """Return the key of an experiment's phase in the store."""
    return PhaseKey(merchant_id, resource.placement, resource.id, resource.document.status.phase)


def health_of(experiment: Experiment, rows: Sequence[SumRow], shares: HourlyShares | None = None) -> Health:
    """Return the health of sums by segment and variant, of any hours; by hour where a bandit moved the `shares`."""
    exposed = VariantTotals.of(experiment, [row for row in rows if not row.segment])
    planned = _planned(experiment, exposed) or DEFAULT_PLAN
    if shares is not None:
        traffic = MovedTraffic(experiment, rows, shares)
        return Health(guardrails_moved(traffic, planned_units=planned), mismatch_moved(traffic))
    return Health(guardrails(experiment, exposed, planned_units=planned), mismatch_p_value(experiment, rows))


def results_of(
    experiment: Experiment,
    placement: str,
    sums_of: Sequence[SumRow] | MovedTraffic,
    *,
    window_minutes: int,
    now: int,
    stated: Sequence[LiftPoint] | None = (),
) -> Results:
    """Return the results of sums by segment, hour and variant, or of traffic whose shares a bandit moved.

    `stated` is the part of the history that stored looks have stated already; None leaves out history and segments.
    """
    rows, shares = (sums_of.rows, sums_of.shares) if isinstance(sums_of, MovedTraffic) else (sums_of, None)
    unsegmented = [row for row in rows if not row.segment]
    last = last_hour(experiment, window_minutes, now)
    over = [row for row in rows if row.hour <= last]
    look = looks_done(experiment, last)
    matured = [row for row in over if not row.segment]
    totals, exposed = VariantTotals.of(experiment, matured), VariantTotals.of(experiment, unsegmented)
    planned = _planned(experiment, exposed)
    traffic = MovedTraffic(experiment, unsegmented, shares) if shares is not None else None
    units = planned or DEFAULT_PLAN
    if traffic is not None:
        comparisons = compare_moved(traffic.until(last), planned_units=units)
    else:
        comparisons = compare(experiment, totals, planned_units=units, look=look)
    health = health_of(experiment, rows, shares)
    pace, evidence = _units_a_day(experiment, exposed, now), log_evidence(experiment, totals)
    verdict = _verdict(experiment, comparisons, health, is_complete=bool(planned and totals.units >= planned))
    left = None
    if planned and pace and verdict.kind in ("keep_going", "too_few"):
        needed = planned - totals.units - units_of_log(evidence)
        left = max(0.0, needed / pace, experiment.minimum_days - _days_run(experiment, now))
    return Results(
        experiment=experiment.id,
        placement=placement,
        as_of=now,
        phase=experiment.status.phase,
        matured_share=totals.units / exposed.units if exposed.units else 0.0,
        variants=_variants(experiment, exposed, totals, traffic),
        verdict=verdict,
        comparisons=comparisons,
        guardrails=health.guardrails,
        mismatch_p_value=health.mismatch_p_value,
        planned_units=planned,
        units_a_day=pace,
        days_left=left,
        history=history_of(experiment, matured, units, shares, stated) if stated is not None else [],
        segments=segments_of(experiment, over, units, look) if stated is not None else [],
        log=evidence,
        next_look=next_look(experiment, window_minutes, now),
        balance=balance_of(experiment, rows, units),
    )


def _planned(experiment: Experiment, exposed: VariantTotals) -> int | None:
    """Return the planned number of units, from what the control has shown so far."""
    if exposed.by_variant[0].units < 2:
        return None
    size = size_of(experiment, estimates_of(experiment.primary, exposed.of_metric(experiment.primary))[0])
    if size is None:
        return None
    return units_needed(size, experiment.method)


def _days_run(experiment: Experiment, now: int) -> float:
    began = experiment.status.phase_started_at
    return (now - began) / DAY if began is not None else 0.0


def _units_a_day(experiment: Experiment, exposed: VariantTotals, now: int) -> float:
    began = experiment.status.phase_started_at
    ended = experiment.status.ended_at or now
    return exposed.units / max((ended - began) / DAY, 1 / HOURS_A_DAY) if began is not None else 0.0


def _variants(
    experiment: Experiment, exposed: VariantTotals, matured: VariantTotals, traffic: MovedTraffic | None
) -> list[VariantUnits]:
    weights = sum(variant.weight for variant in experiment.variants)
    shares = [variant.weight / weights for variant in experiment.variants] if traffic is None else traffic.expected()
    return [
        VariantUnits(
            variant.id,
            variant.name,
            share,
            shown.units,
            over.units,
            over.converted,
            over.orders,
            over.revenue,
        )
        for variant, share, shown, over in zip(
            experiment.variants, shares, exposed.by_variant, matured.by_variant, strict=True
        )
    ]


def _verdict(
    experiment: Experiment,
    comparisons: Sequence[MetricComparison],
    health: Health,
    *,
    is_complete: bool,
) -> ExperimentVerdict:
    broken = [state.variant for state in health.guardrails if state.is_broken]
    if has_mismatch(health.mismatch_p_value):
        return ExperimentVerdict("mismatch")
    if broken:
        return ExperimentVerdict("guardrail", broken[0])
    primary = [each for each in comparisons if each.metric == experiment.primary and each.is_ready]
    if len(primary) < len(experiment.variants) - 1:
        return ExperimentVerdict("too_few")
    if experiment.method == "fixed" and not is_complete:
        return ExperimentVerdict("keep_going")
    best = max(primary, key=lambda each: -math.inf if each.lift is None else better_by(each.metric, each.lift))
    if best.is_better:
        return ExperimentVerdict("better", best.variant, best.lift, best.low, best.high)
    if all(each.is_worse for each in primary):
        return ExperimentVerdict("worse", best.variant, best.lift, best.low, best.high)
    effect = experiment.minimum_effect_percent / 100
    bounds = [(each.low, each.high) for each in primary]
    if all(low is not None and high is not None and -effect < low and high < effect for low, high in bounds):
        return ExperimentVerdict("no_difference", best.variant, best.lift, best.low, best.high)
    return ExperimentVerdict("keep_going", best.variant, best.lift, best.low, best.high)


def segments_of(experiment: Experiment, rows: Sequence[SumRow], planned: int, look: int) -> list[SegmentResult]:
    """Return the largest segments of matured rows."""
    totals = {
        segment: VariantTotals.of(experiment, inside)
        for segment, inside in groupby(sorted(rows, key=_segment_of), key=_segment_of)
        if segment
    }
    largest = sorted(totals, key=lambda segment: (-totals[segment].units, segment))[:MOST_SEGMENTS]
    # The log spoke of everybody.
    plain = msgspec.structs.replace(experiment, counts_log=False)
    primary = (experiment.primary,)
    return [
        SegmentResult(
            segment,
            totals[segment].units,
            compare(plain, totals[segment], planned_units=planned, metrics=primary, look=look),
        )
        for segment in largest
    ]


def _segment_of(row: SumRow) -> str:
    return row.segment
