"""The rules of a placement as its pages edit them: those of the draft, not in force before it is published."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock
from weakref import WeakKeyDictionary

import msgspec

from engine.configuration.configuration import Configuration
from engine.configuration.draft_overlay import Draft, DraftItem, is_same
from engine.configuration.drafts import after_draft
from engine.insights.traffic import Traffic
from engine.kernel.plan import lists_of, rule_source
from engine.model.errors import NotFound, Stale
from engine.model.placement import RuleDocument
from engine.service import Engine
from rules import Rule, RuleError, parse_rule
from web.admin.shell.frame import Frame

MOST_PARSED = 32
NOT_IN_AN_ID = re.compile(r"[^a-z0-9]+")
Revision = tuple[int, str, int, int]
"""Merchant, placement, revision of the configuration, revision of the draft."""


@dataclass
class ParsedRules:
    """The parsed rules of the placements edited last, by revision. One engine's; read by many threads."""

    _by_revision: dict[Revision, tuple[Rule, ...]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def get(self, revision: Revision) -> tuple[Rule, ...] | None:
        """Return the rules of a revision, None where nobody has parsed them yet."""
        with self._lock:
            return self._by_revision.get(revision)

    def put(self, revision: Revision, rules: tuple[Rule, ...]) -> None:
        """Keep the rules of a revision; the oldest are dropped."""
        with self._lock:
            while len(self._by_revision) >= MOST_PARSED:
                del self._by_revision[next(iter(self._by_revision))]
            self._by_revision[revision] = rules


@dataclass(frozen=True)
class DraftRules:
    """A merchant's configuration with this placement's rules as the draft has them; the draft; recent decisions."""

    merchant_id: int
    configuration: Configuration
    draft: Draft
    cache: ParsedRules
    traffic: Traffic

    @property
    def key(self) -> str:
        return self.draft.placement

    @property
    def revision(self) -> Revision:
        """Return the state that these rules are in."""
        return self.merchant_id, self.key, self.configuration.revision, self.draft.head.revision

    def find(self, id: str) -> DraftItem | None:
        """Return the rule, also where the draft deletes it; None where there is none."""
        return next((rule for rule in self.draft.rules if rule.id == id), None)

    def get(self, id: str) -> DraftItem:
        """Return the rule; `NotFound` where there is none."""
        rule = self.find(id)
        if rule is None:
            raise NotFound(f"there is no rule “{id}” in placement “{self.key}”", field="id")
        return rule

    @property
    def documents(self) -> list[RuleDocument]:
        """Return the rules after the draft, the most important first."""
        return [rule.after for rule in self.draft.rules if rule.after]

    @property
    def ids(self) -> list[str]:
        """Return their ids, in the same order."""
        return [document.id for document in self.documents]

    def free_id(self, name: str) -> str:
        """Make an id from a rule's name that no rule has."""
        base = NOT_IN_AN_ID.sub("-", name.lower()).strip("-")[:48].strip("-") or "rule"
        taken = {rule.id for rule in self.draft.rules}
        numbered = (f"{base}-{number}" for number in range(2, len(taken) + 3))
        return base if base not in taken else next(id for id in numbered if id not in taken)

    def parsed(self) -> tuple[Rule, ...]:
        """Return the enabled rules that can be parsed. Cached, since every keystroke in the builder needs them."""
        rules = self.cache.get(self.revision)
        if rules is None:
            rules = tuple(self._parse())
            self.cache.put(self.revision, rules)
        return rules

    def _parse(self) -> Iterator[Rule]:
        vocabulary, lists = self.configuration.vocabulary(), lists_of(self.configuration.documents("list"))
        for document in self.documents:
            if document.enabled:
                with suppress(RuleError):
                    yield parse_rule(rule_source(document), vocabulary, lists)


_CACHES: WeakKeyDictionary[Engine, ParsedRules] = WeakKeyDictionary()


async def load_rules(frame: Frame, key: str) -> DraftRules:
    """Load the rules of a placement; `NotFound` where there is no such placement."""
    configuration, draft = await frame.engine.drafts.load(frame.merchant.id, key)
    cache = _CACHES.setdefault(frame.engine, ParsedRules())
    traffic = await frame.engine.traffic.of(frame.merchant.id, key)
    return DraftRules(frame.merchant.id, after_draft(configuration, draft), draft, cache, traffic)


async def create(frame: Frame, key: str, document: RuleDocument) -> DraftItem:
    """Put a new rule into the draft under an id made from its name.

    A form that is sent twice makes one rule: where the draft already has a new rule like it, that one is returned.
    """
    while True:
        rules = await load_rules(frame, key)
        twin = next((rule for rule in rules.draft.rules if _is_twin(rule, document)), None)
        if twin:
            return twin
        named = msgspec.structs.replace(document, id=rules.free_id(document.name))
        with suppress(Stale):  # another request took the id in between: look again
            return await keep(frame, key, named, revision=0)


def _is_twin(rule: DraftItem, document: RuleDocument) -> bool:
    if rule.before or rule.after is None:
        return False
    return is_same(rule.after, msgspec.structs.replace(document, id=rule.id))


async def keep(frame: Frame, key: str, document: RuleDocument, *, revision: int | None) -> DraftItem:
    """Save a rule in the draft; `Stale` where somebody else changed it since `revision`."""
    return await frame.engine.drafts.save(frame.actor, key, document, revision=revision)


async def put_in_order(frame: Frame, key: str, ids: Sequence[str]) -> None:
    """Set priorities that put the rules in this order."""
    await frame.engine.drafts.reorder(frame.actor, key, ids, revision=None)


async def replace_all(frame: Frame, key: str, documents: Sequence[RuleDocument], *, revision: int | None) -> None:
    """Replace all rules of the draft by these."""
    await frame.engine.drafts.replace(frame.actor, key, documents, revision=revision)
