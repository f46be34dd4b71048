"""Sessions of people: cookies and CSRF tokens."""

from __future__ import annotations

import hmac
import secrets

from litestar.datastructures import Cookie

from engine.accounts.sessions import SESSION_MS

SESSION = "tap2_session"
FORM_COOKIE = "tap2_form"
STEP = "tap2_step"
ATTEMPT = "tap2_attempt"


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

    def expired(self, plain: str) -> Cookie:
        """Return a cookie that deletes the cookie of this name."""
        return self.make(plain, "", seconds=0)


def new_token() -> str:
    """Return a random token of 256 bits."""
    return secrets.token_urlsafe(32)


def same_token(token: str | None, expected: str | None) -> bool:
    """Compare two tokens in constant time; a missing one never matches."""
    if not token or not expected:
        return False
    return hmac.compare_digest(token.encode(), expected.encode())
