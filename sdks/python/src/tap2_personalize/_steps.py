"""Requests as steps that a driver carries out, so that the sync and the async client share all decisions about them."""

from __future__ import annotations

import json
import logging
import random
import re
import time
from typing import Any, Awaitable, Callable, Dict, Generator, Mapping, NamedTuple, Optional, Set, TypeVar, Union

from .errors import ServerError, Tap2Error, error_of

T = TypeVar("T")
log = logging.getLogger("tap2_personalize")
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 30.0
LONGEST_RETRY_AFTER_SECONDS = 10.0


class Request(NamedTuple):
    """A request to carry out within `timeout` seconds in all."""

    method: str
    path: str
    body: Optional[bytes]
    headers: Dict[str, str]
    timeout: float


class Wait(NamedTuple):
    """A pause before the next attempt."""

    seconds: float


class Answer(NamedTuple):
    """A response; `headers` have lowercase names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Steps = Generator[Union[Request, Wait], Optional[Answer], T]


def request(
    method: str, path: str, body: Any = None, *, timeout: float, headers: Optional[Mapping[str, str]] = None
) -> Request:
    """Return a request with a JSON body."""
    if body is None:
        return Request(method, path, None, dict(headers or {}), timeout)
    text = json.dumps(body, allow_nan=False).encode()
    return Request(method, path, text, {"content-type": "application/json", **(headers or {})}, timeout)


def backoff(attempt: int, retry_after: Optional[float] = None) -> float:
    """Return the seconds before the next attempt: exponential with full jitter, never less than the server said."""
    longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(attempt, 10))
    return (retry_after or 0.0) + random.random() * longest


def exchange(sent: Request) -> Steps[Any]:
    """Send once; return the JSON of the answer. Raise `Tap2Error`."""
    answer = yield sent
    assert answer is not None  # noqa: S101  of requests, drivers send answers
    note_deprecation(answer.headers)
    if not 200 <= answer.status < 300:
        raise error_of(answer.status, answer.headers, answer.body)
    try:
        return json.loads(answer.body)
    except ValueError:
        raise ServerError("the answer is not JSON", status=502) from None


_noted: Set[str] = set()


def note_deprecation(headers: Mapping[str, str]) -> None:
    """Log a warning once a process of each operation that the server will remove."""
    if "deprecation" not in headers:
        return
    about = re.search("<(.*?)>", headers.get("link", ""))
    name = about[1] if about else ""
    if name not in _noted:
        _noted.add(name)
        log.warning("upgrade this client, or it fails after %s: %s", headers.get("sunset", "a while"), name)


def exchange_in_time(sent: Request) -> Steps[Any]:
    """Send; repeat only where the server said that it did nothing, and only if that still ends in time."""
    end = time.monotonic() + sent.timeout
    attempt = 0
    while True:
        try:
            return (yield from exchange(sent._replace(timeout=max(0.0, end - time.monotonic()))))
        except Tap2Error as error:
            seconds = backoff(attempt, error.retry_after)
            if not error.was_not_handled or time.monotonic() + seconds >= end:
                raise
        yield Wait(seconds)
        attempt += 1


def exchange_again(sent: Request, retries: int) -> Steps[Any]:
    """Send up to `retries` times more: only for what has no second effect when it is sent again."""
    for attempt in range(retries + 1):
        try:
            return (yield from exchange(sent))
        except Tap2Error as error:
            is_soon = (error.retry_after or 0.0) <= LONGEST_RETRY_AFTER_SECONDS
            if not error.is_temporary or not is_soon or attempt == retries:
                raise
            seconds = backoff(attempt, error.retry_after)
        yield Wait(seconds)
    raise AssertionError("the last attempt returns or raises")


def drive(steps: Steps[T], send: Callable[[Request], Answer], wait: Callable[[float], object]) -> T:
    """Carry out the steps; return what they return."""
    answer: Optional[Answer] = None
    error: Optional[Tap2Error] = None
    try:
        while True:
            step = steps.send(answer) if error is None else steps.throw(error)
            answer, error = None, None
            if isinstance(step, Wait):
                wait(step.seconds)
                continue
            try:
                answer = send(step)
            except Tap2Error as raised:
                error = raised
    except StopIteration as end:
        result: T = end.value
        return result


async def drive_async(
    steps: Steps[T], send: Callable[[Request], Awaitable[Answer]], wait: Callable[[float], Awaitable[object]]
) -> T:
    """As `drive`, on an event loop."""
    answer: Optional[Answer] = None
    error: Optional[Tap2Error] = None
    try:
        while True:
            step = steps.send(answer) if error is None else steps.throw(error)
            answer, error = None, None
            if isinstance(step, Wait):
                await wait(step.seconds)
                continue
            try:
                answer = await send(step)
            except Tap2Error as raised:
                error = raised
    except StopIteration as end:
        result: T = end.value
        return result
