"""Merchants and keys. A secret is shown once, when it is made; only its hash is kept."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from typing import NamedTuple

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.model.account import MerchantDetails, checked_name
from engine.model.actor import Actor
from engine.model.documents.names import problem_with_name
from engine.model.documents.tier import NO_TIER, Tier, Tiers
from engine.model.errors import Conflict, NotFound, invalid
from engine.model.outcome import LARGEST_AMOUNT
from engine.model.resource import Resource
from engine.model.standard_vocabulary import MERCHANT_FIELDS
from engine.model.timestamps import DAY
from engine.store import accounts, audit, resources
from engine.store.accounts import Key, Kind, Merchant
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.limits import tiers
from rules import timezones

SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""Of merchants: it stands on command lines, in addresses and in `merchant_id`."""
LONGEST_OVERLAP_HOURS = 24 * 30
DEFAULT_DETAILS = MerchantDetails()


class Access(NamedTuple):
    """A caller of the API: a key, the merchant side that it belongs to, and the limits of this side."""

    key: Key
    merchant: Merchant
    tier: Tier = NO_TIER

    @property
    def may_configure(self) -> bool:
        return self.key.kind == "secret"


class Accounts:
    """Holds the keys in force in memory, so that checking one costs no query."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._access: dict[str, Access] = {}
        self._loading = asyncio.Lock()

    # Merchants

    async def add_merchant(
        self, slug: str, name: str, details: MerchantDetails = DEFAULT_DETAILS, *, actor_name: str = "tap2"
    ) -> tuple[Merchant, Merchant]:
        """Create both sides, live and test, with the standard vocabulary; raise `Conflict` for a slug that is taken."""
        async with self._database.write() as connection:
            return await add_sides(connection, slug, name, details, actor_name=actor_name)

    async def merchants(self, slug: str | None = None) -> list[Merchant]:
        async with self._database.read() as connection:
            all_merchants = await accounts.all_merchants(connection)
        return [merchant for merchant in all_merchants if slug is None or merchant.slug == slug]

    async def merchant(self, slug: str, mode: str = "live") -> Merchant:
        for merchant in await self.merchants(slug):
            if merchant.mode == mode:
                return merchant
        raise NotFound(f"there is no merchant “{slug}”", field="merchant")

    async def side(self, merchant_id: int) -> Merchant:
        """Return a merchant's side by its number; raise `NotFound`."""
        for merchant in await self.merchants():
            if merchant.id == merchant_id:
                return merchant
        raise NotFound("there is no such merchant", field="merchant")

    async def set_review(self, merchant: Merchant, *, on: bool, actor_name: str) -> None:
        """Set whether a second person must approve changes of rules on this side before they are published."""
        async with self._database.write() as connection:
            await accounts.set_review(connection, merchant.id, on=on)
            action = "turned on" if on else "turned off"
            actor = Actor(merchant.id, actor_name)
            await audit.write(connection, NewEntry(actor, now_ms(), action, f"review of {merchant.slug}"))

    async def set_browser_purchases(self, merchant: Merchant, limit: int, *, actor_name: str) -> None:
        """Let browsers report purchases of up to `limit` minor units on this side; 0: none."""
        if not 0 <= limit <= LARGEST_AMOUNT:
            raise invalid("limit", f"must lie between 0 and {LARGEST_AMOUNT}")
        async with self._database.write() as connection:
            await accounts.set_browser_purchase_limit(connection, merchant.id, limit)
            before, after = {"limit": merchant.browser_purchase_limit}, {"limit": limit}
            subject = f"browser purchases of {merchant.slug}"
            entry = NewEntry(Actor(merchant.id, actor_name), now_ms(), "changed", subject, before, after)
            await audit.write(connection, entry)
        await self.load_keys()

    # Keys

    def access(self, plain: str) -> Access | None:
        """Return whose key it is, from memory."""
        access = self._access.get(hash_of(plain))
        if access is None or (access.key.expires_at is not None and access.key.expires_at <= now_ms()):
            return None
        return access

    async def load_keys(self) -> None:
        # In turn: a slower, older load must not bring back a key that was revoked meanwhile.
        async with self._loading:
            async with self._database.read() as connection:
                keys = await accounts.keys_in_force(connection, now=now_ms())
                merchants = {merchant.id: merchant for merchant in await accounts.all_merchants(connection)}
                limits = await tiers.all_tiers(connection)
            self._access = {key.hash: _access(key, merchants[key.merchant_id], limits) for key in keys}

    async def keys(self, merchant_id: int) -> list[Key]:
        async with self._database.read() as connection:
            return await accounts.keys_of(connection, merchant_id)

    async def create_key(
        self, merchant: Merchant, kind: Kind, name: str, *, actor_name: str, person: str | None = None
    ) -> tuple[Key, str]:
        """Create a key; return it and its plain text, which is not kept.

        The key acts for `person`, who is the actor unless given; empty where nobody knows.
        """
        if kind not in ("secret", "publishable"):
            raise invalid("kind", "must be secret or publishable")
        name = name.strip()
        if name and (problem := problem_with_name(name)):
            raise invalid("name", problem)
        key, plain = _new_key(merchant, kind, name, actor_name if person is None else person)
        async with self._database.write() as connection:
            await accounts.add_key(connection, key)
            await _note(connection, Actor(merchant.id, actor_name), "created", key)
        await self.load_keys()
        return key, plain

    async def rotate_key(
        self, merchant: Merchant, key_id: str, *, overlap_hours: int, actor_name: str, person: str | None = None
    ) -> tuple[Key, str]:
        """Create a successor; the old key goes on for `overlap_hours` at most, so that no checkout breaks meanwhile.

        Whoever rotates it sees the new key, so it acts for them, as in `create_key`.
        """
        if not 0 <= overlap_hours <= LONGEST_OVERLAP_HOURS:
            raise invalid("overlap_hours", f"must lie between 0 and {LONGEST_OVERLAP_HOURS}")
        old = await self._own_key(merchant, key_id)
        if old.expires_at is not None:
            raise Conflict(f"the key “{key_id}” has a successor already", field="id")
        key, plain = _new_key(merchant, old.kind, old.name, actor_name if person is None else person)
        async with self._database.write() as connection:
            end = now_ms() + overlap_hours * DAY // 24
            await _end(connection, old, end)
            await accounts.add_key(connection, key)
            await _note(connection, Actor(merchant.id, actor_name), "rotated", key)
        await self.load_keys()
        return key, plain

    async def revoke_key(self, merchant: Merchant, key_id: str, *, actor_name: str) -> None:
        old = await self._own_key(merchant, key_id)
        async with self._database.write() as connection:
            await _end(connection, old, now_ms())
            await _note(connection, Actor(merchant.id, actor_name), "revoked", old)
        await self.load_keys()

    async def _own_key(self, merchant: Merchant, key_id: str) -> Key:
        now = now_ms()
        for key in await self.keys(merchant.id):
            if key.id == key_id and (key.expires_at is None or key.expires_at > now):
                return key
        raise NotFound(f"there is no key “{key_id}” in force", field="id")


