"""How a person's browser is recognised: cookies, tokens against forged requests, and a brake on guessing."""

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
    """Makes and names cookies; over TLS they are bound to this host and never sent in the clear."""

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure

    def name(self, plain: str) -> str:
        """The name that the browser sees: with `__Host-` it refuses the cookie from any other host or path."""
        return f"__Host-{plain}" if self._secure else plain

    def make(self, plain: str, value: str, *, seconds: int | None = None) -> Cookie:
        """A cookie that scripts cannot read and other sites cannot make the browser send with a form."""
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
        """The cookie of a session, which ends when the session does."""
        return self.make(SESSION, token, seconds=SESSION_MS // 1000)

    def gone(self, plain: str) -> Cookie:
        """The cookie that removes a cookie."""
        return self.make(plain, "", seconds=0)


def new_token() -> str:
    """256 bits that nobody can guess."""
    return secrets.token_urlsafe(32)


def same_token(given: str | None, expected: str | None) -> bool:
    """Whether two tokens are one, compared in constant time; an absent one never matches."""
    if not given or not expected:
        return False
    return hmac.compare_digest(given.encode(), expected.encode())


class LoginBrake:
    """Allows so many failed log-ins for one person from one address, and so many from one address."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def seconds_to_wait(self, address: str, email: str) -> int:
        """0 where one more attempt is allowed."""
        for limit, key in _counted(address, email):
            if not await self._limiter.test(limit, *key):
                window = await self._limiter.get_window_stats(limit, *key)
                return max(1, round(window.reset_time - now_ms() / 1000))
        return 0

    async def failed(self, address: str, email: str) -> None:
        """Count an attempt that failed."""
        for limit, key in _counted(address, email):
            await self._limiter.hit(limit, *key)


def _counted(address: str, email: str) -> tuple[tuple[RateLimitItem, tuple[str, ...]], ...]:
    return (
        (FAILURES_FROM_ONE_ADDRESS, ("address", address)),
        (FAILURES_OF_ONE_PERSON, ("person", address, email.strip().lower()[:200])),
    )
