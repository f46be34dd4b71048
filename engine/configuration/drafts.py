"""Changing the configuration without publishing it: one draft a placement, shared by all of the merchant's editors.

Every change names the revision that the editor saw. Where somebody else was faster it is refused with what they
made of it, so that nothing is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.configuration.configuration import Change, Configuration
from engine.configuration.configuration_cache import ConfigurationCache
from engine.configuration.draft_overlay import (
    ORDER,
    Draft,
    DraftItem,
    changes_of,
    is_same,
    item_of,
    laid_over,
    scope_of,
)
from engine.configuration.plan_difference import Difference, PlanKind, difference
from engine.configuration.rule_order import priorities
from engine.configuration.validation import check
from engine.intake.tidying import tidied
from engine.kernel.plan import PlanDocument
from engine.kernel.rule_sentences import terms_of
from engine.model.actor import Actor
from engine.model.errors import Conflict, NotFound, Stale, invalid
from engine.model.placement import RuleDocument
from engine.model.resource import Resource
from engine.model.resource_kinds import Document, Kind, id_of, kind_of
from engine.store import accounts, audit, drafts, resources
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.drafts import DraftChangeRow, DraftRow, ItemKey
from rules import Wording

DISCARDED = "discarded changes"
Wanted = Mapping[str, Document | None]
"""Documents by id; None deletes."""


class ChangedMeanwhile(Stale):
    """Somebody else changed it meanwhile: `current` is how it is now."""

    def __init__(self, current: DraftItem) -> None:
        detail = f"{current.kind} “{current.id}” was changed meanwhile: it is at revision {current.revision}"
        super().__init__(detail, field="revision")
        self.current = current


class Drafts:
    """The actor is noted with every change, and the person it acts for among the authors."""

    def __init__(self, database: Database, configurations: ConfigurationCache) -> None:
        self._database = database
        self._configurations = configurations

    # Looking

    async def get(self, merchant_id: int, placement: str) -> Draft:
        """All rules as the draft will have them; `NotFound` where the placement is not there."""
        return (await self.load(merchant_id, placement))[1]

    async def rule(self, merchant_id: int, placement: str, id: str) -> DraftItem:
        """Return one rule; `NotFound` where neither the draft nor what is published has it."""
        return await self.item(merchant_id, placement, "rule", id)

    async def item(self, merchant_id: int, placement: str, kind: Kind, id: str) -> DraftItem:
        """Return one document; `NotFound` where neither the draft nor what is published has it."""
        async with self._database.read() as connection:
            await resources.get(connection, merchant_id, "placement", "", placement)
            live = await resources.some(connection, merchant_id, kind, scope_of(kind, placement), [id])
            rows = await drafts.changes(connection, merchant_id, placement, [(kind, id)])
        if not live and not rows:
            raise NotFound(f"there is no {kind} “{id}” in placement “{placement}”", field="id")
        return item_of(kind, id, live.get(id), rows[0] if rows else None)

    async def configuration(self, merchant_id: int, placement: str) -> Configuration:
        """Everything that the merchant edits, as the draft of this placement will have it."""
        return after_draft(*await self.load(merchant_id, placement))

    async def plan(
        self, merchant_id: int, placement: str, *, rules: Sequence[RuleDocument] | None = None
    ) -> tuple[Draft, PlanDocument]:
        """The draft, and the plan that publishing it now would lead to; with `rules` in the place of its own, if given:
        `Invalid` where they make no sense."""
        configuration, draft = await self.load(merchant_id, placement)
        configuration = after_draft(configuration, draft)
        if rules is not None:
            await asyncio.to_thread(refuse_nonsense, configuration, placement, rules)
        document = configuration.plan_document(placement)
        if document is None:
            raise NotFound(f"there is no placement “{placement}”", field="placement")
        if rules is not None:
            document = msgspec.structs.replace(document, rules=tuple(rule for rule in rules if rule.enabled))
        return draft, document

    async def differences(
        self, merchant_id: int, placement: str, wording: Wording | None = None
    ) -> tuple[Draft, list[Difference]]:
        """The draft, and what each of its changes changes in words and as documents, in the same order.

        `wording` is how a page says amounts and countries; without it they are in plain codes.
        """
        configuration, draft = await self.load(merchant_id, placement)
        async with self._database.read() as connection:
            wording = wording or Wording(currency=await accounts.currency_of(connection, merchant_id))
        return draft, await asyncio.to_thread(_differences, configuration, draft, wording)

    async def load(self, merchant_id: int, placement: str) -> tuple[Configuration, Draft]:
        """Return the published configuration, and the draft over it."""
        head, rows = await self.held(merchant_id, placement)
        configuration = await self._configurations.load(merchant_id)
        return configuration, laid_over(configuration, placement, head, rows)

    async def held(self, merchant_id: int, placement: str) -> tuple[DraftRow, list[DraftChangeRow]]:
        """Return the draft's state and its rows; raise `NotFound` where there is no such placement."""
        async with self._database.read() as connection:
            await resources.get(connection, merchant_id, "placement", "", placement)
            # Where it stands comes first: a change that comes between the two is noticed by its revision.
            head = await drafts.head(connection, merchant_id, placement)
            return head, await drafts.changes(connection, merchant_id, placement)

    # Changing one document; `revision` is what the editor saw of it: 0 where there was none, None for any

    async def save(self, actor: Actor, placement: str, document: Document, *, revision: int | None) -> DraftItem:
        """Put a document into the draft; raise `ChangedMeanwhile` at another revision, `Invalid` if it is wrong."""
        document = tidied(document)
        kind, id = kind_of(document), id_of(document)
        configuration = await self.configuration(actor.merchant_id, placement)
        _refuse_kind(kind, id, placement)
        await asyncio.to_thread(refuse_nonsense, configuration, placement, [document])
        return await self._change_one(actor, placement, (kind, id), document, revision)

    async def remove(
        self, actor: Actor, placement: str, id: str, *, revision: int | None, kind: Kind = "rule"
    ) -> DraftItem:
        """Let the draft delete a document."""
        if kind == "placement":
            raise Conflict("delete a placement as a whole, not in a draft", field="kind")
        await self.item(actor.merchant_id, placement, kind, id)
        return await self._change_one(actor, placement, (kind, id), None, revision)

    async def keep(
        self, actor: Actor, placement: str, id: str, *, revision: int | None, kind: Kind = "rule"
    ) -> DraftItem:
        """Keep the draft's document as it is, although the published one has moved since."""
        own_change = await self.item(actor.merchant_id, placement, kind, id)
        if not own_change.moved:
            return own_change
        return await self._change_one(actor, placement, own_change.key, own_change.after, revision, rebase=True)

    # Changing many; `revision` is the whole draft's, None for whichever it is at

    async def reorder(self, actor: Actor, placement: str, ids: Sequence[str], *, revision: int | None) -> Draft:
        """Give the rules that are to be priorities that put them in this order, changing as few as possible."""
        _, draft = await self.load(actor.merchant_id, placement)
        rules = {rule.id: rule.after for rule in draft.rules if rule.after}
        if sorted(ids) != sorted(rules):
            raise Conflict("somebody else has added or deleted rules meanwhile", field="ids")
        new = priorities([(id, rules[id].priority) for id in ids])
        reordered = {id: msgspec.structs.replace(rules[id], priority=priority) for id, priority in new.items()}
        return await self._change_many(actor, draft, reordered, revision)

    async def reorder_candidates(
        self, actor: Actor, placement: str, ids: Sequence[str], *, revision: int | None
    ) -> Draft:
        """Put the candidates that are to be in this order; `Conflict` unless `ids` names all of them."""
        configuration, draft = await self.load(actor.merchant_id, placement)
        documents = {each.id: each for each in after_draft(configuration, draft).documents("candidate", placement)}
        if sorted(ids) != sorted(documents):
            raise Conflict("somebody else has added or deleted candidates meanwhile", field="ids")
        moved = {
            id: msgspec.structs.replace(documents[id], position=position)
            for position, id in enumerate(ids)
            if documents[id].position != position
        }
        return await self._change_many(actor, draft, moved, revision, kind="candidate")

    async def replace(
        self, actor: Actor, placement: str, rules: Sequence[RuleDocument], *, revision: int | None
    ) -> Draft:
        """Let the draft have these rules and no others; `Invalid` with all problems of all of them."""
        if len({rule.id for rule in rules}) < len(rules):
            raise Conflict("two of these rules have the same id", field="rules")
        rules = [tidied(rule) for rule in rules]
        configuration, draft = await self.load(actor.merchant_id, placement)
        present = {rule.id: rule.after for rule in draft.rules}
        replaced = dict.fromkeys(present) | {rule.id: rule for rule in rules}
        await asyncio.to_thread(refuse_nonsense, after_draft(configuration, draft), placement, rules)
        changed = {id: document for id, document in replaced.items() if document != present.get(id)}
        return await self._change_many(actor, draft, changed, revision)

    async def discard(
        self,
        actor: Actor,
        placement: str,
        ids: Sequence[str] | None = None,
        *,
        revision: int | None,
        kind: Kind = "rule",
    ) -> int | None:
        """Let these documents of a kind, or everything, be as it is published.

        Returns the number of the audit entry that `bring_back` wants, None where there was nothing to discard.
        """
        async with self._database.write() as connection:
            await resources.get(connection, actor.merchant_id, "placement", "", placement)
            await drafts.touch(connection, actor.merchant_id, placement, expected=revision)
            keys = None if ids is None else [(kind, id) for id in ids]
            discarded = await drafts.changes(connection, actor.merchant_id, placement, keys)
            if not discarded:
                return None
            await drafts.drop(connection, actor.merchant_id, placement, [row.key for row in discarded])
            return await audit.write(
                connection, NewEntry(actor, now_ms(), DISCARDED, f"draft {placement}", before=discarded)
            )

    async def bring_back(self, actor: Actor, placement: str, entry_id: int) -> int:
        """Put back what was discarded, save where the draft has it again; return how many changes it was."""
        async with self._database.write() as connection:
            entry = await audit.get(connection, actor.merchant_id, entry_id)
            if entry is None or (entry.action, entry.subject) != (DISCARDED, f"draft {placement}"):
                raise NotFound("there is nothing to restore", field="entry")
            taken = await drafts.touch(connection, actor.merchant_id, placement)
            held = {row.key for row in await drafts.changes(connection, actor.merchant_id, placement)}
            discarded = [_typed(row) for row in msgspec.json.decode(entry.before or "[]", type=list[DraftChangeRow])]
            rows = [
                row._replace(revision=taken, authors=actor.added_to(row.authors))
                for row in discarded
                if row.key not in held
            ]
            await drafts.put(connection, actor.merchant_id, placement, rows)
        return len(rows)

    # How a change is written

    async def _change_one(
        self,
        actor: Actor,
        placement: str,
        key: ItemKey,
        document: Document | None,
        revision: int | None,
        *,
        rebase: bool = False,
    ) -> DraftItem:
        (kind, id), merchant_id = key, actor.merchant_id
        async with self._database.write() as connection:
            taken = await drafts.touch(connection, merchant_id, placement)
            live = await resources.some(connection, merchant_id, kind, scope_of(kind, placement), [id])
            held = {row.id: row for row in await drafts.changes(connection, merchant_id, placement, [key])}
            now = item_of(kind, id, live.get(id), held.get(id))
            if revision is not None and now.revision != revision:
                raise ChangedMeanwhile(now)
            [row] = _rows(kind, {id: document}, live, held, actor, taken)
            if rebase:
                row = row._replace(base_version=live[id].version if id in live else 0)
            [written] = await _put(connection, merchant_id, placement, [row], live)
            return written

    async def _change_many(
        self, actor: Actor, draft: Draft, documents: Wanted, revision: int | None, *, kind: Kind = "rule"
    ) -> Draft:
        placement, merchant_id = draft.placement, actor.merchant_id
        async with self._database.write() as connection:
            expected = draft.head.revision if revision is None else revision
            taken = await drafts.touch(connection, merchant_id, placement, expected=expected)
            live = await resources.some(connection, merchant_id, kind, scope_of(kind, placement), documents.keys())
            keys = [(kind, id) for id in documents]
            held = {row.id: row for row in await drafts.changes(connection, merchant_id, placement, keys)}
            rows = _rows(kind, documents, live, held, actor, taken)
            await _put(connection, merchant_id, placement, rows, live)
        return await self.get(merchant_id, placement)


