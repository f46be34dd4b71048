"""What Litestar injects into the API's handlers: engine, caller, version, query parameters and body."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from litestar.di import NamedDependency, Provide

from engine.accounts.accounts import Access
from engine.model.actor import Actor
from engine.model.errors import Stale, invalid
from web.http.access import engine_of, secret_access_of
from web.http.problem_details import VersionNeeded
from web.http.request_reading import AnyRequest, document_of, query_of

_VERSION = re.compile(r'"([0-9]{1,9})"')


def provide_actor(access: NamedDependency[Access]) -> Actor:
    """Return the merchant with the key's name and id, by which the audit log names the caller."""
    key = access.key
    name = f"key {key.name} ({key.id})" if key.name else f"key {key.id}"
    return Actor(access.merchant.id, name, on_behalf_of=key.created_by)


def provide_expected_version(request: AnyRequest, access: NamedDependency[Access]) -> int | None:
    """Return the version in If-Match, or None for `*`, any version. Depends on access so that 401 comes before 428."""
    del access
    header = request.headers.get("if-match", "").strip()
    if not header:
        raise VersionNeeded('send If-Match with the version you changed, such as "3", or *', field="If-Match")
    if header == "*":
        return None
    if header.startswith("W/"):
        raise Stale("If-Match never matches a weak version", field="If-Match")
    match = _VERSION.fullmatch(header)
    if match is None:
        raise invalid("If-Match", 'must be one version in quotes, such as "3", or *')
    return int(match[1])


def query_provider(kind: type[Any]) -> Provide:
    """Return a provider of the query parameters as a struct, read after the key was checked."""

    def provide(request: AnyRequest, access: NamedDependency[Access]) -> Any:
        del access
        return query_of(request, kind)

    return Provide(provide, sync_to_thread=False)


def document_provider(kind: Any, *, most_bytes: int, after_version: bool) -> Provide:
    """Return a provider of the body as `kind`, read after the key and, where one is needed, If-Match."""

    async def provide(request: AnyRequest, access: NamedDependency[Access]) -> Any:
        del access
        return await document_of(request, kind, most_bytes=most_bytes)

    async def provide_after_version(request: AnyRequest, expected_version: NamedDependency[int | None]) -> Any:
        del expected_version
        return await document_of(request, kind, most_bytes=most_bytes)

    provider: Callable[..., Any] = provide_after_version if after_version else provide
    return Provide(provider)


DEPENDENCIES = {
    "engine": Provide(engine_of, sync_to_thread=False),
    "access": Provide(secret_access_of, sync_to_thread=False),
    "actor": Provide(provide_actor, sync_to_thread=False),
    "expected_version": Provide(provide_expected_version, sync_to_thread=False),
}
