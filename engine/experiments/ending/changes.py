"""What the winner of an experiment changes in the plan in force."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from engine.clock import now_ms
from engine.configuration.configuration import Change, Configuration
from engine.intake.tidying import tidied
from engine.kernel.experiments.overlay import overlaid
from engine.model.experiment import Experiment
from engine.model.placement import Candidate
from engine.model.resource import Resource
from engine.model.resource_kinds import Document, Kind, id_of


def next_change(resource: Resource, document: Document) -> Change:
    """Return the change that makes a document the next version of a resource."""
    return Change(resource, resource._replace(version=resource.version + 1, document=document, changed_at=now_ms()))


def changes_of_winner(configuration: Configuration, placement: str, document: Experiment, winner: str) -> list[Change]:
    """Return the changes that make a variant the plan in force."""
    plan = configuration.plan_document(placement)
    [variant] = [variant for variant in document.variants if variant.id == winner]
    if plan is None:
        return []
    after = overlaid(plan, [(document, variant)])
    candidates = _unmoved(plan.candidates, after.candidates)
    changes = [_stored(configuration, placement, "candidate", candidate) for candidate in candidates]
    changes += [_stored(configuration, placement, "rule", rule) for rule in after.rules]
    for id in (*variant.rules_off, *(rule.id for rule in variant.rules if not rule.enabled)):
        rule = configuration.find("rule", placement, id)
        if rule is not None:
            changes.append(next_change(rule, msgspec.structs.replace(rule.document, enabled=False)))
    own = configuration.get("placement", "", placement)
    if variant.policy is not None:
        changes.append(next_change(own, msgspec.structs.replace(own.document, policy=variant.policy)))
    return [change for change in changes if change.before is None or not _is_same(change.before, change.resource)]


def has_winner(configuration: Configuration, placement: str, document: Experiment) -> bool:
    """Return whether a configuration has all that the winner of an experiment changes."""
    return not changes_of_winner(configuration, placement, document, document.status.winner)


def _unmoved(candidates: Sequence[Candidate], moved: Sequence[Candidate]) -> Sequence[Candidate]:
    """Return the moved candidates at their old positions where those give the same order."""
    if _order(candidates) == _order(moved):
        positions = {candidate.id: candidate.position for candidate in candidates}
        return [msgspec.structs.replace(each, position=positions[each.id]) for each in moved]
    return moved


def _order(candidates: Sequence[Candidate]) -> list[str]:
    return [each.id for each in sorted(candidates, key=lambda each: (each.position, each.id))]


def _is_same(resource: Resource, other: Resource) -> bool:
    """Check whether two versions are the same as a draft would save them."""
    return bool(tidied(resource.document) == tidied(other.document))


def _stored(configuration: Configuration, placement: str, kind: Kind, document: Document) -> Change:
    """Return the change that stores a document, new or as the next version."""
    old = configuration.find(kind, placement, id_of(document))
    if old is None:
        return Change(None, Resource(kind, placement, id_of(document), 1, document, now_ms()))
    return next_change(old, document)