def _refuse_kind(kind: Kind, id: str, placement: str) -> None:
    """Raise `Conflict` for what a draft of this placement cannot hold."""
    if kind not in ORDER:
        raise Conflict(f"a {kind} is not part of a draft: saving it changes no answer", field="kind")
    if kind == "placement" and id != placement:
        raise invalid("key", "must be the placement of the draft")


def _typed(row: DraftChangeRow) -> DraftChangeRow:
    """Return a row that was kept as JSON with its document as what it is."""
    document = None if row.document is None else resources.decode(row.kind, msgspec.json.encode(row.document))
    return row._replace(document=document)


def _differences(configuration: Configuration, draft: Draft, wording: Wording) -> list[Difference]:
    published, drafted = (
        each.plan_document(draft.placement) for each in (configuration, after_draft(configuration, draft))
    )
    if published is None or drafted is None:
        return []
    old, new = terms_of(published, wording), terms_of(drafted, wording)
    return [difference(cast(PlanKind, item.kind), item.id, item.before, item.after, old, new) for item in draft.changes]


def after_draft(configuration: Configuration, draft: Draft) -> Configuration:
    """The shelf as publishing the draft would leave it."""
    return configuration.with_changes(changes_of(configuration, draft, now=now_ms()))


def refuse_nonsense(configuration: Configuration, placement: str, documents: Sequence[Document]) -> None:
    """`Invalid` with every problem of these documents, as they would stand among all others."""
    now = now_ms()
    changes = []
    for document in documents:
        kind = kind_of(document)
        changes.append(Change(None, Resource(kind, scope_of(kind, placement), id_of(document), 1, document, now)))
    check(configuration.with_changes(changes), changes)


