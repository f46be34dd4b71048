"""What needs attention, the worst first, each with the page that acts on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from engine.configuration.configuration import Configuration
from engine.decisions.usage import NEVER, FieldUses, first_day
from engine.model.placement import Placement
from engine.model.timestamps import DAY
from engine.statistics.alarms import Alarm
from web.admin.experiments.experiment_list import results_of
from web.admin.offers.offer_words import share_of
from web.admin.placements.placement_availability import unavailable_notes
from web.admin.shell.frame import Frame
from web.charts.candidate_names import CandidateNames
from web.experiments.experiment_words import summary
from web.overview.alarm_words import alarm_words

ORDER = {"bad": 0, "warn": 1, "good": 2, "info": 3}
WEEK = 7
JUMP_DAYS = 3
LEAST_ANSWERS = 200
OFTEN, SELDOM = 0.5, 0.05
"""A fact that was in at least half of the answers before, and in at most a twentieth of today's, has stopped."""
NEARLY_SPENT = 0.8
READY = ("better", "worse", "no_difference")


@dataclass(frozen=True)
class AttentionItem:
    """Something to look at: `kind` is that of its badge, `mark` the badge's word."""

    kind: str
    mark: str
    text: str
    href: str
    action: str


async def attention_of(
    frame: Frame, configuration: Configuration, placement: Placement, names: CandidateNames
) -> list[AttentionItem]:
    """Return what needs attention in a placement, and in the budgets and experiments of the merchant."""
    items = [*_outages(frame, placement, names), *_unavailable(frame, placement, names)]
    for part in (
        _alarms(frame, placement),
        _stopped_facts(frame, configuration),
        _silent_rules(frame, configuration, placement),
        _budgets(frame),
        _experiments(frame),
        _jumps(frame, placement, names),
    ):
        items += [item async for item in part]
    return sorted(items, key=lambda item: ORDER[item.kind])


def _outages(frame: Frame, placement: Placement, names: CandidateNames) -> Iterator[AttentionItem]:
    for outage in frame.engine.live.outages(frame.merchant.id, placement.key):
        text = f"{names[outage.candidate]} seems to be down since {frame.show.clock(outage.since)}."
        yield AttentionItem("bad", "Down", text, f"{frame.base}/placements/{placement.key}/candidates", "Pause it")


def _unavailable(frame: Frame, placement: Placement, names: CandidateNames) -> Iterator[AttentionItem]:
    for note in unavailable_notes(frame, placement.key, names):
        page = f"{frame.base}/placements/{placement.key}"
        yield AttentionItem("warn", "Unavailable", note.text, page, "Look at it")


async def _alarms(frame: Frame, placement: Placement) -> AsyncIterator[AttentionItem]:
    alarms = await frame.engine.dashboards.alarms(
        frame.merchant.id, placement.key, now=frame.show.now, window_minutes=placement.window_minutes
    )
    for alarm in alarms:
        yield _alarm(frame, placement, alarm)


def _alarm(frame: Frame, placement: Placement, alarm: Alarm) -> AttentionItem:
    words = alarm_words(frame.show, alarm)
    if alarm.kind == "conversion":
        page = f"{frame.base}/placements/{placement.key}"
        return AttentionItem(words.kind, words.mark, words.text, page, "Compare candidates")
    if alarm.kind == "latency":
        page = f"{frame.base}/placements/{placement.key}#times"
        return AttentionItem(words.kind, words.mark, words.text, page, "See response times")
    decisions = f"{frame.base}/decisions?placement={placement.key}"
    return AttentionItem(words.kind, words.mark, words.text, decisions, "See decisions")


