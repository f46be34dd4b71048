"""Description of an operation, beside its handler: for the OpenAPI document and for Litestar's route decorators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from litestar.di import Provide

from web.http.dependencies import document_provider, query_provider
from web.http.request_reading import MOST_BODY_BYTES

Keys = Literal["any", "secret", "none"]


def reference(kind: type) -> dict[str, str]:
    """Return a reference to a type's schema, for unions that msgspec cannot describe."""
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


class Answer(NamedTuple):
    """A successful response. `type` is that of its body, None without a body, a tuple for one of several types.

    `parts` are types that the body's type names only by `reference`. `files` are media types that the same body has
    where the request asks for them.
    """

    description: str
    type: Any = None
    headers: tuple[str, ...] = ()
    media: str = "application/json"
    parts: tuple[Any, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def types(self) -> tuple[Any, ...]:
        if self.type is None:
            return ()
        return self.type if isinstance(self.type, tuple) else (self.type,)


class Operation(NamedTuple):
    """An endpoint. `keys` says which kind of key may call it; `errors` are statuses beyond those of every operation.

    `query` is a struct whose fields are the query parameters, `body` the type of the request's body with an example;
    handlers get them injected as `parameters` and `document`.
    """

    tag: str
    summary: str
    answers: Mapping[int, Answer]
    description: str = ""
    keys: Keys = "secret"
    query: Any = None
    body: Any = None
    example: Any = None
    errors: tuple[int, ...] = ()
    most_bytes: int = MOST_BODY_BYTES

    def __deepcopy__(self, _memo: object) -> Operation:
        """Return itself: routers copy `opt`, and this never changes."""
        return self

    @property
    def opt(self) -> dict[str, Any]:
        """Return the handler's `opt`, where the OpenAPI document looks for operations."""
        return {"operation": self}

    def route(self, **dependencies: Provide) -> dict[str, Any]:
        """Return the arguments of Litestar's route decorator: status, body limit, and dependencies."""
        injected = dict(dependencies)
        if self.query is not None:
            injected["parameters"] = query_provider(self.query)
        if self.body is not None:
            injected["document"] = document_provider(
                self.body, most_bytes=self.most_bytes, after_version=428 in self.errors
            )
        return {
            "opt": self.opt,
            "status_code": next(iter(self.answers)),
            "dependencies": injected,
            "request_max_body_size": self.most_bytes,
        }
