"""Whether what a merchant saves makes sense, with every problem beside its field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import rules
from engine.configuration.configuration import Change, Configuration
from engine.kernel.eligibility import currencies_of, limit_in
from engine.kernel.encoding.features import problems as problems_of_features
from engine.kernel.experiments.plans import ExperimentPlans
from engine.kernel.offers.checks import problems_of_budget, problems_of_code, problems_of_offer
from engine.kernel.plan import Plan, PlanDocument, has_finite_values, lists_of, rule_source
from engine.kernel.scenario_check import unknown_facts
from engine.model.documents.names import problem_with_name
from engine.model.documents.offer import Offer, OfferBudget
from engine.model.errors import FieldProblem, Invalid
from engine.model.experiment import OPEN
from engine.model.placement import Candidate, Contextual, FieldDocument, Placement, RuleDocument, Scenario, Split
from engine.model.resource import Resource
from engine.model.resource_kinds import KINDS, Document, Kind
from engine.model.schedule import document_pointer
from engine.model.standard_vocabulary import CUSTOMER_ID, ENGINE_FIELD_NAMES
from engine.model.timestamps import ms_of
from rules.language.codes import CURRENCIES
from rules.language.values import WORDS


class Surroundings:
    """The configuration that documents are checked against, indexed once for all of them."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.fields = configuration.fields()
        self._inside: dict[tuple[Kind, str], frozenset[str]] = {}

    @cached_property
    def vocabulary(self) -> rules.Vocabulary:
        return self.configuration.vocabulary()

    @cached_property
    def lists(self) -> dict[str, frozenset[str]]:
        return lists_of(self.configuration.documents("list"))

    @cached_property
    def budgets(self) -> dict[str, OfferBudget]:
        return {budget.id: budget for budget in self.configuration.documents("budget")}

    def ids(self, kind: Kind, placement: str) -> frozenset[str]:
        """Return the ids of the candidates or rules of a placement."""
        if (kind, placement) not in self._inside:
            self._inside[kind, placement] = frozenset(
                resource.id for resource in self.configuration.documents(kind, placement)
            )
        return self._inside[kind, placement]

    def offers(self, besides: Resource) -> dict[str, Offer]:
        """Return the offers that are shown in a placement besides one of them, by id."""
        candidates = self.configuration.documents("candidate", besides.placement)
        return {each.id: each.offer for each in candidates if each.offer and each.enabled and each.id != besides.id}


def check(after: Configuration, changes: Sequence[Change]) -> None:
    """Raise `Invalid` with all problems that the changed things have by themselves."""
    several, around = len(changes) > 1, Surroundings(after)
    problems = [
        _numbered(number, problem) if several else problem
        for number, change in enumerate(changes)
        if change.after
        for problem in problems_of(around, change.after, change.before)
    ]
    problems += [problem for change in changes if not change.after for problem in _in_variants(after, change.resource)]
    if problems:
        raise Invalid(*problems)


def _in_variants(after: Configuration, deleted: Resource) -> Iterator[FieldProblem]:
    """Yield the variants with customers that name a deleted rule or candidate: they would become the control."""
    for experiment in after.experiments_in_force(deleted.placement):
        for variant in experiment.variants if experiment.status.state in OPEN else ():
            named = {"rule": variant.rules_off, "candidate": (*variant.order, *variant.candidates_off)}
            if deleted.id in named.get(deleted.kind, ()):
                message = f"variant “{variant.id}” names {deleted.kind} “{deleted.id}”: end the experiment first"
                yield FieldProblem(f"experiment {experiment.id} of {deleted.placement}", message)


def _numbered(number: int, problem: FieldProblem) -> FieldProblem:
    """Return the problem with the number of its change in front of the field."""
    return FieldProblem(f"{number}/{problem.field.lstrip('/')}", problem.message)


