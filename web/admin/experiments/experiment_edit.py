"""The page of a new or edited experiment: what varies, for whom, the split, the metrics and the size."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from engine.configuration.configuration import Configuration
from engine.experiments.layers import layers_of
from engine.model.errors import FieldProblem, Invalid, NotFound
from engine.model.experiment import Experiment
from engine.model.placement import Placement
from engine.model.resource import Resource
from web.admin.experiments.audience import Audience, AudienceView, audience_of, sent, stored
from web.admin.experiments.experiment_form import (
    DEFAULTS,
    ENROLLED,
    GUARD,
    MOST_VARIANTS,
    count_of,
    document_of,
    form_fields_of,
    free_id,
    joined,
    names_of,
    sized,
    texts_of,
)
from web.admin.experiments.layers import free_text
from web.admin.experiments.variant_form import Choices, VariantCard, card_of, choices_of, without_variant
from web.admin.experiments.variants.variant_policy import with_settings
from web.admin.experiments.variants.variant_rule_edit import CANCEL, DONE, KEPT, RuleScene, VariantRuleEdit, edit_of
from web.admin.experiments.variants.variant_rules import (
    PICK,
    RULE_ACTIONS,
    rule_action,
    switched,
    without_rule,
)
from web.admin.rules.builder.overlay import FormFields
from web.admin.shell.admission import AnyRequest, several_typed
from web.admin.shell.editing import Difference, Refused, no_one_else, store, version_of
from web.admin.shell.forms import Form
from web.admin.shell.frame import Frame, Notice
from web.admin.shell.render import Page
from web.experiments.experiment_size import SizeView, reach_of, size_view
from web.experiments.experiment_words import ALLOCATIONS, LEARNING, MAIN_METRICS, METRICS, UNITS, measured
from web.experiments.log_words import answer_text

WHOLE, PART = "experiments/experiment_form.html", "experiments/_experiment_form.html"
RULE_WHOLE, RULE_PART = "experiments/variant_rule.html", "experiments/_variant_rule.html"
Options = Sequence[tuple[str, str]]
METHODS = (
    ("sequential", "Look whenever you like", "The interval holds at every look. Needs about 1.6 times the customers."),
    (
        "group_sequential",
        "Look five times",
        "The interval holds at five looks, spread evenly over the longest run. Needs about 1.05 times the customers.",
    ),
    ("fixed", "Look once", "The result is read when the planned number of customers has matured, not before."),
)
LEARNINGS = tuple((mode, *words) for mode, words in LEARNING.items())
TYPES = frozenset(METRICS) - frozenset(MAIN_METRICS)
ALLOCATED = tuple((name, *words) for name, words in ALLOCATIONS.items())


@dataclass(frozen=True)
class ExperimentFormPage:
    """The form; `enrolled` leaves only what may still change, `version` is empty while it is new."""

    title: str
    action: str
    base: str
    placement: Placement
    placements: Sequence[Placement]
    form: Form
    cards: Sequence[VariantCard]
    choices: Choices
    may_add: bool
    audience: AudienceView
    size: SizeView
    log: Sequence[str]
    enrolled: bool
    secondary: frozenset[str]
    conflicts: Sequence[Difference]
    metrics: Options
    explained: Mapping[str, str]
    units: Options
    layers: Options
    guarded_types: bool
    methods: Sequence[tuple[str, str, str]] = METHODS
    learnings: Sequence[tuple[str, str, str]] = LEARNINGS
    allocations: Sequence[tuple[str, str, str]] = ALLOCATED
    types: frozenset[str] = TYPES
    guard: str = GUARD
    saved: bool = False


@dataclass(frozen=True)
class ExperimentEdit:
    """A request about one experiment: the placement around it, and the stored one, None while it is new."""

    frame: Frame
    configuration: Configuration
    placement: Placement
    stored: Resource | None

    @property
    def old(self) -> Experiment | None:
        """Return the experiment as it is stored."""
        return self.stored.document if self.stored else None

    @property
    def is_enrolled(self) -> bool:
        """Return whether units are in it already, so that little may change."""
        return self.old is not None and self.old.status.state in ENROLLED

    @property
    def base(self) -> str:
        """Return where the form leads back to."""
        address = f"{self.frame.base}/experiments"
        return f"{address}/{self.placement.key}/{self.stored.id}" if self.stored else address

    @property
    def action(self) -> str:
        """Return where the form is sent to."""
        return f"{self.base}/edit" if self.stored else f"{self.base}/new"

    @property
    def scene(self) -> RuleScene:
        """Return where rules of its variants are edited."""
        return RuleScene(self.frame, self.configuration, self.placement.key, self.action)

    @property
    def texts(self) -> dict[str, str]:
        """Return the stored experiment, or an empty one, as the form shows it."""
        if self.stored is None:
            return dict(DEFAULTS)
        return texts_of(self.stored.document, self.stored.version, self.frame.show)

    def audience(self, form_fields: FormFields | None = None) -> Audience:
        """Return the audience of a sent form, or the stored one."""
        source = stored(self.old.audience if self.old else None) if form_fields is None else sent(form_fields)
        frame = self.frame
        return audience_of(self.configuration, self.placement.key, frame.merchant, frame.show.locale, source)

    def _layers(self) -> Options:
        """Return the layers of the placement with what is free in them beside this experiment."""
        experiments = self.configuration.documents("experiment", self.placement.key)
        others = [each for each in experiments if self.stored is None or each.id != self.stored.id]
        return [(use.layer, free_text(use, self.frame.show)) for use in layers_of(others)]

    async def _log(self) -> Sequence[str]:
        """Return what the log says of the stored draft's variants; nothing before it was asked."""
        if self.stored is None or self.is_enrolled:
            return ()
        answers = await self.frame.engine.log_questions.answers(self.frame.merchant.id, self.stored)
        given_answers = (answer for answer in answers if answer.state != "not_asked")
        return [answer_text(self.stored.document, answer, self.frame.show) for answer in given_answers]

    async def page(self, form: Form, audience: Audience, conflicts: Sequence[Difference] = ()) -> ExperimentFormPage:
        """Make the page of a form."""
        key, frame = self.placement.key, self.frame
        choices, count = choices_of(self.configuration, key, frame.wording), count_of(form.values)
        form = Form(with_settings(form.values, count, self.placement.policy), form.problems)
        reach = await reach_of(frame, self.configuration, key, audience.value)
        unit = form.value("unit") if form.value("unit") in UNITS else "customer"
        return ExperimentFormPage(
            title=f"Edit {self.old.name}" if self.old else "New experiment",
            action=self.action,
            base=self.base,
            placement=self.placement,
            placements=self.configuration.placements,
            form=form,
            cards=[card_of(form, number, choices) for number in range(count)],
            choices=choices,
            may_add=count < MOST_VARIANTS,
            audience=audience.view(frame.wording),
            size=await size_view(frame, key, sized(form.values), reach),
            log=await self._log(),
            enrolled=self.is_enrolled,
            secondary=frozenset(form.value("secondary").replace(",", " ").split()),
            conflicts=conflicts,
            metrics=list(METRICS.items()),
            explained={metric: measured(metric, unit) for metric in METRICS},  # type: ignore[arg-type]
            units=[(key, plural.capitalize()) for key, (_, plural) in UNITS.items()],
            layers=self._layers(),
            guarded_types=any(form.value(f"{GUARD}{name}") or form.problem(f"{GUARD}{name}") for name in TYPES),
        )


