"""Try a customer on every variant of an experiment, side by side. Nothing is logged, and nobody is enrolled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from markupsafe import Markup

import rules
from engine.configuration.configuration import Configuration
from engine.experiments.reach import membership
from engine.kernel.experiments.overlay import overlaid
from engine.kernel.experiments.units import unit_of
from engine.kernel.plan import PlanDocument, lists_of, rule_source
from engine.model.errors import EngineError, NotFound
from engine.model.experiment import Experiment, Variant
from engine.model.facts import Facts
from engine.model.resource import Resource
from rules.language.tree import fields_of
from web.admin.experiments.audience import audience_of, stored
from web.admin.rules.trial.panel import Panel
from web.admin.rules.trial.try_facts import inputs_of
from web.admin.rules.trial.try_starts import Starts, TrialScene, load_starts
from web.admin.rules.trial.try_words import AnswerView, answer_of, past_text
from web.admin.shell.admission import AnyRequest, typed
from web.admin.shell.frame import Frame
from web.admin.shell.render import SWAPPED, Page
from web.experiments.experiment_words import UNITS

NO_UNIT = {
    True: "This decision names no {unit}, so it gets the control and is not counted.",
    False: "Which variant it would be depends on the {unit}. Start from a decision to see it.",
}
"""What is said where no unit is known, by whether the trial starts from a decision."""
USUAL = ("cart.total", "cart.currency", "geo.country", "device.type")
"""The facts that stand first beside those that the experiment reads."""


@dataclass(frozen=True)
class VariantColumn:
    """A customer's answer in a variant; `is_same`: just what the control answers, `is_own`: the variant they get."""

    name: str
    number: int
    answer: AnswerView | None
    problem: str
    is_same: bool
    is_own: bool


@dataclass(frozen=True)
class VariantTrialPage:
    """A customer on every variant; `assigned` says which of them the customer gets."""

    name: str
    base: str
    tried: Panel
    answers: Sequence[VariantColumn]
    assigned: str
    oob: Markup


@get("/experiments/{placement:str}/{id:str}/try")
async def variant_trial_page(frame: NamedDependency[Frame], placement: FromPath[str], id: FromPath[str]) -> Page:
    """Show a customer on every variant, the last one that came."""
    template = "experiments/_variant_trial.html" if frame.is_htmx else "experiments/variant_trial.html"
    return frame.page(template, await _tried(frame, placement, id, {}))


@post("/experiments/{placement:str}/{id:str}/try", status_code=200)
async def try_variants(
    request: AnyRequest, frame: NamedDependency[Frame], placement: FromPath[str], id: FromPath[str]
) -> Page:
    """Try other facts on every variant."""
    template = "experiments/_variant_trial_answer.html" if frame.is_htmx else "experiments/variant_trial.html"
    return frame.page(template, await _tried(frame, placement, id, await typed(request)))


async def _tried(frame: Frame, placement: str, id: str, sent: Mapping[str, str]) -> VariantTrialPage:
    resource = await frame.engine.experiments.get(frame.merchant.id, placement, id)
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    plan = configuration.plan_document(placement)
    if plan is None:
        raise NotFound(f"there is no placement “{placement}”", field="placement")
    audience = audience_of(configuration, placement, frame.merchant, frame.show.locale, stored(None))
    starts = await load_starts(TrialScene(frame, configuration, placement, audience.terms, sent))
    answers = [await _answer(frame, plan, resource, variant, starts.facts) for variant in resource.document.variants]
    own, assigned = await _assigned(resource, configuration, starts)
    return VariantTrialPage(
        name=resource.document.name,
        base=f"{frame.base}/experiments/{placement}/{id}",
        tried=await asyncio.to_thread(_panel, starts, resource.document, plan, audience.vocabulary),
        answers=[_column(resource.document, number, answers, own) for number in range(len(answers))],
        assigned=assigned,
        oob=SWAPPED if frame.is_htmx and sent else Markup(),
    )