def _rows(
    kind: Kind,
    documents: Wanted,
    live: Mapping[str, Resource],
    held: Mapping[str, DraftChangeRow],
    actor: Actor,
    revision: int,
) -> list[DraftChangeRow]:
    """Return the rows of a change; what the draft holds goes on from the published version that it began with."""
    now = now_ms()
    bases = {id: resource.version for id, resource in live.items()} | {id: row.base_version for id, row in held.items()}
    authors = {id: row.authors for id, row in held.items()}
    return [
        DraftChangeRow(
            id, document, bases.get(id, 0), revision, actor.name, now, kind, actor.added_to(authors.get(id, ()))
        )
        for id, document in documents.items()
    ]


async def _put(
    connection: AsyncConnection,
    merchant_id: int,
    placement: str,
    rows: Sequence[DraftChangeRow],
    live: Mapping[str, Resource],
) -> list[DraftItem]:
    """Write rows of one kind; a document that is as it is published needs none."""
    published = {id: resource.document for id, resource in live.items()}
    differing = {row.id: row for row in rows if not is_same(row.document, published.get(row.id))}
    unchanged = [row.key for row in rows if row.id not in differing]
    await drafts.drop(connection, merchant_id, placement, unchanged)
    await drafts.put(connection, merchant_id, placement, list(differing.values()))
    return [item_of(row.kind, row.id, live.get(row.id), differing.get(row.id)) for row in rows]
