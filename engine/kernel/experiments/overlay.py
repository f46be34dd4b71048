"""Change a plan as the variants of experiments say. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.kernel.plan import PlanDocument
from engine.model.experiment import Experiment, Variant
from engine.model.placement import Candidate, Fixed, RuleDocument

LOWEST_PRIORITY = -1_000_000
LIMITING = frozenset({"exclude", "require", "set"})
"""The effects of rules that also hold for customers who are held back."""


def overlaid(document: PlanDocument, chosen: Sequence[tuple[Experiment, Variant]]) -> PlanDocument:
    """Return the plan with the changes of variants, in their order, and without experiments."""
    for experiment, variant in chosen:
        placement = document.placement
        if variant.policy is not None:
            placement = msgspec.structs.replace(placement, policy=variant.policy)
        document = msgspec.structs.replace(
            document,
            placement=placement,
            candidates=_reordered(document.candidates, variant),
            rules=_with_rules(document.rules, experiment, variant),
        )
    return _plain(document)


def held_back(document: PlanDocument) -> PlanDocument:
    """Return the plan without personalization: the merchant's own order, and the rules that hide, require or set.

    Offers are left out: whoever is held back gets none, so that their effect is known.
    """
    rules = tuple(
        msgspec.structs.replace(rule, effects=effects)
        for rule in document.rules
        if (effects := tuple(effect for effect in rule.effects if LIMITING & effect.keys()))
    )
    placement = msgspec.structs.replace(document.placement, policy=Fixed())
    candidates = tuple(candidate for candidate in document.candidates if candidate.offer is None)
    return _plain(msgspec.structs.replace(document, placement=placement, rules=rules, candidates=candidates))


def _plain(document: PlanDocument) -> PlanDocument:
    placement = msgspec.structs.replace(document.placement, holdback=None)
    return msgspec.structs.replace(document, placement=placement, experiments=())


def _reordered(candidates: Sequence[Candidate], variant: Variant) -> tuple[Candidate, ...]:
    first = {name: position for position, name in enumerate(variant.order)}
    moved = []
    for candidate in candidates:
        if candidate.id in variant.candidates_off:
            candidate = msgspec.structs.replace(candidate, enabled=False)
        if first:
            position = first.get(candidate.id, len(first) + candidate.position)
            candidate = msgspec.structs.replace(candidate, position=position)
        moved.append(candidate)
    return tuple(moved)


def _with_rules(
    documents: Sequence[RuleDocument], experiment: Experiment, variant: Variant
) -> tuple[RuleDocument, ...]:
    replaced = {*variant.rules_off, *(rule.id for rule in variant.rules)}
    remaining = [rule for rule in documents if rule.id not in replaced]
    added = [rule for rule in variant.rules if rule.enabled]
    if variant.values:
        effects = tuple({"set": {"name": name, "value": value}} for name, value in sorted(variant.values.items()))
        name = f"Experiment {experiment.name}, {variant.name}"[:120]
        id = f"{experiment.id}.{variant.id}"[:64]
        added.append(RuleDocument(id=id, name=name, priority=LOWEST_PRIORITY, when=True, effects=effects))
    return (*remaining, *added)


def changes_something(variant: Variant) -> bool:
    """Return whether a variant's plan may differ from the plan in force."""
    return bool(variant.order) or not changes_only_order(variant)


def changes_only_order(variant: Variant) -> bool:
    """Return whether a variant's plan differs at most in the order of its candidates."""
    return not (
        variant.rules_off or variant.rules or variant.candidates_off or variant.policy is not None or variant.values
    )
