"""Whether an experiment makes sense, and whether it may start. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import rules
from engine.configuration.configuration import Configuration
from engine.configuration.validation import Surroundings, problems_of
from engine.kernel.experiments.overlay import changes_something
from engine.kernel.experiments.units import DEVICE_ID
from engine.model.documents.metric import METRICS
from engine.model.documents.names import problem_with_name
from engine.model.errors import FieldProblem, Invalid, NotFound
from engine.model.experiment import OPEN, Experiment, Variant
from engine.model.placement import Fixed, Placement, Policy, Split
from engine.model.resource import Resource
from engine.model.timestamps import ms_of
from rules.language.values import WORDS

EDITABLE_WHILE_RUNNING = ("name", "hypothesis", "notes", "guardrails", "maximum_days")
BEGINS_A_PHASE = ("share", "audience", "weights")
"""What may change too while units are enrolled, but begins a new phase."""

SMALLEST_SHARE = 1e-9


def problems_of_experiment(
    configuration: Configuration, placement: str, document: Experiment
) -> Iterator[FieldProblem]:
    """Yield what is wrong with an experiment, given the rest of the configuration."""
    around = Surroundings(configuration)
    yield from _names(document)
    yield from _audience(around, document)
    if document.unit == "device" and all(field.name != DEVICE_ID for field in around.fields):
        yield FieldProblem("unit", f"device needs the fact “{DEVICE_ID}”: declare it under Fields")
    yield from _times(document)
    yield from _bandit(document)
    yield from _guardrails(document)
    candidates, rule_ids = around.ids("candidate", placement), around.ids("rule", placement)
    setup: Placement = configuration.get("placement", "", placement).document
    for number, variant in enumerate(document.variants):
        for name in (*variant.order, *variant.candidates_off):
            if name not in candidates:
                yield FieldProblem(f"variants/{number}", f"there is no candidate “{name}”")
        for index, rule in enumerate(variant.rules):
            for fault in problems_of(around, Resource("rule", placement, rule.id, 1, rule, 0)):
                yield FieldProblem(f"variants/{number}/rules/{index}{fault.field}", fault.message)
        for name in variant.rules_off:
            if name not in rule_ids:
                yield FieldProblem(f"variants/{number}/rules_off", f"there is no rule “{name}”")
        if candidates and candidates <= set(variant.candidates_off):
            yield FieldProblem(f"variants/{number}/candidates_off", "must leave at least one candidate")
        problem = _policy_problem(setup.policy, variant.policy)
        if problem:
            yield FieldProblem(f"variants/{number}/policy", problem)


def check_experiment(
    configuration: Configuration, placement: str, document: Experiment, *, changed: Collection[str] | None = None
) -> None:
    """Raise `Invalid` for what is wrong with an experiment, with its `changed` fields only where these are given.

    What a variant names may be gone while it runs: the experiment can still be stopped, and its end be changed.
    """
    if configuration.find("placement", "", placement) is None:
        raise NotFound(f"there is no placement “{placement}”", field="placement")
    problems = list(problems_of_experiment(configuration, placement, document))
    if changed is not None:
        problems = [problem for problem in problems if problem.field.startswith(tuple(changed))]
    if problems:
        raise Invalid(*problems)


def is_due(experiment: Experiment, now: int) -> bool:
    """Return whether the planned start of an experiment has come; False where none is planned."""
    planned = ms_of(experiment.starts_at) if experiment.starts_at is not None else None
    return planned is not None and planned <= now


def _bandit(document: Experiment) -> Iterator[FieldProblem]:
    """Yield what does not fit a bandit that moves the shares."""
    if not document.is_adaptive:
        return
    if document.method != "sequential":
        yield FieldProblem("method", "must be sequential if a bandit moves the shares")
    guarded = [guardrail.metric for guardrail in document.guardrails]
    for field, metrics in (("primary", [document.primary]), ("guardrails", guarded)):
        ratios = [metric for metric in metrics if METRICS[metric].kind == "ratio"]
        if ratios:
            yield FieldProblem(
                field, f"a bandit compares means of a unit, such as conversion and revenue, not {ratios[0]}"
            )
    if document.counts_log:
        yield FieldProblem("counts_log", "cannot be set if a bandit moves the shares")
    if document.floor * len(document.variants) >= 1:
        yield FieldProblem("floor", "leaves nothing to move: lower it")


def _times(document: Experiment) -> Iterator[FieldProblem]:
    if document.starts_at is not None and ms_of(document.starts_at) is None:
        yield FieldProblem("starts_at", f"must be {WORDS['datetime']}")
    if document.minimum_days > document.maximum_days:
        yield FieldProblem("maximum_days", "must not be below minimum_days")


def _guardrails(document: Experiment) -> Iterator[FieldProblem]:
    metrics = [guardrail.metric for guardrail in document.guardrails]
    for number, metric in enumerate(metrics):
        if metric in metrics[:number]:
            yield FieldProblem(
                f"guardrails/{number}/metric", f"there are two guardrails on {metric}: keep the stricter"
            )
        elif document.status.started_at is not None and metric not in document.measured:
            yield FieldProblem(
                f"guardrails/{number}/metric", f"{metric} was not measured from the start: it cannot be watched now"
            )


def _names(document: Experiment) -> Iterator[FieldProblem]:
    for number, variant in enumerate(document.variants):
        before = document.variants[:number]
        if problem := problem_with_name(variant.name):
            yield FieldProblem(f"variants/{number}/name", problem)
        if any(variant.id == other.id for other in before):
            yield FieldProblem(f"variants/{number}/id", f"there are two variants “{variant.id}”")
        elif any(variant.name == other.name for other in before):
            yield FieldProblem(f"variants/{number}/name", f"there are two variants “{variant.name}”")
        for name in sorted({name for name in variant.order if variant.order.count(name) > 1}):
            yield FieldProblem(f"variants/{number}/order", f"“{name}” is there twice")
        for name in sorted({*variant.order} & {*variant.candidates_off}):
            yield FieldProblem(f"variants/{number}/order", f"“{name}” cannot come first: the variant does not offer it")
    if not any(changes_something(variant) for variant in document.variants):
        yield FieldProblem("variants", "at least one variant must change something")
    pairs = [(first, second) for index, first in enumerate(document.variants) for second in document.variants[:index]]
    for first, second in pairs:
        if _content(first) == _content(second):
            yield FieldProblem("variants", f"“{second.name}” and “{first.name}” change the same")


def _content(variant: Variant) -> tuple[object, ...]:
    return (
        variant.rules_off,
        variant.rules,
        variant.order,
        variant.candidates_off,
        variant.policy,
        sorted(variant.values.items(), key=str),
    )


def _audience(around: Surroundings, document: Experiment) -> Iterator[FieldProblem]:
    if document.audience is None:
        return
    try:
        rules.parse_condition(document.audience, around.vocabulary, around.lists)
    except rules.RuleError as error:
        for problem in error.problems:
            yield FieldProblem(f"audience{problem.path}", problem.message)


def _policy_problem(own: Policy, changed: Policy | None) -> str:
    """Return why a variant may not have a policy: what it would choose by is learned by the placement only."""
    if changed is None or isinstance(changed, Fixed | Split) or type(changed) is type(own):
        return ""
    return "set this policy on the placement, and give the control the policy that is in force now"


def free_offset(document: Experiment, others: Sequence[Experiment]) -> float | None:
    """Return where a part of the layer that is large enough begins, or None if the layer is full.

    A part that begins where the experiment's own did is preferred: then nobody leaves who need not.
    """
    taken = sorted(
        (other.status.offset, other.status.offset + other.share)
        for other in others
        if other.layer == document.layer and other.id != document.id and other.status.state in OPEN
    )
    own = (document.status.offset, document.status.offset + document.share)
    if own[1] <= 1 + SMALLEST_SHARE and all(
        last <= own[0] + SMALLEST_SHARE or own[1] <= first + SMALLEST_SHARE for first, last in taken
    ):
        return own[0]
    start = 0.0
    for first, last in taken:
        if first - start >= document.share - SMALLEST_SHARE:
            return start
        start = max(start, last)
    return start if 1.0 - start >= document.share - SMALLEST_SHARE else None


def editable_while_running(document: Experiment) -> frozenset[str]:
    """Return the fields that may change once units are enrolled; the looks are planned by the longest run."""
    fixed_fields = {"maximum_days"} if document.method == "group_sequential" else set()
    return frozenset(EDITABLE_WHILE_RUNNING) - fixed_fields


def changed_fields(before: Experiment, after: Experiment) -> set[str]:
    """Return the names of the fields in which two documents differ, besides the status.

    `weights` stands for variants that differ in their weights only.
    """
    names = (name for name in Experiment.__struct_fields__ if name != "status")
    changed = {name for name in names if getattr(before, name) != getattr(after, name)}
    weights = [variant.weight for variant in after.variants]
    is_reweighed = len(weights) == len(before.variants) and before.weighted(weights) == after.variants
    return changed - {"variants"} | {"weights"} if "variants" in changed and is_reweighed else changed
