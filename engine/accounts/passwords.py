"""Check, hash and verify passwords without taking the processor away from decisions."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import argon2

from engine.model.errors import TooMany, invalid

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1000
LEAST_SCORE = 3
"""On zxcvbn's scale of 0 to 4: at least 10^8 guesses."""
TIME_COST, MEMORY_KIB = 3, 65_536
"""Of Argon2id: the second recommended choice of RFC 9106, section 4."""
MOST_CHECKED = 72
MOST_WAITING = 8
RETRY_SECONDS = 5
LOW_PRIORITY = 15

T = TypeVar("T")


class Passwords:
    """Works on one password at a time, on a thread of low priority. `TooMany` where `MOST_WAITING` wait already."""

    def __init__(self) -> None:
        # One lane of Argon2: four would take every core for each log-in.
        self._hasher = argon2.PasswordHasher(TIME_COST, MEMORY_KIB, parallelism=1)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords", initializer=_lower_priority)
        self._queued = 0
        self._decoy = _decoy(self._hasher)

    async def hash(self, password: str, *, owner: Sequence[str] = ()) -> str:
        """Hash a new password; `Invalid` for one that is short, common, or made of words about its `owner`."""
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise invalid(
                "password", f"must have at least {SHORTEST_PASSWORD} and at most {LONGEST_PASSWORD} characters"
            )
        with self.turn():
            return await self._run(lambda: self._check_and_hash(password, owner))

    async def hash_unguessable(self) -> str:
        """Hash a password that nobody has, for a person who logs in with a provider; an admin may set another."""
        return await self.hash(secrets.token_urlsafe(48))

    async def matches(self, hashed: str | None, password: str) -> bool:
        """Verify a password, within a `turn`. None, for somebody unknown, takes as long and never matches."""
        return await self._run(lambda: self._verify(hashed or self._decoy, password[:LONGEST_PASSWORD]))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait among those whose password is worked on; raise `TooMany` where too many wait already."""
        if self._queued > MOST_WAITING:
            raise TooMany("too many log-ins at once", retry_after=RETRY_SECONDS)
        self._queued += 1
        try:
            yield
        finally:
            self._queued -= 1

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _check_and_hash(self, password: str, owner: Sequence[str]) -> str:
        # Its lists take 10 MB and 0.15 s to load, and a server may never need them.
        from zxcvbn import zxcvbn

        estimate = zxcvbn(password[:MOST_CHECKED], user_inputs=list(owner), max_length=MOST_CHECKED)
        if estimate["score"] < LEAST_SCORE:
            hint = estimate["feedback"]["warning"] or "Use a few words that do not belong together."
            raise invalid("password", f"is too easy to guess. {hint}")
        return self._hasher.hash(password)

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except argon2.exceptions.VerificationError:
            return False


def _decoy(hasher: argon2.PasswordHasher) -> str:
    """Make a hash that no password has and that costs what a real one costs."""
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${'A' * 22}${'A' * 43}"


def _lower_priority() -> None:
    # On Linux a priority belongs to a thread, elsewhere to the whole process.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOW_PRIORITY)
