"""Style sheets, scripts and fonts of the pages."""

from __future__ import annotations

from litestar import Router
from litestar.config.compression import CompressionConfig
from litestar.datastructures import CacheControlHeader
from litestar.middleware import DefineMiddleware
from litestar.middleware.compression import CompressionMiddleware
from litestar.static_files import create_static_files_router
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from web.admin.shell.render import STATIC, versioned

POLICY = (b"content-security-policy", b"default-src 'none'; script-src 'self'; frame-ancestors 'none'")
"""A worker has the policy of its script, and loads further scripts."""
CACHE = b"cache-control"
FOR_GOOD = b"public, max-age=31536000, immutable"


def static_files() -> Router:
    """Serve the files, compressed. Pages are not compressed: they hold secrets (BREACH)."""
    compressed = DefineMiddleware(CompressionMiddleware, config=CompressionConfig(backend="gzip"))
    return create_static_files_router(
        "/static",
        directories=[STATIC],
        include_in_schema=False,
        cache_control=CacheControlHeader(public=True, max_age=3600),
        middleware=[with_headers, compressed],
    )


def with_headers(app: ASGIApp) -> ASGIApp:
    """Add the policy, and let browsers keep a file for good if its address names the content that this server has.

    During an upgrade, an address can name the content of another version.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                headers = dict(message["headers"])
                if names_content(scope):
                    headers[CACHE] = FOR_GOOD
                message["headers"] = [*headers.items(), POLICY]
            await send(message)

        await app(scope, receive, send_with)

    return serve


def names_content(scope: Scope) -> bool:
    address = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
    return address == versioned(scope["path"].removeprefix("/static/"))
