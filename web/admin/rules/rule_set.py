"""The rules of a placement as its pages edit them: those of the draft, which nothing obeys before it is published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from engine.configuration.configuration import Configuration
from engine.configuration.draft_overlay import Draft, DraftRule
from engine.configuration.drafts import after_draft
from engine.kernel.plan import lists_of, rule_source, vocabulary_of
from engine.model.errors import NotFound, Stale
from engine.model.placement import RuleDocument
from rules import Rule, RuleError, parse_rule
from web.admin.shell.frame import Frame


@dataclass(frozen=True)
class RuleSet:
    """All that a merchant edits, with this placement's rules as the draft will have them; and that draft."""

    merchant_id: int
    configuration: Configuration
    draft: Draft

    @property
    def key(self) -> str:
        return self.draft.placement

    def find(self, id: str) -> DraftRule | None:
        """The rule, also where the draft deletes it."""
        return next((rule for rule in self.draft.rules if rule.id == id), None)

    def get(self, id: str) -> DraftRule:
        """The rule; `NotFound` where there is none."""
        found = self.find(id)
        if found is None:
            raise NotFound(f"there is no rule “{id}” in placement “{self.key}”", field="id")
        return found

    @property
    def documents(self) -> list[RuleDocument]:
        """The rules that there will be, the most important first."""
        return [rule.after for rule in self.draft.rules if rule.after]

    @property
    def ids(self) -> list[str]:
        """Their ids, in the same order."""
        return [document.id for document in self.documents]

    def parsed(self) -> tuple[Rule, ...]:
        """Those of them that are on and can be read; remembered, as one asks for them with every key typed."""
        at = (self.merchant_id, self.key, self.configuration.revision, self.draft.at.revision)
        if at not in _REMEMBERED:
            while len(_REMEMBERED) >= MOST_REMEMBERED:
                del _REMEMBERED[next(iter(_REMEMBERED))]
            _REMEMBERED[at] = tuple(self._parsed())
        return _REMEMBERED[at]

    def _parsed(self) -> Iterator[Rule]:
        vocabulary, lists = vocabulary_of(self.configuration.fields()), lists_of(self.configuration.documents("list"))
        for document in self.documents:
            if document.enabled:
                with suppress(RuleError):
                    yield parse_rule(rule_source(document), vocabulary, lists)


MOST_REMEMBERED = 32
_REMEMBERED: dict[tuple[int, str, int, int], tuple[Rule, ...]] = {}


async def rule_set(frame: Frame, key: str) -> RuleSet:
    """The rules of a placement; `NotFound` where there is no such placement."""
    configuration, draft = await frame.engine.drafts.load(frame.merchant.id, key)
    return RuleSet(frame.merchant.id, after_draft(configuration, draft), draft)


async def keep(frame: Frame, key: str, document: RuleDocument, *, revision: int | None) -> DraftRule:
    """Put a rule into the draft; `Stale` where somebody else changed it since `revision`."""
    return await frame.engine.drafts.save(frame.actor, key, document, revision=revision)


async def drop(frame: Frame, key: str, id: str, *, revision: int | None) -> tuple[DraftRule, str]:
    """Let the draft delete a rule; returns what it was, and where to send the wish to have it back."""
    drafts, gone = frame.engine.drafts, await frame.engine.drafts.rule(frame.merchant.id, key, id)
    if revision is not None and gone.revision != revision:
        raise Stale("this rule was changed meanwhile; look at it again", field="revision")
    # What only the draft knows of it is discarded first, since that can be brought back.
    entry = await drafts.discard(frame.actor, key, [id], revision=None)
    if gone.before is not None:
        await drafts.remove(frame.actor, key, id, revision=None)
    return gone, f"/admin/rules/{key}/{id}/back" + (f"?entry={entry}" if entry else "")


async def bring_back(frame: Frame, key: str, id: str, entry: int) -> None:
    """Undo `drop`."""
    await frame.engine.drafts.discard(frame.actor, key, [id], revision=None)
    if entry:
        await frame.engine.drafts.bring_back(frame.actor, key, entry)


async def put_in_order(frame: Frame, key: str, ids: Sequence[str]) -> None:
    """Let the rules have priorities that put them in this order."""
    await frame.engine.drafts.reorder(frame.actor, key, ids, revision=None)


async def replace_all(frame: Frame, key: str, documents: Sequence[RuleDocument], *, revision: int | None) -> None:
    """Let the draft have these rules and no others."""
    await frame.engine.drafts.replace(frame.actor, key, documents, revision=revision)
