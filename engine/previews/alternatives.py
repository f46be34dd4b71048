"""One change of a plan, previewed alone: a method paused, first, or with another minimum; a rule off; a fixed order.

The shared draft stays as it is. Pure.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from engine.configuration.configuration import Change, Configuration
from engine.kernel.plan import PlanDocument, in_order
from engine.model.errors import NotFound, invalid
from engine.model.placement import Candidate, Fixed, Placement, RuleDocument
from engine.model.resource import Resource
from engine.model.resource_kinds import Document, id_of, kind_of

AlternativeKind = Literal["off", "paused", "first", "minimum", "fixed"]


class Alternative(msgspec.Struct, frozen=True):
    """A question: a rule `off`; a candidate `paused`, `first`, or with a `minimum`; the order `fixed`.

    `id` is that of the rule or candidate, `amount` the minimum in minor units of the merchant's currency.
    """

    change: AlternativeKind
    id: str = ""
    amount: int = 0

    @property
    def key(self) -> str:
        """Return the same text for the same question."""
        return f"{self.change}:{self.id}:{self.amount}"


class PlanPair(NamedTuple):
    """Two plans to compare on the same decisions."""

    base: PlanDocument
    changed: PlanDocument


def changed_documents(configuration: Configuration, placement: str, alternative: Alternative) -> list[Document]:
    """Return the documents that a question changes; `NotFound` without its rule or candidate."""
    match alternative.change:
        case "off":
            rule = configuration.get("rule", placement, alternative.id).document
            return [msgspec.structs.replace(rule, enabled=False)]
        case "paused":
            return [msgspec.structs.replace(_candidate(configuration, placement, alternative.id), enabled=False)]
        case "minimum":
            candidate = _candidate(configuration, placement, alternative.id)
            return [msgspec.structs.replace(candidate, min_amount=alternative.amount)]
        case "first":
            return _first(configuration, placement, alternative.id)
        case "fixed":
            document: Placement = configuration.get("placement", "", placement).document
            return [msgspec.structs.replace(document, policy=Fixed())]


def plans_to_compare(published: Configuration, drafted: Configuration, key: str, alternative: Alternative) -> PlanPair:
    """Return the plan in force, and that plan with the change alone.

    Of a rule, `changed` is the plan with the rule and `base` the plan without it, so that the difference is what the
    rule brings. A rule that is not published is taken from the draft.
    """
    if alternative.change != "off":
        changes = changed_documents(published, key, alternative)
        return PlanPair(_plan(published, key), _plan(with_documents(published, key, changes), key))
    stored = published.find("rule", key, alternative.id) or drafted.find("rule", key, alternative.id)
    if stored is None:
        raise NotFound(f"there is no rule “{alternative.id}”", field="without")
    rule: RuleDocument = stored.document
    base, changed = (
        with_documents(published, key, [msgspec.structs.replace(rule, enabled=enabled)]) for enabled in (False, True)
    )
    return PlanPair(_plan(base, key), _plan(changed, key))


def with_documents(configuration: Configuration, placement: str, documents: list[Document]) -> Configuration:
    """Return the configuration with documents in the place of those with the same ids."""
    changes = []
    for document in documents:
        kind, id = kind_of(document), id_of(document)
        where = "" if kind == "placement" else placement
        before = configuration.find(kind, where, id)
        changes.append(Change(before, Resource(kind, where, id, before.version + 1 if before else 1, document, 0)))
    return configuration.with_changes(changes)


def _plan(configuration: Configuration, key: str) -> PlanDocument:
    document = configuration.plan_document(key)
    if document is None:
        raise NotFound(f"there is no placement “{key}”", field="placement")
    return document


def _candidate(configuration: Configuration, placement: str, id: str) -> Candidate:
    document: Candidate = configuration.get("candidate", placement, id).document
    if not document.enabled:
        raise invalid("id", f"“{document.label}” is off already, so nothing would change.")
    return document


def _first(configuration: Configuration, placement: str, id: str) -> list[Document]:
    """Return the candidates in a new order; where the order is learned, a rule that shows the candidate first."""
    candidate = _candidate(configuration, placement, id)
    document: Placement = configuration.get("placement", "", placement).document
    if isinstance(document.policy, Fixed):
        rest = [each for each in in_order(configuration.documents("candidate", placement)) if each.id != id]
        return [msgspec.structs.replace(each, position=position) for position, each in enumerate([candidate, *rest])]
    rules: tuple[RuleDocument, ...] = configuration.documents("rule", placement)
    return [
        RuleDocument(
            id=f"{id[:58]}-first",
            name=f"{candidate.label[:108]} comes first",
            priority=min(1_000_000, max((rule.priority for rule in rules), default=0) + 1),
            when=True,
            effects=({"pin": {"candidate": id, "slot": 1}},),
        )
    ]
