"""The configuration of a merchant at one moment, and changes to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from engine.kernel.plan import PlanDocument, offers_of, vocabulary_of
from engine.model.documents.colours import Colours, next_number
from engine.model.documents.offer import OfferBudget
from engine.model.errors import NotFound, Stale
from engine.model.experiment import CONTROLLED, Experiment
from engine.model.placement import Candidate, FieldDocument, ListDocument, Placement, RuleDocument, Split
from engine.model.resource import Resource
from engine.model.resource_kinds import KINDS, Kind
from engine.model.standard_vocabulary import ENGINE_FIELD_NAMES, ENGINE_FIELDS
from rules import Vocabulary

ResourceKey = tuple[Kind, str, str]


class Change(NamedTuple):
    """A resource before and after a change; None where it does not exist."""

    before: Resource | None
    after: Resource | None

    @property
    def resource(self) -> Resource:
        """Return the resource after the change, or before it where it is deleted."""
        resource = self.after or self.before
        if resource is None:
            raise ValueError("a change needs something before or after it")
        return resource


class Configuration:
    """Resources by kind, place and id; `revision` moves with every edit, `review` asks for a second person.

    `currency` is the merchant's own, in which amounts are given that name none; `colours` are stored numbers.
    """

    def __init__(
        self,
        resources: Iterable[Resource],
        revision: int,
        *,
        review: bool = False,
        currency: str | None = None,
        colours: Colours | None = None,
    ) -> None:
        self.revision = revision
        self.review = review
        self.currency = currency
        self._colours = colours or {}
        self._all: dict[ResourceKey, Resource] = {(r.kind, r.placement, r.id): r for r in resources}

    def find(self, kind: Kind, placement: str, id: str) -> Resource | None:
        return self._all.get((kind, placement, id))

    def get(self, kind: Kind, placement: str, id: str, *, version: int | None = None) -> Resource:
        """Return a resource; raise `NotFound` where there is none, `Stale` where its version is not `version`."""
        resource = self.find(kind, placement, id)
        if resource is None:
            raise NotFound(
                f"there is no {kind} “{id}”" + (f" in placement “{placement}”" if placement else ""), field="id"
            )
        if version is not None and resource.version != version:
            raise Stale(
                f"{kind} “{id}” was changed meanwhile: it is at version {resource.version}, not {version}",
                field="version",
            )
        return resource

    def documents(self, kind: Kind, placement: str = "") -> tuple[Any, ...]:
        return tuple(r.document for r in self._all.values() if r.kind == kind and r.placement == placement)

    def inside(self, placement: str) -> list[Resource]:
        """Return the candidates, rules and scenarios of a placement."""
        return [resource for resource in self._all.values() if resource.placement == placement]

    @property
    def placements(self) -> tuple[Placement, ...]:
        return self.documents("placement")

    def colours(self, placement: str) -> dict[str, int]:
        """Return the numbers of a placement's candidates, also of deleted ones; drafts have those that they will get.

        A candidate keeps its number for good, so its colour too.
        """
        numbers = dict(self._colours.get(placement, {}))
        candidates: Sequence[Candidate] = self.documents("candidate", placement)
        for candidate in sorted(candidates, key=lambda each: (each.position, each.id)):
            numbers.setdefault(candidate.id, next_number(numbers))
        return numbers

    def with_changes(self, changes: Sequence[Change]) -> Configuration:
        after = dict(self._all)
        for change in changes:
            resource = change.resource
            if change.after is None:
                after.pop((resource.kind, resource.placement, resource.id))
            else:
                after[resource.kind, resource.placement, resource.id] = resource
        return Configuration(
            after.values(), self.revision, review=self.review, currency=self.currency, colours=self._colours
        )

    def touched_by(self, changes: Sequence[Change]) -> list[str]:
        """Return the keys of the placements whose plan a change alters."""
        keys: set[str] = set()
        for change in changes:
            resource = change.resource
            kind = KINDS[resource.kind]
            if isinstance(resource.document, Placement):
                keys.add(resource.id)
            elif not alters_answers(change):
                continue
            elif kind.in_placement and kind.in_plan:
                keys.add(resource.placement)
            elif isinstance(resource.document, OfferBudget):
                keys.update(self.placements_paid_from(resource.id))
            elif kind.in_plan:
                keys.update(placement.key for placement in self.placements)
        return sorted(keys)

    def placements_paid_from(self, budget: str) -> list[str]:
        """Return the keys of the placements with an offer that names a budget."""
        return [
            placement.key
            for placement in self.placements
            if any(budget in offer.budgets for offer in offers_of(self.documents("candidate", placement.key)).values())
        ]

    def budgets_of(self, placement: str) -> tuple[OfferBudget, ...]:
        """Return the budgets that the placement's offers name, by id."""
        offers = offers_of(self.documents("candidate", placement))
        named = sorted({budget for offer in offers.values() for budget in offer.budgets})
        resources = (self.find("budget", "", id) for id in named)
        return tuple(resource.document for resource in resources if resource is not None)

    def fields(self) -> tuple[FieldDocument, ...]:
        """Return the merchant's declared facts and those that the engine fills."""
        own = (field for field in self.documents("field") if field.name not in ENGINE_FIELD_NAMES)
        return (*own, *ENGINE_FIELDS)

    def vocabulary(self) -> Vocabulary:
        """Return the facts that rules may read, with the currency of amounts."""
        return vocabulary_of(self.fields(), self.currency)

    def plan_document(self, key: str) -> PlanDocument | None:
        """Return the placement's plan as a document; None where the placement is gone."""
        placement = self.find("placement", "", key)
        if placement is None:
            return None
        candidates: tuple[Candidate, ...] = self.documents("candidate", key)
        rules: tuple[RuleDocument, ...] = self.documents("rule", key)
        lists: tuple[ListDocument, ...] = self.documents("list")
        return PlanDocument(
            placement=_with_all_weights(placement.document, candidates),
            candidates=candidates,
            rules=tuple(rule for rule in rules if rule.enabled),
            fields=self.fields(),
            lists=lists,
            currency=self.currency,
            experiments=self.experiments_in_force(key),
            keeps_order=True,
            budgets=self.budgets_of(key),
            weighs_offers=True,
        )

    def experiments_in_force(self, placement: str) -> tuple[Experiment, ...]:
        """Return the experiments that units are in, by the time they began; stopped ones leave units to others."""
        documents: tuple[Experiment, ...] = self.documents("experiment", placement)
        entered = (document for document in documents if is_in_force(document))
        return tuple(sorted(entered, key=_precedence))


def _precedence(document: Experiment) -> tuple[bool, int, str]:
    return document.status.state == "stopped", document.status.started_at or 0, document.id


def is_in_force(document: Experiment) -> bool:
    """Return whether an experiment decides anything; a stopped one gives everybody the control."""
    return document.status.state == "running" or document.status.state in CONTROLLED


def alters_answers(change: Change) -> bool:
    """Return whether a change may alter answers."""
    if not KINDS[change.resource.kind].in_plan:
        return False
    documents = [resource.document for resource in (change.before, change.after) if resource is not None]
    return any(not isinstance(document, Experiment) or is_in_force(document) for document in documents)


def _with_all_weights(placement: Placement, candidates: Sequence[Candidate]) -> Placement:
    """Return the placement with a weight for each candidate: 0 for one without, where others have one.

    Plans from before left them out, and the kernel gives those 1.
    """
    if not isinstance(placement.policy, Split) or not placement.policy.weights:
        return placement
    missing = {candidate.id: 0.0 for candidate in candidates if candidate.id not in placement.policy.weights}
    if not missing:
        return placement
    return msgspec.structs.replace(placement, policy=Split({**placement.policy.weights, **missing}))
