"""Codes of offers: pools that merchants fill, codes made for customers, and what a typed code leads to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.configuration.configuration_cache import ConfigurationCache
from engine.kernel.plan import Plan
from engine.model.actor import Actor
from engine.model.errors import Conflict, FieldProblem, Invalid, NotFound
from engine.model.offers.code import CodeCounts, CodeState, StoredCode
from engine.model.offers.hold import Hold
from engine.store import audit
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.offers import codes, holds
from engine.store.offers.codes import PoolKey

CODE = re.compile(r"[A-Z0-9_-]{4,64}")
PREFIX = re.compile(r"[A-Z0-9_-]{0,32}")
MOST_AT_ONCE = 10_000
MOST_PROBLEMS = 5


class OfferRequest(NamedTuple):
    """A request for an offer, by id or by code, with the customer and facts of the checkout."""

    placement: str
    offer_id: str
    code: str
    customer_id: str
    context: Mapping[str, Any]


class TypedCode(NamedTuple):
    """A code that belongs to one hold alone, as a customer typed it in: its offer, and why it may not be used.

    `own` is the live hold of this customer that has it.
    """

    code: str
    offer: str
    reason: str
    own: Hold | None = None


class AddedCodes(NamedTuple):
    """The number of codes added, and of those sent that the merchant has already."""

    added: int
    repeated: int


class Codes:
    """The codes of merchants' offers."""

    def __init__(self, database: Database, configurations: ConfigurationCache) -> None:
        self._database = database
        self._configurations = configurations

    async def add(self, actor: Actor, placement: str, offer: str, texts: Sequence[str]) -> AddedCodes:
        """Add codes to a pool, in capitals; raise `Invalid` with the lines that are none."""
        upper = [text.strip().upper() for text in texts]
        if not 1 <= len(upper) <= MOST_AT_ONCE:
            raise Invalid(FieldProblem("codes", f"must be 1 to {MOST_AT_ONCE:,} codes at a time"))
        problems = [
            FieldProblem(f"codes/{number}", "must be 4 to 64 letters, digits, - and _")
            for number, code in enumerate(upper)
            if not CODE.fullmatch(code)
        ]
        if problems:
            raise Invalid(*problems[:MOST_PROBLEMS])
        added = await self._add(actor, await self._pool(actor.merchant_id, placement, offer), dict.fromkeys(upper))
        return AddedCodes(added, len(upper) - added)

    async def generate(self, actor: Actor, placement: str, offer: str, count: int, prefix: str = "") -> AddedCodes:
        """Add `count` new codes to a pool that begin with a prefix."""
        prefix = prefix.upper()
        if not 1 <= count <= MOST_AT_ONCE:
            raise Invalid(FieldProblem("generate", f"must be from 1 to {MOST_AT_ONCE:,}"))
        if not PREFIX.fullmatch(prefix):
            raise Invalid(FieldProblem("prefix", "must be at most 32 letters, digits, - and _"))
        pool = await self._pool(actor.merchant_id, placement, offer)
        made: dict[str, None] = {}
        while len(made) < count:
            made[codes.new_code(prefix)] = None
        return AddedCodes(await self._add(actor, pool, made), 0)

    async def remove_free(self, actor: Actor, placement: str, offer: str) -> int:
        """Remove the codes of a pool that nobody has; return how many."""
        pool = await self._pool(actor.merchant_id, placement, offer)
        async with self._database.write() as connection:
            removed = await codes.remove_free(connection, pool)
            await audit.write(connection, _entry(actor, pool, "codes removed", removed))
        return removed

    async def counts(self, merchant_id: int, placement: str, offer: str) -> CodeCounts:
        """Return how many codes of an offer are free, held and used."""
        pool = await self._pool(merchant_id, placement, offer, any_kind=True)
        async with self._database.read() as connection:
            return await codes.counts(connection, pool)

    async def page(
        self, merchant_id: int, placement: str, offer: str, *, after: str = "", state: CodeState | None, limit: int
    ) -> list[StoredCode]:
        """Return the codes of an offer behind `after`, in alphabetical order."""
        pool = await self._pool(merchant_id, placement, offer, any_kind=True)
        async with self._database.read() as connection:
            return await codes.page(connection, pool, after=after, state=state, limit=limit)

    async def typed(
        self, plan: Plan, merchant_id: int, request: OfferRequest, customer: str, *, now: int
    ) -> TypedCode | None:
        """Return what a typed code of one hold alone leads to; None where it is no such code of the plan's offers."""
        text = request.code.strip().upper()
        if not CODE.fullmatch(text) or not (plan.offer_table.pools or plan.offer_table.own_codes):
            return None

        async def work(connection: AsyncConnection) -> tuple[StoredCode, Hold | None] | None:
            stored = await codes.find(connection, merchant_id, text)
            if stored is None or stored.placement != request.placement or stored.offer not in plan.offers:
                return None
            return stored, await holds.get(connection, merchant_id, stored.hold_id) if stored.hold_id else None

        result = await self._database.look_up(work)
        if result is None or request.offer_id not in ("", result[0].offer):
            return None
        return _typed(*result, customer, now)

    async def _pool(self, merchant_id: int, placement: str, offer: str, *, any_kind: bool = False) -> PoolKey:
        """Return the pool of an offer; raise `NotFound`, or `Conflict` where the offer's codes are no pool."""
        configuration = await self._configurations.load(merchant_id)
        candidate = configuration.get("candidate", placement, offer).document
        if candidate.offer is None:
            raise NotFound(f"“{offer}” is no offer", field="id")
        if candidate.offer.codes != "pool" and not any_kind:
            raise Conflict(f"the codes of “{offer}” are no pool", field="id")
        return PoolKey(merchant_id, placement, offer)

    async def _add(self, actor: Actor, pool: PoolKey, new: Iterable[str]) -> int:
        async with self._database.write() as connection:
            added = await codes.add(connection, pool, new, now=now_ms())
            await audit.write(connection, _entry(actor, pool, "codes added", added))
        return added


def _typed(stored: StoredCode, hold: Hold | None, customer: str, now: int) -> TypedCode:
    live = hold if hold is not None and hold.state == "live" and hold.expires_at > now else None
    if stored.customer not in ("", customer):
        return TypedCode(stored.code, stored.offer, "the code is another customer's")
    if stored.state == "used":
        return TypedCode(stored.code, stored.offer, "the code was used")
    if live is not None and (not customer or live.customer != customer):
        return TypedCode(stored.code, stored.offer, "the code is held for another customer")
    return TypedCode(stored.code, stored.offer, "", live)


def _entry(actor: Actor, pool: PoolKey, action: str, count: int) -> NewEntry:
    """Return the entry of the audit log, which has the number of codes alone."""
    return NewEntry(actor, now_ms(), action, f"candidate {pool.offer} in {pool.placement}", after={"codes": count})