async def add_sides(
    connection: AsyncConnection, slug: str, name: str, details: MerchantDetails, *, actor_name: str
) -> tuple[Merchant, Merchant]:
    """Add a merchant in a transaction, as `Accounts.add_merchant`."""
    if not SLUG.fullmatch(slug):
        raise invalid("slug", "must be 1 to 64 letters, digits, -, _ and ., with a letter or a digit first")
    name = checked_name(name)
    country, currency, locale, timezone = msgspec.structs.astuple(details)
    if timezone not in timezones():
        raise invalid("timezone", f"there is no timezone “{timezone}”; try Europe/Berlin")
    now, sides = now_ms(), []
    for mode in ("live", "test"):
        merchant = Merchant(0, slug, mode, name, country, currency, locale, timezone, now)
        merchant = await accounts.add_merchant(connection, merchant)
        fields = [(None, Resource("field", "", field.name, 1, field, now)) for field in MERCHANT_FIELDS]
        await resources.write(connection, merchant.id, fields)
        await audit.write(connection, NewEntry(Actor(merchant.id, actor_name), now, "created", f"merchant {slug}"))
        sides.append(merchant)
    return sides[0], sides[1]


def _access(key: Key, merchant: Merchant, limits: Tiers) -> Access:
    return Access(key, merchant, limits.get(merchant.tier, NO_TIER))


def hash_of(secret: str) -> str:
    """Return the SHA-256 of a random secret, which is enough for what has 256 bits of chance in it."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _new_key(merchant: Merchant, kind: Kind, name: str, created_by: str) -> tuple[Key, str]:
    prefix = f"{'sk' if kind == 'secret' else 'pk'}_{merchant.mode}_"
    secret = secrets.token_hex(24)
    plain = prefix + secret
    hint = f"{prefix}{secret[:4]}…{secret[-4:]}"
    key = Key(
        f"key_{secrets.token_hex(8)}",
        merchant.id,
        kind,
        name.strip()[:120],
        hint,
        hash_of(plain),
        now_ms(),
        None,
        created_by,
    )
    return key, plain


async def _end(connection: AsyncConnection, key: Key, ends_at: int) -> None:
    """End a key, unless somebody else rotated or revoked it since it was read: only one may."""
    if not await accounts.expire_key(connection, key, ends_at, now=now_ms()):
        raise Conflict(f"the key “{key.id}” was rotated or revoked meanwhile", field="id")


async def _note(connection: AsyncConnection, actor: Actor, action: str, key: Key) -> None:
    shown = {"kind": key.kind, "name": key.name, "hint": key.hint}
    await audit.write(connection, NewEntry(actor, now_ms(), action, f"key {key.id}", after=shown))
