"""Log-ins and sessions. A session ends when idle, after 12 hours, and when its person's rights change."""

from __future__ import annotations

import hashlib
import secrets
from typing import NamedTuple

import structlog

from engine.accounts.accounts import Accounts, hash_of
from engine.accounts.passwords import Passwords
from engine.clock import now_ms
from engine.faults import is_temporary
from engine.model.account import Merchant, Session, User
from engine.model.actor import Actor
from engine.model.errors import Forbidden, TooMany
from engine.model.timestamps import MINUTE
from engine.store import audit
from engine.store.audit import NewEntry
from engine.store.connection.database import Database
from engine.store.team import people

log = structlog.get_logger()

SESSION_MS = 12 * 60 * MINUTE
IDLE_MS = 2 * 60 * MINUTE
TOUCH_MS = MINUTE
"""A session's last use is stored at most this often."""
WINDOW_MS = 5 * MINUTE
MOST_BY_PERSON = 10
MOST_BY_ADDRESS = 60


class Visit(NamedTuple):
    """A logged-in person and the merchant sides that are theirs."""

    user: User
    session: Session
    merchants: tuple[Merchant, ...]


class Sessions:
    """Logs people in, recognises them, and logs them out."""

    def __init__(self, database: Database, accounts: Accounts, passwords: Passwords) -> None:
        self._database = database
        self._accounts = accounts
        self._passwords = passwords

    async def log_in(self, email: str, password: str, *, address: str = "", browser: str = "") -> tuple[str, Session]:
        """Return a new session and its token.

        `Forbidden` alike for a wrong e-mail and a wrong password; `TooMany` for more than 10 failures in 5 minutes of
        one person from one address, or 60 from one address, or while too many others log in. An attempt is counted
        before the password is looked at, so that attempts at the same time do not pass the limit together.
        """
        email = email.strip().lower()
        counters = _counters(address, email)
        await self._count(counters)
        async with self._database.read() as connection:
            user = await people.user_by_email(connection, email)
        try:
            fits = await self._passwords.matches(user.password_hash if user else None, password)
        except TooMany:
            await self._uncount(counters)
            raise
        if user is None or not fits:
            if user is not None:
                await self.note(user, "failed to log in")
            raise Forbidden("The e-mail address or the password is wrong.")
        token, now = secrets.token_urlsafe(32), now_ms()
        session = Session(hash_of(token), user.id, secrets.token_urlsafe(32), now, now + SESSION_MS, now, browser[:200])
        async with self._database.write() as connection:
            await people.add_session(connection, session)
            await people.change_user(connection, user.id, last_seen_at=now)
            for key, _ in counters:
                await people.uncount_attempt(connection, key)
        await self.note(user, "logged in")
        return token, session

    async def visit(self, token: str) -> Visit | None:
        """Return who a session token belongs to, or None where it is unknown, over or idle."""
        now = now_ms()
        async with self._database.read() as connection:
            row = await people.session_with_user(connection, hash_of(token), now=now, seen_after=now - IDLE_MS)
        if row is None:
            return None
        session, user = row
        if now - session.last_seen_at >= TOUCH_MS:
            await self._touch(session, now)
        return Visit(user, session, tuple(await self._accounts.merchants(user.slug)))

    async def _touch(self, session: Session, now: int) -> None:
        """Store when a session was last used; pages can be read while nothing can be written."""
        try:
            async with self._database.write() as connection:
                await people.touch_session(connection, session, now)
        except Exception as error:
            if not is_temporary(error):
                raise
            log.warning("last use of a session not stored", fault=type(error).__name__)

    async def log_out(self, token: str) -> None:
        """End a session."""
        visit = await self.visit(token)
        async with self._database.write() as connection:
            await people.end_session(connection, hash_of(token))
        if visit is not None:
            await self.note(visit.user, "logged out")

    async def all_of(self, user: User) -> list[Session]:
        """Return the sessions of a person, the newest first."""
        now = now_ms()
        async with self._database.read() as connection:
            return await people.sessions_of(connection, user.id, now=now, seen_after=now - IDLE_MS)

    async def purge(self) -> None:
        """Delete what is over: sessions, invitations, counts of attempts."""
        now = now_ms()
        async with self._database.write() as connection:
            await people.purge(connection, now=now, seen_after=now - IDLE_MS, began_before=now - WINDOW_MS)

    async def note(self, user: User, action: str) -> None:
        """Write what a person did into the audit log of their merchant's live side."""
        merchant = await self._accounts.merchant(user.slug)
        entry = NewEntry(Actor(merchant.id, user.email), now_ms(), action, f"person {user.email}")
        async with self._database.write() as connection:
            await audit.write(connection, entry)

    async def _count(self, counters: tuple[tuple[str, int], ...]) -> None:
        now = now_ms()
        async with self._database.read() as connection:
            for key, most in counters:
                count, began_at = await people.attempts(connection, key, began_after=now - WINDOW_MS)
                if count >= most:
                    raise _too_many(began_at, now)
        async with self._database.write() as connection:
            counts = [
                (await people.count_attempt(connection, key, now=now, began_after=now - WINDOW_MS), most)
                for key, most in counters
            ]
        if any(count > most for count, most in counts):
            raise _too_many(now, now)

    async def _uncount(self, counters: tuple[tuple[str, int], ...]) -> None:
        async with self._database.write() as connection:
            for key, _ in counters:
                await people.uncount_attempt(connection, key)


def _counters(address: str, email: str) -> tuple[tuple[str, int], ...]:
    """Return what an attempt is counted under, hashed, and the most of each. The order keeps locks from crossing."""
    texts = ((f"address {address}", MOST_BY_ADDRESS), (f"person {address} {email[:200]}", MOST_BY_PERSON))
    return tuple((hashlib.sha256(text.encode()).hexdigest(), most) for text, most in texts)


def _too_many(began_at: int, now: int) -> TooMany:
    return TooMany("too many attempts to log in", retry_after=max(1, (began_at + WINDOW_MS - now) // 1000))