@get("/experiments/new")
async def new_experiment(frame: NamedDependency[Frame], placement: FromQuery[str] = "") -> Response[Any]:
    """Show the form of a new experiment with its defaults."""
    frame.must_change()
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    keys = [each.key for each in configuration.placements]
    if not placement and not keys:
        return frame.go(f"{frame.base}/experiments")
    edit = await _edit(frame, placement or ("payment_methods" if "payment_methods" in keys else keys[0]))
    return frame.page(WHOLE, await edit.page(Form(edit.texts), edit.audience()))


@post("/experiments/new", status_code=200)
async def create_experiment(request: AnyRequest, frame: NamedDependency[Frame]) -> Response[Any]:
    """Go on with a new experiment, or store it as a draft."""
    frame.must_change()
    form_fields = await several_typed(request)
    return await _posted(await _edit(frame, form_fields.get("placement", [""])[-1]), form_fields)


@get("/experiments/{placement:str}/{id:str}/edit")
async def edit_experiment(frame: NamedDependency[Frame], placement: FromPath[str], id: FromPath[str]) -> Page:
    """Show the form of a stored experiment."""
    edit = await _edit(frame, placement, id)
    return frame.page(WHOLE, await edit.page(Form(edit.texts), edit.audience()))


@post("/experiments/{placement:str}/{id:str}/edit", status_code=200)
async def save_experiment(
    request: AnyRequest, frame: NamedDependency[Frame], placement: FromPath[str], id: FromPath[str]
) -> Response[Any]:
    """Go on editing, or store what was edited unless someone else was faster."""
    frame.must_change()
    return await _posted(await _edit(frame, placement, id), await several_typed(request))


