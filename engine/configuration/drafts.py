"""Changing rules without publishing them: one draft a placement, shared by all of the merchant's editors.

Every change names the revision that the editor saw. Where somebody else was faster it is refused with what they
made of it, so that nothing is lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.configuration.configuration import Change, Configuration
from engine.configuration.configuration_cache import ConfigurationCache
from engine.configuration.draft_overlay import Draft, DraftRule, changes_of, is_same, laid_over, rule_of
from engine.configuration.plan_difference import Difference, difference
from engine.configuration.rule_order import priorities
from engine.configuration.validation import check
from engine.kernel.plan import PlanDocument
from engine.kernel.rule_sentences import terms_of
from engine.model.actor import Actor
from engine.model.errors import Conflict, NotFound, Stale
from engine.model.placement import RuleDocument
from engine.model.resource import Resource
from engine.store import accounts, audit, drafts, resources
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.drafts import DraftRow, DraftRuleRow
from rules import Wording

DISCARDED = "discarded changes"
Wanted = Mapping[str, RuleDocument | None]


class OthersFirst(Stale):
    """Somebody else changed the rule meanwhile: `theirs` is how it is now."""

    def __init__(self, theirs: DraftRule) -> None:
        detail = f"rule “{theirs.id}” was changed meanwhile: it is at revision {theirs.revision}"
        super().__init__(detail, field="revision")
        self.theirs = theirs


class Drafts:
    """`who` is noted with every change."""

    def __init__(self, database: Database, configurations: ConfigurationCache) -> None:
        self._database = database
        self._configurations = configurations

    # Looking

    async def get(self, merchant_id: int, placement: str) -> Draft:
        """All rules as the draft will have them; `NotFound` where the placement is not there."""
        return (await self.load(merchant_id, placement))[1]

    async def rule(self, merchant_id: int, placement: str, id: str) -> DraftRule:
        """One rule; `NotFound` where neither the draft nor what is published has it."""
        async with self._database.read() as connection:
            await resources.get(connection, merchant_id, "placement", "", placement)
            live = await resources.some(connection, merchant_id, "rule", placement, [id])
            rows = await drafts.rules(connection, merchant_id, placement, [id])
        if not live and not rows:
            raise NotFound(f"there is no rule “{id}” in placement “{placement}”", field="id")
        return rule_of(id, live.get(id), rows[0] if rows else None)

    async def configuration(self, merchant_id: int, placement: str) -> Configuration:
        """Everything that the merchant edits, with this placement's rules as the draft will have them."""
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

    async def held(self, merchant_id: int, placement: str) -> tuple[DraftRow, list[DraftRuleRow]]:
        """Return the draft's state and its rows; raise `NotFound` where there is no such placement."""
        async with self._database.read() as connection:
            await resources.get(connection, merchant_id, "placement", "", placement)
            # Where it stands comes first: a change that comes between the two is noticed by its revision.
            head = await drafts.head(connection, merchant_id, placement)
            return head, await drafts.rules(connection, merchant_id, placement)

    # Changing one rule; `revision` is what the editor saw of it: 0 where there was none, None for whichever it is at

    async def save(self, actor: Actor, placement: str, rule: RuleDocument, *, revision: int | None) -> DraftRule:
        """Put a rule into the draft. `OthersFirst` where it is at another revision, `Invalid` where it is wrong."""
        await asyncio.to_thread(
            refuse_nonsense, await self.configuration(actor.merchant_id, placement), placement, [rule]
        )
        return await self._change_one(actor, placement, rule.id, rule, revision)

    async def remove(self, actor: Actor, placement: str, id: str, *, revision: int | None) -> DraftRule:
        """Let the draft delete a rule."""
        await self.rule(actor.merchant_id, placement, id)
        return await self._change_one(actor, placement, id, None, revision)

    async def keep(self, actor: Actor, placement: str, id: str, *, revision: int | None) -> DraftRule:
        """The draft's rule stays as it is, although the published one has moved since."""
        mine = await self.rule(actor.merchant_id, placement, id)
        if not mine.moved:
            return mine
        return await self._change_one(actor, placement, id, mine.after, revision, rebase=True)

    # Changing many; `revision` is the whole draft's, None for whichever it is at

    async def reorder(self, actor: Actor, placement: str, ids: Sequence[str], *, revision: int | None) -> Draft:
        """Give the rules that are to be priorities that put them in this order, changing as few as possible."""
        _, draft = await self.load(actor.merchant_id, placement)
        rules = {rule.id: rule.after for rule in draft.rules if rule.after}
        if sorted(ids) != sorted(rules):
            raise Conflict("others have added or deleted rules meanwhile", field="ids")
        new = priorities([(id, rules[id].priority) for id in ids])
        reordered = {id: msgspec.structs.replace(rules[id], priority=priority) for id, priority in new.items()}
        return await self._change_many(actor, draft, reordered, revision)

    async def replace(
        self, actor: Actor, placement: str, rules: Sequence[RuleDocument], *, revision: int | None
    ) -> Draft:
        """Let the draft have these rules and no others; `Invalid` with all problems of all of them."""
        if len({rule.id for rule in rules}) < len(rules):
            raise Conflict("two of these rules have the same id", field="rules")
        configuration, draft = await self.load(actor.merchant_id, placement)
        present = {rule.id: rule.after for rule in draft.rules}
        replaced = dict.fromkeys(present) | {rule.id: rule for rule in rules}
        await asyncio.to_thread(refuse_nonsense, after_draft(configuration, draft), placement, rules)
        changed = {id: document for id, document in replaced.items() if document != present.get(id)}
        return await self._change_many(actor, draft, changed, revision)

    async def discard(
        self, actor: Actor, placement: str, ids: Sequence[str] | None = None, *, revision: int | None
    ) -> int | None:
        """Let these rules, or all, be as they are published.

        Returns the number of the audit entry that `bring_back` wants, None where there was nothing to discard.
        """
        async with self._database.write() as connection:
            await resources.get(connection, actor.merchant_id, "placement", "", placement)
            await drafts.touch(connection, actor.merchant_id, placement, expected=revision)
            gone = await drafts.rules(connection, actor.merchant_id, placement, ids)
            if not gone:
                return None
            await drafts.drop(connection, actor.merchant_id, placement, [row.rule_id for row in gone])
            return await audit.write(
                connection, NewEntry(actor, now_ms(), DISCARDED, f"draft {placement}", before=gone)
            )

    async def bring_back(self, actor: Actor, placement: str, entry_id: int) -> int:
        """Put back what was discarded, save where the draft has the rule again; returns how many rules it was."""
        async with self._database.write() as connection:
            entry = await audit.get(connection, actor.merchant_id, entry_id)
            if entry is None or (entry.action, entry.subject) != (DISCARDED, f"draft {placement}"):
                raise NotFound("there is nothing to bring back", field="entry")
            taken = await drafts.touch(connection, actor.merchant_id, placement)
            held = {row.rule_id for row in await drafts.rules(connection, actor.merchant_id, placement)}
            gone = msgspec.json.decode(entry.before or "[]", type=list[DraftRuleRow])
            rows = [row._replace(revision=taken) for row in gone if row.rule_id not in held]
            await drafts.put(connection, actor.merchant_id, placement, rows)
        return len(rows)

    # How a change is written

    async def _change_one(
        self,
        actor: Actor,
        placement: str,
        id: str,
        document: RuleDocument | None,
        revision: int | None,
        *,
        rebase: bool = False,
    ) -> DraftRule:
        async with self._database.write() as connection:
            taken = await drafts.touch(connection, actor.merchant_id, placement)
            live = await resources.some(connection, actor.merchant_id, "rule", placement, [id])
            held = {row.rule_id: row for row in await drafts.rules(connection, actor.merchant_id, placement, [id])}
            now = rule_of(id, live.get(id), held.get(id))
            if revision is not None and now.revision != revision:
                raise OthersFirst(now)
            rows = _rows({id: document}, live, {} if rebase else held, actor.name, taken)
            [written] = await _put(connection, actor.merchant_id, placement, rows, live)
            return written

    async def _change_many(self, actor: Actor, draft: Draft, changed: Wanted, revision: int | None) -> Draft:
        placement = draft.placement
        async with self._database.write() as connection:
            expected = draft.head.revision if revision is None else revision
            taken = await drafts.touch(connection, actor.merchant_id, placement, expected=expected)
            live = await resources.some(connection, actor.merchant_id, "rule", placement, changed.keys())
            held = {
                row.rule_id: row for row in await drafts.rules(connection, actor.merchant_id, placement, changed.keys())
            }
            await _put(connection, actor.merchant_id, placement, _rows(changed, live, held, actor.name, taken), live)
        return await self.get(actor.merchant_id, placement)


