"""A placement's draft: the rules as they are to be, laid over the rules as they are published."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from engine.configuration.configuration import Change, Configuration
from engine.model.placement import RuleDocument
from engine.model.resource import Resource
from engine.store.drafts import DraftRow, DraftRuleRow

Mark = Literal["live", "changed", "new", "deleted"]


class DraftRule(NamedTuple):
    """A rule before and after the draft; None where there is none.

    `revision` says which state of it was seen: that of the draft where the draft holds it, otherwise the version of
    the published rule, 0 where there is neither. `moved`: the published rule has changed since the draft began.
    """

    id: str
    before: RuleDocument | None
    after: RuleDocument | None
    revision: int
    moved: bool = False
    changed_by: str = ""
    changed_at: int = 0

    @property
    def mark(self) -> Mark:
        if self.after is None:
            return "deleted"
        if self.before is None:
            return "new"
        return "live" if is_same(self.before, self.after) else "changed"

    @property
    def shown(self) -> RuleDocument:
        """The rule as it will be, or as it was where it goes."""
        document = self.after or self.before
        if document is None:
            raise ValueError("a rule that never was is not in a draft")
        return document


def is_same(rule: RuleDocument | None, other: RuleDocument | None) -> bool:
    """Check whether two rules have the same JSON: in Python 1, 1.0 and true are equal, in a condition they are not."""
    return msgspec.json.encode(rule) == msgspec.json.encode(other)


class Draft(NamedTuple):
    """All rules of a placement, the most important first, and where the draft stands."""

    placement: str
    head: DraftRow
    rules: tuple[DraftRule, ...]
    review: bool

    @property
    def changes(self) -> tuple[DraftRule, ...]:
        return tuple(rule for rule in self.rules if rule.mark != "live")

    @property
    def moved(self) -> tuple[DraftRule, ...]:
        """Rules that were published by others after the draft changed them."""
        return tuple(rule for rule in self.rules if rule.moved)


def laid_over(configuration: Configuration, placement: str, head: DraftRow, rows: Iterable[DraftRuleRow]) -> Draft:
    """Return the draft: the published rules with the draft's changes over them."""
    live = {resource.id: resource for resource in configuration.inside(placement) if resource.kind == "rule"}
    held = {row.rule_id: row for row in rows}
    rules = [rule_of(id, live.get(id), held.get(id)) for id in live.keys() | held.keys()]
    present = [rule for rule in rules if rule.before or rule.after]
    present.sort(key=lambda rule: (-rule.shown.priority, rule.id))
    return Draft(placement, head, tuple(present), configuration.review)


def rule_of(id: str, live: Resource | None, row: DraftRuleRow | None) -> DraftRule:
    """One rule, where it is published, in the draft, or both."""
    before, version = (live.document, live.version) if live else (None, 0)
    if row is None:
        return DraftRule(id, before, before, version)
    moved = row.base_version != version
    return DraftRule(id, before, row.document, row.revision, moved, row.changed_by, row.changed_at)


def changes_of(configuration: Configuration, draft: Draft, *, now: int) -> list[Change]:
    """Return what publishing the draft changes in the configuration."""
    return [
        _change(configuration.find("rule", draft.placement, rule.id), draft.placement, rule, now)
        for rule in draft.changes
    ]


def _change(live: Resource | None, placement: str, rule: DraftRule, now: int) -> Change:
    version = live.version + 1 if live else 1
    after = Resource("rule", placement, rule.id, version, rule.after, now) if rule.after else None
    return Change(live, after)
