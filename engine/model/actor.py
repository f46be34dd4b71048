"""The actor: on whose behalf a merchant's configuration is changed. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

ENGINE = "engine"
"""The actor's name in the audit log for what no person did."""


class Actor(msgspec.Struct, frozen=True):
    """A merchant, and the person or API key that acts for it; `name` is noted in the audit log.

    A key acts `on_behalf_of` the person who made it, or of nobody known (empty). A person acts for no one else (None).
    """

    merchant_id: int
    name: str
    on_behalf_of: str | None = None

    @property
    def person(self) -> str:
        """Return the person who answers for what the actor does; empty where nobody knows who that is."""
        return self.name if self.on_behalf_of is None else self.on_behalf_of

    def added_to(self, authors: Sequence[str]) -> tuple[str, ...]:
        """Return the authors with the person for whom this actor changes something, where it is known."""
        return tuple(dict.fromkeys((*authors, self.person))) if self.person else tuple(authors)
