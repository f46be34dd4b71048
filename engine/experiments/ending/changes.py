"""What the winner of an experiment changes in the plan in force."""

from __future__ import annotations

import msgspec

from engine.clock import now_ms
from engine.configuration.configuration import Change, Configuration
from engine.kernel.experiments.overlay import overlaid
from engine.model.experiment import Experiment
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
    changes = [_stored(configuration, placement, "candidate", candidate) for candidate in after.candidates]
    changes += [_stored(configuration, placement, "rule", rule) for rule in after.rules]
    for id in variant.rules_off:
        rule = configuration.find("rule", placement, id)
        if rule is not None:
            changes.append(next_change(rule, msgspec.structs.replace(rule.document, enabled=False)))
    own = configuration.get("placement", "", placement)
    if variant.policy is not None:
        changes.append(next_change(own, msgspec.structs.replace(own.document, policy=variant.policy)))
    return [change for change in changes if change.before is None or change.before.document != change.resource.document]


def _stored(configuration: Configuration, placement: str, kind: Kind, document: Document) -> Change:
    """Return the change that stores a document, new or as the next version."""
    old = configuration.find(kind, placement, id_of(document))
    if old is None:
        return Change(None, Resource(kind, placement, id_of(document), 1, document, now_ms()))
    return next_change(old, document)