@post("/experiments/audience", status_code=200)
async def edit_audience(request: AnyRequest, frame: NamedDependency[Frame]) -> Page:
    """Take over what was typed into the audience, and show its rows again."""
    frame.must_change()
    form_fields = await several_typed(request)
    edit = await _edit(frame, form_fields.get("placement", [""])[-1])
    return frame.page(
        "experiments/_audience.html", await edit.page(Form(joined(form_fields)), edit.audience(form_fields))
    )


@post("/experiments/rule", status_code=200)
async def edit_variant_rule(request: AnyRequest, frame: NamedDependency[Frame]) -> Page:
    """Take over what was typed into a rule of a variant, and show its rows again."""
    frame.must_change()
    form_fields = await several_typed(request)
    edit = await _edit(frame, form_fields.get("placement", [""])[-1])
    page = await asyncio.to_thread(edit_of(edit.scene, form_fields).after, form_fields, "typed")
    return frame.page("experiments/_variant_rule_builder.html", page)


@get("/experiments/size")
async def show_size(request: AnyRequest, frame: NamedDependency[Frame]) -> Page:
    """Show how many customers the numbers of a form need."""
    form_fields = {name: request.query_params.getall(name) for name in request.query_params}
    edit = await _edit(frame, form_fields.get("placement", [""])[-1])
    return frame.page("experiments/_size.html", await edit.page(Form(joined(form_fields)), edit.audience(form_fields)))


async def _edit(frame: Frame, placement: str, id: str = "") -> ExperimentEdit:
    """Return the request's experiment; `NotFound` where the placement or the experiment is missing."""
    configuration = await frame.engine.catalogue.configuration(frame.merchant.id)
    around = configuration.get("placement", "", placement).document
    resource = await frame.engine.experiments.get(frame.merchant.id, placement, id) if id else None
    if resource is not None and resource.document.status.state in ("stopped", "concluded", "archived"):
        raise NotFound("this experiment has ended, so it is not edited any more", field="id")
    return ExperimentEdit(frame, configuration, around, resource)


async def _posted(edit: ExperimentEdit, form_fields: FormFields) -> Response[Any]:
    """Carry out the button that was pressed."""
    if KEPT in form_fields:
        return await _rule_posted(edit, form_fields)
    values, audience = joined(form_fields), edit.audience(form_fields)
    if edit.is_enrolled:
        # Fields that stay as they are are disabled, so a browser does not send them.
        values = {**edit.texts, **values}
        audience = audience if "when" in form_fields else edit.audience()
    action = values.get("act", "save")
    if action == "save":
        return await _saved(edit, values, audience)
    if action.startswith(RULE_ACTIONS) and not edit.is_enrolled:
        return await _rule_action(edit, {**values, "when": audience.form.when.text}, audience)
    name, _, argument = action.partition(":")
    count = count_of(values)
    if name == "variant_add" and count < MOST_VARIANTS:
        values = {**values, "variants": str(count + 1), f"v{count}.weight": values.get("v1.weight", "50")}
    elif name == "variant_remove" and count > 2 and argument.isdigit():
        values = without_variant(values, int(argument), count)
    else:
        audience = audience.after(action)
    return edit.frame.form(WHOLE, PART, await edit.page(Form(values), audience))