async def _stopped_facts(frame: Frame, configuration: Configuration) -> AsyncIterator[AttentionItem]:
    """Yield facts that arrived until yesterday and do not today."""
    week = await frame.engine.uses.fields(frame.merchant.id, days=WEEK)
    today = await frame.engine.uses.fields(frame.merchant.id, days=1)
    before = _without(week, today)
    if min(before.answers, today.answers) < LEAST_ANSWERS:
        return
    labels = {field.name: field.label or field.name for field in configuration.fields()}
    for name, label in sorted(labels.items()):
        if (before.share(name) or 0.0) >= OFTEN and (today.share(name) or 0.0) <= SELDOM:
            earlier, now = (
                frame.show.percent(before.share(name), digits=0),
                frame.show.percent(today.share(name), digits=0),
            )
            text = f"The fact “{label}” stopped arriving: {now} of today’s checkouts have it, {earlier} did before."
            yield AttentionItem("bad", "Fact missing", text, f"{frame.base}/fields", "See fields")


def _without(all: FieldUses, part: FieldUses) -> FieldUses:
    times = {name: count - part.times.get(name, 0) for name, count in all.times.items()}
    return FieldUses(all.since_day, all.answers - part.answers, times)


async def _silent_rules(
    frame: Frame, configuration: Configuration, placement: Placement
) -> AsyncIterator[AttentionItem]:
    """Yield rules that were on for a week and did not fire, although there was traffic."""
    uses = await frame.engine.uses.rules(frame.merchant.id, placement.key, days=WEEK)
    answers = (await frame.engine.uses.fields(frame.merchant.id, days=WEEK)).answers
    since, week_ago = first_day(WEEK), frame.show.now - WEEK * DAY
    for resource in configuration.inside(placement.key):
        rule = resource.document
        if resource.kind != "rule" or not rule.enabled or rule.active_from or resource.changed_at > week_ago:
            continue
        if answers >= LEAST_ANSWERS and not uses.get(rule.id, NEVER).fired_since(since):
            text = f"The rule “{rule.name}” did not fire in {frame.show.number(answers)} checkouts of the last 7 days."
            href = f"{frame.base}/rules/{placement.key}/{rule.id}/uses"
            yield AttentionItem("warn", "Rule never fires", text, href, "See why")


async def _budgets(frame: Frame) -> AsyncIterator[AttentionItem]:
    for row in await frame.engine.budgets.page(frame.merchant.id, now=frame.show.now):
        share = share_of(row)
        if share is not None and share >= NEARLY_SPENT:
            used = frame.show.percent(min(share, 1.0), digits=0)
            text = f"{used} of the budget “{row.budget.name}” is spent or held."
            kind, mark = ("bad", "Budget used up") if share >= 1 else ("warn", "Budget nearly spent")
            yield AttentionItem(kind, mark, text, f"{frame.base}/budgets/{row.budget.id}", "See the budget")


async def _experiments(frame: Frame) -> AsyncIterator[AttentionItem]:
    """Yield running experiments that may be concluded."""
    for resource in await frame.engine.experiments.everywhere(frame.merchant.id):
        if resource.document.status.state != "running":
            continue
        results = await results_of(frame, resource, has_details=False)
        if results is not None and results.verdict.kind in READY:
            verdict = summary(resource.document, results, frame.show)
            text = f"The experiment “{resource.document.name}” is ready to conclude: {verdict.short}"
            href = f"{frame.base}/experiments/{resource.placement}/{resource.id}"
            yield AttentionItem("good", "Ready", text.rstrip(".") + ".", href, "Conclude it")


async def _jumps(frame: Frame, placement: Placement, names: CandidateNames) -> AsyncIterator[AttentionItem]:
    for jump in await frame.engine.insights.jumps(frame.merchant.id, placement.key):
        if jump.day >= frame.show.now // DAY - JUMP_DAYS:
            rates = f"from {frame.show.percent(jump.before)} to {frame.show.percent(jump.after)}"
            text = f"{names[jump.candidate]} jumped {rates} on {frame.show.day(jump.day * DAY)}."
            href = f"{frame.base}/placements/{placement.key}/performance/{jump.candidate}"
            yield AttentionItem("info", "Jump", text, href, "See the candidate")
