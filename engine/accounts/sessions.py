"""Log-ins and sessions. A session ends when idle, after 12 hours, and when its person's rights change."""

from __future__ import annotations

import secrets
from typing import NamedTuple

import structlog

from engine.accounts.accounts import Accounts, hash_of
from engine.accounts.login_limits import WINDOW_MS, Counters, LoginLimits, login_counters
from engine.accounts.passwords import Passwords
from engine.accounts.second_factor import SecondFactors
from engine.clock import now_ms
from engine.faults import is_temporary
from engine.model.account import Merchant, Session, User
from engine.model.actor import Actor
from engine.model.errors import CodeNeeded, Forbidden, invalid
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


class Visit(NamedTuple):
    """A logged-in person and the merchant sides that are theirs."""

    user: User
    session: Session
    merchants: tuple[Merchant, ...]


class Sessions:
    """Logs people in, recognises them, and logs them out."""

    def __init__(
        self, database: Database, accounts: Accounts, passwords: Passwords, second_factors: SecondFactors
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._passwords = passwords
        self._second_factors = second_factors
        self._limits = LoginLimits(database)

    async def log_in(self, email: str, password: str, *, address: str = "", browser: str = "") -> tuple[str, Session]:
        """Return a new session and its token; raise as `check_password` and `admit` do."""
        return await self.admit(await self.check_password(email, password, address=address), browser=browser)

    async def admit(self, user: User, *, browser: str = "") -> tuple[str, Session]:
        """Return a new session of a person who has proved who they are, and its token; or raise `CodeNeeded`."""
        if (await self._second_factors.state(user)).is_on:
            raise CodeNeeded(self._second_factors.challenge(user))
        return await self._open(user, browser)

    async def finish(self, challenge: str, code: str, *, address: str, browser: str) -> tuple[str, Session]:
        """Return what `admit` would have, for the challenge that it raised and a code; raise as `check` does."""
        user = await self._second_factors.challenged(challenge)
        await self._second_factors.check(user, code, address=address)
        return await self._open(user, browser)

    async def check_password(self, email: str, password: str, *, address: str = "") -> User:
        """Return the person whose e-mail address and password these are.

        `Forbidden` alike for a wrong e-mail and a wrong password; `TooMany` for more than 10 failures in 5 minutes of
        one person from one address, or 60 from one address, or while too many others log in.
        """
        email = email.strip().lower()
        with self._passwords.turn():
            counters = await self._count(address, email)
            async with self._database.read() as connection:
                user = await people.user_by_email(connection, email)
            # Nobody's password takes as long to check as somebody's, so that the time tells no addresses.
            fits = await self._matches(user.password_hash if user else None, password, counters)
        if user is None or not fits:
            if user is not None:
                await self.note(user, "failed to log in")
            raise Forbidden("The e-mail address or the password is wrong.")
        return user

    async def confirm(self, user: User, password: str, *, address: str, field: str = "password") -> None:
        """Check the password of a logged-in person again, counted like a log-in; `Invalid` for a wrong one."""
        with self._passwords.turn():
            counters = await self._count(address, user.email)
            fits = await self._matches(user.password_hash, password, counters)
        if not fits:
            raise invalid(field, "this is not your password")

    async def _count(self, address: str, email: str) -> Counters:
        """Count an attempt; raise `TooMany` beyond the limits."""
        counters = login_counters(address, email)
        await self._limits.count(counters)
        return counters

    async def _matches(self, hashed: str | None, password: str, counters: Counters) -> bool:
        """Check a password whose attempt is counted; take the attempt back where it succeeds."""
        fits = await self._passwords.matches(hashed, password)
        if fits:
            await self._limits.uncount(counters)
        return fits

    async def _open(self, user: User, browser: str) -> tuple[str, Session]:
        token, now = secrets.token_urlsafe(32), now_ms()
        session = Session(hash_of(token), user.id, secrets.token_urlsafe(32), now, now + SESSION_MS, now, browser[:200])
        async with self._database.write() as connection:
            current = await people.user_by_email(connection, user.email)
            if current is None or current.password_hash != user.password_hash:
                # Removed, or the password was changed, since it was checked.
                raise Forbidden("The e-mail address or the password is wrong.")
            await people.add_session(connection, session)
            await people.change_user(connection, user.id, last_seen_at=now)
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