def problems_of(around: Surroundings, resource: Resource, before: Resource | None = None) -> Iterator[FieldProblem]:
    """Yield the problems of one document, given the rest of the configuration and what it was before."""
    kind = KINDS[resource.kind]
    if kind.in_placement and around.configuration.find("placement", "", resource.placement) is None:
        yield FieldProblem("placement", f"there is no placement “{resource.placement}”")
        return
    if kind.most is not None and len(around.ids(resource.kind, resource.placement)) > kind.most:
        yield FieldProblem("id", f"a placement has at most {kind.most} {kind.label.lower()}")
    yield from _names(resource.document, before.document if before else None)
    match resource.document:
        case Placement() as placement:
            yield from _placement(around, placement)
        case Candidate() as candidate:
            yield from _codes(around, candidate)
            yield from _candidate(candidate)
            if candidate.offer is not None:
                yield from problems_of_offer(candidate.offer, around.budgets)
                if candidate.enabled:
                    yield from problems_of_code(candidate.offer, around.offers(resource))
        case RuleDocument() as rule:
            yield from _rule(around, resource.placement, rule)
        case Scenario() as scenario:
            yield from _scenario(around, resource.placement, scenario)
        case FieldDocument() as field:
            yield from _field(field)
        case OfferBudget() as budget:
            yield from problems_of_budget(budget, before.document if before else None)


def _names(document: Document, before: Document | None) -> Iterator[FieldProblem]:
    """Yield what is wrong with names that are new: those of earlier versions of ours must not hinder other changes."""
    for name in ("name", "label"):
        text = getattr(document, name, "named")
        if text == getattr(before, name, None) or (isinstance(document, FieldDocument) and not text):
            continue
        problem = problem_with_name(text)
        if problem:
            yield FieldProblem(name, problem)


def _placement(around: Surroundings, placement: Placement) -> Iterator[FieldProblem]:
    yield from _buckets("", placement, around.fields)
    yield from _contextual("", placement, around.fields)
    if isinstance(placement.policy, Split) and placement.policy.weights and not any(placement.policy.weights.values()):
        yield FieldProblem("policy/weights", "at least one weight must be above 0")


def _buckets(where: str, placement: Placement, fields: Iterable[FieldDocument]) -> Iterator[FieldProblem]:
    by_name = {field.name: field for field in fields}
    for number, name in enumerate(placement.buckets):
        if name not in by_name:
            yield FieldProblem(f"{where}buckets/{number}", f"there is no field “{name}”")
        elif not has_finite_values(by_name[name]):
            yield FieldProblem(f"{where}buckets/{number}", f"“{name}” needs a list of allowed values to make buckets")


def _contextual(where: str, placement: Placement, fields: Iterable[FieldDocument]) -> Iterator[FieldProblem]:
    if not isinstance(placement.policy, Contextual):
        return
    for path, problem in problems_of_features(placement.policy, fields):
        yield FieldProblem(f"{where}policy/{path}", problem)
    if placement.buckets:
        yield FieldProblem(f"{where}buckets", "must be empty: the policy learns from facts instead")
    if placement.credit == "position":
        yield FieldProblem(f"{where}credit", "must be cascade, first or shown if the policy learns from facts")


def _codes(around: Surroundings, candidate: Candidate) -> Iterator[FieldProblem]:
    """Check countries, currencies and devices against their lists: a limit to what does not exist hides a candidate."""
    device = around.vocabulary.get("device.type", rules.Field("device.type", "string"))
    for name, field in (
        ("countries", rules.Field("geo.country", "country")),
        ("currencies", rules.Field("cart.currency", "currency")),
        ("devices", device),
    ):
        for index, value in enumerate(getattr(candidate, name)):
            problem = field.problem_with(value)
            if problem:
                yield FieldProblem(f"{name}/{index}", problem)


def _candidate(candidate: Candidate) -> Iterator[FieldProblem]:
    for name in ("min_amount", "max_amount"):
        limit = getattr(candidate, name)
        for currency in limit.keys() - CURRENCIES if isinstance(limit, dict) else ():
            yield FieldProblem(f"{name}/{currency}", f"must be {WORDS['currency']}")
    for currency in currencies_of(candidate):
        low, high = limit_in(candidate.min_amount, currency), limit_in(candidate.max_amount, currency)
        if low is not None and high is not None and low > high:
            yield FieldProblem("max_amount", "must not be below min_amount")
            return


