"""What a merchant may use: tiers of limits, which an operator sets, and the exports that are counted by them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.model.account import Merchant
from engine.model.actor import Actor
from engine.model.documents.tier import NO_TIER, TIER_NAME, CalendarMonth, Tier, Tiers, month_of
from engine.model.errors import Conflict, LimitReached, NotFound, invalid
from engine.model.mailing.report_schedule import zone_of
from engine.store import accounts, audit
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.limits import tiers


class TierUse(NamedTuple):
    """The limits of a side, and the exports of this month, which are counted only where a tier limits them."""

    tier: Tier
    month: CalendarMonth
    exports: int


class MerchantTiers:
    """The tiers of merchants. A merchant without a tier has no limits beyond the server's, and nothing is counted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> dict[str, Tier]:
        """Return the tiers by name."""
        async with self._database.read() as connection:
            return await tiers.all_tiers(connection)

    async def replace(self, document: Tiers, *, actor_name: str) -> None:
        """Store these tiers in place of all others; raise `Conflict` where one that a merchant has is missing."""
        for name in document:
            if not TIER_NAME.fullmatch(name):
                raise invalid(name, "a tier's name has at most 40 small letters, digits, “-” and “_”")
        async with self._database.write() as connection:
            before = await tiers.all_tiers(connection)
            for merchant in await accounts.all_merchants(connection):
                if not merchant.tier:
                    continue
                if merchant.tier not in document:
                    raise Conflict(f"the merchant “{merchant.slug}” has the tier “{merchant.tier}”", field="tiers")
                old, new = before.get(merchant.tier, NO_TIER), document[merchant.tier]
                if old != new:
                    await _note(connection, merchant, actor_name, msgspec.to_builtins(old), msgspec.to_builtins(new))
            await tiers.replace_all(connection, document)

    async def assign(self, slug: str, name: str, *, actor_name: str) -> None:
        """Give a merchant a tier, on both sides; an empty name takes it away."""
        async with self._database.write() as connection:
            await assign_tier(connection, slug, name, actor_name=actor_name)

    async def of(self, merchant_id: int) -> Tier:
        """Return the limits of a merchant's side."""
        async with self._database.read() as connection:
            return await tiers.tier_of(connection, merchant_id)

    async def use(self, merchant: Merchant) -> TierUse:
        """Return the limits of a merchant's side, and what is used of them."""
        month = month_of(merchant.timezone, now_ms())
        async with self._database.read() as connection:
            tier = await tiers.tier_of(connection, merchant.id)
            return TierUse(tier, month, await tiers.exports_in(connection, merchant.id, month.name))

    @asynccontextmanager
    async def export(self, merchant: Merchant) -> AsyncIterator[None]:
        """Count an export that is made meanwhile; one that fails is not counted.

        Raise `LimitReached`, before anything is made, where the tier allows no more this month.
        """
        if not merchant.tier:
            yield
            return
        month = month_of(merchant.timezone, now_ms())
        is_counted = await self._take(merchant, month)
        try:
            yield
        except BaseException:
            if is_counted:
                async with self._database.write() as connection:
                    await tiers.give_back_export(connection, merchant.id, month.name)
            raise

    async def _take(self, merchant: Merchant, month: CalendarMonth) -> bool:
        """Count an export; return False where the tier has no limit, and raise `LimitReached` where it is reached."""
        most = (await self.of(merchant.id)).exports_a_month
        if most is None:
            return False
        async with self._database.write() as connection:
            if await tiers.take_export(connection, merchant.id, month.name, most=most):
                return True
        begin = datetime.fromtimestamp(month.end / 1000, zone_of(merchant.timezone))
        raise LimitReached(
            f"the tier “{merchant.tier}” allows {most} exports a month; the next month begins on "
            f"{begin.day} {begin:%B %Y} ({merchant.timezone})",
            retry_after=max(1, -(-(month.end - now_ms()) // 1000)),
        )


async def assign_tier(connection: AsyncConnection, slug: str, name: str, *, actor_name: str) -> None:
    """Give a merchant a tier in a transaction, as `MerchantTiers.assign`; raise `NotFound`."""
    if name and name not in await tiers.all_tiers(connection):
        raise NotFound(f"there is no tier “{name}”", field="tier")
    sides = [each for each in await accounts.all_merchants(connection) if each.slug == slug]
    if not sides:
        raise NotFound(f"there is no merchant “{slug}”", field="merchant")
    await tiers.assign(connection, slug, name)
    for side in sides:
        await _note(connection, side, actor_name, {"tier": side.tier}, {"tier": name})


async def _note(
    connection: AsyncConnection,
    merchant: Merchant,
    actor_name: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> None:
    """Note a change in the merchant's own audit log."""
    subject = f"tier of {merchant.slug}"
    entry = NewEntry(Actor(merchant.id, actor_name), now_ms(), "changed", subject, before, after)
    await audit.write(connection, entry)
