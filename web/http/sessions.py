"""Sessions of people: cookies, CSRF tokens, and a rate limit on failed log-ins."""

from __future__ import annotations

import hmac
import secrets

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from litestar.datastructures import Cookie

from engine.accounts.accounts import SESSION_MS
from engine.clock import now_ms

SESSION = "tap2_session"
DOOR = "tap2_door"
FAILURES_OF_ONE_PERSON = parse("10/5minute")
FAILURES_FROM_ONE_ADDRESS = parse("60/5minute")


class Cookies:
    """Makes and names cookies. Over TLS they are bound to this host and never sent unencrypted."""

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure

    def name(self, plain: str) -> str:
        """Return the name in the browser. With `__Host-` the browser refuses the cookie from another host or path."""
        return f"__Host-{plain}" if self._secure else plain

    def make(self, plain: str, value: str, *, seconds: int | None = None) -> Cookie:
        """Return a cookie that scripts cannot read (HttpOnly) and other sites' forms do not send (SameSite=Lax)."""
        return Cookie(
            key=self.name(plain),
            value=value,
            path="/",
            max_age=seconds,
            httponly=True,
            secure=self._secure,
            samesite="lax",
        )

    def session(self, token: str) -> Cookie:
        """Return the session's cookie, which expires with the session."""
        return self.make(SESSION, token, seconds=SESSION_MS // 1000)

    def gone(self, plain: str) -> Cookie:
        """Return a cookie that deletes the cookie of this name."""
        return self.make(plain, "", seconds=0)


def new_token() -> str:
    """Return a random token of 256 bits."""
    return secrets.token_urlsafe(32)


def same_token(given: str | None, expected: str | None) -> bool:
    """Compare two tokens in constant time; a missing one never matches."""
    if not given or not expected:
        return False
    return hmac.compare_digest(given.encode(), expected.encode())


class LoginBrake:
    """Limits failed log-ins by address, and by person and address. Counts in this process only."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def seconds_to_wait(self, address: str, email: str) -> int:
        """Return the seconds until the next attempt is allowed; 0 where it is allowed now."""
        for limit, key in _counted(address, email):
            if not await self._limiter.test(limit, *key):
                window = await self._limiter.get_window_stats(limit, *key)
                return max(1, round(window.reset_time - now_ms() / 1000))
        return 0

    async def failed(self, address: str, email: str) -> None:
        """Count a failed attempt."""
        for limit, key in _counted(address, email):
            await self._limiter.hit(limit, *key)


def _counted(address: str, email: str) -> tuple[tuple[RateLimitItem, tuple[str, ...]], ...]:
    return (
        (FAILURES_FROM_ONE_ADDRESS, ("address", address)),
        (FAILURES_OF_ONE_PERSON, ("person", address, email.strip().lower()[:200])),
    )