def _rule(around: Surroundings, placement: str, rule: RuleDocument) -> Iterator[FieldProblem]:
    try:
        parsed = rules.parse_rule(rule_source(rule), around.vocabulary, around.lists)
    except rules.RuleError as error:
        for problem in error.problems:
            yield FieldProblem(document_pointer(rule, problem.path) or "/", problem.message)
        return
    yield from _schedule(rule)
    ids = around.ids("candidate", placement)
    for number, effect in enumerate(parsed.effects):
        for name in rules.candidates_of(effect):
            if name not in ids:
                yield FieldProblem(f"/effects/{number}", f"there is no candidate “{name}” in “{placement}”")


def _schedule(rule: RuleDocument) -> Iterator[FieldProblem]:
    begin, end = (ms_of(text) if text else None for text in (rule.active_from, rule.active_to))
    if begin is not None and end is not None and begin >= end:
        yield FieldProblem("/active_to", "must be after active_from, or the rule is never in force")


def _scenario(around: Surroundings, placement: str, scenario: Scenario) -> Iterator[FieldProblem]:
    for name in unknown_facts(scenario.context, frozenset(field.name for field in around.fields)):
        yield FieldProblem("context", f"there is no field “{name[:80]}”")
    expected = scenario.expect
    named = (*expected.shown, *expected.hidden, *(pin.candidate for pin in expected.pinned))
    for name in dict.fromkeys(named):
        if name not in around.ids("candidate", placement):
            yield FieldProblem("expect", f"there is no candidate “{name}” in “{placement}”")
    for name in sorted(set(expected.shown) & set(expected.hidden)):
        yield FieldProblem("expect", f"“{name}” cannot be both shown and hidden")


def _field(field: FieldDocument) -> Iterator[FieldProblem]:
    if field.name.startswith(("time.", "history.", "availability.")) or field.name in ENGINE_FIELD_NAMES:
        yield FieldProblem("name", f"{CUSTOMER_ID}, time.*, history.* and availability.* are filled by the engine")
    if field.allowed and field.type not in ("string", "list"):
        yield FieldProblem("allowed", f"a field of type {field.type} has no list of allowed values")


def compiled(key: str, document: PlanDocument, version: int, *, like: Plan | None = None) -> Plan:
    """Compile a plan; raise `Invalid` with what an edit elsewhere broke in it.

    Deleting a field, list or candidate may break rules that name it. Parts that equal those of `like` are reused.
    """
    try:
        plan = Plan(document, version=version, like=like)
    except rules.RuleError as error:
        raise Invalid(*_of_rules(key, document, error)) from None
    problems = list(_of_plan(key, plan))
    if problems:
        raise Invalid(*problems)
    if document.experiments:
        _refuse_broken_variants(key, plan)
    return plan


def _refuse_broken_variants(key: str, plan: Plan) -> None:
    """Raise `Invalid` for what an edit breaks in a running experiment."""
    try:
        ExperimentPlans(plan)
    except rules.RuleError as error:
        where = f"experiments of {key}"
        raise Invalid(
            *(FieldProblem(f"{where}{problem.path}", problem.message) for problem in error.problems)
        ) from None


def _of_rules(key: str, document: PlanDocument, error: rules.RuleError) -> Iterator[FieldProblem]:
    enabled = [rule for rule in document.rules if rule.enabled]
    for problem in error.problems:
        number, _, path = problem.path.removeprefix("/").partition("/")
        source = enabled[int(number)]
        yield _broken(key, source.id, document_pointer(source, f"/{path}"), problem.message)


def _of_plan(key: str, plan: Plan) -> Iterator[FieldProblem]:
    ids = {candidate.id for candidate in plan.document.candidates}
    for rule in plan.rules:
        for name in (name for effect in rule.effects for name in rules.candidates_of(effect)):
            if name not in ids:
                yield _broken(key, rule.id, "/effects", f"there would be no candidate “{name}”")
    for id, offer in plan.offers.items():
        for problem in problems_of_offer(offer, plan.budgets):
            yield FieldProblem(f"candidate {id} of {key}/{problem.field}", problem.message)
    yield from _buckets(f"placement {key}/", plan.placement, plan.document.fields)
    yield from _contextual(f"placement {key}/", plan.placement, plan.document.fields)


def _broken(key: str, rule: str, path: str, message: str) -> FieldProblem:
    return FieldProblem(f"rule {rule} of {key}{path}", message)
