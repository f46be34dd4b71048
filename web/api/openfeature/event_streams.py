"""Streams of server-sent events that tell pages when to ask again, so that they need not poll (OFREP, ADR 0008)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from litestar import get
from litestar.params import FromPath
from litestar.response import Stream
from litestar.response.sse import ServerSentEventMessage
from msgspec import Meta

from engine.accounts.accounts import Access
from engine.model.errors import TooMany
from engine.service import Engine
from web.api.openfeature.client_keys import admitted_client
from web.http.access import address_of, engine_of, key_by_either_header
from web.http.protocol import ENDLESS
from web.http.request_reading import AnyRequest, query_of
from web.openapi.operation import Answer, Operation

PATH = "/ofrep/v1/events"
TAG = "OpenFeature"
MEDIA_TYPE = "text/event-stream"
LIMITS = ("RateLimit", "RateLimit-Policy")
MOST_STREAMS, MOST_OF_MERCHANT, MOST_OF_ADDRESS = 2_000, 500, 50
"""Open streams of a process; each is a connection."""
RETRY_MS = 3_000
SECONDS_BETWEEN_COMMENTS = 20.0
"""Less than the idle limit of usual proxies."""
COMMENT = b":\r\n\r\n"
SECONDS_UNTIL_ROOM = 60
VERSIONS_LENGTH = 16
SPREAD_SECONDS = 2.0
"""Pages hear of a change within this time, not all at once, because each asks for new decisions then."""
REFETCH = ServerSentEventMessage(data='{"type":"refetchEvaluation"}')


class EventStreamEndpoint(msgspec.Struct, frozen=True, rename="camel"):
    """Where a stream is, on the server that answered."""

    request_uri: str


class EventStream(msgspec.Struct, frozen=True):
    """A stream that tells when the flags should be evaluated again."""

    endpoint: EventStreamEndpoint
    type: str = "sse"


class StreamQuery(msgspec.Struct, frozen=True):
    """Which placements a page shows, and by which plans they were decided."""

    flags: Annotated[str, Meta(max_length=1_000, description="Keys of placements, with commas between them.")] = ""
    since: Annotated[str, Meta(max_length=64, description="As the answer with the stream's address says.")] = ""


class OpenStreams:
    """Counts of the streams that are open in this process."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, str]] = Counter()
        """By merchant and address; by merchant, with an empty address; and all, under zero."""

    def has_room(self, merchant_id: int, address: str) -> bool:
        return all(self._counts[key] < most for key, most in _limits(merchant_id, address))

    @contextmanager
    def counted(self, merchant_id: int, address: str) -> Iterator[None]:
        """Count a stream while it is open."""
        keys = [key for key, _ in _limits(merchant_id, address)]
        self._counts.update(keys)
        try:
            yield
        finally:
            self._counts.subtract(keys)
            self._counts = +self._counts


def _limits(merchant_id: int, address: str) -> list[tuple[tuple[int, str], int]]:
    return [((0, ""), MOST_STREAMS), ((merchant_id, ""), MOST_OF_MERCHANT), ((merchant_id, address), MOST_OF_ADDRESS)]


class Subscription(NamedTuple):
    """A page that waits for changes of a merchant's plans; without `placements`, of any."""

    request: AnyRequest
    access: Access
    client_key: str
    placements: Sequence[str] = ()

    @property
    def engine(self) -> Engine:
        return engine_of(self.request)

    def versions(self) -> str:
        """Return a text that changes with every plan that the page depends on."""
        return plan_versions(self.engine, self.access.merchant.id, self.placements)

    def stream(self, event: ServerSentEventMessage, *, since: str) -> Stream:
        """Return a response that sends `event` after each change since `since`; raise `TooMany` without room."""
        if not has_room(self.request, self.access):
            raise TooMany("too many streams are open", retry_after=SECONDS_UNTIL_ROOM)
        scope: Any = self.request.scope
        scope[ENDLESS] = True
        messages = self._messages(event, self.request.headers.get("last-event-id") or since)
        return Stream(messages, media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})

    async def _messages(self, event: ServerSentEventMessage, since: str) -> AsyncGenerator[bytes, None]:
        merchant, versions = self.access.merchant.id, since or self.versions()
        streams: OpenStreams = self.request.app.state.open_streams
        with streams.counted(merchant, address_of(self.request)):
            yield ServerSentEventMessage(data=None, id=versions, retry=RETRY_MS).encode()
            while self.engine.accounts.access(self.client_key) is not None:
                if self.versions() != versions:
                    await asyncio.sleep(random.uniform(0, SPREAD_SECONDS))
                    versions = self.versions()
                    yield replace(event, id=versions).encode()
                try:
                    await asyncio.wait_for(self.engine.live.wait_for_change(merchant), SECONDS_BETWEEN_COMMENTS)
                except TimeoutError:
                    yield COMMENT


def has_room(request: AnyRequest, access: Access) -> bool:
    """Return whether a caller may open another stream."""
    streams: OpenStreams = request.app.state.open_streams
    return streams.has_room(access.merchant.id, address_of(request))


def plan_versions(engine: Engine, merchant_id: int, placements: Sequence[str] = ()) -> str:
    """Return a text that changes with plans and availability of the placements, or of all where none is named."""
    actives = engine.live.placements(merchant_id)
    versions = [
        (key, actives[key].plan.version, actives[key].availability_facts)
        for key in sorted(placements or actives)
        if key in actives
    ]
    return hashlib.sha256(json.dumps(versions, sort_keys=True).encode()).hexdigest()[:VERSIONS_LENGTH]


def event_streams(request: AnyRequest, access: Access, placements: Sequence[str]) -> list[EventStream]:
    """Return the stream for a page that shows placements; none for a secret key, which must not stand in an address."""
    if access.key.kind != "publishable" or not has_room(request, access):
        return []
    versions = plan_versions(engine_of(request), access.merchant.id, placements)
    query = urlencode({"flags": ",".join(placements), "since": versions})
    return [EventStream(EventStreamEndpoint(f"{PATH}/{key_by_either_header(request)}?{query}"))]


@get(
    f"{PATH}/{{client_key:str}}",
    opt=Operation(
        TAG,
        "Stream changes of plans",
        {200: Answer("Server-sent events, until the client closes the connection", str, LIMITS, media=MEDIA_TYPE)},
        "Sends `refetchEvaluation` within two seconds after a plan or the availability of a candidate changed. Answers "
        "to several flags name the address in `eventStreams`. The client key is a publishable key.",
        keys="none",
        query=StreamQuery,
        errors=(403, 429, 503),
    ).opt,
)
async def stream_changes(request: AnyRequest, client_key: FromPath[str]) -> Stream:
    access = await admitted_client(request, client_key)
    query = query_of(request, StreamQuery)
    placements = [key for key in query.flags.split(",") if key]
    return Subscription(request, access, client_key, placements).stream(REFETCH, since=query.since)


handlers = [stream_changes]
