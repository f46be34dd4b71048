"""Give a client what it needs to decide while the server does not answer."""

from __future__ import annotations

from litestar import Response, get
from litestar.params import FromPath

from engine.clock import now_ms
from engine.decisions.offline.snapshots import FRESH, LIFE, IssuedSnapshot, SnapshotKey
from engine.model.errors import Conflict
from engine.model.timestamps import MINUTE
from web.http.access import engine_of, is_personal
from web.http.rate_limits import admitted
from web.http.request_reading import AnyRequest, entity_tags
from web.http.responses import json_response
from web.openapi.operation import Answer, Operation

PATH = "/v1/personalize/snapshots"


@get(
    f"{PATH}/{{placement:str}}",
    opt=Operation(
        "Decide",
        "Get a snapshot to decide by",
        {
            200: Answer("What decides the placement, and the ids of decisions", IssuedSnapshot, ("ETag",)),
            304: Answer("The snapshot with the ETag of `If-None-Match` is still recent", None, ("ETag",)),
        },
        f"With it, a client decides by itself, exactly as the server would for a guest, for {LIFE // MINUTE} minutes. "
        f"Within {FRESH // MINUTE} minutes, the same versions are answered with 304. Where only the server can decide, "
        "the answer is 409 and says why.",
        keys="any",
        errors=(404, 409),
    ).opt,
)
async def get_snapshot(request: AnyRequest, placement: FromPath[str]) -> Response[bytes]:
    access = await admitted(request, "decisions")
    if not is_personal(request, access):
        raise Conflict("the browser refuses personalization")
    snapshots, now = engine_of(request).snapshots, now_ms()
    key = SnapshotKey(access.merchant.id, access.key.id, access.key.kind == "publishable")
    for tag in entity_tags(request):
        if snapshots.still_stands(key, placement, tag, now=now):
            return Response(b"", status_code=304, headers={"ETag": f'"{tag}"'})
    snapshot, tag = await snapshots.issue(key, placement, now=now)
    return json_response(snapshot, headers={"ETag": f'"{tag}"'})


handlers = [get_snapshot]
