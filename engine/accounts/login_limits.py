"""How often somebody may try a password or a code. Attempts are counted in the database, which processes share."""

from __future__ import annotations

import hashlib

from engine.clock import now_ms
from engine.model.errors import TooMany
from engine.model.timestamps import MINUTE
from engine.store.connection.database import Database
from engine.store.team import people

WINDOW_MS = 5 * MINUTE
MOST_BY_PERSON = 10
MOST_BY_ADDRESS = 60
MOST_SIGN_UPS = 20
MOST_MAILS = 3

Counters = tuple[tuple[str, int], ...]


class LoginLimits:
    """Counts attempts before they are tried, so that attempts at the same time do not pass the limit together."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, counters: Counters) -> None:
        """Count an attempt; raise `TooMany` beyond the limit of any counter."""
        now = now_ms()
        began_after = now - WINDOW_MS
        async with self._database.read() as connection:
            for key, most in counters:
                count, began_at = await people.attempts(connection, key, began_after=began_after)
                if count >= most:
                    raise _too_many(began_at, now)
        async with self._database.write() as connection:
            counts = [
                (await people.count_attempt(connection, key, now=now, began_after=began_after), most)
                for key, most in counters
            ]
        if any(count > most for count, most in counts):
            raise _too_many(now, now)

    async def uncount(self, counters: Counters) -> None:
        """Take back an attempt that succeeded."""
        async with self._database.write() as connection:
            for key, _ in counters:
                await people.uncount_attempt(connection, key)


def address_counters(address: str) -> Counters:
    """Return the same for an attempt that names nobody: what a provider sends back."""
    return ((_key(f"address {address}"), MOST_BY_ADDRESS),)


def login_counters(address: str, email: str) -> Counters:
    """Return what an attempt is counted under and the most of each. The order keeps locks from crossing."""
    return *address_counters(address), (_key(f"person {address} {email[:200]}"), MOST_BY_PERSON)


def sign_up_counters(address: str, mailbox: str = "") -> Counters:
    """Return the same for somebody who signs up; a `mailbox` that gets a mail is counted too."""
    own = (_key(f"sign-up {address}"), MOST_SIGN_UPS)
    return (own, (_key(f"mail {mailbox.strip().lower()[:200]}"), MOST_MAILS)) if mailbox else (own,)


def code_counters(address: str, user_id: int) -> Counters:
    """Return the same for a code of a second factor, which is counted by person from all addresses together."""
    return *address_counters(address), (_key(f"code {user_id}"), MOST_BY_PERSON)


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _too_many(began_at: int, now: int) -> TooMany:
    return TooMany("too many attempts to log in", retry_after=max(1, (began_at + WINDOW_MS - now) // 1000))
