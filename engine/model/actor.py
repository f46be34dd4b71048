"""The actor: on whose behalf a merchant's configuration is changed. Pure."""

from __future__ import annotations

import msgspec


class Actor(msgspec.Struct, frozen=True):
    """A merchant, and the person or API key that acts for it; `name` is noted in the audit log."""

    merchant_id: int
    name: str