async def _answer(
    frame: Frame, plan: PlanDocument, resource: Resource, variant: Variant, facts: Facts
) -> AnswerView | str:
    """Return what a variant answers to these facts, or why it cannot."""
    document = overlaid(plan, [(resource.document, variant)])
    try:
        trial = await frame.engine.trials.answer(frame.merchant.id, document, facts)
    except EngineError as error:
        return error.detail
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    return answer_of(frame, trial, resource.placement, "", configuration.colours(resource.placement))


def _column(
    document: Experiment, number: int, answers: Sequence[AnswerView | str], own: Variant | None
) -> VariantColumn:
    variant, answer = document.variants[number], answers[number]
    view, problem = (None, answer) if isinstance(answer, str) else (answer, "")
    return VariantColumn(
        name=variant.name,
        number=number,
        answer=view,
        problem=problem,
        is_same=number > 0 and _visible(answer) == _visible(answers[0]),
        is_own=own is not None and own.id == variant.id,
    )


def _visible(answer: AnswerView | str) -> object:
    """Return what a checkout sees of an answer."""
    if isinstance(answer, str):
        return answer
    chances = [(row.id, round(row.chance, 6) if row.drawn else 1.0) for row in answer.ranking]
    return chances, sorted(row.label for row in answer.hidden), dict(answer.values)


async def _assigned(resource: Resource, configuration: Configuration, starts: Starts) -> tuple[Variant | None, str]:
    """Return the variant that the customer gets, if any, and a sentence about it."""
    document: Experiment = resource.document
    frame, unit_name = starts.scene.frame, UNITS[document.unit][0]
    state = document.status.state
    if state != "running":
        text = "Everybody gets the control now." if state in ("paused", "stopped") else "Nobody is enrolled now."
        return None, text
    lists = lists_of(configuration.documents("list"))
    if not membership(document.audience, configuration.vocabulary(), lists)(starts.facts.values):
        return None, "Not in the audience: this customer gets what is in force."
    key = starts.chosen if starts.chosen.startswith("dec_") else ""
    unit = unit_of(document.unit, starts.facts, key)
    if not unit:
        return None, NO_UNIT[bool(key)].format(unit=unit_name)
    variant = await frame.engine.settled.of_unit(frame.merchant.id, resource.placement, document, unit)
    if variant is None and document.is_adaptive:
        return None, f"This {unit_name} has no variant yet: the bandit's shares decide at the first decision."
    if variant is None:
        return None, f"This {unit_name} is outside the enrolled share and gets what is in force."
    return variant, f"This {unit_name} gets “{variant.name}”."


def _panel(starts: Starts, document: Experiment, plan: PlanDocument, vocabulary: rules.Vocabulary) -> Panel:
    terms, values = starts.scene.terms, starts.facts.values
    first = [name for name in dict.fromkeys(_read(document, plan, vocabulary)) if name in terms.fields]
    more = [name for name in terms.fields if name not in first]
    laid = ",".join(first)
    return Panel(
        base="",
        start=starts.chosen,
        starts=starts.groups,
        find=starts.scene.sent.get("find", ""),
        note=starts.note,
        facts=inputs_of(first, values, terms, vocabulary),
        more=inputs_of(more, values, terms, vocabulary),
        laid=laid,
        past=past_text(starts.facts, terms.candidates, starts.scene.frame.show),
        problem="",
        verdict=None,
        answer=None,
        replaced=starts.replaced(laid),
    )


def _read(document: Experiment, plan: PlanDocument, vocabulary: rules.Vocabulary) -> Iterator[str]:
    """Yield the facts that the audience and the rules of the variants read, then the usual ones."""
    changed = {id for variant in document.variants for id in variant.rules_off}
    sources = [rule_source(rule) for variant in document.variants for rule in variant.rules]
    sources += [rule_source(rule) for rule in plan.rules if rule.id in changed]
    conditions = [document.audience, *(source["when"] for source in sources)]
    for condition in conditions:
        if condition is not None:
            try:
                yield from fields_of(rules.parse_condition(condition, vocabulary, {}))
            except rules.RuleError:
                continue
    yield from USUAL


handlers = [variant_trial_page, try_variants]
