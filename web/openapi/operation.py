"""What the documentation says of an operation, beside its handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Keys = Literal["any", "secret", "none"]


class Answer(NamedTuple):
    """One way to end well; `type` is the body's, None where there is none, a tuple where it is one of some."""

    description: str
    type: Any = None
    headers: tuple[str, ...] = ()
    media: str = "application/json"

    @property
    def types(self) -> tuple[Any, ...]:
        if self.type is None:
            return ()
        return self.type if isinstance(self.type, tuple) else (self.type,)


class Operation(NamedTuple):
    """`keys` says which kind may call it; `errors` are the problems beyond those that every operation knows.

    `query` is a struct whose fields are the parameters, `body` the type of the request's body with an example.
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

    def __deepcopy__(self, _memo: object) -> Operation:
        """Routers copy what stands beside a handler; this never changes."""
        return self

    @property
    def opt(self) -> dict[str, Any]:
        """For a handler's `opt`."""
        return {"operation": self}
