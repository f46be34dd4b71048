"""How much one caller may ask for: by key for servers, by address for browsers, whose key anybody can read.

Each caller has a bucket that holds the quota and refills evenly (the generic cell rate algorithm: one number a caller,
the time at which the bucket is full again). Answers carry it as `RateLimit-Policy` and `RateLimit`
(draft-ietf-httpapi-ratelimit-headers). Each process counts for itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from engine.accounts.accounts import Access
from engine.model.errors import TooMany
from engine.settings import Settings
from web.http.access import access_of, address_of
from web.http.request_reading import AnyRequest
from web.http.responses import RESPONSE_HEADERS
from web.http.turns import RequestTurns

Kind = Literal["decisions", "outcomes"]
Header = tuple[bytes, bytes]
MOST_CALLERS = 200_000
COST_OF_PAGE = 10
"""A page of the customer center counts like ten decisions."""
SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}


class RateLimit:
    """A quota for each caller."""

    def __init__(self, name: str, rate: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        quota, _, unit = rate.partition("/")
        self._quota, self._window = int(quota), SECONDS[unit]
        self._interval = self._window / self._quota
        self._name = name
        self._left = f'"{name}";r=%d;t=%d'.encode()
        self._policy = (b"ratelimit-policy", f'"{name}";q={self._quota};w={self._window}'.encode())
        self._full_at: dict[tuple[str, str], float] = {}
        self._clock = clock

    def spend(self, caller: tuple[str, str], count: int) -> tuple[Header, ...]:
        """Take `count` from a caller's bucket, at most all that it holds; return the headers that say what is left.

        Raise `TooMany`, and take nothing, where less is left.
        """
        now = self._clock()
        seconds = self._seconds(caller, count, now)
        if len(self._full_at) >= MOST_CALLERS:
            self._forget(now)
        self._full_at[caller] = now + seconds
        return self._headers(seconds)

    def check(self, caller: tuple[str, str], count: int) -> None:
        """Raise `TooMany` where a caller's bucket holds less than `count`; take nothing."""
        self._seconds(caller, count, self._clock())

    def _seconds(self, caller: tuple[str, str], count: int, now: float) -> float:
        """Return when the bucket would be full again after taking `count`, in seconds; raise `TooMany`."""
        cost = count * self._interval if count < self._quota else self._window
        full_at = self._full_at.get(caller, now)
        seconds = full_at - now + cost if full_at > now else cost
        wait = seconds - self._window
        if wait > 1e-6:
            raise TooMany(f"the limit of {self._name} is used up", retry_after=math.ceil(wait))
        return seconds

    def left(self, caller: tuple[str, str]) -> tuple[Header, ...]:
        """Return the headers that say what is left."""
        return self._headers(max(0.0, self._full_at.get(caller, 0.0) - self._clock()))

    def used(self, caller: tuple[str, str]) -> int:
        """Return how much of a caller's bucket is taken and not refilled yet."""
        return math.ceil(max(0.0, self._full_at.get(caller, 0.0) - self._clock()) / self._interval - 1e-6)

    def _headers(self, seconds: float) -> tuple[Header, ...]:
        left = int((self._window - seconds) / self._interval + 1e-6)
        return self._policy, (b"ratelimit", self._left % (left, math.ceil(seconds)))

    def _forget(self, now: float) -> None:
        """Forget the callers whose bucket is full, or all where hardly any is: memory is bounded either way."""
        self._full_at = {caller: full_at for caller, full_at in self._full_at.items() if full_at > now}
        if len(self._full_at) > MOST_CALLERS // 2:
            self._full_at = {}


class RateLimits:
    """The limits of decisions and outcomes: those of the server by caller, and those of tiers by merchant."""

    def __init__(self, settings: Settings) -> None:
        self._decisions = RateLimit("decisions", settings.decision_rate)
        self._outcomes = RateLimit("outcomes", settings.outcome_rate)
        self._address = RateLimit("address", settings.public_rate)
        self._of_tiers: dict[int, RateLimit] = {}
        """By requests an hour."""

    def spend_page(self, request: AnyRequest) -> None:
        """Count a page that reads much; raise `TooMany` for an address that asks for too many."""
        self._address.spend(("", address_of(request)), COST_OF_PAGE)

    def spend(self, request: AnyRequest, access: Access, kind: Kind, count: int) -> None:
        """Count decisions or outcomes; raise `TooMany` beyond the limit. The response will say what is left."""
        if access.key.kind == "publishable":
            limit, caller = self._address, (access.key.id, address_of(request))
        else:
            limit, caller = (self._decisions if kind == "decisions" else self._outcomes), (access.key.id, "")
        scope: Any = request.scope
        if access.tier.requests_an_hour is not None:
            limits = ((limit, caller), (self._of_tier(access.tier.requests_an_hour), (str(access.merchant.id), "")))
            scope[RESPONSE_HEADERS] = _spend_all(limits, count, scope)
            return
        try:
            scope[RESPONSE_HEADERS] = limit.spend(caller, count)
        except TooMany:
            scope[RESPONSE_HEADERS] = limit.left(caller)
            raise

    def requests_used(self, merchant_id: int, requests_an_hour: int) -> int:
        """Return how many requests of a merchant this process still counts against its tier."""
        return self._of_tier(requests_an_hour).used((str(merchant_id), ""))

    def _of_tier(self, requests: int) -> RateLimit:
        if requests not in self._of_tiers:
            self._of_tiers[requests] = RateLimit("requests", f"{requests}/hour")
        return self._of_tiers[requests]


def _spend_all(limits: Sequence[tuple[RateLimit, tuple[str, str]]], count: int, scope: Any) -> tuple[Header, ...]:
    """Take `count` from several buckets, or nothing from any where one holds less."""
    try:
        for limit, caller in limits:
            limit.check(caller, count)
    except TooMany:
        scope[RESPONSE_HEADERS] = tuple(header for limit, caller in limits for header in limit.left(caller))
        raise
    return tuple(header for limit, caller in limits for header in limit.spend(caller, count))


async def admitted(request: AnyRequest, kind: Kind) -> Access:
    """Return who asks, once it is the merchant's turn, with one decision or outcome counted; raise `TooMany`."""
    access = access_of(request)
    await admit(request, access, kind)
    return access


async def admit(request: AnyRequest, access: Access, kind: Kind) -> None:
    """Count a decision or outcome before the body is read, and wait for the merchant's turn; raise `TooMany`."""
    admit_more(request, access, kind, 1)
    turns: RequestTurns = request.app.state.turns
    await turns.wait(access.merchant.id)


def admit_more(request: AnyRequest, access: Access, kind: Kind, count: int) -> None:
    """Count further decisions or outcomes of a request; raise `TooMany` beyond the limit."""
    if count:
        limits: RateLimits = request.app.state.rate_limits
        limits.spend(request, access, kind, count)