def _differences(configuration: Configuration, draft: Draft, wording: Wording) -> list[Difference]:
    published, drafted = (
        each.plan_document(draft.placement) for each in (configuration, after_draft(configuration, draft))
    )
    if published is None or drafted is None:
        return []
    old, new = terms_of(published, wording), terms_of(drafted, wording)
    return [difference("rule", rule.id, rule.before, rule.after, old, new) for rule in draft.changes]


def after_draft(configuration: Configuration, draft: Draft) -> Configuration:
    """The shelf as publishing the draft would leave it."""
    return configuration.with_changes(changes_of(configuration, draft, now=now_ms()))


def refuse_nonsense(configuration: Configuration, placement: str, rules: Sequence[RuleDocument]) -> None:
    """`Invalid` with every problem of these rules, as they would stand among all others."""
    now = now_ms()
    changes = [Change(None, Resource("rule", placement, rule.id, 1, rule, now)) for rule in rules]
    check(configuration.with_changes(changes), changes)


def _rows(
    changed: Wanted, live: Mapping[str, Resource], held: Mapping[str, DraftRuleRow], changed_by: str, revision: int
) -> list[DraftRuleRow]:
    """A change of what the draft holds already goes on from the published version that it began with."""
    now = now_ms()
    bases = {id: rule.version for id, rule in live.items()} | {id: row.base_version for id, row in held.items()}
    return [DraftRuleRow(id, document, bases.get(id, 0), revision, changed_by, now) for id, document in changed.items()]


async def _put(
    connection: AsyncConnection,
    merchant_id: int,
    placement: str,
    rows: Sequence[DraftRuleRow],
    live: Mapping[str, Resource],
) -> list[DraftRule]:
    """Write rows; a rule that is as it is published needs none."""
    published = {id: rule.document for id, rule in live.items()}
    differing = {row.rule_id: row for row in rows if not is_same(row.document, published.get(row.rule_id))}
    same = [row.rule_id for row in rows if row.rule_id not in differing]
    await drafts.drop(connection, merchant_id, placement, same)
    await drafts.put(connection, merchant_id, placement, list(differing.values()))
    return [rule_of(row.rule_id, live.get(row.rule_id), differing.get(row.rule_id)) for row in rows]
