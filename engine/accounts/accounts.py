"""Merchants, people and keys. A secret is shown once, when it is made; only its hash is kept."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import zoneinfo
from typing import NamedTuple

import argon2
from sqlalchemy.ext.asyncio import AsyncConnection

from engine.clock import now_ms
from engine.model.actor import Actor
from engine.model.errors import Forbidden, NotFound, invalid
from engine.model.outcome import LARGEST_AMOUNT
from engine.model.resource import Resource
from engine.model.standard_vocabulary import MERCHANT_FIELDS
from engine.model.timestamps import DAY
from engine.store import accounts, audit, resources
from engine.store.accounts import Key, Kind, Merchant, Role, Session, User
from engine.store.audit import NewEntry
from engine.store.connection.database import Database

SESSION_MS = 12 * 3_600_000
LONGEST_OVERLAP_HOURS = 24 * 30
SHORTEST_PASSWORD = 12
ROLES: tuple[Role, ...] = ("viewer", "editor", "publisher", "admin")


class Access(NamedTuple):
    """A caller of the API: a key and the merchant side that it belongs to."""

    key: Key
    merchant: Merchant

    @property
    def may_configure(self) -> bool:
        return self.key.kind == "secret"


class Visit(NamedTuple):
    """A logged-in person and the merchant sides that are theirs."""

    user: User
    session: Session
    merchants: tuple[Merchant, ...]


class Accounts:
    """Holds the keys in force in memory, so that checking one costs no query."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._passwords = argon2.PasswordHasher()
        self._access: dict[str, Access] = {}
        self._decoy = _decoy(self._passwords)

    # Merchants and people

    async def add_merchant(
        self,
        slug: str,
        name: str,
        *,
        country: str = "DE",
        currency: str = "EUR",
        locale: str = "en",
        timezone: str = "Europe/Berlin",
        actor_name: str = "tap2",
    ) -> tuple[Merchant, Merchant]:
        """Both sides, live and test, each with the standard vocabulary; `Conflict` where the slug is taken."""
        if timezone not in zoneinfo.available_timezones():
            raise invalid("timezone", f"there is no timezone “{timezone}”; try Europe/Berlin")
        now, sides = now_ms(), []
        async with self._database.write() as connection:
            for mode in ("live", "test"):
                merchant = Merchant(0, slug, mode, name, country, currency, locale, timezone, now)
                merchant = await accounts.add_merchant(connection, merchant)
                for field in MERCHANT_FIELDS:
                    await resources.create(connection, merchant.id, Resource("field", "", field.name, 1, field, now))
                entry = NewEntry(Actor(merchant.id, actor_name), now, "created", f"merchant {slug}")
                await audit.write(connection, entry)
                sides.append(merchant)
        return sides[0], sides[1]

    async def merchants(self, slug: str | None = None) -> list[Merchant]:
        async with self._database.read() as connection:
            everyone = await accounts.all_merchants(connection)
        return [merchant for merchant in everyone if slug is None or merchant.slug == slug]

    async def merchant(self, slug: str, mode: str = "live") -> Merchant:
        for merchant in await self.merchants(slug):
            if merchant.mode == mode:
                return merchant
        raise NotFound(f"there is no merchant “{slug}”", field="merchant")

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

    async def add_user(self, email: str, name: str, slug: str, role: Role, password: str) -> User:
        """`Invalid` for a short password or an unknown role, `NotFound` for an unknown merchant."""
        if "@" not in email:
            raise invalid("email", "must be an e-mail address")
        if role not in ROLES:
            raise invalid("role", f"must be one of {', '.join(ROLES)}")
        await self.merchant(slug)
        hashed = await self._hash(password)
        async with self._database.write() as connection:
            return await accounts.add_user(
                connection, User(0, email.strip().lower(), name, slug, role, hashed, now_ms())
            )

    async def has_user(self, email: str) -> bool:
        """Return whether somebody may log in with this e-mail address."""
        async with self._database.read() as connection:
            return await accounts.user_by_email(connection, email.strip().lower()) is not None

    async def set_password(self, email: str, password: str) -> None:
        hashed = await self._hash(password)
        async with self._database.write() as connection:
            user = await accounts.user_by_email(connection, email.strip().lower())
            if user is None:
                raise NotFound(f"there is no user “{email}”", field="email")
            await accounts.set_password(connection, user.id, hashed)

    async def _hash(self, password: str) -> str:
        if len(password) < SHORTEST_PASSWORD:
            raise invalid("password", f"must have at least {SHORTEST_PASSWORD} characters")
        return await asyncio.to_thread(self._passwords.hash, password)

    # Sessions

    async def log_in(self, email: str, password: str) -> tuple[str, Session]:
        """A new session and its token; `Forbidden` alike for a wrong e-mail and a wrong password."""
        async with self._database.read() as connection:
            user = await accounts.user_by_email(connection, email.strip().lower())
        hashed = user.password_hash if user else self._decoy
        try:
            await asyncio.to_thread(self._passwords.verify, hashed, password)
        except argon2.exceptions.VerificationError:
            user = None
        if user is None:
            raise Forbidden("The e-mail address or the password is wrong.")
        token, now = secrets.token_urlsafe(32), now_ms()
        session = Session(_hash(token), user.id, secrets.token_urlsafe(32), now, now + SESSION_MS)
        async with self._database.write() as connection:
            await accounts.add_session(connection, session)
        return token, session

    async def visit(self, token: str) -> Visit | None:
        """Return whose session a token is, or None where it is unknown or over."""
        async with self._database.read() as connection:
            row = await accounts.session_with_user(connection, _hash(token), now=now_ms())
        if row is None:
            return None
        session, user = row
        return Visit(user, session, tuple(await self.merchants(user.slug)))

    async def log_out(self, token: str) -> None:
        async with self._database.write() as connection:
            await accounts.end_session(connection, _hash(token))

    async def purge_sessions(self) -> None:
        async with self._database.write() as connection:
            await accounts.purge_sessions(connection, now=now_ms())

    # Keys

    def access(self, plain: str) -> Access | None:
        """Return whose key it is, from memory."""
        access = self._access.get(_hash(plain))
        if access is None or (access.key.expires_at is not None and access.key.expires_at <= now_ms()):
            return None
        return access

    async def load_keys(self) -> None:
        async with self._database.read() as connection:
            keys = await accounts.keys_in_force(connection, now=now_ms())
            merchants = {merchant.id: merchant for merchant in await accounts.all_merchants(connection)}
        self._access = {key.hash: Access(key, merchants[key.merchant_id]) for key in keys}

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
        key, plain = _new_key(merchant, old.kind, old.name, actor_name if person is None else person)
        async with self._database.write() as connection:
            await accounts.add_key(connection, key)
            end = now_ms() + overlap_hours * DAY // 24
            await accounts.expire_key(connection, merchant.id, old.id, min(end, old.expires_at or end))
            await _note(connection, Actor(merchant.id, actor_name), "rotated", key)
        await self.load_keys()
        return key, plain

    async def revoke_key(self, merchant: Merchant, key_id: str, *, actor_name: str) -> None:
        old = await self._own_key(merchant, key_id)
        async with self._database.write() as connection:
            await accounts.expire_key(connection, merchant.id, old.id, now_ms())
            await _note(connection, Actor(merchant.id, actor_name), "revoked", old)
        await self.load_keys()

    async def _own_key(self, merchant: Merchant, key_id: str) -> Key:
        now = now_ms()
        for key in await self.keys(merchant.id):
            if key.id == key_id and (key.expires_at is None or key.expires_at > now):
                return key
        raise NotFound(f"there is no key “{key_id}” in force", field="id")


def _decoy(hasher: argon2.PasswordHasher) -> str:
    """A hash that no password has and that costs what a real one costs, so that unknown people take as long."""
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${'A' * 22}${'A' * 43}"


def _hash(secret: str) -> str:
    """SHA-256 is enough for what has 256 bits of chance in it."""
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
        _hash(plain),
        now_ms(),
        None,
        created_by,
    )
    return key, plain


async def _note(connection: AsyncConnection, actor: Actor, action: str, key: Key) -> None:
    shown = {"kind": key.kind, "name": key.name, "hint": key.hint}
    await audit.write(connection, NewEntry(actor, now_ms(), action, f"key {key.id}", after=shown))
