"""A placement's draft: what is to be, laid over what is published."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import msgspec

from engine.configuration.configuration import Change, Configuration
from engine.model.resource import Resource
from engine.model.resource_kinds import KINDS, Kind
from engine.store.drafts import DraftChangeRow, DraftRow, ItemKey

Mark = Literal["live", "changed", "new", "deleted"]
ORDER: tuple[Kind, ...] = ("rule", "candidate", "placement", "field", "list", "budget")
"""The kinds that a draft may change, in the order in which a page lists them."""


class DraftItem(NamedTuple):
    """A rule, a candidate or another document before and after the draft; None where there is none.

    `revision` says which state of it was seen: that of the draft where the draft holds it, otherwise the version of
    the published document, 0 where there is neither. `moved`: it was published anew since the draft changed it.
    `authors` are the persons who made the change; keys whose person nobody knows are not among them.
    """

    id: str
    before: Any
    after: Any
    revision: int
    moved: bool = False
    changed_by: str = ""
    changed_at: int = 0
    kind: Kind = "rule"
    authors: tuple[str, ...] = ()

    @property
    def mark(self) -> Mark:
        if self.after is None:
            return "deleted"
        if self.before is None:
            return "new"
        return "live" if is_same(self.before, self.after) else "changed"

    @property
    def shown(self) -> Any:
        """Return the document as it will be, or as it was where it goes."""
        document = self.after or self.before
        if document is None:
            raise ValueError("a document that never existed cannot be in a draft")
        return document

    @property
    def key(self) -> ItemKey:
        return self.kind, self.id


def is_same(document: Any, other: Any) -> bool:
    """Check whether two documents have the same JSON: in Python 1, 1.0 and true are equal, in JSON they are not."""
    return msgspec.json.encode(document) == msgspec.json.encode(other)


class Draft(NamedTuple):
    """All rules of a placement, the most important first, what else the draft changes, and where it stands."""

    placement: str
    head: DraftRow
    rules: tuple[DraftItem, ...]
    others: tuple[DraftItem, ...]
    review: bool

    @property
    def changes(self) -> tuple[DraftItem, ...]:
        """Return all that publishing the draft would change, rules first."""
        return tuple(item for item in (*self.rules, *self.others) if item.mark != "live")

    @property
    def moved(self) -> tuple[DraftItem, ...]:
        """Return what was published by others after the draft changed it."""
        return tuple(item for item in (*self.rules, *self.others) if item.moved)

    @property
    def authors(self) -> frozenset[str]:
        """Return all persons who made changes that the draft holds."""
        return frozenset(author for item in self.changes for author in item.authors)

    def of_kind(self, kind: Kind) -> dict[str, DraftItem]:
        """Return the changes of one kind, by id."""
        return {item.id: item for item in self.changes if item.kind == kind}


def laid_over(configuration: Configuration, placement: str, head: DraftRow, rows: Iterable[DraftChangeRow]) -> Draft:
    """Return what the placement's configuration will be."""
    live = {resource.id: resource for resource in configuration.inside(placement) if resource.kind == "rule"}
    held = {row.key: row for row in rows}
    rule_ids = live.keys() | {id for kind, id in held if kind == "rule"}
    rules = [item_of("rule", id, live.get(id), held.get(("rule", id))) for id in rule_ids]
    present = [rule for rule in rules if rule.before or rule.after]
    present.sort(key=lambda rule: (-rule.shown.priority, rule.id))
    others = [
        item_of(kind, id, configuration.find(kind, scope_of(kind, placement), id), row)
        for (kind, id), row in held.items()
        if kind != "rule"
    ]
    others.sort(key=lambda item: (ORDER.index(item.kind), item.id))
    other_changes = tuple(item for item in others if item.before or item.after)
    return Draft(placement, head, tuple(present), other_changes, configuration.review)


def scope_of(kind: Kind, placement: str) -> str:
    """Return the placement that documents of a kind are stored under, empty where they belong to the merchant."""
    return placement if KINDS[kind].in_placement else ""


def item_of(kind: Kind, id: str, live: Resource | None, row: DraftChangeRow | None) -> DraftItem:
    """Return one document, where it is published, in the draft, or both."""
    before, version = (live.document, live.version) if live else (None, 0)
    if row is None:
        return DraftItem(id, before, before, version, kind=kind)
    moved = row.base_version != version
    return DraftItem(id, before, row.document, row.revision, moved, row.changed_by, row.changed_at, kind, row.authors)


def changes_of(configuration: Configuration, draft: Draft, *, now: int) -> list[Change]:
    """Return what publishing the draft changes in the configuration."""
    return [_change(configuration, draft.placement, item, now) for item in draft.changes]


def _change(configuration: Configuration, placement: str, item: DraftItem, now: int) -> Change:
    scope = scope_of(item.kind, placement)
    live = configuration.find(item.kind, scope, item.id)
    version = live.version + 1 if live else 1
    after = Resource(item.kind, scope, item.id, version, item.after, now) if item.after else None
    return Change(live, after)
