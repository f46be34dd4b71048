"""Streams that tell GrowthBook's SDKs when to ask for features again."""

from __future__ import annotations

from litestar import get
from litestar.params import FromPath
from litestar.response import Stream
from litestar.response.sse import ServerSentEventMessage

from engine.accounts.accounts import Access
from web.api.openfeature.client_keys import admitted_client
from web.api.openfeature.event_streams import MEDIA_TYPE, Subscription, has_room
from web.http.request_reading import AnyRequest
from web.openapi.operation import Answer, Operation

PATH = "/sub"
UPDATED = ServerSentEventMessage(data="{}", event="features-updated")


def stream_support(request: AnyRequest, access: Access) -> dict[str, str]:
    """Return the header by which an SDK learns that it may open a stream."""
    return {"X-SSE-Support": "enabled"} if has_room(request, access) else {}


@get(
    f"{PATH}/{{client_key:str}}",
    opt=Operation(
        "GrowthBook",
        "Stream changes of features",
        {
            200: Answer(
                "Server-sent events, until the client closes the connection",
                str,
                ("RateLimit", "RateLimit-Policy"),
                media=MEDIA_TYPE,
            )
        },
        "Sends `features-updated` within two seconds after a plan or the availability of a candidate changed. The "
        "client key is a publishable key.",
        keys="none",
        errors=(403, 429, 503),
    ).opt,
)
async def stream_features(request: AnyRequest, client_key: FromPath[str]) -> Stream:
    access = await admitted_client(request, client_key)
    return Subscription(request, access, client_key).stream(UPDATED, since="")


handlers = [stream_features]