async def _rule_action(edit: ExperimentEdit, values: Mapping[str, str], audience: Audience) -> Response[Any]:
    """Switch a rule of a variant, take that back, or open the builder with it."""
    name, number, id = rule_action(values, count_of(values))
    stored = edit.configuration.find("rule", edit.placement.key, id)
    form = Form(values)
    if name in ("rule_edit", "rule_new") or (name == "rule_change" and stored is not None):
        rule = VariantRuleEdit(edit.scene, values, number, "" if name == "rule_new" else id)
        return edit.frame.form(RULE_WHOLE, RULE_PART, await asyncio.to_thread(rule.opened))
    if name == "rule_back":
        form = Form(without_rule(values, number, id))
    elif stored is not None:
        form = Form(switched(values, number, id, stored.document) | {"focus": f"v{number}:{id}"})
    else:
        form = form.with_problems([FieldProblem(f"v{number}.{PICK}", "choose a rule first")])
    return edit.frame.form(WHOLE, PART, await edit.page(form, audience))


async def _rule_posted(edit: ExperimentEdit, form_fields: FormFields) -> Response[Any]:
    """Go on building a rule of a variant, or return to the experiment."""
    rule = edit_of(edit.scene, form_fields)
    action = form_fields.get("act", [""])[-1]
    values: Mapping[str, str] = rule.values
    try:
        if action == DONE:
            values = await asyncio.to_thread(rule.done, form_fields)
        elif action != CANCEL:
            page = await asyncio.to_thread(rule.after, form_fields, action)
            return edit.frame.form(RULE_WHOLE, RULE_PART, page)
    except Invalid as error:
        page = await asyncio.to_thread(rule.refused, form_fields, error)
        return edit.frame.form(RULE_WHOLE, RULE_PART, page, status=422)
    audience = edit.audience({"when": [values.get("when", "true")]})
    return edit.frame.form(WHOLE, PART, await edit.page(Form(values), audience))


async def _saved(edit: ExperimentEdit, values: Mapping[str, str], audience: Audience) -> Response[Any]:
    """Store the experiment and go to its page, or show what is wrong."""
    frame, key, count = edit.frame, edit.placement.key, count_of(values)
    taken = frozenset(each.id for each in edit.configuration.documents("experiment", key))

    async def write() -> Resource:
        id = edit.stored.id if edit.stored else free_id(values.get("name", ""), taken)
        document = document_of(values, audience, id=id, old=edit.old, show=frame.show, own=edit.placement.policy)
        service = frame.engine.experiments
        if edit.stored is None:
            return await service.create(frame.actor, key, document)
        return await service.update(frame.actor, key, id, document, version=version_of(values))

    async def saved_now() -> Mapping[str, str]:
        return (await _edit(frame, key, edit.stored.id)).texts if edit.stored else await no_one_else()

    try:
        saved = await store(values, write, saved_now, names=names_of(count), form_fields=form_fields_of(count))
    except Refused as refusal:
        page = await edit.page(refusal.form, audience, refusal.conflicts)
        return frame.form(WHOLE, PART, page, status=refusal.status)
    text = "Saved." if edit.stored else "Saved as a draft. Check it below, then start it."
    return frame.go(f"{frame.base}/experiments/{key}/{saved.id}", notice=Notice(text))


handlers = [
    new_experiment,
    create_experiment,
    edit_experiment,
    save_experiment,
    edit_audience,
    edit_variant_rule,
    show_size,
]
