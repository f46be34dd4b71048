"""How many units and days an experiment needs, in words, and how many of them its audience reaches."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from engine.configuration.configuration import Configuration
from engine.decisions.logbook import Logged
from engine.decisions.replay import facts_of
from engine.experiments.checks import check_experiment
from engine.experiments.comparisons import units_needed
from engine.experiments.past.size import SizeAnswer
from engine.experiments.reach import VariantReach, membership, reaches
from engine.kernel.plan import lists_of
from engine.model.documents.metric import METRICS as METRIC_KINDS
from engine.model.experiment import Experiment
from engine.model.resource import Resource
from engine.model.timestamps import DAY
from web.experiments.experiment_words import EVENTS, METRICS, UNITS, value_text
from web.format import Show
from web.reader import FigureReader

WEEK = 7 * DAY
SAMPLE = 200
SMALLEST_SHARE = 1e-6
FEW_A_DAY = 10


@dataclass(frozen=True)
class AudienceReach:
    """Of the newest decisions of the last week, at most 200: how many there are, and how many are in the audience."""

    decisions: int
    inside: int

    @property
    def share(self) -> float:
        """Return the share of decisions in the audience; 1 where there are none to tell by."""
        return self.inside / self.decisions if self.decisions else 1.0


@dataclass(frozen=True)
class SizeView:
    """The size in a sentence with what it rests on; `fits` is None where nothing can be said, and `needed` 0."""

    sentence: str
    basis: str
    looking: str
    warning: str
    fits: bool | None
    needed: int = 0


UNREADABLE = SizeView("Fill in the numbers above to see how many customers are needed.", "", "", "", None)


async def size_view(frame: FigureReader, placement: str, document: Experiment | None, reach: AudienceReach) -> SizeView:
    """Return the size of an experiment whose audience reaches so many."""
    if document is None:
        return UNREADABLE
    return words_of(document, await size_answer(frame, placement, document, reach), frame.show, frame.merchant.currency)


async def size_answer(reader: FigureReader, placement: str, document: Experiment, reach: AudienceReach) -> SizeAnswer:
    """Return what an experiment needs whose audience reaches so many."""
    share = max(document.share * reach.share, SMALLEST_SHARE)
    narrowed = msgspec.structs.replace(document, share=share)
    return await reader.engine.experiment_sizes.size(reader.merchant.id, placement, narrowed, now=reader.show.now)


async def size_in_audience(reader: FigureReader, placement: str, document: Experiment) -> SizeAnswer:
    """Return what an experiment needs; raise `Invalid` for an audience that cannot be read, and `NotFound`."""
    configuration = await reader.engine.catalogue.configuration(reader.merchant.id)
    check_experiment(configuration, placement, document, changed=("audience", "unit"))
    reach = await reach_of(reader, configuration, placement, document.audience)
    return await size_answer(reader, placement, document, reach)


def words_of(document: Experiment, answer: SizeAnswer, show: Show, currency: str = "") -> SizeView:
    """Put a size into words."""
    if answer.units is None or answer.days is None:
        return SizeView(_refusal(document, answer, show), "", "", "", None)
    needed = units_needed(answer.units, document.method)
    days = max(1, round(answer.days))
    pace = show.number(answer.enrolled_a_day, digits=0 if answer.enrolled_a_day >= FEW_A_DAY else 1)
    fits = days <= document.maximum_days
    limit = show.count(document.maximum_days, "day")
    return SizeView(
        sentence=f"{show.count(needed, *UNITS[document.unit])}, about {show.count(days, 'day')} at {pace} a day",
        basis=(
            f"To find a change of {show.percent(document.minimum_effect_percent / 100)} with a chance of 80%. "
            f"In the last 7 days {_measured(document, answer, show, currency)}."
        ),
        looking=_looking(document, answer, show),
        warning="" if fits else f"That is longer than the {limit} at most. {CHANGE_SOMETHING}",
        fits=fits,
        needed=needed,
    )


CHANGE_SOMETHING = "Enrol a larger share, look for a larger change, or let it run longer."


def _looking(document: Experiment, answer: SizeAnswer, show: Show) -> str:
    """Return what looking at any time costs, or saves."""
    if answer.units is None:
        return ""
    other = answer.units.fixed if document.method == "sequential" else answer.units.sequential
    text = show.count(other, *UNITS[document.unit])
    if document.method == "group_sequential":
        return f"With one look at the end it would be {show.count(answer.units.fixed, *UNITS[document.unit])}."
    if document.method == "sequential":
        return f"With one look at the end it would be {text}; a large effect is seen earlier than planned."
    return f"With results that hold at every look it would be {text}."


def _measured(document: Experiment, answer: SizeAnswer, show: Show, currency: str = "") -> str:
    """Return what the log says of the metric."""
    if document.primary != "conversion":
        metric = METRICS[document.primary].lower()
        value = value_text(document.primary, answer.value, show, currency)
        if METRIC_KINDS[document.primary].kind == "share":
            return f"{value} of the {UNITS[document.unit][1]} here had the outcome “{metric}”"
        spread = value_text(document.primary, answer.spread, show, currency)
        text = f"{metric} was {value} on average, with a standard deviation of {spread} a {UNITS[document.unit][0]}"
        if answer.cap is None:
            return text
        return f"{text}; purchases count as {value_text(document.primary, answer.cap, show, currency)} at most"
    return f"{show.percent(answer.conversion)} of the {UNITS[document.unit][1]} here bought"


def _refusal(document: Experiment, answer: SizeAnswer, show: Show) -> str:
    if not answer.units_a_day:
        return f"No {UNITS[document.unit][0]} came in the last 7 days, so the size is not known yet."
    if document.primary in EVENTS and not answer.value:
        return f"No {EVENTS[document.primary]} came in the last 7 days, so the size is not known yet."
    if not answer.conversion and document.primary not in EVENTS:
        return "Nobody bought in the last 7 days, so the size is not known yet. Report outcomes first."
    effect = show.percent(document.minimum_effect_percent / 100)
    is_share = METRIC_KINDS[document.primary].kind == "share"
    if not is_share and not answer.spread:
        return "In the last 7 days the metric did not vary, so the size is not known yet."
    if (answer.value or 0) < 0:
        return f"The {UNITS[document.unit][1]} of the last 7 days brought a loss, so no relative change can be found."
    if not is_share or (answer.value or 0) * (1 + document.minimum_effect_percent / 100) < 1:
        return f"No number of {UNITS[document.unit][1]} is enough to find a change of {effect}. Look for a larger one."
    measured = _measured(document, answer, show)
    return f"A change of +{effect} cannot happen: {measured} in the last 7 days. Look for a smaller change."


async def reach_of(
    frame: FigureReader, configuration: Configuration, placement: str, audience: object
) -> AudienceReach:
    """Return how many of the newest decisions of the last week are in an audience; None is everybody."""
    rows = await _latest(frame, placement)
    is_inside = membership(audience, configuration.vocabulary(), lists_of(configuration.documents("list")))
    return AudienceReach(len(rows), sum(is_inside(facts_of(each.row).values) for each in rows))


async def differences(frame: FigureReader, configuration: Configuration, resource: Resource) -> Sequence[VariantReach]:
    """Return for how many of the newest decisions of the last week each variant could have differed."""
    plan = configuration.plan_document(resource.placement)
    rows = await _latest(frame, resource.placement)
    if plan is None or not rows:
        return ()
    facts = [facts_of(each.row) for each in rows]
    return await asyncio.to_thread(reaches, plan, resource.document, facts)


async def _latest(frame: FigureReader, placement: str) -> Sequence[Logged]:
    """Return the newest decisions of the last week, at most 200."""
    logged = await frame.engine.logbook.search(frame.merchant.id, placement=placement, limit=SAMPLE)
    return [each for each in logged if each.row.decided_at >= frame.show.now - WEEK]
